//! The real binary: killed, stopped, misconfigured, searched for keys.
#![allow(
    clippy::unwrap_used,
    clippy::print_stderr,
    reason = "a test that unwraps fails where it should, and says what it passes over"
)]

mod call_lines;
mod canary;
mod causes;
mod command_line;
mod data;
mod death;
mod documents;
mod listener;
mod memory;
mod private;
mod sandbox;
mod set_up;
mod stopping;
mod tls;
mod unread_log;
