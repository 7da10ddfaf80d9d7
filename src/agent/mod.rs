//! Agents: what a call talks to.
//!
//! [`profile`] is an agent as it is configured and stored, [`relay_url`] and [`secret`] what it may name
//! of the world outside; [`speech`] gives it a voice. Who speaks
//! when is not decided here but in `call`.

pub mod profile;
pub mod relay_url;
pub mod secret;
pub mod speech;
