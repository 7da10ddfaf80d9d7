//! Calls from every provider: the carrier that `upvoot call` has, on a real server over a real
//! socket. What the sound looks like on the wire is computed here from the standards, and not by the
//! code under test.
#![allow(clippy::unwrap_used, reason = "a test that unwraps fails where it should")]

pub mod caller;
mod calls;
mod command;
pub mod g711;
pub mod tone;
