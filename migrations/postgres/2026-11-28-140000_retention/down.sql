ALTER TABLE keys DROP COLUMN last_used_before;
ALTER TABLE accounts DROP COLUMN retention_days;

-- Rows whose call is deleted are left as they are.
ALTER TABLE ledger ADD CONSTRAINT ledger_call_id_fkey FOREIGN KEY (call_id) REFERENCES calls (id) NOT VALID;
