ALTER TABLE users DROP COLUMN email_confirmed;
ALTER TABLE audit DROP COLUMN changes;
ALTER TABLE audit DROP COLUMN actor_id;
