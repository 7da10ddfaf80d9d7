//! The customer's bot on one call: between the call's line and the relay's wire.
//!
//! It converts the caller's sound from the line's format to the bot's, and words between the call's and
//! the relay's. It decides nothing: what becomes of a call whose bot is gone, and when a bot has said
//! enough for now, is for the call machine.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::SeqCst},
    },
    time::Duration,
};

use bytes::{Bytes, BytesMut};
use ipnet::IpNet;
use tokio::sync::{Notify, mpsc};

use crate::{
    agent::{
        profile::{Agent, Relay as Settings},
        relay::{FromBot, Gone, Names, Opening, Refusal, Relay, RelayUrl, Target, ToBot},
        secret::SecretName,
    },
    audio::{format::Format, tone, transcode::Transcoder},
    call::{Cause, CauseCode, EndReason, FromAgent, ToAgent},
    dialect::{Caller, Dialect, KeyTones},
    id::CallId,
};

/// The codes with which a bot closes that has hung up: all is well, it goes away, and no code at all,
/// which is what `close()` of browsers and of Node says. A line that ends without a close frame, or
/// with another code, is lost.
const HANGS_UP: [u16; 3] = [1000, 1001, 1005];

/// A bot that has been called.
pub struct Bot {
    relay: Relay,
    url: RelayUrl,
    line: Format,
    key_tones: KeyTones,
    gate: Arc<Gate>,
    ear: Transcoder,
    /// Sound on its way; what is taken out of it is given back when nobody holds it any more.
    sound: BytesMut,
    /// The ear is in the middle of a sample.
    splits: bool,
    call_id: CallId,
    /// How much of the caller's sound was dropped before the bot was reached, once it is.
    dropped_before: Option<u64>,
    /// It is there no more, and nobody takes what it is sent.
    is_gone: bool,
}

/// The call that a bot is to answer.
pub struct Line<'a> {
    /// Its id.
    pub call_id: CallId,
    /// What its provider tells of it.
    pub caller: &'a Caller,
    /// What it is spoken on.
    pub wire: &'a dyn Dialect,
}

/// A bot and its events; or what to tell the call, when the bot cannot even be tried.
pub type Called = Result<(Bot, Events), FromAgent>;

/// What a bot does, in order, as long as it [is listened to](Bot::listen).
pub struct Events {
    heard: mpsc::Receiver<FromBot>,
    gate: Arc<Gate>,
}

impl Events {
    /// The next event, and those that follow it; `None` after the last.
    pub async fn next(mut self) -> Option<(FromBot, Self)> {
        self.gate.pass().await;
        let event = self.heard.recv().await?;
        Some((event, self))
    }
}

/// Whether a bot is listened to. While it is not, its events wait, and soon it is not read.
#[derive(Debug, Default)]
struct Gate {
    is_shut: AtomicBool,
    opened: Notify,
}

impl Gate {
    fn open(&self, open: bool) {
        // Asked for with every frame, and changed hardly ever.
        if self.is_shut.load(SeqCst) == open {
            self.is_shut.store(!open, SeqCst);
            if open {
                self.opened.notify_one();
            }
        }
    }

    async fn pass(&self) {
        while self.is_shut.load(SeqCst) {
            self.opened.notified().await;
        }
    }
}

/// Calls the agent's bot.
///
/// # Errors
/// See [`Called`].
pub fn call(
    agent: &Agent,
    settings: &Settings,
    line: Line<'_>,
    networks: &[IpNet],
    names: &Names,
) -> Called {
    let Line { call_id, caller, wire } = line;
    let (line, key_tones) = (wire.format(), wire.manners().dtmf);
    let secret =
        settings.secret.as_ref().map(|name| name.resolve().map_err(|_| no_secret(name, settings)));
    let target = Target {
        account_id: agent.account_id,
        url: settings.url.clone(),
        secret: secret.transpose()?,
        connect_within: millis(settings.connect_timeout_ms),
        first_byte_within: millis(settings.first_byte_timeout_ms),
        trusted: settings.trusted,
    };
    let opening = Opening {
        call_id,
        agent_id: agent.id,
        dialect: wire.name().as_str(),
        from: caller.from.clone(),
        to: caller.to.clone(),
        params: caller.params.clone(),
    };
    let (relay, heard) = Relay::open(target, opening, networks, names);
    let gate = Arc::<Gate>::default();
    let bot = Bot {
        relay,
        url: settings.url.clone(),
        line,
        key_tones,
        gate: Arc::clone(&gate),
        ear: Transcoder::new(line, Format::NATIVE),
        sound: BytesMut::new(),
        splits: false,
        call_id,
        dropped_before: None,
        is_gone: false,
    };
    Ok((bot, Events { heard, gate }))
}

impl Bot {
    /// The caller's sound goes to the bot: as it is where the line already speaks the bot's format.
    pub fn hear(&mut self, sound: &Bytes) {
        if self.is_gone {
            return;
        }
        let is_whole = sound.len().is_multiple_of(2);
        if self.line == Format::NATIVE && is_whole && !self.splits {
            return self.relay.hear(sound.clone());
        }
        self.splits ^= !is_whole && self.line == Format::NATIVE;
        self.ear.convert(sound, &mut self.sound);
        if !self.sound.is_empty() {
            self.relay.hear(self.sound.split().freeze());
        }
    }

