-- A row of the ledger outlives its call: calls are deleted when they are old, the ledger never is. SQLite
-- knows no DROP CONSTRAINT; this is its documented way to take a foreign key away without rewriting the
-- table (https://www.sqlite.org/lang_altertable.html, section 7). The statements below make the other
-- connections read the schema anew.
PRAGMA writable_schema = ON;
UPDATE sqlite_schema SET sql = replace(sql, 'call_id TEXT UNIQUE REFERENCES calls (id)', 'call_id TEXT UNIQUE')
WHERE type = 'table' AND name = 'ledger';
PRAGMA writable_schema = RESET;

-- How long an account's calls are kept, in days; null: as long as the server keeps calls.
ALTER TABLE accounts ADD COLUMN retention_days INTEGER
    CONSTRAINT retention_is_days CHECK (retention_days BETWEEN 1 AND 36500);

-- When a key was used last, as far as the calls that told of it are deleted.
ALTER TABLE keys ADD COLUMN last_used_before INTEGER;
