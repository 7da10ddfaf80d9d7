//! The customer's own bot as the agent: the call is handed to it over a WebSocket of theirs.
//!
//! Whatever dialect a call came in, the bot speaks ours: binary frames are PCM, signed 16-bit
//! little-endian, 16 kHz, mono; text frames are small JSON objects. UpVoot is the client. What the
//! bot says comes out as [`FromBot`]; when it is heard, and what becomes of the call when the bot is
//! gone, is decided by the session and the call machine. Nothing here knows points, keys or the
//! caller's wire.
//!
//! A bot is somebody else's program. It may be anywhere (`network` says where it may not), say
//! nothing, say too much (`metered`), ask for what cannot be done (`refusal`), or stop listening
//! (`queue`); `line` lives with all of that in bounded memory and without disturbing other calls.

mod address;
mod dial;
mod gone;
mod line;
mod metered;
mod names;
mod network;
mod queue;
mod refusal;
mod wire;

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use bytes::Bytes;
use ipnet::IpNet;
use secrecy::SecretString;
use tokio::{
    sync::{Notify, mpsc, oneshot},
    time::Instant,
};

pub use self::{
    address::{BadUrl, RelayUrl},
    gone::{Gone, Unreached, Untrusted},
    names::Names,
    refusal::Refusal,
};
use self::{
    line::Line,
    network::Reach,
    queue::{Item, Queue},
};
use crate::{
    call::{EndReason, Role},
    id::{AccountId, AgentId, CallId},
};

/// Events that wait for the session at most; then the bot is not read. A piece of audio is at most
/// a second, so this is less than 1 MiB.
const MOST_EVENTS: usize = 24;

/// The bot to call.
#[derive(Debug)]
pub struct Target {
    /// Whose bot it is: its name is looked up in turn with those of other accounts.
    pub account_id: AccountId,
    /// Where it is.
    pub url: RelayUrl,
    /// Sent as `Authorization: Bearer`.
    pub secret: Option<SecretString>,
    /// For all of it: name, connection, TLS, upgrade.
    pub connect_within: Duration,
    /// From the first frame we send to the first frame the bot sends, of whatever kind.
    pub first_byte_within: Duration,
    /// The operator chose the address, so it may lead into the server's own network.
    pub trusted: bool,
}

/// What the bot is told first.
#[derive(Debug, Clone)]
pub struct Opening {
    /// The call.
    pub call_id: CallId,
    /// The agent whose bot it is.
    pub agent_id: AgentId,
    /// The dialect's name.
    pub dialect: &'static str,
    /// Who calls, if the dialect tells.
    pub from: Option<String>,
    /// Who was called, if the dialect tells.
    pub to: Option<String>,
    /// What the customer has told the provider to hand on.
    pub params: BTreeMap<String, String>,
}

/// What the bot is told during the call, besides sound.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ToBot {
    /// A key of the caller's telephone.
    Dtmf(char),
    /// All audio that came before the mark of this name has been played.
    Mark(String),
    /// Audio that was not played yet was dropped, and the marks in it with it.
    Clear,
    /// Something that it sent is not done.
    Refused(Refusal),
    /// The call is over; then the line is closed with 1000.
    EndCall(EndReason),
}

/// What is heard of the bot, in the order in which it comes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FromBot {
    /// It has accepted the call. First, if it comes at all.
    Connected,
    /// Sound: whole samples, at most a second of it.
    Audio(Bytes),
    /// Drop what was said and not been played yet.
    Clear,
    /// Tell when what was said before has been played.
    Mark(String),
    /// Play these key tones: one to 64 of `0`-`9`, `*`, `#`, `A`-`D`, and `w` for half a second of
    /// pause.
    Dtmf(String),
    /// What somebody said, in words, of at most 64 KiB.
    Said {
        /// Who.
        role: Role,
        /// The words; they may be hostile.
        text: String,
    },
    /// The bot asks to end the call.
    EndCall,
    /// It is gone. Nothing follows.
    Gone(Gone),
}

/// A call to a bot. Dropping it hangs up, once the bot was told what is still to be told.
pub struct Relay {
    mailbox: Arc<Mailbox>,
    /// Never sent on: the task sees when it is dropped.
    _hang_up: oneshot::Sender<()>,
}

impl Relay {
    /// Starts connecting at once, in a task; must be called on a tokio runtime with I/O and time. The
    /// events come in order, so a [`FromBot::Clear`] is seen when the audio before it has been taken:
    /// take it as it comes, and hold it where it can be dropped.
    pub fn open(
        target: Target,
        opening: Opening,
        networks: &[IpNet],
        names: &Names,
    ) -> (Self, mpsc::Receiver<FromBot>) {
        let (events, heard) = mpsc::channel(MOST_EVENTS);
        let (hang_up, hung_up) = oneshot::channel();
        let mailbox = Arc::<Mailbox>::default();
        let reach = Reach {
            trusted: target.trusted,
            networks: networks.to_vec(),
            plain: !target.url.secure,
        };
        let (names, mailbox_of_line) = (names.clone(), Arc::clone(&mailbox));
        let line =
            Line { target, reach, names, opening, mailbox: mailbox_of_line, events, hung_up };
        tokio::spawn(line.run());
        (Self { mailbox, _hang_up: hang_up }, heard)
    }

    /// Lets the bot hear the caller: whole samples. Never waits; what the bot does not take within
    /// 15 s, or more than 4 MiB of it at once, is dropped, the oldest first.
    pub fn hear(&self, pcm: Bytes) {
        self.mailbox.put(|queue, now| queue.hear(now, pcm));
    }

    /// Tells the bot something. Never waits.
    pub fn tell(&self, what: ToBot) {
        self.mailbox.put(|queue, now| queue.tell(now, what));
    }

    /// Sound that the bot did not get, so far.
    pub fn dropped(&self) -> Dropped {
        self.mailbox.dropped()
    }
}

/// Bytes of the caller's sound that a bot did not get.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Dropped {
    /// It did not read them in time.
    pub late: u64,
    /// More came at once than is kept, whether it reads or not.
    pub at_once: u64,
}

/// The queue between the handle and the task.
struct Mailbox {
    queue: Mutex<Queue>,
    filled: Notify,
    began: Instant,
}

impl Default for Mailbox {
    fn default() -> Self {
        Self { queue: Mutex::default(), filled: Notify::new(), began: Instant::now() }
    }
}

impl Mailbox {
    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn put(&self, put: impl FnOnce(&mut Queue, Duration)) {
        put(&mut self.queue(), self.began.elapsed());
        self.filled.notify_one();
    }

    fn dropped(&self) -> Dropped {
        self.queue().dropped()
    }

    /// The next thing to send. Nothing is lost when the future is dropped before it is ready.
    async fn next(&self) -> Item {
        loop {
            let item = self.queue().take();
            match item {
                Some(item) => return item,
                None => self.filled.notified().await,
            }
        }
    }
}
