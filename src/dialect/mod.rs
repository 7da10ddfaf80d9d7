//! Dialects: how a call looks on the wire, one file per telephony provider.
//!
//! A dialect turns frames into what they ask for and the call's events into frames; it never decides
//! what a call does, and knows no socket. [`wire`] is what all of them are to the session, [`detect`]
//! finds out which one a peer speaks from its first frames, [`reassembly`] joins messages that came in
//! pieces, [`native`] is UpVoot's own.

pub mod detect;
pub mod name;
pub mod native;
pub mod reassembly;
pub mod wire;

pub use name::Name;
pub use wire::{Caller, Dialect, Frame, Frames, Heard, Manners, Recognised, Say, Tag};
