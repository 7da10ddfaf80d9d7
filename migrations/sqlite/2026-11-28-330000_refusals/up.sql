-- Refused calls of known keys, by reason: how often, and when and from where the last one was.
CREATE TABLE refusals (
    key_id TEXT NOT NULL REFERENCES keys (id),
    code TEXT NOT NULL,
    times INTEGER NOT NULL,
    last_at INTEGER NOT NULL,
    last_from TEXT NOT NULL,
    PRIMARY KEY (key_id, code),
    CONSTRAINT at_least_one CHECK (times >= 1)
) STRICT, WITHOUT ROWID;

-- Uses of revoked keys were counted before.
INSERT INTO refusals (key_id, code, times, last_at, last_from)
SELECT id, 'key_revoked', refused_uses, last_refused_at, last_refused_from FROM keys
WHERE refused_uses > 0 AND last_refused_at IS NOT NULL AND last_refused_from IS NOT NULL;
