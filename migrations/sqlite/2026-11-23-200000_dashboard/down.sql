DROP INDEX calls_by_account;
DROP INDEX keys_by_replaced;
ALTER TABLE keys DROP COLUMN replaces;
