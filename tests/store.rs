//! The store, admission and the ledger, on both databases: every test here runs twice.

#![allow(clippy::unwrap_used, missing_docs, reason = "tests")]

mod admission;
mod books;
mod chatty;
mod dashboard;
mod fairness;
mod migrations;
mod nodes;
mod people;
mod plans;
mod relay;
mod retention;
mod stretches;
mod tickets;
mod transactions;
mod verbs;
mod world;
