//! What the demo shows, in order, and what has to be true after each step.

use std::{
    io,
    path::{Path, PathBuf},
    time::Duration,
};

use tempfile::TempPath;
use zeroize::Zeroizing;

use super::{
    super::{
        own_program,
        paint::{Paint, print},
        phone::{Address, NoCall, dial},
    },
    Failure,
    conversation::{Clip, Conversation, Ended, quoted},
    operator::{NewKey, Operator},
};
use crate::{
    agent::speech::{Speaker, Words},
    audio::{BYTES_PER_SECOND, format::Format, tone, wav},
    id::AccountId,
    points::Seconds,
};

const GREETING: &str = "Welcome to UpVoot. Say something, and I will say it back.";
const FIRST_WORDS: &str = "Hello! This is the first call through the front door.";
const LAST_WORDS: &str = "My key is revoked, and I am still here.";
/// The caller's voice, so that one can tell it from the agent's.
const CALLER: &str = "en-us+f3";
const POINTS: u32 = 5;
/// What the two ends of a line may differ in about how long a call was.
const MEASURED_WITHIN: Duration = Duration::from_millis(250);

pub struct Script<'a> {
    pub paint: Paint,
    /// `http://` and the server's address.
    pub base: &'a str,
    pub operator: &'a Operator,
    pub directory: &'a Path,
}

impl Script<'_> {
    /// All of it. The reply is kept in `save`, or in a new temporary file.
    ///
    /// # Errors
    /// [`Failure`] for the first promise that is not kept.
    pub async fn play(&self, save: Option<&Path>) -> Result<(), Failure> {
        let reply = Reply::create(save)?;
        let paint = self.paint;
        print(paint.bold("UpVoot: a key opens a call"))?;

        self.step(1, "A server of its own")?;
        self.line("at", paint.name(self.base))?;
        self.line("with", format_args!("a new database in {}", self.directory.display()))?;

        self.step(2, "An account, an agent, and the agent's key")?;
        let account = self.operator.account("Demo", POINTS).await?;
        let whole = Seconds(i64::from(POINTS) * 60);
        self.line(&account, format_args!("has {POINTS} points: {whole} of calls"))?;
        let agent = self.operator.agent(&account, GREETING).await?;
        self.line(&agent, "greets, then repeats what it hears")?;
        let key = self.operator.key(&agent).await?;
        let suffix = key.key.suffix();
        let shown = format_args!("sk_live_…{suffix}, shown once and kept as a hash").to_string();
        self.line(&key.id, shown)?;
        let address = self.address(&key)?;

        self.step(3, "A call with that key")?;
        let speaker = Speaker::new(own_program());
        let first = clip(&speaker, FIRST_WORDS).await;
        let mut call = Conversation::begin(&address, paint).await?;
        let lag = call.say(&first).await?;
        call.tell(self.came_back("all of it came back", &first, lag))?;
        let ended = call.hang_up().await?;
        let left = self.bill(&account, &ended, whole).await?;
        let reply = reply.keep(&ended.sound)?;
        self.line("the agent's side of it is in", paint.name(reply.display()))?;

        self.step(4, "The key is revoked during a second call")?;
        let last = clip(&speaker, LAST_WORDS).await;
        let mut call = Conversation::begin(&address, paint).await?;
        let live = self.operator.revoke(&key.id).await?;
        if live != 1 {
            return Err(Failure::broken(format!("{live} calls were live on the key, not 1")));
        }
        call.tell(format_args!("{} is revoked; this call is live on it", key.id))?;
        refused(&address).await?;
        call.tell(self.kept("a third call is refused: 403 key_revoked"))?;
        let lag = call.say(&last).await?;
        call.tell(self.came_back("this call goes on: all of it came back", &last, lag))?;
        let ended = call.hang_up().await?;
        self.bill(&account, &ended, left).await?;
        Ok(())
    }

    fn address(&self, key: &NewKey) -> Result<Address, Failure> {
        let host = self.base.trim_start_matches("http://");
        let url = Zeroizing::new(format!("ws://{host}/voice/{}", key.key.expose()));
        url.parse().map_err(|_| Failure::broken("the server's own address is none"))
    }

    /// Checks what a call was billed, and what is left on the account that had `before`.
    async fn bill(
        &self,
        account: &str,
        ended: &Ended,
        before: Seconds,
    ) -> Result<Seconds, Failure> {
        let talk = ended.talk;
        let billed = self.operator.billed(account, &ended.call_id).await?;
        let least = Seconds::started(talk.saturating_sub(MEASURED_WITHIN));
        let most = Seconds::started(talk + MEASURED_WITHIN);
        if !(least..=most).contains(&billed) {
            let talk = talk.as_secs_f64();
            return Err(Failure::broken(format!("a call of {talk:.2} s was billed {billed}")));
        }
        let funds = self.operator.funds(account).await?;
        let left = Seconds(before.0 - billed.0);
        if funds.balance != left || funds.held != Seconds(0) {
            return Err(Failure::broken(format!("{funds:?} are left on the account, not {left}")));
        }
        let (cost, rest) = (billed.points(), left.points());
        let talk = talk.as_secs_f64();
        self.line("lasted", format_args!("{talk:.2} s; partial seconds are rounded up"))?;
        let text = format!("billed {billed}, {cost:.4} points; {rest:.4} points are left");
        print(format_args!("   {}", self.kept(text)))?;
        Ok(left)
    }

    fn came_back(&self, what: &str, clip: &Clip, lag: Duration) -> impl std::fmt::Display {
        #[expect(clippy::cast_precision_loss, reason = "for display")]
        let seconds = clip.sound.len() as f64 / BYTES_PER_SECOND as f64;
        let lag = match lag.as_millis() {
            0 => "less than 1 ms".to_owned(),
            lag => format!("{lag} ms"),
        };
        self.kept(format!("{what}, {seconds:.1} s, byte for byte, {lag} behind"))
    }

    /// A promise that was kept.
    fn kept(&self, what: impl std::fmt::Display) -> impl std::fmt::Display {
        self.paint.good(format!("✓ {what}"))
    }

    fn step(&self, number: u32, title: &str) -> io::Result<()> {
        print(format_args!("\n{}", self.paint.bold(format!("{number}. {title}"))))
    }

    fn line(&self, name: &str, text: impl std::fmt::Display) -> io::Result<()> {
        print(format_args!("   {name} {text}"))
    }
}

