DROP TABLE browsers;
DROP INDEX users_by_subject;
ALTER TABLE sessions DROP COLUMN last_refused_from;
ALTER TABLE sessions DROP COLUMN last_refused_at;
ALTER TABLE sessions DROP COLUMN refused_sign_ins;
ALTER TABLE users DROP COLUMN last_refused_from;
ALTER TABLE users DROP COLUMN last_refused_at;
ALTER TABLE users DROP COLUMN refused_sign_ins;
