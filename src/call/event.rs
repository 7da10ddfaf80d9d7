//! What a call tells the outside: events for the peer, lines of the transcript, the reason it ended.
//!
//! These are the call's own words. How they look on a wire is the business of `dialect`; how they
//! are stored, of `store`.

use serde::{Deserialize, Serialize};

use super::Cause;

/// What the peer is told besides the audio itself, once the call has begun.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// A stretch of agent audio begins.
    AudioStart,
    /// The stretch of agent audio is over.
    AudioEnd,
    /// Something was said.
    Transcript {
        /// Who said it.
        role: Role,
        /// The words.
        text: String,
    },
    /// Something is wrong; a `call_end` follows.
    Error(Cause),
    /// The call is over; nothing follows.
    CallEnd {
        /// Why.
        reason: EndReason,
    },
}

/// Why a call ended: the `reason` of `call_end` and the `end_reason` of the call row.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EndReason {
    /// The client asked with `end_call`.
    EndCall,
    /// The agent hung up.
    AgentHangup,
    /// No further second could be reserved.
    BalanceExhausted,
    /// The agent's number of turns was reached.
    MaxTurns,
    /// The agent's longest duration was reached.
    MaxDuration,
    /// Nobody spoke for the agent's silence timeout.
    Silence,
    /// An operator ended the call.
    Operator,
    /// The key was revoked, and the revoker asked to end its calls.
    KeyRevoked,
    /// The node is stopping.
    Draining,
    /// Something failed: a protocol fault of the peer, or a fault of ours.
    Error,
    /// The client went away: it closed, dropped the connection or stopped answering.
    Hangup,
    /// The node that ran the call died.
    NodeLost,
}

impl EndReason {
    /// The reason as it stands on the wire and in the store.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::EndCall => "end_call",
            Self::AgentHangup => "agent_hangup",
            Self::BalanceExhausted => "balance_exhausted",
            Self::MaxTurns => "max_turns",
            Self::MaxDuration => "max_duration",
            Self::Silence => "silence",
            Self::Operator => "operator",
            Self::KeyRevoked => "key_revoked",
            Self::Draining => "draining",
            Self::Error => "error",
            Self::Hangup => "hangup",
            Self::NodeLost => "node_lost",
        }
    }

    /// Every reason, in the order of its number.
    pub const ALL: [EndReason; 12] = [
        EndReason::EndCall,
        EndReason::AgentHangup,
        EndReason::BalanceExhausted,
        EndReason::MaxTurns,
        EndReason::MaxDuration,
        EndReason::Silence,
        EndReason::Operator,
        EndReason::KeyRevoked,
        EndReason::Draining,
        EndReason::Error,
        EndReason::Hangup,
        EndReason::NodeLost,
    ];

    /// The reason read back from the store; `None` for any other text.
    pub fn from_stored(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|reason| reason.as_str() == text)
    }
}

/// Who spoke.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// The caller.
    User,
    /// The agent.
    Assistant,
}

/// A line of a call's transcript, as it is kept and shown.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum TranscriptLine {
    /// Something said.
    Transcript {
        /// Who said it.
        role: Role,
        /// The words.
        text: String,
        /// Milliseconds since the call's talk time began.
        at_ms: u64,
    },
    /// A key pressed on the caller's telephone.
    Dtmf {
        /// One of `0`-`9`, `*`, `#`, `A`-`D`.
        digit: char,
        /// Milliseconds since the call's talk time began.
        at_ms: u64,
    },
    /// More was said here than is kept.
    Truncated {
        /// Milliseconds since the call's talk time began.
        at_ms: u64,
    },
}

impl TranscriptLine {
    /// When it was said, in milliseconds since the call's talk time began.
    pub fn at_ms(&self) -> u64 {
        match self {
            Self::Transcript { at_ms, .. }
            | Self::Dtmf { at_ms, .. }
            | Self::Truncated { at_ms } => *at_ms,
        }
    }

    /// Bytes of its words.
    pub fn words(&self) -> usize {
        match self {
            Self::Transcript { text, .. } => text.len(),
            Self::Dtmf { .. } | Self::Truncated { .. } => 0,
        }
    }
}

/// A stretch of a call in which one side was heard without a pause worth the name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stretch {
    /// Who was heard.
    pub role: Role,
    /// When it began, in milliseconds since the call's talk time began.
    pub begin_ms: u64,
    /// When it ended, on the same clock; never before it began.
    pub end_ms: u64,
}
