ALTER TABLE keys DROP COLUMN last_used_before;
ALTER TABLE accounts DROP COLUMN retention_days;

PRAGMA writable_schema = ON;
UPDATE sqlite_schema SET sql = replace(sql, 'call_id TEXT UNIQUE', 'call_id TEXT UNIQUE REFERENCES calls (id)')
WHERE type = 'table' AND name = 'ledger';
PRAGMA writable_schema = RESET;
