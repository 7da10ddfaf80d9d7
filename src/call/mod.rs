//! The call itself, pure: inputs and the time go in, outputs come out.
//!
//! It knows no socket, no wire format, no database and no clock, so a call of an hour is tested in a
//! moment. [`machine`] holds the states and every transition between them, and is the file to read
//! first; others are the small instruments it plays: `outbox` paces what is sent, `speech` says a
//! phrase, `playback` keeps what comes faster than it may be sent, [`marks`] tells what was really
//! heard, `mouth` brings an agent's voice to the line's format, [`meter`] counts the time that is paid
//! for, `silence` notices that nobody speaks, `stretches` remembers who was heard when, `record` keeps
//! what was said. [`exchange`] is what a session needs to know, [`cause`] why a call failed, [`event`]
//! has the words that `dialect` turns into frames.

use std::time::Duration;

pub mod cause;
pub mod event;
pub mod exchange;
pub mod machine;
pub mod marks;
pub mod meter;
mod mouth;
mod outbox;
mod playback;
mod record;
mod silence;
pub mod speech;
mod stretches;

pub use cause::{Cause, CauseCode};
pub use event::{EndReason, Event, Role, TranscriptLine};
pub use exchange::{CallPlan, Engine, Finished, FromAgent, Input, Output, ToAgent};
pub use machine::Machine;
pub use marks::Tag;
pub use meter::Reserve;

/// A moment, as the time since an anchor that all inputs of one call share.
pub type Time = Duration;
