//! What is known of a call so far: when to hang up, how it went, and each event as a line of text.

use std::time::Duration;

use tokio::time::Instant;

use super::super::{
    paint::{Paint, tame},
    phone::{Heard, Message, What},
};
use crate::{audio::format::Format, call::CauseCode};

/// How much longer the line stays open when all that was played has come back.
const AFTERTHOUGHT: Duration = Duration::from_secs(1);
/// How long an agent may be silent after the clip before no answer is expected.
const NO_ANSWER: Duration = Duration::from_secs(10);

/// What is planned for a call.
#[derive(Debug, Clone, Copy)]
pub struct Plan {
    /// How sound is written on the line.
    pub format: Format,
    /// It is a telephony provider's call: no `call_end` tells its end.
    pub provider: bool,
    /// Bytes of the clip.
    pub clip: usize,
    /// How many keys are pressed.
    pub keys: usize,
    /// After so many seconds there is an end.
    pub seconds: Option<u64>,
}

pub struct Progress {
    plan: Plan,
    paint: Paint,
    limit: Option<Instant>,
    pub hung_up: bool,
    /// How many bytes must have been heard in all when the clip has come back.
    echoed: Option<usize>,
    echoed_at: Option<Instant>,
    played: bool,
    pressed: usize,
    last_sound: Instant,
    /// Bytes heard, in all and since the agent began to speak.
    heard: usize,
    stretch: usize,
    complaints: usize,
    call_end: bool,
    /// Why the call failed: a code and a sentence, the first that was told.
    failure: Option<String>,
    closed: Option<u16>,
}

/// How a call went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// It ended as calls do.
    Clean,
    /// The server said why it failed.
    Failed,
    /// Neither.
    Unclean,
}

impl Progress {
    pub fn new(plan: Plan) -> Self {
        let now = Instant::now();
        Self {
            plan,
            paint: Paint::for_stdout(),
            limit: plan.seconds.map(|seconds| now + Duration::from_secs(seconds)),
            hung_up: false,
            echoed: None,
            echoed_at: None,
            played: false,
            pressed: 0,
            last_sound: now,
            heard: 0,
            stretch: 0,
            complaints: 0,
            call_end: false,
            failure: None,
            closed: None,
        }
    }

    pub fn note(&mut self, heard: &Heard) {
        match &heard.what {
            What::Sound(sound) => {
                self.heard += sound.len();
                self.stretch += sound.len();
                self.last_sound = Instant::now();
                if self.echoed.is_some_and(|enough| self.heard >= enough) {
                    self.echoed_at.get_or_insert_with(Instant::now);
                }
            }
            What::Said(Message::AudioStart) | What::AgentSpeaks => self.stretch = 0,
            What::Said(Message::CallEnd { .. }) => self.call_end = true,
            What::ClipBegan => self.echoed = Some(self.heard + self.plan.clip),
            What::ClipEnded => {
                self.played = true;
                self.last_sound = Instant::now();
            }
            What::Pressed(_) => {
                self.pressed += 1;
                self.last_sound = Instant::now();
            }
            What::Complained(_) => self.complaints += 1,
            What::Said(Message::Error { code, message }) => {
                self.failure.get_or_insert_with(|| format!("{}: {}", tame(code), tame(message)));
            }
            What::Failed(code) => {
                let known = CauseCode::from_code(code).map(CauseCode::sentence);
                let sentence = known.unwrap_or("The server says no more.");
                self.failure.get_or_insert_with(|| format!("{}: {sentence}", tame(code)));
            }
            What::Closed(code) => self.closed = *code,
            _ => {}
        }
    }

    /// When to hang up as things stand. An agent that echoes sends as much as it hears; one that
    /// answers may send less, and is done when it has been silent for a while.
    pub fn hang_up_at(&self) -> Option<Instant> {
        if self.limit.is_some() || self.plan.clip == 0 {
            return self.limit;
        }
        if self.pressed < self.plan.keys {
            return None;
        }
        let given_up = self.played.then(|| self.last_sound + NO_ANSWER);
        self.echoed_at.map(|at| at + AFTERTHOUGHT).or(given_up)
    }

    /// How it went, once it is over.
    pub fn ending(&self) -> Ending {
        let is_over = self.call_end || self.plan.provider;
        match &self.failure {
            Some(_) => Ending::Failed,
            None if is_over && self.closed == Some(1000) => Ending::Clean,
            None => Ending::Unclean,
        }
    }

