ALTER TABLE calls DROP COLUMN custom_parameters;
ALTER TABLE calls DROP COLUMN provider_call_id;
ALTER TABLE agents DROP COLUMN signature_secret;
ALTER TABLE agents DROP COLUMN signature_provider;
ALTER TABLE agents DROP COLUMN relay_trusted;
ALTER TABLE agents DROP COLUMN relay_unreachable_phrase;
ALTER TABLE agents DROP COLUMN relay_first_byte_timeout_ms;
ALTER TABLE agents DROP COLUMN relay_connect_timeout_ms;
ALTER TABLE agents DROP COLUMN relay_secret;
ALTER TABLE agents DROP COLUMN relay_url;
ALTER TABLE agents DROP COLUMN dialect;
-- The release before cannot read an engine that it does not know, and must not answer for a bot.
UPDATE agents SET engine = 'echo', is_active = 0 WHERE engine = 'relay';
