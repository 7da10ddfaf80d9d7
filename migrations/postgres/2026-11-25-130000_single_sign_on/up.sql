-- Who at the single sign-on service may sign in as this user: bound at the first time, so that somebody
-- who gets the e-mail address later does not get the user too.
ALTER TABLE users ADD COLUMN oidc_issuer TEXT COLLATE "C";
ALTER TABLE users ADD COLUMN oidc_subject BYTEA
    CONSTRAINT oidc_subject_is_sha256 CHECK (octet_length(oidc_subject) = 32)
    CONSTRAINT oidc_issuer_and_subject CHECK ((oidc_issuer IS NULL) = (oidc_subject IS NULL));