/// A third call, which must be refused.
async fn refused(address: &Address) -> Result<(), Failure> {
    match dial(address).await {
        Err(NoCall::Refused(refusal))
            if refusal.status == 403 && refusal.code.as_deref() == Some("key_revoked") =>
        {
            Ok(())
        }
        Err(other) => Err(other.into()),
        Ok(_) => Err(Failure::broken("a call with a revoked key was admitted")),
    }
}

/// The caller's words as sound; where there is no synthesiser, a tone.
async fn clip(speaker: &Speaker, words: &str) -> Clip {
    if speaker.can_speak() {
        let words_of_nobody =
            Words { account: AccountId::new(), text: words, language: "en", voice: Some(CALLER) };
        let sound = speaker.speech(words_of_nobody, Format::NATIVE).await;
        return Clip { words: quoted(words), sound };
    }
    Clip { words: "a tune, as espeak-ng is not installed".to_owned(), sound: tone::caller() }
}

/// The file for what the agent says: opened before anything else happens, so that a bad place for it
/// is known at once; a temporary one vanishes if the demo fails.
struct Reply {
    path: PathBuf,
    temporary: Option<TempPath>,
    writer: wav::Writer,
}

impl Reply {
    fn create(save: Option<&Path>) -> io::Result<Self> {
        let (path, temporary) = match save {
            Some(path) => (path.to_owned(), None),
            None => {
                let mut unique = tempfile::Builder::new();
                let file = unique.prefix("upvoot-reply-").suffix(".wav").tempfile()?;
                (file.path().to_owned(), Some(file.into_temp_path()))
            }
        };
        let writer = wav::Writer::create(&path)?;
        Ok(Self { path, temporary, writer })
    }

    /// Writes it and keeps it; where it is.
    fn keep(mut self, sound: &[u8]) -> io::Result<PathBuf> {
        self.writer.write(sound)?;
        self.writer.finish()?;
        if let Some(temporary) = self.temporary {
            temporary.keep()?;
        }
        Ok(self.path)
    }
}
