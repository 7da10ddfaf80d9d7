ALTER TABLE calls DROP COLUMN end_message;
ALTER TABLE calls DROP COLUMN end_code;
