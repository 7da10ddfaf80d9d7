//! An agent as an operator configures it: what the store keeps and a call is started with.

use crate::id::{AccountId, AgentId};

/// What makes the agent's side of the call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Engine {
    /// Greets, then plays back what it hears at once.
    Echo,
}

impl Engine {
    /// The engine's name in the API and the store.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Echo => "echo",
        }
    }

    /// The engine of that name, if there is one.
    pub fn from_name(name: &str) -> Option<Self> {
        (name == "echo").then_some(Self::Echo)
    }
}

/// Spoken first when an agent is made without a greeting of its own.
pub const DEFAULT_GREETING: &str = "Hello. You are connected.";
/// Spoken before the server ends a call when an agent is made without a closing phrase of its own.
pub const DEFAULT_CLOSING_PHRASE: &str = "This call is about to end. Goodbye.";
/// Seconds after which a call ends when its agent does not say otherwise.
pub const DEFAULT_MAX_DURATION_SECONDS: i32 = 3600;
/// Seconds without speech after which a call ends when its agent does not say otherwise.
pub const DEFAULT_SILENCE_TIMEOUT_SECONDS: i32 = 60;

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
    /// Said first on every call.
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
