//! The call machine: who speaks when, and how a call ends.
//!
//! Feed it an [`Input`] with the time, take all [`Output`]s, and come back with [`Input::Tick`] at
//! [`Machine::wake_at`]. It must not know how events look on a wire, who pays, or what time it is.
//! `follow` shows every transition and `timing` when they are due; the instruments played here are the
//! siblings of this file.
//!
//! ```text
//!   Greeting --said--> Listening --heard--> Speaking
//!      |                   |   <--ran dry--    |
//!      +-------- wrap up: time, points, silence, drain --------> Closing --said--> Ended
//!      +-------- cut: end_call, hang-up, operator, fault ---- from any state ----> Ended
//! ```

use std::{mem, time::Duration};

use bytes::Bytes;

use super::{
    CallPlan, EndReason, Event, Finished, Input, Output, Role, Time, TranscriptLine,
    echo::Echo,
    meter::Meter,
    outbox::Outbox,
    silence::Silence,
    speech::{self, Phrase},
};
use crate::audio::level;

mod timing;

/// The most of a closing phrase that is said.
const CLOSING_AT_MOST: Duration = Duration::from_secs(10);
/// A call is over this much before a limit, so that a late wake-up does not cost a second.
const SAFETY: Duration = Duration::from_millis(150);

/// One call, from the recognition of its dialect to its end.
#[derive(Debug)]
pub struct Machine {
    plan: CallPlan,
    state: State,
    out: Outbox,
    echo: Echo,
    meter: Meter,
    silence: Silence,
    drain_by: Option<Time>,
    closing: Option<Bytes>,
    // Both are derived, and kept because they are read for every frame. A frame may move a deadline
    // back but never forward, so a frame need not touch them: the wake-up finds out, once.
    wake_at: Option<Time>,
    must_end_by: (Time, EndReason),
}

#[derive(Debug)]
enum State {
    /// The agent greets; what it hears is dropped.
    Greeting(Phrase),
    /// Nobody speaks.
    Listening,
    /// A stretch of echo is open.
    Speaking,
    /// The agent says its closing words; what it hears is dropped.
    Closing { reason: EndReason, phrase: Phrase },
    /// Nothing comes in or goes out.
    Ended,
}

/// What takes a call from one state to another.
enum Step {
    /// A phrase that was awaited is here; empty if it was given up.
    Speak(Bytes),
    /// A phrase has been said.
    Said,
    /// There is something to echo.
    Heard,
    /// There has been nothing to echo for a while.
    RanDry,
    /// The call has to end, with closing words.
    WrapUp(EndReason),
    /// The call ends here and now.
    Cut(EndReason),
}

impl Machine {
    /// A call whose talk time begins now. Take its first outputs at once.
    pub fn start(plan: CallPlan, now: Time) -> Self {
        let mut machine = Self {
            state: State::Greeting(Phrase::awaited(now)),
            out: Outbox::default(),
            echo: Echo::default(),
            meter: Meter::start(now, plan.reserved),
            silence: Silence::since(now, plan.silence_timeout),
            drain_by: None,
            closing: None,
            wake_at: None,
            must_end_by: (now, EndReason::Error),
            plan,
        };
        machine.advance(now);
        machine
    }

    /// Takes an input. `now` must not run backwards.
    pub fn handle(&mut self, now: Time, input: Input) {
        if matches!(self.state, State::Ended) {
            return;
        }
        match input {
            Input::Audio(frame) => {
                let settled = self.hear(now, frame);
                if settled && self.wake_at.is_some_and(|at| now < at) {
                    return; // the usual frame: nothing else is due
                }
            }
            Input::Dtmf(digit) => {
                self.silence.speech_until(now);
                let at_ms = self.at_ms(now);
                self.out.push(Output::Line(TranscriptLine::Dtmf { digit, at_ms }));
            }
            Input::Greeting(phrase) => {
                if matches!(self.state, State::Greeting(_)) {
                    self.follow(now, Step::Speak(phrase));
                }
            }
            Input::Closing(phrase) => {
                let phrase = speech::cut(phrase, CLOSING_AT_MOST);
                match self.state {
                    State::Closing { .. } => self.follow(now, Step::Speak(phrase)),
                    _ => self.closing = Some(phrase),
                }
            }
            Input::EndCall => self.follow(now, Step::Cut(EndReason::EndCall)),
            Input::PeerGone => self.follow(now, Step::Cut(EndReason::Hangup)),
            Input::End(reason) => self.follow(now, Step::Cut(reason)),
            Input::DrainBy(time) => {
                self.drain_by = Some(self.drain_by.map_or(time, |by| by.min(time)));
            }
            Input::Fault { code, message } => {
                self.out.push(Output::Event(Event::Error { code, message }));
                self.follow(now, Step::Cut(EndReason::Error));
            }
            Input::Reservation(answer) => {
                if self.is_open() && self.meter.answer(now, self.needed_to_close(), answer) {
                    self.follow(now, Step::WrapUp(EndReason::BalanceExhausted));
                }
            }
            Input::Tick => {}
        }
        self.advance(now);
    }

