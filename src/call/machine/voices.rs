//! Who is heard: the caller, the echo, and an agent outside with all that it does.
//!
//! What it leads to is written in `follow`, one file up; what is kept of it, in the instruments.

use std::time::Duration;

use bytes::Bytes;

use super::{Machine, State, Step};
use crate::{
    audio::level,
    call::{Engine, Event, FromAgent, Output, Time},
};

/// How long after the caller was heard an agent outside may be about to take back what it said. It has
/// to notice first, and what it says then may stand behind much else.
const INTERRUPTS: Duration = Duration::from_secs(5);

impl Machine {
    /// Whether an agent outside should be listened to now. While it should not, leave what it does
    /// where it is, so that it has to wait, and ask again after the next input: so nothing of what it
    /// says is lost, and no more of it is kept than can be said in some minutes. While the caller
    /// speaks there is room for twice as much again, so that a clear comes through at once although the
    /// agent had said more than there was room for.
    pub fn has_room(&self, now: Time) -> bool {
        let interrupted = self.caller_heard_at.is_some_and(|at| now < at + INTERRUPTS);
        !self.is_open() || self.playback.has_room(interrupted, &self.out)
    }

    /// The caller is heard. True if that leaves nothing to be looked after.
    pub(super) fn hear(&mut self, now: Time, frame: Bytes) -> bool {
        match (&self.state, self.plan.engine) {
            (State::Greeting(_), Engine::Echo) => {
                self.playback.ignore(&frame, &self.out);
                true
            }
            (State::Listening | State::Speaking, Engine::Echo) => self.speak(now, frame),
            (State::Greeting(_) | State::Listening | State::Speaking, Engine::Outside) => {
                if level::is_voiced(self.plan.format, &frame) {
                    self.caller_is_heard(now);
                    self.out.caller_speaks(now);
                }
                true
            }
            (State::Closing { .. } | State::Leaving { .. } | State::Ended, _) => true,
        }
    }

    /// The caller says something, or presses a key.
    pub(super) fn caller_is_heard(&mut self, now: Time) {
        self.silence.speech_until(now);
        self.turns.caller_spoke = true;
        self.caller_heard_at = Some(now);
    }

    /// An agent outside does something.
    pub(super) fn agent_does(&mut self, now: Time, what: FromAgent) {
        if !self.is_open() {
            return;
        }
        match what {
            FromAgent::Audio(sound) => {
                let frame = self.mouth.speak(now, sound);
                self.agent_speaks(now, frame);
            }
            FromAgent::Clear => self.follow(now, Step::Clear),
            FromAgent::Mark(name) => self.playback.mark(name, &mut self.out),
            FromAgent::Dtmf(key) => self.playback.tone(key, &mut self.out),
            FromAgent::Said { role, text } => {
                let is_slow = self.record.is_slow(now, text.len());
                self.transcribe(now, role, text, is_slow);
            }
            FromAgent::HangUp => self.follow(now, Step::HangUp),
            FromAgent::Gone(cause) => {
                self.out.push(Output::Event(Event::Error(cause)));
                self.follow(now, Step::Apologise);
            }
        }
    }

    fn agent_speaks(&mut self, now: Time, frame: Bytes) {
        match self.state {
            _ if frame.is_empty() => {}
            State::Greeting(_) => self.playback.hold(&frame, &self.out),
            State::Listening | State::Speaking => {
                self.speak(now, frame);
            }
            State::Closing { .. } | State::Leaving { .. } | State::Ended => {}
        }
    }

    /// Sends what waits and may be sent now, to the last sample once the agent has paused.
    pub(super) fn go_on_speaking(&mut self, now: Time) {
        self.playback.release(now, &mut self.out);
        let paused = self.mouth.paused_at().is_some_and(|at| at <= now);
        if paused && !self.playback.has_samples(&self.out) {
            let rest = self.mouth.rest();
            self.agent_speaks(now, rest);
        }
    }

    /// The agent's sound goes out. True if that leaves nothing to be looked after.
    fn speak(&mut self, now: Time, frame: Bytes) -> bool {
        let samples = frame.get(self.playback.split_bytes(&self.out)..).unwrap_or_default();
        let voiced = level::is_voiced(self.plan.format, samples);
        self.playback.put(now, frame, &mut self.out);
        if voiced && self.plan.engine == Engine::Echo {
            self.out.caller_speaks(now);
        }
        if voiced {
            // It is speech until it has been played.
            let rest = self.playback.length(&self.out);
            self.silence.speech_until(self.out.played_at().max(now) + rest);
        }
        let opened = matches!(self.state, State::Listening) && self.out.in_stretch();
        if opened {
            self.follow(now, Step::Spoke);
        }
        !opened && !self.playback.has_samples(&self.out)
    }
}
