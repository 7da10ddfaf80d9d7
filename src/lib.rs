//! UpVoot: the front door for AI phone agents.

pub mod admission;
pub mod agent;
pub mod audio;
pub mod api;
pub mod call;
pub mod cli;
pub mod client_addr;
pub mod clock;
pub mod dialect;
pub mod id;
pub mod key;
pub mod ledger;
pub mod points;
pub mod problem;
pub mod registry;
pub mod store;
pub mod telemetry;
