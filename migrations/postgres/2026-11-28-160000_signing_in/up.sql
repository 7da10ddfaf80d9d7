-- Sign-ins that were refused since the user last signed in. A session takes them over, so that its user
-- sees them.
ALTER TABLE users ADD COLUMN refused_sign_ins BIGINT NOT NULL DEFAULT 0;
ALTER TABLE users ADD COLUMN last_refused_at BIGINT;
ALTER TABLE users ADD COLUMN last_refused_from TEXT;
ALTER TABLE sessions ADD COLUMN refused_sign_ins BIGINT NOT NULL DEFAULT 0;
ALTER TABLE sessions ADD COLUMN last_refused_at BIGINT;
ALTER TABLE sessions ADD COLUMN last_refused_from TEXT;

-- Single sign-on looks a person up by this first.
CREATE INDEX users_by_subject ON users (oidc_subject) WHERE oidc_subject IS NOT NULL;

-- Browsers that a user has signed in with: their attempts are counted apart from those of strangers. Of
-- the token in the cookie only the SHA-256 is here.
CREATE TABLE browsers (
    token_hash BYTEA NOT NULL PRIMARY KEY,
    user_id TEXT COLLATE "C" NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    created_at BIGINT NOT NULL,
    CONSTRAINT browser_hash_is_sha256 CHECK (octet_length(token_hash) = 32)
);

CREATE INDEX browsers_by_user ON browsers (user_id, created_at);
