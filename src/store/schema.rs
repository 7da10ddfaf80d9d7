// @generated automatically by Diesel CLI.

diesel::table! {
    accounts (id) {
        id -> Text,
        name -> Text,
        balance_seconds -> BigInt,
        held_seconds -> BigInt,
        max_concurrent_calls -> Nullable<Integer>,
        created_at -> BigInt,
        retention_days -> Nullable<Integer>,
    }
}

diesel::table! {
    agents (id) {
        id -> Text,
        account_id -> Text,
        name -> Text,
        engine -> Text,
        greeting -> Text,
        closing_phrase -> Text,
        system_prompt -> Nullable<Text>,
        language -> Text,
        voice -> Nullable<Text>,
        max_turns -> Nullable<Integer>,
        max_duration_seconds -> Integer,
        silence_timeout_seconds -> Integer,
        max_concurrent_calls -> Nullable<Integer>,
        is_active -> Bool,
        created_at -> BigInt,
        deleted_at -> Nullable<BigInt>,
        dialect -> Nullable<Text>,
        relay_url -> Nullable<Text>,
        relay_secret -> Nullable<Text>,
        relay_connect_timeout_ms -> Nullable<Integer>,
        relay_first_byte_timeout_ms -> Nullable<Integer>,
        relay_unreachable_phrase -> Nullable<Text>,
        relay_trusted -> Bool,
        signature_provider -> Nullable<Text>,
        signature_secret -> Nullable<Text>,
    }
}

diesel::table! {
    keys (id) {
        id -> Text,
        agent_id -> Text,
        name -> Nullable<Text>,
        hash -> Binary,
        suffix -> Text,
        is_active -> Bool,
        created_at -> BigInt,
        revoked_at -> Nullable<BigInt>,
        refused_uses -> BigInt,
        last_refused_at -> Nullable<BigInt>,
        last_refused_from -> Nullable<Text>,
        replaces -> Nullable<Text>,
        last_used_before -> Nullable<BigInt>,
    }
}

diesel::table! {
    nodes (id) {
        id -> Text,
        lease_until -> BigInt,
        recorded_at -> BigInt,
    }
}

diesel::table! {
    calls (id) {
        id -> Text,
        account_id -> Text,
        agent_id -> Text,
        key_id -> Nullable<Text>,
        node_id -> Text,
        dialect -> Nullable<Text>,
        from_number -> Nullable<Text>,
        to_number -> Nullable<Text>,
        started_at -> BigInt,
        talk_started_at -> Nullable<BigInt>,
        ended_at -> Nullable<BigInt>,
        end_reason -> Nullable<Text>,
        end_requested -> Nullable<Text>,
        reserved_seconds -> BigInt,
        billed_seconds -> Nullable<BigInt>,
        provider_call_id -> Nullable<Text>,
        custom_parameters -> Nullable<Text>,
        end_code -> Nullable<Text>,
        end_message -> Nullable<Text>,
    }
}

diesel::table! {
    transcript_lines (call_id, seq) {
        call_id -> Text,
        seq -> Integer,
        line -> Text,
    }
}

diesel::table! {
    stretches (call_id, seq) {
        call_id -> Text,
        seq -> Integer,
        role -> Text,
        begin_ms -> BigInt,
        end_ms -> BigInt,
    }
}

diesel::table! {
    ledger (id) {
        id -> Text,
        account_id -> Text,
        kind -> Text,
        seconds -> BigInt,
        call_id -> Nullable<Text>,
        note -> Nullable<Text>,
        created_at -> BigInt,
    }
}

diesel::table! {
    topups (account_id, idempotency_hash) {
        account_id -> Text,
        idempotency_hash -> Binary,
        body_hash -> Binary,
        ledger_id -> Text,
    }
}

diesel::table! {
    audit (id) {
        id -> Text,
        at -> BigInt,
        actor -> Text,
        action -> Text,
        object -> Text,
        account_id -> Nullable<Text>,
        from_address -> Nullable<Text>,
        actor_id -> Nullable<Text>,
        changes -> Nullable<Text>,
    }
}

diesel::table! {
    tickets (hash) {
        hash -> Binary,
        agent_id -> Text,
        user_id -> Text,
        expires_at -> BigInt,
    }
}

diesel::table! {
    users (id) {
        id -> Text,
        account_id -> Nullable<Text>,
        email -> Text,
        password_hash -> Text,
        role -> Text,
        is_operator -> Bool,
        is_active -> Bool,
        created_at -> BigInt,
        last_signed_in_at -> Nullable<BigInt>,
        oidc_issuer -> Nullable<Text>,
        oidc_subject -> Nullable<Binary>,
        email_confirmed -> Bool,
        refused_sign_ins -> BigInt,
        last_refused_at -> Nullable<BigInt>,
        last_refused_from -> Nullable<Text>,
    }
}

diesel::table! {
    sessions (token_hash) {
        token_hash -> Binary,
        user_id -> Text,
        created_at -> BigInt,
        last_seen_at -> BigInt,
        refused_sign_ins -> BigInt,
        last_refused_at -> Nullable<BigInt>,
        last_refused_from -> Nullable<Text>,
    }
}

diesel::table! {
    browsers (token_hash) {
        token_hash -> Binary,
        user_id -> Text,
        created_at -> BigInt,
    }
}

diesel::table! {
    setup_links (token_hash) {
        token_hash -> Binary,
        expires_at -> BigInt,
    }
}

diesel::table! {
    unrecognised_calls (key_id) {
        key_id -> Text,
        calls -> BigInt,
        last_at -> BigInt,
    }
}

diesel::table! {
    refusals (key_id, code) {
        key_id -> Text,
        code -> Text,
        times -> BigInt,
        last_at -> BigInt,
        last_from -> Text,
    }
}

diesel::joinable!(agents -> accounts (account_id));
diesel::joinable!(transcript_lines -> calls (call_id));
diesel::joinable!(keys -> agents (agent_id));
diesel::joinable!(sessions -> users (user_id));

diesel::allow_tables_to_appear_in_same_query!(
    accounts,
    agents,
    audit,
    browsers,
    calls,
    keys,
    ledger,
    nodes,
    sessions,
    setup_links,
    tickets,
    topups,
    transcript_lines,
    users
);
