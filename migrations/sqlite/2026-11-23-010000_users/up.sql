CREATE TABLE users (
    id TEXT NOT NULL PRIMARY KEY,
    account_id TEXT REFERENCES accounts (id),
    email TEXT NOT NULL UNIQUE,
    password_hash TEXT NOT NULL,
    role TEXT NOT NULL,
    is_operator INTEGER NOT NULL,
    is_active INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    last_signed_in_at INTEGER,
    CONSTRAINT role_is_known CHECK (role IN ('owner', 'member', 'viewer')),
    CONSTRAINT belongs_somewhere CHECK (account_id IS NOT NULL OR is_operator = 1)
) STRICT;

CREATE INDEX users_by_account ON users (account_id, id);

CREATE TABLE sessions (
    token_hash BLOB NOT NULL PRIMARY KEY,
    user_id TEXT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    created_at INTEGER NOT NULL,
    last_seen_at INTEGER NOT NULL,
    CONSTRAINT session_hash_is_sha256 CHECK (length(token_hash) = 32)
) STRICT;

CREATE INDEX sessions_by_user ON sessions (user_id);

-- At most one row: the link that the node started last has printed.
CREATE TABLE setup_links (
    token_hash BLOB NOT NULL PRIMARY KEY,
    expires_at INTEGER NOT NULL,
    CONSTRAINT setup_hash_is_sha256 CHECK (length(token_hash) = 32)
) STRICT;
