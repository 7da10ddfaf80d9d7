DROP INDEX calls_by_day;
CREATE INDEX calls_by_account ON calls (account_id, started_at);
DROP INDEX calls_live_newest;
DROP INDEX calls_live_of_account;
DROP INDEX calls_of_account;
