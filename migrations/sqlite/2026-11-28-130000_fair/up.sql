-- Each list of calls is a walk down one index, newest first. An index of what is live also holds the
-- column that says so: the planner then counts on two columns, and takes no index of the whole history.
CREATE INDEX calls_of_account ON calls (account_id, id);
CREATE INDEX calls_live_of_account ON calls (account_id, ended_at, id) WHERE ended_at IS NULL;
CREATE INDEX calls_live_newest ON calls (ended_at, id) WHERE ended_at IS NULL;

-- The sums of a day are made from the index alone.
DROP INDEX calls_by_account;
CREATE INDEX calls_by_day ON calls (account_id, started_at, billed_seconds);
