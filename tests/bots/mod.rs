//! Agents that are bots of the customer's, or ask more of a call than its key: a real server, real
//! callers, and bots of the tests' own, all over real sockets.
#![allow(clippy::unwrap_used, reason = "a test that unwraps fails where it should")]

mod addresses;
mod calls;
mod carriers;
mod crowd;
mod pinned;
mod promises;
mod signatures;
mod unreachable;
mod world;
