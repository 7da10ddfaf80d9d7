//! What goes into a call machine, and what comes out of it.
//!
//! These types are the whole contract between the call and its session: the session turns frames,
//! answers and the clock into inputs, and carries the outputs out. What becomes of them in between
//! is written in `machine`.

use std::time::Duration;

use bytes::Bytes;

use super::{Cause, EndReason, Event, Reserve, Role, Tag, Time, TranscriptLine, event::Stretch};
use crate::{audio::format::Format, points::Seconds};

/// What answers the caller.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Engine {
    /// The machine itself: what it hears is what it says.
    Echo,
    /// Somebody outside, who sends [`FromAgent`] and is sent [`ToAgent`].
    Outside,
}

/// All a call needs to know about its agent, its line and its budget when it begins.
#[derive(Debug, Clone)]
pub struct CallPlan {
    /// What answers.
    pub engine: Engine,
    /// How audio is written in this call, in both directions.
    pub format: Format,
    /// The most audio that is sent ahead of its playing.
    pub ahead: Duration,
    /// The peer tells when a mark was played: [`Input::Played`].
    pub marks: bool,
    /// The words of the greeting, whose sound comes as [`Input::Greeting`]; `None`: the agent greets.
    pub greeting: Option<String>,
    /// The words said before the server ends the call; their sound comes as [`Input::Closing`].
    pub closing: String,
    /// The words said when an agent outside cannot be reached; their sound comes as
    /// [`Input::Apology`].
    pub apology: String,
    /// The agent's turns after which the call ends; `None`: no limit. The echo engine takes no turns.
    pub max_turns: Option<u32>,
    /// The call is over after this long at the latest.
    pub max_duration: Duration,
    /// The call ends when nobody has spoken for this long.
    pub silence_timeout: Duration,
    /// What was reserved when the call was admitted.
    pub reserved: Seconds,
    /// Bytes of the transcript that are kept; then one line says that more was said.
    pub transcript_bytes: usize,
}

/// What can happen to a call.
#[derive(Debug, Clone)]
pub enum Input {
    /// Audio of the caller in [`CallPlan::format`]: any number of bytes.
    Audio(Bytes),
    /// A key pressed on the caller's telephone: `0`-`9`, `*`, `#`, `A`-`D`.
    Dtmf(char),
    /// The greeting, rendered, in [`CallPlan::format`].
    Greeting(Bytes),
    /// The closing phrase, rendered, in [`CallPlan::format`].
    Closing(Bytes),
    /// The apology, rendered, in [`CallPlan::format`].
    Apology(Bytes),
    /// The peer has played all that was sent before this mark.
    Played(Tag),
    /// The agent outside does something.
    Agent(FromAgent),
    /// The client asks to end the call.
    EndCall,
    /// The peer is gone; nobody hears us any more.
    PeerGone,
    /// Ends the call at once, without closing words: an operator, a revoked key.
    End(EndReason),
    /// The node stops: ends the call, closing words included, by that time.
    DrainBy(Time),
    /// The peer broke the protocol, or we failed: ends the call at once as `error`.
    Fault(Cause),
    /// The answer to [`Output::Extend`].
    Reservation(Reserve),
    /// Nothing but the passing of time.
    Tick,
}

/// What an agent outside can do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FromAgent {
    /// Speak: audio in [`Format::NATIVE`], whole samples, as long as there is
    /// [room](super::Machine::has_room).
    Audio(Bytes),
    /// Take back all that was not played yet: barge-in.
    Clear,
    /// Ask to be told when what it said before has been played.
    Mark(String),
    /// Have the peer play a key tone when what it said before has been sent: `0`-`9`, `*`, `#`,
    /// `A`-`D`. For a peer who can.
    Dtmf(char),
    /// Say what was said, for the transcript.
    Said {
        /// By whom.
        role: Role,
        /// The words.
        text: String,
    },
    /// Hang up, once what it said has been played.
    HangUp,
    /// It cannot be reached, or is gone in the middle of the call.
    Gone(Cause),
}

/// What an agent outside is told besides the caller's audio.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ToAgent {
    /// The caller pressed a key.
    Dtmf(char),
    /// All that was said before this mark has been played.
    Played(String),
    /// What was not played has been dropped; marks that were not told of never will be.
    Cleared,
}

/// What a call wants done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Output {
    /// Send this audio now. Whole samples, paced; nothing is gained by holding it back.
    Audio(Bytes),
    /// Tell the peer.
    Event(Event),
    /// Have the peer drop what it has not played.
    Clear,
    /// Have the peer tell when it has played what was sent before.
    Mark(Tag),
    /// Have the peer play a key tone.
    Tone(char),
    /// Tell the agent outside.
    ToAgent(ToAgent),
    /// Keep this line of the transcript.
    Line(TranscriptLine),
    /// Keep that somebody was heard.
    Heard(Stretch),
    /// Ask the ledger for more time; [`Input::Reservation`] is the answer.
    Extend,
    /// The call is over. Comes exactly once, and last.
    Finished(Finished),
}

/// How a call ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finished {
    /// Why.
    pub reason: EndReason,
    /// Talk time: what is charged for. Never more than was reserved or bridged.
    pub talk: Duration,
    /// Bytes that were to be played and came so much faster than real time that they were dropped: of
    /// an echo's caller, since an agent outside is not listened to without
    /// [room](super::Machine::has_room).
    pub dropped_bytes: u64,
}
