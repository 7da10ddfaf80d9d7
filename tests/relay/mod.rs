//! The client side of a customer's bot, against bots of the tests' own on loopback: refusals first,
//! then a call, then bots that misbehave.
#![allow(clippy::unwrap_used, reason = "a test that unwraps fails where it should")]

pub mod bot;
mod calls;
mod floods;
mod names;
mod refusals;
mod silences;
