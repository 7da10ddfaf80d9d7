//! What an operator sees and does: every admin endpoint over a real socket, refusals before success.
//!
//! One file per resource, as in `src/api`; [`app`] starts the server and has the verbs.
#![allow(clippy::unwrap_used, clippy::print_stderr, reason = "tests")]

mod accounts;
mod addresses;
mod adjustments;
mod agents;
mod app;
mod calls;
mod canary;
mod changes;
mod docs;
mod health;
mod keys;
mod ledger;
mod lists;
mod limits;
mod main_path;
mod people;
mod refusals;
mod relay;
mod rights;
mod schema;
mod sessions;
mod set_up;
mod users;
