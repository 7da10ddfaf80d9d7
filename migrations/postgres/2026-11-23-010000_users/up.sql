CREATE TABLE users (
    id TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    account_id TEXT COLLATE "C" REFERENCES accounts (id),
    email TEXT COLLATE "C" NOT NULL UNIQUE,
    password_hash TEXT NOT NULL,
    role TEXT NOT NULL,
    is_operator BOOLEAN NOT NULL,
    is_active BOOLEAN NOT NULL,
    created_at BIGINT NOT NULL,
    last_signed_in_at BIGINT,
    CONSTRAINT role_is_known CHECK (role IN ('owner', 'member', 'viewer')),
    CONSTRAINT belongs_somewhere CHECK (account_id IS NOT NULL OR is_operator)
);

CREATE INDEX users_by_account ON users (account_id, id);

CREATE TABLE sessions (
    token_hash BYTEA NOT NULL PRIMARY KEY,
    user_id TEXT COLLATE "C" NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    created_at BIGINT NOT NULL,
    last_seen_at BIGINT NOT NULL,
    CONSTRAINT session_hash_is_sha256 CHECK (octet_length(token_hash) = 32)
);

CREATE INDEX sessions_by_user ON sessions (user_id);

-- At most one row: the link that the node started last has printed.
CREATE TABLE setup_links (
    token_hash BYTEA NOT NULL PRIMARY KEY,
    expires_at BIGINT NOT NULL,
    CONSTRAINT setup_hash_is_sha256 CHECK (octet_length(token_hash) = 32)
);
