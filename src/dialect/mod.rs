//! Dialects: how a call looks on the wire, one file per telephony provider.
//!
//! A dialect turns frames into what they ask for and the call's events into frames; it never decides
//! what a call does, and knows no socket. [`detect`] finds out which one a peer speaks from its first
//! frames, [`reassembly`] joins messages that came in pieces, [`native`] is UpVoot's own.

pub mod detect;
pub mod native;
pub mod reassembly;
