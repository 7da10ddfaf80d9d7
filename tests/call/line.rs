//! A telephone line with an invented clock: it wakes the machine when it wants to be woken, notes what
//! the peer hears, and checks on the way what holds for every call.

use std::{sync::LazyLock, time::Duration};

use bytes::Bytes;
use upvoot::{
    audio::format::Format,
    call::{
        CallPlan, Engine, Event, Finished, FromAgent, Input, Machine, Output, Reserve, Role, Tag,
        Time, ToAgent, TranscriptLine, event::Stretch,
    },
    points::Seconds,
};

/// Calls do not begin when the clock does.
pub const ANCHOR: Time = Time::from_secs(1_000);
/// What section 2 of the design promises.
const MOST_IN_FLIGHT: Duration = Duration::from_millis(200);

pub const BYTES_PER_MS: usize = 32;

pub fn plan() -> CallPlan {
    CallPlan {
        engine: Engine::Echo,
        format: Format::NATIVE,
        ahead: ms(180),
        marks: false,
        greeting: Some("Hello.".into()),
        closing: "Goodbye.".into(),
        apology: "Sorry.".into(),
        max_turns: None,
        max_duration: Duration::from_secs(3_600),
        silence_timeout: Duration::from_secs(600),
        reserved: Seconds(3_600),
        transcript_bytes: 256 * 1024,
    }
}

/// A call that an agent outside answers, and greets by itself.
pub fn outside() -> CallPlan {
    CallPlan { engine: Engine::Outside, greeting: None, ..plan() }
}

/// The agent outside speaks, in our own format.
pub fn speaks(sound: Bytes) -> Input {
    Input::Agent(FromAgent::Audio(sound))
}

pub fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

