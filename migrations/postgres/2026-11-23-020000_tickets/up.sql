-- A ticket opens one call to an agent, once, within a minute of its making: no key is needed to try one.
-- Its user has no foreign key: whoever comes with a ticket has to be signed in as that user anyway.
CREATE TABLE tickets (
    hash BYTEA NOT NULL PRIMARY KEY,
    agent_id TEXT COLLATE "C" NOT NULL REFERENCES agents (id),
    user_id TEXT COLLATE "C" NOT NULL,
    expires_at BIGINT NOT NULL,
    CONSTRAINT ticket_hash_is_sha256 CHECK (octet_length(hash) = 32)
);

CREATE INDEX tickets_by_expiry ON tickets (expires_at);
