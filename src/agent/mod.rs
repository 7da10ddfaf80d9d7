//! Agents: what a call talks to.
//!
//! [`profile`] is an agent as it is configured and stored; [`speech`] gives it a voice. Who speaks
//! when is not decided here but in `call`.

pub mod profile;
pub mod speech;
