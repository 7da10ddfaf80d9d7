-- A ticket opens one call to an agent, once, within a minute of its making: no key is needed to try one.
-- Its user has no foreign key: whoever comes with a ticket has to be signed in as that user anyway.
CREATE TABLE tickets (
    hash BLOB NOT NULL PRIMARY KEY,
    agent_id TEXT NOT NULL REFERENCES agents (id),
    user_id TEXT NOT NULL,
    expires_at INTEGER NOT NULL,
    CONSTRAINT ticket_hash_is_sha256 CHECK (length(hash) = 32)
) STRICT, WITHOUT ROWID;

CREATE INDEX tickets_by_expiry ON tickets (expires_at);
