-- Each list of calls is a walk down one index, newest first. An index of what is live also holds the
-- column that says so: the planner then counts on two columns, and takes no index of the whole history.
CREATE INDEX calls_of_account ON calls (account_id, (id || ''));
CREATE INDEX calls_live_of_account ON calls (account_id, ended_at, (id || '')) WHERE ended_at IS NULL;
CREATE INDEX calls_live_newest ON calls (ended_at, id) WHERE ended_at IS NULL;

-- The sums of a day are made from the index alone.
DROP INDEX calls_by_account;
CREATE INDEX calls_by_day ON calls (account_id, started_at, billed_seconds);

-- The same for what else grows without end. The id is an expression, so that no planner walks down the
-- primary key of the whole table instead, in the hope to meet the rows that are asked for soon.
DROP INDEX calls_by_agent;
DROP INDEX calls_by_key;
DROP INDEX ledger_by_account;
DROP INDEX audit_by_account;
CREATE INDEX calls_by_agent ON calls (agent_id, (id || ''));
CREATE INDEX calls_by_key ON calls (key_id, (id || ''));
CREATE INDEX ledger_by_account ON ledger (account_id, (id || ''));
CREATE INDEX audit_by_account ON audit (account_id, (id || ''));