    /// Tells the bot what the call has to tell.
    pub fn tell(&self, what: ToAgent) {
        self.relay.tell(match what {
            ToAgent::Dtmf(digit) => ToBot::Dtmf(digit),
            ToAgent::Played(name) => ToBot::Mark(name),
            ToAgent::Cleared => ToBot::Clear,
        });
    }

    /// Listens to the bot, or not for now.
    pub fn listen(&self, listen: bool) {
        self.gate.open(listen);
    }

    /// The call is over.
    pub fn end(&mut self, reason: EndReason) {
        self.ear.flush(&mut self.sound);
        if !self.sound.is_empty() {
            self.relay.hear(self.sound.split().freeze());
        }
        let (call, dropped_bytes) = (self.call_id, self.was_too_slow_for());
        if dropped_bytes > 0 {
            tracing::warn!(call.id = %call, dropped_bytes, "the bot was too slow for some of the caller's audio");
        }
        let dropped_bytes = self.relay.dropped().at_once;
        if dropped_bytes > 0 {
            tracing::warn!(call.id = %call, dropped_bytes, "more of the caller's audio came at once than is kept for a bot");
        }
        self.relay.tell(ToBot::EndCall(reason));
    }

    /// Bytes of the caller's sound that the bot did not take in time. What was dropped before it was
    /// reached, or after it was gone, is no slowness of the bot's: that is what the call failed of.
    fn was_too_slow_for(&self) -> u64 {
        self.dropped_before.map_or(0, |before| self.relay.dropped().late - before)
    }

    /// What the call is told of what the bot does, one after the other.
    pub fn inputs(&mut self, event: FromBot, mut each: impl FnMut(FromAgent)) {
        self.is_gone |= matches!(event, FromBot::Gone(_));
        match event {
            FromBot::Connected => self.dropped_before = Some(self.relay.dropped().late),
            FromBot::Audio(sound) => each(FromAgent::Audio(sound)),
            FromBot::Clear => each(FromAgent::Clear),
            FromBot::Mark(name) => each(FromAgent::Mark(name)),
            FromBot::Dtmf(_) if self.key_tones == KeyTones::Never => {
                self.relay.tell(ToBot::Refused(Refusal::DtmfUnplayable));
            }
            FromBot::Dtmf(keys) => keys.chars().filter_map(|key| self.press(key)).for_each(each),
            FromBot::Said { role, text } => each(FromAgent::Said { role, text }),
            FromBot::EndCall => each(FromAgent::HangUp),
            FromBot::Gone(Gone::Closed(Some(code))) if HANGS_UP.contains(&code) => {
                each(FromAgent::HangUp);
            }
            FromBot::Gone(gone) => {
                each(FromAgent::Gone(gone.cause(&self.url)));
            }
        }
    }

    /// How a key tone, or a pause, comes to the line.
    fn press(&self, key: char) -> Option<FromAgent> {
        match (key, self.key_tones) {
            ('w', _) => Some(FromAgent::Audio(tone::pause())),
            (key, KeyTones::Message) => Some(FromAgent::Dtmf(key)),
            (key, _) => tone::key(key).map(FromAgent::Audio),
        }
    }
}

/// The agent names a secret that this server does not have.
fn no_secret(name: &SecretName, settings: &Settings) -> FromAgent {
    let bot = settings.url.origin();
    let why = format!("{name}, the secret of the bot at {bot}, is not set on this server.");
    FromAgent::Gone(Cause::new(CauseCode::BotSecretUnset, why))
}

fn millis(millis: i32) -> Duration {
    Duration::from_millis(u64::try_from(millis).unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use tokio::time::advance;

    use super::*;
    use crate::{agent::profile, dialect::native::Native, id::AccountId};

    #[tokio::test(start_paused = true)]
    async fn a_bot_that_was_not_reached_was_not_too_slow() {
        let agent = Agent::new(AccountId::new(), "Bot".to_owned(), profile::Engine::Relay, 0);
        let settings = Settings {
            url: "ws://127.0.0.1:1/".parse().unwrap(),
            secret: None,
            connect_timeout_ms: 1_000,
            first_byte_timeout_ms: 1_000,
            unreachable_phrase: String::new(),
            trusted: true,
        };
        let caller = Caller::default();
        let line = Line { call_id: CallId::new(), caller: &caller, wire: &Native };
        let called = call(&agent, &settings, line, &[], &Names::new(Vec::new()));
        let (mut bot, _events) = called.unwrap_or_else(|_| panic!("there is no secret to miss"));
        let second = Bytes::from(vec![0; crate::audio::BYTES_PER_SECOND]);
        let says = async |bot: &mut Bot| {
            for _ in 0..60 {
                bot.hear(&second);
                advance(Duration::from_secs(1)).await;
            }
        };
        says(&mut bot).await;
        assert!(bot.relay.dropped().late > 0);
        assert_eq!(bot.was_too_slow_for(), 0);
        bot.inputs(FromBot::Connected, |_| {});
        assert_eq!(bot.was_too_slow_for(), 0, "what was dropped before");
        says(&mut bot).await;
        let slow = bot.was_too_slow_for();
        assert!(slow > 0);
        bot.inputs(FromBot::Gone(Gone::Closed(None)), |_| {});
        says(&mut bot).await;
        assert_eq!(bot.was_too_slow_for(), slow, "what came after its end");
    }
}