    /// Why the call failed, if the server said so.
    pub fn failure(&self) -> Option<String> {
        let why = self.failure.as_ref()?;
        Some(self.paint.bad(format!("failed: {why}")).to_string())
    }

    /// How much sound was heard.
    pub fn heard(&self) -> String {
        self.seconds(self.heard)
    }

    /// What the provider has to say in the end.
    pub fn verdict(&self) -> Option<String> {
        self.plan.provider.then(|| match self.complaints {
            0 => self.paint.good("protocol check: no complaints").to_string(),
            1 => self.paint.bad("protocol check: 1 complaint").to_string(),
            n => self.paint.bad(format!("protocol check: {n} complaints")).to_string(),
        })
    }

    pub fn describe(&self, heard: &Heard) -> Option<String> {
        let (name, detail) = match &heard.what {
            What::Sound(_) => return None,
            What::ClipBegan => ("(you)", "speaking".to_owned()),
            What::ClipEnded => ("(you)", "silent".to_owned()),
            What::Pressed(key) => ("(you)", format!("pressed {key}")),
            What::AgentSpeaks => ("(agent)", "speaking".to_owned()),
            What::AgentIsSilent => {
                ("(agent)", format!("silent, after {} of sound", self.seconds(self.stretch)))
            }
            What::Said(message) => self.said(message),
            What::Sent(text) => ("sent", tame(text)),
            What::Received(text) => ("received", tame(text)),
            What::Complained(complaint) => ("complaint", tame(&complaint.to_string())),
            What::Late(by) => ("(late)", format!("this machine is {} ms behind", by.as_millis())),
            // Told in full as the last line.
            What::Failed(_) => return None,
            What::Closed(Some(code)) => ("closed", code.to_string()),
            What::Closed(None) => ("closed", "without a code".to_owned()),
            What::Broken(why) => ("broken", tame(why)),
        };
        let at = format!("{:>8.2} s", heard.at.as_secs_f64());
        let line = format!("{}  {:<12}", self.paint.dim(at), self.paint.name(name));
        Some(format!("{line} {detail}").trim_end().to_owned())
    }

    fn said(&self, message: &Message) -> (&'static str, String) {
        match message {
            Message::CallStart { call_id } => ("call_start", tame(call_id)),
            Message::AudioStart => ("audio_start", String::new()),
            Message::AudioEnd => ("audio_end", format!("{} of sound", self.seconds(self.stretch))),
            Message::TurnStart => ("turn_start", String::new()),
            Message::Interim { text } => ("interim", tame(text)),
            Message::Transcript { role, text } => {
                ("transcript", format!("{}: {}", tame(role), tame(text)))
            }
            Message::Error { code, message } => {
                ("error", format!("{}: {}", tame(code), tame(message)))
            }
            Message::CallEnd { reason } => ("call_end", tame(reason)),
            Message::Unknown => ("(unknown)", "unknown event".to_owned()),
        }
    }

