-- Ids are compared byte by byte, as on SQLite, whatever the database's own collation.
CREATE TABLE accounts (
    id TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    name TEXT NOT NULL,
    balance_seconds BIGINT NOT NULL,
    held_seconds BIGINT NOT NULL,
    max_concurrent_calls INTEGER,
    created_at BIGINT NOT NULL,
    CONSTRAINT never_below_zero CHECK (balance_seconds >= 0),
    CONSTRAINT held_is_covered CHECK (held_seconds >= 0 AND held_seconds <= balance_seconds)
);

CREATE TABLE agents (
    id TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    account_id TEXT COLLATE "C" NOT NULL REFERENCES accounts (id),
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
    is_active BOOLEAN NOT NULL,
    created_at BIGINT NOT NULL,
    deleted_at BIGINT
);

CREATE INDEX agents_by_account ON agents (account_id, id);

CREATE TABLE keys (
    id TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    agent_id TEXT COLLATE "C" NOT NULL REFERENCES agents (id),
    name TEXT,
    hash BYTEA NOT NULL UNIQUE,
    suffix TEXT NOT NULL,
    is_active BOOLEAN NOT NULL,
    created_at BIGINT NOT NULL,
    revoked_at BIGINT,
    refused_uses BIGINT NOT NULL,
    last_refused_at BIGINT,
    last_refused_from TEXT,
    CONSTRAINT hash_is_sha256 CHECK (octet_length(hash) = 32),
    CONSTRAINT revoked_has_a_time CHECK ((NOT is_active) = (revoked_at IS NOT NULL))
);

CREATE INDEX keys_by_agent ON keys (agent_id, id);

-- A node has no foreign key to it: its row goes when it is dead and settled, its calls stay.
CREATE TABLE nodes (
    id TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    lease_until BIGINT NOT NULL,
    recorded_at BIGINT NOT NULL
);

CREATE TABLE calls (
    id TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    account_id TEXT COLLATE "C" NOT NULL REFERENCES accounts (id),
    agent_id TEXT COLLATE "C" NOT NULL REFERENCES agents (id),
    key_id TEXT COLLATE "C" REFERENCES keys (id), -- null: opened without a key, from the dashboard
    node_id TEXT COLLATE "C" NOT NULL,
    dialect TEXT,
    from_number TEXT,
    to_number TEXT,
    started_at BIGINT NOT NULL,
    talk_started_at BIGINT,
    ended_at BIGINT,
    end_reason TEXT,
    end_requested TEXT,
    reserved_seconds BIGINT NOT NULL,
    billed_seconds BIGINT,
    CONSTRAINT seconds_are_not_negative CHECK (reserved_seconds >= 0 AND billed_seconds >= 0),
    CONSTRAINT ended_is_settled CHECK (
        (ended_at IS NULL) = (end_reason IS NULL) AND (ended_at IS NULL) = (billed_seconds IS NULL)
    )
);

-- A live call's key, if it has one, decides its agent, and the agent its account: one index counts
-- by each of them.
CREATE INDEX calls_live ON calls (account_id, agent_id, key_id) WHERE ended_at IS NULL;
CREATE INDEX calls_live_on_node ON calls (node_id) WHERE ended_at IS NULL;
CREATE INDEX calls_by_key ON calls (key_id, id);
CREATE INDEX calls_by_agent ON calls (agent_id, id);

CREATE TABLE transcript_lines (
    call_id TEXT COLLATE "C" NOT NULL REFERENCES calls (id),
    seq INTEGER NOT NULL,
    line TEXT NOT NULL,
    PRIMARY KEY (call_id, seq)
);

CREATE TABLE ledger (
    id TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    account_id TEXT COLLATE "C" NOT NULL REFERENCES accounts (id),
    kind TEXT NOT NULL,
    seconds BIGINT NOT NULL,
    call_id TEXT COLLATE "C" UNIQUE REFERENCES calls (id),
    note TEXT,
    created_at BIGINT NOT NULL,
    CONSTRAINT kind_and_sign CHECK (
        (kind = 'topup' AND seconds > 0 AND call_id IS NULL)
        OR (kind = 'call' AND seconds < 0 AND call_id IS NOT NULL)
        OR (kind = 'adjustment' AND call_id IS NULL)
    )
);

CREATE INDEX ledger_by_account ON ledger (account_id, id);

CREATE FUNCTION ledger_is_append_only() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'the ledger is append-only';
END;
$$;

CREATE TRIGGER ledger_is_not_changed BEFORE UPDATE OR DELETE ON ledger
FOR EACH ROW EXECUTE FUNCTION ledger_is_append_only();

CREATE TRIGGER ledger_is_not_emptied BEFORE TRUNCATE ON ledger
FOR EACH STATEMENT EXECUTE FUNCTION ledger_is_append_only();

CREATE TABLE topups (
    account_id TEXT COLLATE "C" NOT NULL REFERENCES accounts (id),
    idempotency_hash BYTEA NOT NULL,
    body_hash BYTEA NOT NULL,
    ledger_id TEXT COLLATE "C" NOT NULL REFERENCES ledger (id),
    PRIMARY KEY (account_id, idempotency_hash)
);

CREATE TABLE audit (
    id TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    at BIGINT NOT NULL,
    actor TEXT NOT NULL,
    action TEXT NOT NULL,
    object TEXT NOT NULL,
    account_id TEXT COLLATE "C" REFERENCES accounts (id),
    from_address TEXT
);

CREATE INDEX audit_by_account ON audit (account_id, id);
