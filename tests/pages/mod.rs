//! The pages as a browser asks for them, without one: who sees what, what the forms do, and how the
//! pages leave. What the scripts do is tried in `tests/browser`.
#![allow(clippy::unwrap_used, reason = "a test that unwraps fails where it should")]

mod browser;
mod echoes;
mod forms;
mod providers;
mod refusals;
mod sight;
mod single_sign_on;
mod streams;
mod try_it;
mod vouched;
