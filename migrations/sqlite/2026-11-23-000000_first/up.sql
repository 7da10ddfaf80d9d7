CREATE TABLE accounts (
    id TEXT NOT NULL PRIMARY KEY,
    name TEXT NOT NULL,
    balance_seconds INTEGER NOT NULL,
    held_seconds INTEGER NOT NULL,
    max_concurrent_calls INTEGER,
    created_at INTEGER NOT NULL,
    CONSTRAINT never_below_zero CHECK (balance_seconds >= 0),
    CONSTRAINT held_is_covered CHECK (held_seconds >= 0 AND held_seconds <= balance_seconds)
) STRICT;

CREATE TABLE agents (
    id TEXT NOT NULL PRIMARY KEY,
    account_id TEXT NOT NULL REFERENCES accounts (id),
    name TEXT NOT NULL,
    engine TEXT NOT NULL,
    greeting TEXT NOT NULL,
    closing_phrase TEXT NOT NULL,
    system_prompt TEXT,
    language TEXT NOT NULL,
    voice TEXT,
    max_turns INTEGER,
    max_duration_seconds INTEGER NOT NULL,
    silence_timeout_seconds INTEGER NOT NULL,
    max_concurrent_calls INTEGER,
    is_active INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    deleted_at INTEGER
) STRICT;

CREATE INDEX agents_by_account ON agents (account_id, id);

CREATE TABLE keys (
    id TEXT NOT NULL PRIMARY KEY,
    agent_id TEXT NOT NULL REFERENCES agents (id),
    name TEXT,
    hash BLOB NOT NULL UNIQUE,
    suffix TEXT NOT NULL,
    is_active INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    revoked_at INTEGER,
    refused_uses INTEGER NOT NULL,
    last_refused_at INTEGER,
    last_refused_from TEXT,
    CONSTRAINT hash_is_sha256 CHECK (length(hash) = 32),
    CONSTRAINT revoked_has_a_time CHECK ((is_active = 0) = (revoked_at IS NOT NULL))
) STRICT;

CREATE INDEX keys_by_agent ON keys (agent_id, id);

-- A node has no foreign key to it: its row goes when it is dead and settled, its calls stay.
CREATE TABLE nodes (
    id TEXT NOT NULL PRIMARY KEY,
    lease_until INTEGER NOT NULL,
    recorded_at INTEGER NOT NULL
) STRICT;

CREATE TABLE calls (
    id TEXT NOT NULL PRIMARY KEY,
    account_id TEXT NOT NULL REFERENCES accounts (id),
    agent_id TEXT NOT NULL REFERENCES agents (id),
    key_id TEXT REFERENCES keys (id), -- null: opened without a key, from the dashboard
    node_id TEXT NOT NULL,
    dialect TEXT,
    from_number TEXT,
    to_number TEXT,
    started_at INTEGER NOT NULL,
    talk_started_at INTEGER,
    ended_at INTEGER,
    end_reason TEXT,
    end_requested TEXT,
    reserved_seconds INTEGER NOT NULL,
    billed_seconds INTEGER,
    CONSTRAINT seconds_are_not_negative CHECK (reserved_seconds >= 0 AND billed_seconds >= 0),
    CONSTRAINT ended_is_settled CHECK (
        (ended_at IS NULL) = (end_reason IS NULL) AND (ended_at IS NULL) = (billed_seconds IS NULL)
    )
) STRICT;

-- A live call's key, if it has one, decides its agent, and the agent its account: one index counts
-- by each of them.
CREATE INDEX calls_live ON calls (account_id, agent_id, key_id) WHERE ended_at IS NULL;
CREATE INDEX calls_live_on_node ON calls (node_id) WHERE ended_at IS NULL;
CREATE INDEX calls_by_key ON calls (key_id, id);
CREATE INDEX calls_by_agent ON calls (agent_id, id);

CREATE TABLE transcript_lines (
    call_id TEXT NOT NULL REFERENCES calls (id),
    seq INTEGER NOT NULL,
    line TEXT NOT NULL,
    PRIMARY KEY (call_id, seq)
) STRICT, WITHOUT ROWID;

CREATE TABLE ledger (
    id TEXT NOT NULL PRIMARY KEY,
    account_id TEXT NOT NULL REFERENCES accounts (id),
    kind TEXT NOT NULL,
    seconds INTEGER NOT NULL,
    call_id TEXT UNIQUE REFERENCES calls (id),
    note TEXT,
    created_at INTEGER NOT NULL,
    CONSTRAINT kind_and_sign CHECK (
        (kind = 'topup' AND seconds > 0 AND call_id IS NULL)
        OR (kind = 'call' AND seconds < 0 AND call_id IS NOT NULL)
        OR (kind = 'adjustment' AND call_id IS NULL)
    )
) STRICT;

CREATE INDEX ledger_by_account ON ledger (account_id, id);

CREATE TRIGGER ledger_is_not_updated BEFORE UPDATE ON ledger
BEGIN
    SELECT RAISE(ABORT, 'the ledger is append-only');
END;

CREATE TRIGGER ledger_is_not_deleted BEFORE DELETE ON ledger
BEGIN
    SELECT RAISE(ABORT, 'the ledger is append-only');
END;

-- INSERT OR REPLACE deletes without asking the trigger above.
CREATE TRIGGER ledger_is_not_replaced BEFORE INSERT ON ledger
WHEN EXISTS (SELECT 1 FROM ledger WHERE id = NEW.id)
    OR EXISTS (SELECT 1 FROM ledger WHERE call_id = NEW.call_id)
BEGIN
    SELECT RAISE(ABORT, 'the ledger is append-only');
END;

CREATE TABLE topups (
    account_id TEXT NOT NULL REFERENCES accounts (id),
    idempotency_hash BLOB NOT NULL,
    body_hash BLOB NOT NULL,
    ledger_id TEXT NOT NULL REFERENCES ledger (id),
    PRIMARY KEY (account_id, idempotency_hash)
) STRICT, WITHOUT ROWID;

CREATE TABLE audit (
    id TEXT NOT NULL PRIMARY KEY,
    at INTEGER NOT NULL,
    actor TEXT NOT NULL,
    action TEXT NOT NULL,
    object TEXT NOT NULL,
    account_id TEXT REFERENCES accounts (id),
    from_address TEXT
) STRICT;

CREATE INDEX audit_by_account ON audit (account_id, id);
