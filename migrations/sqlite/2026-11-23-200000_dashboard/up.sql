-- The key that this one takes over from: a rotation is under way while both are active.
ALTER TABLE keys ADD COLUMN replaces TEXT REFERENCES keys (id);
CREATE INDEX keys_by_replaced ON keys (replaces) WHERE replaces IS NOT NULL;

-- What an account used, day by day, without reading its whole history.
CREATE INDEX calls_by_account ON calls (account_id, started_at);
