//! The voice endpoint: refuse or upgrade, then run the call as an actor.
//!
//! [`upgrade`] decides before the upgrade, in the order of the public table; [`actor`] carries out
//! what the call machine asks for and holds no rule of its own. This is the only module that knows
//! actix-web-actors; it knows no SQL and no price. Around the actor stand [`frames`], which looks at
//! frame headers before the codec, and [`watch`], which outlives a blocked actor.

pub mod actor;
pub mod bot;
pub mod faults;
pub mod frames;
pub mod handshake;
pub mod knocks;
pub mod pulse;
pub mod room;
mod signed;
pub mod talk;
pub mod try_it;
pub mod upgrade;
pub mod watch;

use std::sync::Arc;

use crate::{
    admission::Unclaimed,
    agent::{relay::Names, speech::Speaker},
    attempts::Attempts,
    client_addr::Proxies,
    clock::NodeClock,
    id::NodeId,
    ledger::Ledger,
    live::Hub,
    networks::Networks,
    registry::RegistryHandle,
    store::Store,
};

/// What the voice endpoint works with; one for the whole node.
pub struct Voice {
    /// Asked before each upgrade.
    pub store: Store,
    /// Told of each call.
    pub registry: RegistryHandle,
    /// Settles each call.
    pub ledger: Ledger,
    /// Tells whoever watches.
    pub hub: Hub,
    /// Settles a call that was admitted and lost on the way.
    pub unclaimed: Unclaimed,
    /// Gives agents their voice.
    pub speaker: Speaker,
    /// Refusals by address.
    pub attempts: Attempts,
    /// Whose forwarded headers are believed.
    pub proxies: Proxies,
    /// The host that providers dial, with a path where there is one, where the operator has set it.
    pub public_address: Option<String>,
    /// Calls that came to nothing, by key.
    pub knocks: knocks::Knocks,
    /// Memory for long messages that are not whole yet.
    pub room: Arc<room::Room>,
    /// Bytes of each call's transcript that are kept.
    pub transcript_bytes: usize,
    /// Networks of the server's own that bots may be called in.
    pub relay_networks: Networks,
    /// Looks the names of bots up.
    pub names: Names,
    /// The clock calls are charged by.
    pub clock: NodeClock,
    /// This node.
    pub node_id: NodeId,
}
