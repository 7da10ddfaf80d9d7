//! Agents that are bots of the customer's, or ask more of a call than its key: a real server, real
//! callers, and bots of the tests' own, all over real sockets.
#![allow(clippy::unwrap_used, reason = "a test that unwraps fails where it should")]

#[path = "../relay/bot.rs"]
#[expect(dead_code, reason = "the line to a bot by itself is tested elsewhere")]
mod bot;
#[path = "../carrier/caller.rs"]
#[expect(dead_code, reason = "other tests use more of it")]
mod caller;
#[path = "../carrier/g711.rs"]
mod g711;
#[path = "../support/mod.rs"]
mod support;
#[path = "../carrier/tone.rs"]
mod tone;

mod addresses;
mod calls;
mod carriers;
mod crowd;
mod pinned;
mod promises;
mod signatures;
mod unreachable;
mod world;
