//! The call machine on an invented clock: each test reads like a telephone call, none waits.
#![allow(
    clippy::unwrap_used,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "tests"
)]

mod echo;
mod endings;
mod greeting;
mod invariants;
mod line;
mod outside;
mod points;
mod promises;