pub fn s(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// A voice, different in every sample, so that a byte out of place is noticed.
pub fn voice(ms: usize) -> Bytes {
    static MINUTE: LazyLock<Bytes> = LazyLock::new(|| {
        (0..60_000 * BYTES_PER_MS / 2)
            .flat_map(|i| (((i * 7_919) % 20_000) as u16).wrapping_sub(10_000).to_le_bytes())
            .collect()
    });
    MINUTE.slice(..ms * BYTES_PER_MS)
}

pub fn zeros(ms: usize) -> Bytes {
    Bytes::from(vec![0; ms * BYTES_PER_MS])
}

pub fn granted(total: i64) -> Input {
    Input::Reservation(Reserve::Granted { total: Seconds(total) })
}

pub const DENIED: Input = Input::Reservation(Reserve::Denied);
pub const UNAVAILABLE: Input = Input::Reservation(Reserve::Unavailable);

/// One call, seen from the peer's side.
pub struct Line {
    machine: Machine,
    format: Format,
    now: Time,
    played_at: Time,
    in_stretch: bool,
    heard: Vec<String>,
    audio: Vec<u8>,
    lines: Vec<TranscriptLine>,
    /// Who was heard, in the order in which it was told.
    pub stretches: Vec<Stretch>,
    /// The marks the peer was sent, in order.
    pub marks: Vec<Tag>,
    finished: Option<Finished>,
    /// What the ledger answers at once whenever it is asked; `None`: nothing.
    pub ledger: Option<Reserve>,
    pub asked: usize,
    pub wake_ups: usize,
}

impl Line {
    /// The dialect has just been recognised; nothing is rendered yet.
    pub fn open(plan: CallPlan) -> Self {
        let mut line = Self {
            format: plan.format,
            machine: Machine::start(plan, ANCHOR),
            now: ANCHOR,
            played_at: Time::ZERO,
            in_stretch: false,
            heard: Vec::new(),
            audio: Vec::new(),
            lines: Vec::new(),
            marks: Vec::new(),
            stretches: Vec::new(),
            finished: None,
            ledger: None,
            asked: 0,
            wake_ups: 0,
        };
        line.collect();
        line
    }

    /// A call that has greeted for 500 ms and now listens, its closing phrase of a second at hand.
    /// What was heard so far is forgotten.
    pub fn greeted(plan: CallPlan) -> Self {
        let mut line = Self::open(plan);
        line.says(Input::Closing(voice(1_000)));
        line.says(Input::Greeting(voice(500)));
        line.until(ms(500));
        line.hears(&["assistant: Hello.", "audio_start", "500 ms", "audio_end"]);
        line.wake_ups = 0;
        line
    }

    /// Something happens now.
    pub fn says(&mut self, input: Input) {
        self.machine.handle(self.now, input);
        self.collect();
    }

    /// The caller talks in 20 ms frames, in real time.
    pub fn talks(&mut self, sound: &Bytes) {
        for frame in sound.chunks(20 * BYTES_PER_MS) {
            self.says(Input::Audio(Bytes::copy_from_slice(frame)));
            self.pass(ms(20));
        }
    }

    /// Time passes, and the machine is woken when it asked for it.
    pub fn pass(&mut self, time: Duration) {
        self.until(self.talk() + time);
    }

    /// Time passes up to this moment of talk time.
    pub fn until(&mut self, talk: Duration) {
        let end = ANCHOR + talk;
        while let Some(at) = self.machine.wake_at().filter(|at| *at <= end) {
            assert!(at > self.now, "woken at {at:?} again and again");
            self.now = at;
            self.wake_ups += 1;
            self.says(Input::Tick);
        }
        self.now = end;
    }

    /// Time passes and nobody wakes the machine.
    pub fn oversleeps(&mut self, time: Duration) {
        self.now += time;
        self.says(Input::Tick);
    }

    /// Time passes until the call is over or an hour and a half has gone.
    pub fn until_over(&mut self) -> Finished {
        self.until(s(5_400));
        self.finished.clone().expect("a call ends")
    }

    /// Everything the peer was sent since this was last asked.
    #[track_caller]
    pub fn hears(&mut self, expected: &[&str]) {
        let heard = std::mem::take(&mut self.heard);
        let merged = heard.iter().fold(Vec::<String>::new(), |mut merged, next| {
            match (merged.last_mut(), sound_ms(next)) {
                (Some(last), Some(more)) if sound_ms(last).is_some() => {
                    *last = format!("{} ms", sound_ms(last).unwrap() + more);
                }
                _ => merged.push(next.clone()),
            }
            merged
        });
        assert_eq!(merged, expected, "after {:?} of talk", self.talk());
    }

    /// What the peer was sent of this kind since this was last asked; all else is forgotten.
    pub fn heard_of(&mut self, kind: &'static str) -> impl Iterator<Item = String> {
        std::mem::take(&mut self.heard).into_iter().filter(move |heard| heard.starts_with(kind))
    }

    /// Whether an agent outside is listened to now.
    pub fn has_room(&self) -> bool {
        self.machine.has_room(self.now)
    }

    /// The audio sent since this was last asked.
    pub fn audio(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.audio)
    }

    /// The transcript as it is kept.
    pub fn lines(&self) -> &[TranscriptLine] {
        &self.lines
    }

    /// How the call ended, if it has.
    pub fn finished(&self) -> Option<&Finished> {
        self.finished.as_ref()
    }

    pub fn machine(&self) -> &Machine {
        &self.machine
    }

    pub fn talk(&self) -> Duration {
        self.now - ANCHOR
    }

    fn collect(&mut self) {
        while let Some(output) = self.machine.poll() {
            assert!(self.finished.is_none(), "nothing comes after the end, but {output:?}");
            match output {
                Output::Audio(frame) => {
                    assert!(self.in_stretch, "audio outside a stretch");
                    assert!(!frame.is_empty(), "no empty frames");
                    assert_eq!(self.format.whole_samples(frame.len()), frame.len());
                    let length = self.format.length(frame.len());
                    self.played_at = self.played_at.max(self.now) + length;
                    assert!(self.played_at - self.now <= MOST_IN_FLIGHT, "too much in flight");
                    self.heard.push(format!("{} ms", length.as_secs_f64() * 1e3));
                    self.audio.extend_from_slice(&frame);
                }
                Output::Event(event) => self.heard.push(match event {
                    Event::AudioStart => {
                        assert!(!std::mem::replace(&mut self.in_stretch, true));
                        "audio_start".into()
                    }
                    Event::AudioEnd => {
                        assert!(std::mem::take(&mut self.in_stretch));
                        "audio_end".into()
                    }
                    Event::Transcript { role: Role::Assistant, text } => {
                        format!("assistant: {text}")
                    }
                    Event::Transcript { role: Role::User, text } => format!("user: {text}"),
                    Event::Error(cause) => format!("error {}", cause.code.as_str()),
                    Event::CallEnd { reason } => format!("call_end {}", reason.as_str()),
                }),
                Output::Clear => {
                    self.played_at = self.now;
                    self.heard.push("clear".into());
                }
                Output::Mark(tag) => {
                    self.heard.push("mark".into());
                    self.marks.push(tag);
                }
                Output::Tone(digit) => self.heard.push(format!("tone {digit}")),
                Output::ToAgent(told) => self.heard.push(match told {
                    ToAgent::Dtmf(digit) => format!("agent: pressed {digit}"),
                    ToAgent::Played(name) => format!("agent: played {name}"),
                    ToAgent::Cleared => "agent: cleared".into(),
                }),
                Output::Line(line) => self.lines.push(line),
                Output::Heard(stretch) => self.stretches.push(stretch),
                Output::Extend => {
                    self.asked += 1;
                    if let Some(answer) = self.ledger {
                        self.machine.handle(self.now, Input::Reservation(answer));
                    }
                }
                Output::Finished(finished) => self.finished = Some(finished),
            }
        }
        if self.finished.is_some() {
            assert_eq!(self.machine.wake_at(), None);
        } else {
            assert!(self.machine.wake_at().is_some_and(|at| at > self.now), "it must go on");
        }
    }
}

fn sound_ms(heard: &str) -> Option<f64> {
    heard.strip_suffix(" ms")?.parse().ok()
}
