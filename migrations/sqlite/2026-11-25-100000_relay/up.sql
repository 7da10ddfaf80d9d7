-- An agent can be somebody's own bot, behind a WebSocket of theirs; secrets are names, never values.
ALTER TABLE agents ADD COLUMN dialect TEXT;
ALTER TABLE agents ADD COLUMN relay_url TEXT;
ALTER TABLE agents ADD COLUMN relay_secret TEXT;
ALTER TABLE agents ADD COLUMN relay_connect_timeout_ms INTEGER;
ALTER TABLE agents ADD COLUMN relay_first_byte_timeout_ms INTEGER;
ALTER TABLE agents ADD COLUMN relay_unreachable_phrase TEXT;
ALTER TABLE agents ADD COLUMN relay_trusted INTEGER NOT NULL DEFAULT 0
    CONSTRAINT relay_is_whole CHECK (
        (relay_url IS NULL) = (relay_connect_timeout_ms IS NULL)
        AND (relay_url IS NULL) = (relay_first_byte_timeout_ms IS NULL)
        AND (relay_url IS NULL) = (relay_unreachable_phrase IS NULL)
        AND (relay_url IS NOT NULL OR (relay_secret IS NULL AND relay_trusted = 0))
        AND (relay_url IS NOT NULL OR engine <> 'relay')
    );
ALTER TABLE agents ADD COLUMN signature_provider TEXT;
ALTER TABLE agents ADD COLUMN signature_secret TEXT
    CONSTRAINT signature_is_whole CHECK ((signature_provider IS NULL) = (signature_secret IS NULL));

-- What the provider calls the call, and what the customer attached to it, as one JSON object.
ALTER TABLE calls ADD COLUMN provider_call_id TEXT;
ALTER TABLE calls ADD COLUMN custom_parameters TEXT;
