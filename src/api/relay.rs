//! What an agent says of the world outside: the bot behind it, and whose signature its calls bring.
//!
//! Both are objects in an agent's body, given and shown as a whole: what a new object leaves out gets
//! its default, whatever stood there before. Secrets are names of environment variables, here and
//! everywhere. The names are the whole server's, and so the operator's: if an account's users could
//! choose one, they could have another account's secret sent to a server of their own.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{
    body::present,
    fields::{BotUrl, ProviderName, Secret, Spoken, TimeoutMs},
};
use crate::{
    agent::profile::{
        DEFAULT_CONNECT_TIMEOUT_MS, DEFAULT_FIRST_BYTE_TIMEOUT_MS, DEFAULT_UNREACHABLE_PHRASE,
        Relay, Signature, SignatureProvider,
    },
    problem::Problem,
};

const BOT_SECRET_IS_THE_OPERATORS: &str =
    "is set by the server's operator; leave it out when the address changes";
const SIGNATURE_SECRET_IS_THE_OPERATORS: &str = "is set by the server's operator";

/// An agent's bot.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewRelay {
    /// `wss://...`, or `ws://` to `localhost`, 127.0.0.0/8 or `[::1]`; no user, no fragment.
    url: BotUrl,
    /// The environment variable whose value is sent to the bot as a bearer token; null: none. Only the
    /// server's operator may set it, or keep it with another address.
    #[serde(default)]
    #[schema(value_type = Option<Secret>)]
    secret: Option<Secret>,
    /// Milliseconds within which the bot must accept the connection; 3,000 if absent.
    #[serde(default, deserialize_with = "present")]
    #[schema(nullable = false)]
    connect_timeout_ms: Option<TimeoutMs>,
    /// Milliseconds within which it must send something after that; 5,000 if absent.
    #[serde(default, deserialize_with = "present")]
    #[schema(nullable = false)]
    first_byte_timeout_ms: Option<TimeoutMs>,
    /// Said when the bot cannot be reached, before the call ends.
    #[serde(default, deserialize_with = "present")]
    #[schema(nullable = false)]
    unreachable_phrase: Option<Spoken>,
}

impl NewRelay {
    /// The relay, as it replaces `before`. An address that is sent as those see it who may not change it
    /// stays what it was. An address that the operator sets is trusted, one that
    /// anybody else sets or changes is not, and one that is sent as it was stays what it was.
    ///
    /// # Errors
    /// A 422, if anyone but the operator sets a secret, or sends one to another address.
    pub fn replacing(self, before: Option<&Relay>, by_operator: bool) -> Result<Relay, Problem> {
        let BotUrl(url) = self.url;
        let masked = before.filter(|before| before.url.masked() == url.as_str());
        let url = masked.map_or(url, |before| before.url.clone());
        let same_bot = before.filter(|before| before.url == url);
        let trusted = by_operator || same_bot.is_some_and(|before| before.trusted);
        let secret = self.secret.map(|Secret(name)| name);
        let same_secret = || same_bot.is_some_and(|before| before.secret == secret);
        if secret.is_some() && !by_operator && !same_secret() {
            return Err(Problem::field("relay.secret", BOT_SECRET_IS_THE_OPERATORS));
        }
        Ok(Relay {
            url,
            secret,
            connect_timeout_ms: self
                .connect_timeout_ms
                .map_or(DEFAULT_CONNECT_TIMEOUT_MS, i32::from),
            first_byte_timeout_ms: self
                .first_byte_timeout_ms
                .map_or(DEFAULT_FIRST_BYTE_TIMEOUT_MS, i32::from),
            unreachable_phrase: self
                .unreachable_phrase
                .map_or_else(|| DEFAULT_UNREACHABLE_PHRASE.to_owned(), String::from),
            trusted,
        })
    }
}

/// An agent's bot.
#[derive(Serialize, ToSchema)]
#[schema(as = Relay)]
pub struct RelayView {
    /// For users who may not change it, the values of its query are `***`.
    #[schema(example = "wss://bot.example.com/calls")]
    url: String,
    /// The environment variable whose value is sent to the bot as a bearer token; null: none.
    secret: Option<String>,
    connect_timeout_ms: i32,
    first_byte_timeout_ms: i32,
    unreachable_phrase: String,
    /// Whether the server's operator has set the address; only then may it lead into the server's own
    /// network. Read-only.
    trusted: bool,
}

impl RelayView {
    /// As users see it who may change it, or may not.
    pub fn of(relay: Relay, may_change: bool) -> Self {
        Self {
            url: if may_change { relay.url.as_str().to_owned() } else { relay.url.masked() },
            secret: relay.secret.map(|name| name.to_string()),
            connect_timeout_ms: relay.connect_timeout_ms,
            first_byte_timeout_ms: relay.first_byte_timeout_ms,
            unreachable_phrase: relay.unreachable_phrase,
            trusted: relay.trusted,
        }
    }
}

/// The provider whose signature each call's upgrade must carry.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewSignature {
    provider: ProviderName,
    /// The environment variable that holds the provider's auth token, with which it signs. Only the
    /// server's operator may set or change it.
    secret: Secret,
}

impl NewSignature {
    /// The signature, as it replaces `before`.
    ///
    /// # Errors
    /// A 422, if anyone but the operator sets or changes the secret.
    pub fn replacing(
        self,
        before: Option<&Signature>,
        by_operator: bool,
    ) -> Result<Signature, Problem> {
        let (ProviderName(provider), Secret(secret)) = (self.provider, self.secret);
        if !by_operator && before.is_none_or(|before| before.secret != secret) {
            return Err(Problem::field("signature.secret", SIGNATURE_SECRET_IS_THE_OPERATORS));
        }
        Ok(Signature { provider, secret })
    }
}

/// The provider whose signature each call's upgrade must carry.
#[derive(Serialize, ToSchema)]
#[schema(as = Signature)]
pub struct SignatureView {
    /// `twilio` or `plivo`.
    provider: &'static str,
    /// The environment variable that holds the provider's auth token.
    secret: String,
}

impl From<Signature> for SignatureView {
    fn from(signature: Signature) -> Self {
        Self {
            provider: SignatureProvider::as_str(signature.provider),
            secret: signature.secret.to_string(),
        }
    }
}
