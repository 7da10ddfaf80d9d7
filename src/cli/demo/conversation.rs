//! One call of the demo, told as it happens, and checked: what was said has to come back.

use std::{fmt::Display, time::Duration};

use bytes::Bytes;
use tokio::time::timeout;

use super::{
    super::{
        paint::{Paint, print, tame},
        phone::{Address, FRAME, Heard, Line, Message, Start, What, dial},
    },
    Failure,
};

/// How long an expected event may take: a greeting, a clip, an end.
const PATIENCE: Duration = Duration::from_secs(15);

/// What the caller says.
pub struct Clip {
    pub words: String,
    pub sound: Bytes,
}

/// A call that is over.
pub struct Ended {
    pub call_id: String,
    /// From the server's acceptance to its `call_end`.
    pub talk: Duration,
    /// All that was heard.
    pub sound: Vec<u8>,
}

pub struct Conversation {
    line: Line,
    paint: Paint,
    call_id: Option<String>,
    sound: Vec<u8>,
    /// When which byte of the sound was there: the length it brought, and the time.
    arrived: Vec<(usize, Duration)>,
    call_end: Option<(Duration, String)>,
}

impl Conversation {
    /// Places a call and hears the greeting out.
    pub async fn begin(address: &Address, paint: Paint) -> Result<Self, Failure> {
        let line = dial(address).await?;
        let took = line.took.as_millis();
        let mut call = Self {
            line,
            paint,
            call_id: None,
            sound: Vec::new(),
            arrived: Vec::new(),
            call_end: None,
        };
        call.tell(format_args!("key accepted, WebSocket open, {took} ms after dialling"))?;
        call.wait_for("the greeting", |what| *what == What::Said(Message::AudioEnd)).await?;
        call.tell(format_args!("the agent listens"))?;
        Ok(call)
    }

    /// Says something and waits until all of it has come back; how far behind it was.
    pub async fn say(&mut self, clip: &Clip) -> Result<Duration, Failure> {
        let from = self.sound.len();
        self.line.play(clip.sound.clone(), Start::AtOnce);
        let began = self.wait_for("the caller's turn", |what| *what == What::ClipBegan).await?.at;
        self.tell_at(began, format_args!("caller: {}", self.paint.name(&clip.words)))?;
        loop {
            let heard = &self.sound[from..];
            if heard.len() >= clip.sound.len()
                && let Some(at) = heard.windows(clip.sound.len()).position(|w| w == clip.sound)
            {
                return Ok(self.lag(from + at, clip.sound.len(), began));
            }
            self.wait_for("the echo", |what| matches!(what, What::Sound(_))).await?;
        }
    }

    /// Tells something about the call that has just happened.
    pub fn tell(&self, text: impl Display) -> Result<(), Failure> {
        self.tell_at(self.line.now(), text)
    }

    fn tell_at(&self, at: Duration, text: impl Display) -> Result<(), Failure> {
        let at = format!("{:>6.2} s", at.as_secs_f64());
        Ok(print(format_args!("   {}  {text}", self.paint.dim(at)))?)
    }

    /// Hangs up, and waits until the server has ended and closed as it should.
    pub async fn hang_up(mut self) -> Result<Ended, Failure> {
        self.tell("the caller hangs up")?;
        self.line.hang_up();
        let closed = self.wait_for("the end", |what| matches!(what, What::Closed(_))).await?.what;
        let (Some((talk, reason)), What::Closed(Some(1000))) = (&self.call_end, &closed) else {
            return Err(Failure::broken(format!("the call did not end cleanly: {closed:?}")));
        };
        if reason != "end_call" {
            return Err(Failure::broken(format!("the call ended as {}", tame(reason))));
        }
        let talk = *talk;
        let call_id = self.call_id.ok_or_else(|| Failure::broken("there was no call_start"))?;
        Ok(Ended { call_id, talk, sound: self.sound })
    }

    /// Listens until this is heard. All else that is heard meanwhile is noted and told.
    async fn wait_for(
        &mut self,
        name: &str,
        wanted: impl Fn(&What) -> bool,
    ) -> Result<Heard, Failure> {
        let waiting = async {
            while let Some(heard) = self.line.hear().await {
                self.note(&heard)?;
                if wanted(&heard.what) {
                    return Ok(heard);
                }
                if let What::Broken(why) = heard.what {
                    return Err(Failure::broken(format!("the line broke: {}", tame(&why))));
                }
            }
            Err(Failure::broken(format!("the call was over before {name}")))
        };
        let late = |_| Failure::broken(format!("{name} did not come within {PATIENCE:?}"));
        timeout(PATIENCE, waiting).await.map_err(late)?
    }

    fn note(&mut self, heard: &Heard) -> Result<(), Failure> {
        let at = heard.at;
        match &heard.what {
            What::Sound(sound) => {
                self.sound.extend_from_slice(sound);
                self.arrived.push((self.sound.len(), at));
                Ok(())
            }
            What::Said(Message::CallStart { call_id }) => {
                let call_id = tame(call_id);
                self.tell_at(at, format_args!("{call_id} begins"))?;
                self.call_id = Some(call_id);
                Ok(())
            }
            What::Said(Message::Transcript { role, text }) if role == "assistant" => {
                self.tell_at(at, format_args!("agent: {}", self.paint.name(quoted(&tame(text)))))
            }
            What::Said(Message::Error { code, message }) => {
                self.tell_at(at, self.paint.bad(format!("error {}: {}", tame(code), tame(message))))
            }
            What::Said(Message::CallEnd { reason }) => {
                self.call_end = Some((at, reason.clone()));
                self.tell_at(at, format_args!("call_end: {}", tame(reason)))
            }
            _ => Ok(()),
        }
    }

    /// How long after it was said each frame was back, in the middle of all frames.
    fn lag(&self, at: usize, len: usize, began: Duration) -> Duration {
        let mut lags: Vec<Duration> = (1..=len / FRAME)
            .zip((0..).map(|n| began + Duration::from_millis(20) * n))
            .filter_map(|(frame, said)| {
                let end = at + frame * FRAME;
                let back = self.arrived.iter().find(|(length, _)| *length >= end)?.1;
                Some(back.saturating_sub(said))
            })
            .collect();
        lags.sort_unstable();
        lags.get(lags.len() / 2).copied().unwrap_or_default()
    }
}

/// In quotation marks.
pub fn quoted(text: &str) -> String {
    format!("“{text}”")
}
