-- A row of the ledger outlives its call: calls are deleted when they are old, the ledger never is.
ALTER TABLE ledger DROP CONSTRAINT ledger_call_id_fkey;

-- How long an account's calls are kept, in days; null: as long as the server keeps calls.
ALTER TABLE accounts ADD COLUMN retention_days INTEGER
    CONSTRAINT retention_is_days CHECK (retention_days BETWEEN 1 AND 36500);

-- When a key was used last, as far as the calls that told of it are deleted.
ALTER TABLE keys ADD COLUMN last_used_before BIGINT;
