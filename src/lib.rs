//! UpVoot: the front door for AI phone agents.
//!
//! Read the modules in this order and you have followed a call from the key to the bill.
//!
//! # A call
//!
//! [`listener`] accepts the connection, and [`routes`] sends `GET /voice/<key>` to
//! [`session::upgrade`]. [`key`] parses the raw path: what is
//! not one canonical key is refused without the database. [`admission`] looks the key's hash up
//! through [`store`] and decides in one transaction, which also holds the first seconds and opens
//! the call's row. Only then is the socket upgraded.
//!
//! [`session::actor`] is the call's actor. It tells the [`registry`] that the call is live,
//! recognises the [`dialect`], and from then on feeds a [`call::Machine`] with frames, events and
//! the time, and carries out what the machine asks for: send audio, send an event, extend the hold,
//! finish. The agent's words come from [`agent::speech`], or from the customer's own bot behind
//! [`agent::relay`]. When the call ends, the [`ledger`] settles
//! it: one charge, in whole started seconds ([`points`]), whatever happened to the actor.
//!
//! # An admin request
//!
//! [`routes`] sends `POST /api/keys` to [`api`], which has proved who asks. [`key`] makes a plain key,
//! [`store`] keeps its hash and suffix together with the audit row, and the plain key leaves once, in
//! that answer. A revocation is committed first and then told to the [`registry`], which can end the
//! key's calls if asked to.
//!
//! # A page
//!
//! [`routes`] sends `GET /agents` to [`dashboard::pages`]. [`auth`] says who looks, [`dashboard::seen`] at
//! which account; the page reads the [`store`] and leaves as HTML. What people change there, their
//! browser sends to [`api`], like any other client. With single sign-on, [`oidc`] asks another service who
//! somebody is, and [`auth`] decides whether they are let in.
//!
//! # Who may import whom
//!
//! Modules stand in tiers and use what is below them; `tests/architecture.rs` has the table and
//! checks it.

// -- composition --
pub mod app;
pub mod cli;
pub mod routes;
pub mod settings;
// -- a call, in the order it happens --
pub mod key;
pub mod signature;
pub mod admission;
pub mod session;
pub mod dialect;
pub mod call;
pub mod audio;
pub mod agent;
pub mod points;
pub mod ledger;
pub mod retention;
// -- an admin request --
pub mod auth;
pub mod api;
pub mod dashboard;
pub mod events;
// -- below both --
pub mod attempts;
pub mod budget;
pub mod client_addr;
pub mod clock;
pub mod id;
pub mod listener;
pub mod live;
pub mod metrics;
pub mod networks;
pub mod oidc;
pub mod pool;
pub mod problem;
pub mod registry;
pub mod store;
pub mod telemetry;
pub mod text;
pub mod trust;
pub mod turns;
pub mod user;
