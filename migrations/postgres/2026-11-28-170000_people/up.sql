-- Who did it, beside the address that may be somebody else's tomorrow; null: no user. No foreign key:
-- a user's rows stay when the user goes.
ALTER TABLE audit ADD COLUMN actor_id TEXT COLLATE "C";
-- What an update changed, as JSON; null: nothing is told of it.
ALTER TABLE audit ADD COLUMN changes TEXT;

-- Whether the operator or single sign-on vouches that the address is the user's own. Only then does
-- single sign-on let whoever has the address there in as this user.
ALTER TABLE users ADD COLUMN email_confirmed BOOLEAN NOT NULL DEFAULT FALSE;
UPDATE users SET email_confirmed = TRUE
WHERE is_operator
    OR oidc_subject IS NOT NULL
    OR (
        id IN (
            SELECT object FROM audit
            WHERE action = 'user.create' AND actor IN ('operator', 'set-up link')
        )
        AND id NOT IN (
            SELECT object FROM audit WHERE action = 'user.update' AND actor <> 'operator'
        )
    );
