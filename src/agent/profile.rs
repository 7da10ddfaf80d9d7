//! An agent as an operator configures it: what the store keeps and a call is started with.

pub use super::relay::RelayUrl;

use super::secret::SecretName;
use crate::{
    dialect,
    id::{AccountId, AgentId},
};

/// What makes the agent's side of the call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Engine {
    /// Greets, then plays back what it hears at once.
    Echo,
    /// Somebody's own bot, behind a WebSocket of theirs.
    Relay,
}

impl Engine {
    /// Every engine.
    pub const ALL: [Self; 2] = [Self::Echo, Self::Relay];

    /// The engine's name in the API and the store.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Echo => "echo",
            Self::Relay => "relay",
        }
    }

    /// The engine of that name, if there is one.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|known| known.as_str() == name)
    }
}

/// Where a relay agent's bot is, and what happens when it is not there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Relay {
    /// The bot's address.
    pub url: RelayUrl,
    /// Where the secret is that the bot knows us by; `None`: it asks for none.
    pub secret: Option<SecretName>,
    /// Milliseconds until the bot has to have accepted the connection: 100 to 10,000.
    pub connect_timeout_ms: i32,
    /// Milliseconds from then on until the bot's first frame: 100 to 10,000.
    pub first_byte_timeout_ms: i32,
    /// Said when the bot cannot be reached, before the call ends.
    pub unreachable_phrase: String,
    /// Whether the server's operator has set the address: only then may it lead into the server's own
    /// network.
    pub trusted: bool,
}

/// Whose signature on an upgrade is to be checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SignatureProvider {
    /// `X-Twilio-Signature`.
    Twilio,
    /// `X-Plivo-Signature-V3`.
    Plivo,
}

impl SignatureProvider {
    /// Every provider whose signature can be checked.
    pub const ALL: [Self; 2] = [Self::Twilio, Self::Plivo];

    /// The provider's name in the API and the store.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Twilio => "twilio",
            Self::Plivo => "plivo",
        }
    }

    /// The provider of that name, if there is one.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|known| known.as_str() == name)
    }
}

/// That upgrades have to be signed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signature {
    /// By whom.
    pub provider: SignatureProvider,
    /// Where the secret is that they sign with.
    pub secret: SecretName,
}

/// Spoken first when an agent is made without a greeting of its own.
pub const DEFAULT_GREETING: &str = "Hello. You are connected.";
/// Spoken before the server ends a call when an agent is made without a closing phrase of its own.
pub const DEFAULT_CLOSING_PHRASE: &str = "This call is about to end. Goodbye.";
/// What is spoken when an agent is made without a language of its own.
pub const DEFAULT_LANGUAGE: &str = "en";
/// Seconds after which a call ends when its agent does not say otherwise.
pub const DEFAULT_MAX_DURATION_SECONDS: i32 = 3600;
/// Seconds without speech after which a call ends when its agent does not say otherwise.
pub const DEFAULT_SILENCE_TIMEOUT_SECONDS: i32 = 60;
/// Milliseconds for reaching a bot when its agent does not say otherwise.
pub const DEFAULT_CONNECT_TIMEOUT_MS: i32 = 3_000;
/// Milliseconds for a bot's first frame when its agent does not say otherwise.
pub const DEFAULT_FIRST_BYTE_TIMEOUT_MS: i32 = 5_000;
/// Said when a bot cannot be reached and its agent has no phrase of its own.
pub const DEFAULT_UNREACHABLE_PHRASE: &str =
    "Sorry, I cannot be reached right now. Please call again later.";

/// An agent. Texts are at most as long as `api::agents` lets in; durations are 1 to 86,400 seconds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Agent {
    /// Its id.
    pub id: AgentId,
    /// The account that pays for its calls.
    pub account_id: AccountId,
    /// What people call it.
    pub name: String,
    /// What answers.
    pub engine: Engine,
    /// Where its bot is. There while the engine is [`Engine::Relay`]; kept for later with another.
    pub relay: Option<Relay>,
    /// How its calls speak, whatever they look like; `None`: as is recognised.
    pub dialect: Option<dialect::Name>,
    /// Whose signature its calls have to bring; `None`: the key is enough.
    pub signature: Option<Signature>,
    /// Said first on every call. Empty only for a relay: its bot greets.
    pub greeting: String,
    /// Said before the server ends a call, time permitting.
    pub closing_phrase: String,
    /// Instructions for a language model; kept for engines that have one.
    pub system_prompt: Option<String>,
    /// BCP 47 language of what is spoken, such as `en` or `en-GB`.
    pub language: String,
    /// The synthesiser's voice; `None` takes the language's own.
    pub voice: Option<String>,
    /// Turns after which a call ends; `None`: no limit. The echo engine takes no turns.
    pub max_turns: Option<i32>,
    /// Seconds after which a call ends.
    pub max_duration_seconds: i32,
    /// Seconds without speech after which a call ends.
    pub silence_timeout_seconds: i32,
    /// Calls at once; `None`: no cap.
    pub max_concurrent_calls: Option<i32>,
    /// Whether it takes new calls.
    pub is_active: bool,
    /// Milliseconds since 1970.
    pub created_at: i64,
}

impl Agent {
    /// A new agent with the settings that nobody has chosen yet, made at `created_at`.
    pub fn new(account_id: AccountId, name: String, engine: Engine, created_at: i64) -> Self {
        Self {
            id: AgentId::new(),
            account_id,
            name,
            engine,
            relay: None,
            dialect: None,
            signature: None,
            greeting: match engine {
                Engine::Echo => DEFAULT_GREETING.to_owned(),
                Engine::Relay => String::new(),
            },
            closing_phrase: DEFAULT_CLOSING_PHRASE.to_owned(),
            system_prompt: None,
            language: DEFAULT_LANGUAGE.to_owned(),
            voice: None,
            max_turns: None,
            max_duration_seconds: DEFAULT_MAX_DURATION_SECONDS,
            silence_timeout_seconds: DEFAULT_SILENCE_TIMEOUT_SECONDS,
            max_concurrent_calls: None,
            is_active: true,
            created_at,
        }
    }
}
