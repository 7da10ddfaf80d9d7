//! What goes into a call machine, and what comes out of it.
//!
//! These types are the whole contract between the call and its session: the session turns frames,
//! answers and the clock into inputs, and carries the outputs out. What becomes of them in between
//! is written in `machine`.

use std::time::Duration;

use bytes::Bytes;

use super::{EndReason, Event, Reserve, Time, TranscriptLine};
use crate::points::Seconds;

/// All a call needs to know about its agent and its budget when it begins.
#[derive(Debug, Clone)]
pub struct CallPlan {
    /// The words of the greeting; its sound comes as [`Input::Greeting`].
    pub greeting: String,
    /// The words said before the server ends the call; their sound comes as [`Input::Closing`].
    pub closing: String,
    /// The call is over after this long at the latest.
    pub max_duration: Duration,
    /// The call ends when nobody has spoken for this long.
    pub silence_timeout: Duration,
    /// What was reserved when the call was admitted.
    pub reserved: Seconds,
}

/// What can happen to a call.
#[derive(Debug, Clone)]
pub enum Input {
    /// Audio of the caller, signed 16-bit little-endian, 16 kHz, mono: any number of bytes.
    Audio(Bytes),
    /// A key pressed on the caller's telephone: `0`-`9`, `*`, `#`, `A`-`D`.
    Dtmf(char),
    /// The greeting, rendered, in the format of [`Input::Audio`].
    Greeting(Bytes),
    /// The closing phrase, rendered, in the format of [`Input::Audio`].
    Closing(Bytes),
    /// The client asks to end the call.
    EndCall,
    /// The peer is gone; nobody hears us any more.
    PeerGone,
    /// Ends the call at once, without closing words: an operator, a revoked key.
    End(EndReason),
    /// The node stops: ends the call, closing words included, by that time.
    DrainBy(Time),
    /// The peer broke the protocol, or we failed: ends the call at once as `error`.
    Fault {
        /// Stable, for programs.
        code: &'static str,
        /// One plain sentence, for people.
        message: &'static str,
    },
    /// The answer to [`Output::Extend`].
    Reservation(Reserve),
    /// Nothing but the passing of time.
    Tick,
}

/// What a call wants done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Output {
    /// Send this audio now. Whole samples, paced; nothing is gained by holding it back.
    Audio(Bytes),
    /// Tell the peer.
    Event(Event),
    /// Keep this line of the transcript.
    Line(TranscriptLine),
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
    /// Bytes the caller sent so much faster than real time that they could not be returned.
    pub dropped_bytes: u64,
}
