-- Calls that came to nothing before their dialect was recognised leave no row, but are counted by the
-- key that opened them.
CREATE TABLE unrecognised_calls (
    key_id TEXT NOT NULL PRIMARY KEY REFERENCES keys (id),
    calls INTEGER NOT NULL,
    last_at INTEGER NOT NULL,
    CONSTRAINT at_least_one CHECK (calls >= 1)
) STRICT, WITHOUT ROWID;
