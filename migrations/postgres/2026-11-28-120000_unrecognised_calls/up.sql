-- Calls that came to nothing before their dialect was recognised leave no row, but are counted by the
-- key that opened them.
CREATE TABLE unrecognised_calls (
    key_id TEXT COLLATE "C" NOT NULL PRIMARY KEY REFERENCES keys (id),
    calls BIGINT NOT NULL,
    last_at BIGINT NOT NULL,
    CONSTRAINT at_least_one CHECK (calls >= 1)
);
