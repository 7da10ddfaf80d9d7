//! The real binary: killed, stopped, misconfigured, searched for keys.
#![allow(clippy::unwrap_used, reason = "a test that unwraps fails where it should")]

#[path = "../support/mod.rs"]
mod support;
#[path = "../support/openid.rs"]
mod openid;

mod call_lines;
mod canary;
mod command_line;
mod data;
mod death;
mod listener;
mod memory;
mod private;
mod sandbox;
mod set_up;
mod stopping;
mod tls;
mod unread_log;
