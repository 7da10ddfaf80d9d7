//! Dialects: how a call looks on the wire, one file per telephony provider.
//!
//! A dialect turns frames into what they ask for and the call's events into frames; it never decides
//! what a call does, and knows no socket. [`wire`] is what all of them are to the session, [`detect`]
//! finds out which one a peer speaks from its first frames, [`reassembly`] joins messages that came in
//! pieces, [`native`] is UpVoot's own.
//!
//! A provider is one file, and its opening words are a line in `opening`. Most carry audio in JSON as
//! Twilio began it: `media_streams` is the one codec of that family, with a flavour for each. Plivo and
//! Vobiz share another; the rest speak binary frames.

pub mod detect;
mod hints;
mod opening;
mod start;
// -- what each provider speaks --
pub mod native;
mod media_streams;
mod twilio;
mod signalwire;
mod smartflo;
mod exotel;
mod telnyx;
mod plivo;
mod vobiz;
mod vonage;
mod jambonz;
mod asterisk;
// -- what they are made of --
pub mod name;
pub mod reassembly;
pub mod wire;
mod arena;
mod byte_order;
mod chunks;
mod json;
mod payload;
mod reorder;

pub use name::Name;
pub use wire::{Caller, Dialect, Frame, Frames, Heard, KeyTones, Manners, Recognised, Say, Tag};
