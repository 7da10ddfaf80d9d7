//! The store, admission and the ledger, on both databases: every test here runs twice.

#![allow(clippy::unwrap_used, missing_docs, reason = "tests")]

#[path = "store/admission.rs"]
mod admission;
#[path = "store/books.rs"]
mod books;
#[path = "store/chatty.rs"]
mod chatty;
#[path = "store/dashboard.rs"]
mod dashboard;
#[path = "store/fairness.rs"]
mod fairness;
#[path = "store/migrations.rs"]
mod migrations;
#[path = "store/nodes.rs"]
mod nodes;
#[path = "store/people.rs"]
mod people;
#[path = "store/plans.rs"]
mod plans;
#[path = "support/postgres.rs"]
mod postgres;
#[path = "store/relay.rs"]
mod relay;
#[path = "store/retention.rs"]
mod retention;
#[path = "store/stretches.rs"]
mod stretches;
#[path = "store/tickets.rs"]
mod tickets;
#[path = "store/transactions.rs"]
mod transactions;
#[path = "store/verbs.rs"]
mod verbs;
#[path = "store/world.rs"]
mod world;
