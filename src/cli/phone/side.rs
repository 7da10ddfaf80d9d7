//! One dialect from the caller's side: what is sent for what the telephone does, and what is
//! understood of what comes back. Pure: it is given the time and knows no socket.

use std::time::Duration;

use bytes::Bytes;
use tokio_tungstenite::tungstenite::Message as Frame;

use super::What;
use crate::audio::format::Format;

/// The caller's side of a call.
pub trait Side: Send {
    /// How sound is written on this line, in both directions.
    fn format(&self) -> Format;

    /// The upgrade was accepted.
    fn begin(&mut self, out: &mut Steps);

    /// The next 20 ms of the caller's sound. Comes every 20 ms, and so is the clock.
    fn speak(&mut self, now: Duration, frame: Bytes, out: &mut Steps);

    /// The caller presses a key.
    fn press(&mut self, now: Duration, key: char, out: &mut Steps);

    /// The caller hangs up.
    fn hang_up(&mut self, out: &mut Steps);

    /// The server sent a text or binary frame.
    fn hear(&mut self, now: Duration, frame: Frame, out: &mut Steps);
}

/// What is to be done, in order.
pub type Steps = Vec<Step>;

/// Something to be done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// Send this.
    Send(Frame),
    /// Tell the user.
    Tell(What),
    /// The agent begins to speak.
    AgentSpeaks,
    /// The agent is silent: the first time, its greeting is over.
    AgentIsSilent,
    /// The last word was said; the server must close now.
    Over,
    /// The server cannot be understood, and why.
    Broken(String),
}