    #[expect(clippy::cast_precision_loss, reason = "for display")]
    fn seconds(&self, bytes: usize) -> String {
        format!("{:.2} s", bytes as f64 / self.plan.format.bytes_per_second() as f64)
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::{super::super::phone::Complaint, *};

    fn native(clip: usize, seconds: Option<u64>) -> Progress {
        let format = Format::NATIVE;
        Progress::new(Plan { format, provider: false, clip, keys: 0, seconds })
    }

    fn heard(what: What) -> Heard {
        Heard { at: Duration::from_millis(1_234), what }
    }

    fn sound(bytes: usize) -> Heard {
        heard(What::Sound(vec![0; bytes].into()))
    }

    #[test]
    fn the_line_stays_open_until_a_second_after_the_clip_has_come_back() {
        let mut call = native(1_000, None);
        call.note(&sound(500));
        call.note(&heard(What::ClipBegan));
        call.note(&sound(999));
        assert_eq!(call.hang_up_at(), None);
        call.note(&heard(What::ClipEnded));
        let patience = call.hang_up_at().unwrap() - Instant::now();
        assert!(patience > Duration::from_secs(9), "an agent may think for a while");
        call.note(&sound(1));
        let patience = call.hang_up_at().unwrap() - Instant::now();
        assert!(patience <= AFTERTHOUGHT);
    }

    #[test]
    fn nobody_hangs_up_before_all_keys_are_pressed() {
        let mut call = native(1_000, None);
        call.plan.keys = 2;
        for what in [What::ClipBegan, What::ClipEnded, What::Pressed('1')] {
            call.note(&heard(what));
        }
        call.note(&sound(1_000));
        assert_eq!(call.hang_up_at(), None);
        call.note(&heard(What::Pressed('#')));
        assert!(call.hang_up_at().is_some());
    }

    #[test]
    fn a_limit_counts_alone_and_without_clip_or_limit_there_is_no_end() {
        let mut call = native(1_000, Some(7));
        let end = call.hang_up_at();
        assert!(end.is_some());
        call.note(&heard(What::ClipBegan));
        call.note(&sound(2_000));
        assert_eq!(call.hang_up_at(), end);
        let mut idle = native(0, None);
        idle.note(&sound(2_000));
        assert_eq!(idle.hang_up_at(), None);
    }

    #[test]
    fn clean_is_a_call_end_and_a_normal_close() {
        let end = heard(What::Said(Message::CallEnd { reason: "end_call".to_owned() }));
        use Ending::{Clean, Unclean};
        for (whats, native_ends, providers_ends) in [
            (vec![end.clone(), heard(What::Closed(Some(1000)))], Clean, Clean),
            (vec![end.clone(), heard(What::Closed(Some(1011)))], Unclean, Unclean),
            (vec![end, heard(What::Broken("gone".to_owned()))], Unclean, Unclean),
            (vec![heard(What::Closed(Some(1000)))], Unclean, Clean),
            (vec![heard(What::Closed(None))], Unclean, Unclean),
        ] {
            let mut call = native(0, None);
            whats.iter().for_each(|what| call.note(what));
            assert_eq!(call.ending(), native_ends, "{whats:?}");
            assert_eq!(call.failure(), None, "{whats:?}");
            call.plan.provider = true;
            assert_eq!(call.ending(), providers_ends, "{whats:?}");
        }
    }

    #[test]
    fn a_call_that_failed_is_told_with_its_first_cause_and_is_never_clean() {
        let closed = heard(What::Closed(Some(1000)));
        let error = Message::Error { code: "bot_silent".into(), message: "Nothing.\n".into() };
        for (told, line) in [
            (What::Said(error), "failed: bot_silent: Nothing.\u{fffd}"),
            (What::Failed("bot_closed".into()), "failed: bot_closed: The bot has left the call."),
            (What::Failed("newer_code".into()), "failed: newer_code: The server says no more."),
        ] {
            let mut call = Progress { paint: Paint::plain(), ..native(0, None) };
            call.plan.provider = true;
            [heard(told), heard(What::Failed("later".into())), closed.clone()]
                .iter()
                .for_each(|what| call.note(what));
            assert_eq!(call.ending(), Ending::Failed);
            assert_eq!(call.failure().as_deref(), Some(line));
        }
    }

    #[test]
    fn an_event_is_one_line_with_its_time() {
        let mut call = Progress { paint: Paint::plain(), ..native(0, None) };
        let said = Message::Transcript { role: "assistant".into(), text: "Hello.\nYou".into() };
        for (what, line) in [
            (What::Said(said), "    1.23 s  transcript   assistant: Hello.\u{fffd}You"),
            (What::Said(Message::AudioStart), "    1.23 s  audio_start"),
            (What::Pressed('#'), "    1.23 s  (you)        pressed #"),
            (What::Sent("{}".to_owned()), "    1.23 s  sent         {}"),
            (What::Closed(Some(1000)), "    1.23 s  closed       1000"),
            (What::Sound(Bytes::new()), ""),
        ] {
            assert_eq!(call.describe(&heard(what)).unwrap_or_default(), line);
        }
        assert_eq!(call.verdict(), None);
        call.plan.provider = true;
        assert_eq!(call.verdict().unwrap(), "protocol check: no complaints");
        let hole = What::Complained(Complaint::Hole(Duration::from_millis(50)));
        let line = "    1.23 s  complaint    a hole of 50 ms in the sound";
        assert_eq!(call.describe(&heard(hole.clone())).unwrap(), line);
        call.note(&heard(hole));
        assert_eq!(call.verdict().unwrap(), "protocol check: 1 complaint");
    }
}