    /// The next thing to do, oldest first.
    pub fn poll(&mut self) -> Option<Output> {
        self.out.pop()
    }

    /// When to come back with [`Input::Tick`]; `None` once the call is over. May be a little too early,
    /// so that it need not be watched for every frame: then there is simply nothing to do yet.
    pub fn wake_at(&self) -> Option<Time> {
        self.wake_at
    }

    /// When the call is over even if this machine is never called again, and why: for a watchdog that
    /// ends calls whose peer has stopped reading. Changes a few times a second at the most.
    pub fn must_end_by(&self) -> (Time, EndReason) {
        self.must_end_by
    }

    /// Every transition of a call, and what goes with it. A step that makes no sense in a state is
    /// none: a phrase that comes twice, an end during the end.
    fn follow(&mut self, now: Time, step: Step) {
        use State::{Closing, Ended, Greeting, Listening, Speaking};
        self.state = match (mem::replace(&mut self.state, Ended), step) {
            (Greeting(Phrase::Awaited { .. }), Step::Speak(phrase)) => {
                self.transcribe(now, self.plan.greeting.clone());
                Greeting(Phrase::saying(phrase))
            }
            (Greeting(_), Step::Said) => {
                self.out.end_stretch();
                self.silence.speech_until(now.max(self.out.played_at()));
                Listening
            }
            (Listening, Step::Heard) => Speaking,
            (Speaking, Step::RanDry) => {
                self.out.end_stretch();
                Listening
            }
            (Greeting(_) | Listening | Speaking, Step::WrapUp(reason)) => {
                self.echo.clear();
                self.out.end_stretch();
                self.transcribe(now, self.plan.closing.clone());
                let phrase = match self.closing.take() {
                    Some(phrase) => Phrase::saying(self.fit(now, phrase)),
                    None => Phrase::awaited(now),
                };
                Closing { reason, phrase }
            }
            (Closing { reason, phrase: Phrase::Awaited { .. } }, Step::Speak(phrase)) => {
                Closing { reason, phrase: Phrase::saying(self.fit(now, phrase)) }
            }
            (Closing { reason, .. }, Step::Said) | (_, Step::Cut(reason)) => {
                self.finish(now, reason);
                Ended
            }
            (state, _) => state,
        };
    }

    /// Does all that is due, then finds out when to be woken next.
    fn advance(&mut self, now: Time) {
        while let Some(step) = self.due(now) {
            self.follow(now, step);
        }
        if self.may_need_more() && self.meter.tick(now) {
            self.out.push(Output::Extend);
        }
        self.must_end_by = self.deadline(now).unwrap_or(self.must_end_by);
        self.wake_at = self.next_wake();
    }

    /// The caller is heard. True if that leaves nothing to be looked after.
    fn hear(&mut self, now: Time, frame: Bytes) -> bool {
        match self.state {
            State::Greeting(_) => {
                self.echo.ignore(&frame);
                true
            }
            State::Listening | State::Speaking => self.echo_back(now, frame),
            State::Closing { .. } | State::Ended => true,
        }
    }

    fn echo_back(&mut self, now: Time, frame: Bytes) -> bool {
        let samples = frame.get(self.echo.split_bytes()..).unwrap_or_default();
        let voiced = level::is_voiced(samples);
        self.echo.hear(now, frame, &mut self.out);
        if voiced {
            // Returned speech is our own speech until it has been played.
            self.silence.speech_until(self.out.played_at().max(now) + self.echo.length());
        }
        let opened = matches!(self.state, State::Listening) && self.out.in_stretch();
        if opened {
            self.follow(now, Step::Heard);
        }
        !opened && !self.echo.has_samples()
    }

    /// As much of the closing phrase as can be played before the call has to be over.
    fn fit(&self, now: Time, phrase: Bytes) -> Bytes {
        let over_by = self.limit().0.saturating_sub(SAFETY);
        speech::cut(phrase, over_by.saturating_sub(self.out.played_at().max(now)))
    }

    /// Before its end has begun.
    fn is_open(&self) -> bool {
        !matches!(self.state, State::Closing { .. } | State::Ended)
    }

    fn transcribe(&mut self, now: Time, text: String) {
        let (role, at_ms) = (Role::Assistant, self.at_ms(now));
        let line = TranscriptLine::Transcript { role, text: text.clone(), at_ms };
        self.out.push(Output::Event(Event::Transcript { role, text }));
        self.out.push(Output::Line(line));
    }

    /// The one way out of a call.
    fn finish(&mut self, now: Time, reason: EndReason) {
        // Somebody who has hung up is told nothing.
        if reason != EndReason::Hangup {
            self.out.end_stretch();
            self.out.push(Output::Event(Event::CallEnd { reason }));
        }
        let (talk, dropped_bytes) = (self.meter.talk(now), self.echo.dropped_bytes());
        self.out.push(Output::Finished(Finished { reason, talk, dropped_bytes }));
    }

    fn at_ms(&self, now: Time) -> u64 {
        let since = now.saturating_sub(self.meter.started());
        u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
    }
}
