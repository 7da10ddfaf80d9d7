ALTER TABLE calls
    DROP COLUMN custom_parameters,
    DROP COLUMN provider_call_id;
ALTER TABLE agents
    DROP COLUMN signature_secret,
    DROP COLUMN signature_provider,
    DROP COLUMN relay_trusted,
    DROP COLUMN relay_unreachable_phrase,
    DROP COLUMN relay_first_byte_timeout_ms,
    DROP COLUMN relay_connect_timeout_ms,
    DROP COLUMN relay_secret,
    DROP COLUMN relay_url,
    DROP COLUMN dialect;
-- The release before cannot read an engine that it does not know, and must not answer for a bot.
UPDATE agents SET engine = 'echo', is_active = FALSE WHERE engine = 'relay';
