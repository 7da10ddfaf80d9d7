//! The call itself, pure: inputs and the time go in, outputs come out.
//!
//! It knows no socket, no wire format, no database and no clock, so a call of an hour is tested in a
//! moment. [`machine`] holds the states and every transition between them, and is the file to read
//! first; others are the small instruments it plays: `outbox` paces what is sent, `speech` says a
//! phrase, `echo` returns what it hears, [`meter`] counts the time that is paid for, `silence` notices
//! that nobody speaks. [`exchange`] is what a session needs to know, [`event`] has the words that
//! `dialect` turns into frames.

use std::time::Duration;

mod echo;
pub mod event;
pub mod exchange;
pub mod machine;
pub mod meter;
mod outbox;
mod silence;
mod speech;

pub use event::{EndReason, Event, Role, TranscriptLine};
pub use exchange::{CallPlan, Finished, Input, Output};
pub use machine::Machine;
pub use meter::Reserve;

/// A moment, as the time since an anchor that all inputs of one call share.
pub type Time = Duration;
