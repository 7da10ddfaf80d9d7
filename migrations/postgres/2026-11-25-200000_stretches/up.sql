-- Who was heard when, in milliseconds since the call's talk time began. What is kept of one call is
-- bounded.
CREATE TABLE stretches (
    call_id TEXT COLLATE "C" NOT NULL REFERENCES calls (id),
    seq INTEGER NOT NULL,
    role TEXT COLLATE "C" NOT NULL,
    begin_ms BIGINT NOT NULL,
    end_ms BIGINT NOT NULL,
    PRIMARY KEY (call_id, seq),
    CONSTRAINT not_too_many CHECK (seq BETWEEN 0 AND 1999),
    CONSTRAINT somebody_was_heard CHECK (role IN ('user', 'assistant')),
    CONSTRAINT it_ends_after_it_began CHECK (0 <= begin_ms AND begin_ms <= end_ms)
);
