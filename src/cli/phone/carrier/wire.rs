//! How one provider writes and reads. What the frames do to a call is the [`Carrier`]'s business.
//!
//! [`Carrier`]: super::Carrier

use std::time::Duration;

use bytes::Bytes;
use tokio_tungstenite::tungstenite::Message as Frame;

use super::{super::dial::Offer, playback::Rules};

/// A provider's wire during one call.
pub trait Wire: Send {
    /// The subprotocol it offers.
    fn subprotocol(&self) -> Option<&'static str> {
        None
    }

    /// What else it says of itself when it asks for the upgrade.
    fn offer(&self) -> Offer {
        Offer::default()
    }

    /// What it asks of those who send it sound.
    fn rules(&self) -> Rules {
        Rules { ahead: Duration::from_millis(400), holds: None }
    }

    /// How many marks may be pending.
    fn marks(&self) -> usize {
        usize::MAX
    }

    /// How many frames of 20 ms each packet of the caller's sound has.
    fn frames_in_packet(&self) -> usize {
        1
    }

    /// What it sends first.
    fn opening(&mut self) -> Vec<Frame>;

    /// A packet of the caller's sound.
    fn sound(&mut self, now: Duration, packet: Bytes) -> Frame;

    /// The caller pressed a key.
    fn key(&mut self, now: Duration, key: char) -> Vec<Frame>;

    /// A mark was reached.
    fn reached(&mut self, mark: &str) -> Vec<Frame>;

    /// The buffer was cleared, with these marks pending.
    fn cleared(&mut self, pending: Vec<String>) -> Vec<Frame>;

    /// What it sends last, before it closes.
    fn goodbye(&mut self) -> Vec<Frame> {
        Vec::new()
    }

    /// What a text frame asks for, and what is wrong with it.
    fn text(&mut self, text: &str, faults: &mut Faults) -> Asked;

    /// What a binary frame asks for, and what is wrong with it.
    fn binary(&mut self, _: &Bytes, faults: &mut Faults) -> Asked {
        faults.push("a binary frame".to_owned());
        Asked::Nothing
    }
}

/// What a provider complains of.
pub type Faults = Vec<String>;

/// What the server asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Asked {
    /// Nothing, or nothing that concerns the sound.
    Nothing,
    /// To play this, in the line's format.
    Play(Bytes),
    /// To tell when all before has been played.
    Mark(String),
    /// To drop what has not been played.
    Clear,
    /// To end the call.
    HangUp,
}
