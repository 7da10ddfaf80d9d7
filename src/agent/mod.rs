//! Agents: what a call talks to.
//!
//! [`profile`] is an agent as it is configured and stored; [`speech`] gives it a voice; [`relay`]
//! hands the call to a bot of the customer's own. Who speaks when is not decided here but in `call`.

pub mod profile;
pub mod relay;
pub mod secret;
pub mod speech;
pub mod ws;
