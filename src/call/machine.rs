//! The call machine: who speaks when, and how a call ends.
//!
//! Feed it an [`Input`] with the time, take all [`Output`]s, and come back with [`Input::Tick`] at
//! [`Machine::wake_at`]. It must not know how events look on a wire, who pays, or what time it is.
//! `follow` shows every transition and `timing` when they are due; the instruments played here are the
//! siblings of this file.
//!
//! ```text
//!   Greeting --said--> Listening --spoke--> Speaking
//!      |                   |   <--ran dry, barge-in--  |
//!      +---- wrap up: time, points, turns, silence, drain, agent ----> Closing --said--> Leaving
//!      +---- cut: end_call, hang-up, operator, fault --- from any state ---> Ended <--played--+
//! ```

use std::{mem, time::Duration};

use bytes::Bytes;

use super::{
    CallPlan, EndReason, Engine, Event, Finished, Input, Output, Role, Tag, Time, ToAgent,
    TranscriptLine,
    meter::Meter,
    mouth::Mouth,
    outbox::Outbox,
    playback::Playback,
    record::{Kept, Record},
    silence::Silence,
    speech::Phrase,
};
use crate::audio::format::Format;

mod last_words;
mod timing;
mod voices;

/// A call is over this much before a limit, so that a late wake-up does not cost a second.
const SAFETY: Duration = Duration::from_millis(150);

/// One call, from the recognition of its dialect to its end.
#[derive(Debug)]
pub struct Machine {
    plan: CallPlan,
    state: State,
    out: Outbox,
    playback: Playback,
    mouth: Mouth,
    /// When the caller was heard last.
    caller_heard_at: Option<Time>,
    meter: Meter,
    silence: Silence,
    drain_by: Option<Time>,
    closing: Option<Bytes>,
    apology: Option<Bytes>,
    turns: Turns,
    record: Record,
    // Both are derived, and kept because they are read for every frame. A frame may move a deadline
    // back but never forward, so a frame need not touch them: the wake-up finds out, once.
    wake_at: Option<Time>,
    must_end_by: (Time, EndReason),
}

#[derive(Debug)]
enum State {
    /// The agent greets; what it hears is dropped.
    Greeting(Phrase),
    /// The agent does not speak.
    Listening,
    /// The agent speaks, or has just paused.
    Speaking,
    /// The agent says its last words; what it hears is dropped.
    Closing { reason: EndReason, words: Words, phrase: Phrase },
    /// The last words are sent; the peer is given time to play them.
    Leaving { reason: EndReason, last: Tag, until: Time },
    /// Nothing comes in or goes out.
    Ended,
}

/// Which words are an agent's last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Words {
    /// The closing phrase.
    Closing,
    /// The apology for an agent that is gone.
    Apology,
    /// What the agent had still to say when it hung up.
    Own,
}

/// An agent's turns: stretches of its speech, each after the caller was heard.
#[derive(Debug, Default)]
struct Turns {
    taken: u32,
    caller_spoke: bool,
}

/// What takes a call from one state to another.
enum Step {
    /// A phrase that was awaited is here, or the chime that stands for one that was given up.
    Speak(Bytes),
    /// A phrase has been said.
    Said,
    /// The agent began to speak.
    Spoke,
    /// The agent has said nothing for a while.
    RanDry,
    /// The agent takes back what was not played yet.
    Clear,
    /// The call has to end, with closing words.
    WrapUp(EndReason),
    /// The agent is gone: the call has to end, with the apology.
    Apologise,
    /// The agent hangs up, once it has said what it has to say.
    HangUp,
    /// The peer has played the last words, or had the time to.
    Played,
    /// The call ends here and now.
    Cut(EndReason),
}

impl Machine {
    /// A call whose talk time begins now. Take its first outputs at once.
    pub fn start(plan: CallPlan, now: Time) -> Self {
        let mut machine = Self {
            state: match plan.greeting {
                Some(_) => State::Greeting(Phrase::awaited(now)),
                None => State::Listening,
            },
            out: Outbox::new(plan.format, plan.ahead, plan.marks).since(now),
            playback: Playback::default(),
            mouth: Mouth::on(match plan.engine {
                // It says what it hears, in the format in which it heard it.
                Engine::Echo => Format::NATIVE,
                Engine::Outside => plan.format,
            }),
            caller_heard_at: None,
            meter: Meter::start(now, plan.reserved),
            silence: Silence::since(now, plan.silence_timeout),
            drain_by: None,
            closing: None,
            apology: None,
            turns: Turns::default(),
            record: Record::of(plan.transcript_bytes),
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
            Input::Agent(what) => self.agent_does(now, what),
            Input::Dtmf(digit) => {
                self.caller_is_heard(now);
                let at_ms = self.at_ms(now);
                let is_slow = self.record.is_slow(now, 0);
                self.note(TranscriptLine::Dtmf { digit, at_ms }, is_slow);
                self.tell_agent(ToAgent::Dtmf(digit));
            }
            Input::Greeting(phrase) => {
                if matches!(self.state, State::Greeting(_)) {
                    self.follow(now, Step::Speak(phrase));
                }
            }
            Input::Closing(phrase) => self.last_words(now, Words::Closing, phrase),
            Input::Apology(phrase) => self.last_words(now, Words::Apology, phrase),
            Input::Played(tag) => {
                while let Some(name) = self.out.marks_mut().reached(tag) {
                    self.tell_agent(ToAgent::Played(name));
                }
                if matches!(self.state, State::Leaving { last, .. } if last == tag) {
                    self.follow(now, Step::Played);
                }
            }
            Input::EndCall => self.follow(now, Step::Cut(EndReason::EndCall)),
            Input::PeerGone => self.follow(now, Step::Cut(EndReason::Hangup)),
            Input::End(reason) => self.follow(now, Step::Cut(reason)),
            Input::DrainBy(time) => {
                self.drain_by = Some(self.drain_by.map_or(time, |by| by.min(time)));
            }
            Input::Fault(cause) => {
                self.out.push(Output::Event(Event::Error(cause)));
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
        use State::{Closing, Ended, Greeting, Leaving, Listening, Speaking};
        self.state = match (mem::replace(&mut self.state, Ended), step) {
            (Greeting(Phrase::Awaited { .. }), Step::Speak(phrase)) => {
                self.say_words(now, self.plan.greeting.clone().unwrap_or_default());
                Greeting(Phrase::saying(phrase, self.plan.format))
            }
            (Greeting(_), Step::Said) => {
                self.out.end_stretch();
                // An agent outside may have spoken meanwhile.
                let rest = self.playback.length(&self.out);
                self.silence.speech_until(now.max(self.out.played_at()) + rest);
                if self.playback.has_samples(&self.out) { Speaking } else { Listening }
            }
            (Listening, Step::Spoke) => {
                self.turns.taken += u32::from(mem::take(&mut self.turns.caller_spoke));
                Speaking
            }
            (Speaking, Step::RanDry) => {
                self.out.end_stretch();
                Listening
            }
            (Greeting(_) | Listening | Speaking, Step::Clear) => {
                self.playback.clear();
                self.mouth.forget();
                self.out.clear(now);
                self.tell_agent(ToAgent::Cleared);
                self.silence.speech_until(now);
                Listening
            }
            (Greeting(_) | Listening | Speaking, Step::WrapUp(reason)) => {
                self.begin_last_words(now, reason, Words::Closing)
            }
            (Greeting(_) | Listening | Speaking, Step::Apologise) => {
                self.begin_last_words(now, EndReason::Error, Words::Apology)
            }
            (Greeting(_) | Listening | Speaking, Step::HangUp) => self.begin_own_words(now),
            (Closing { reason, words, phrase: Phrase::Awaited { .. } }, Step::Speak(phrase)) => {
                let phrase = Phrase::saying(self.fit(now, phrase), self.plan.format);
                Closing { reason, words, phrase }
            }
            (Closing { reason, .. }, Step::Said) if self.plan.marks => self.leave(reason),
            (Closing { reason, .. }, Step::Said)
            | (Leaving { reason, .. }, Step::Played)
            | (_, Step::Cut(reason)) => {
                self.finish(now, reason);
                Ended
            }
            (state, _) => state,
        };
    }

    /// Does all that is due, then finds out when to be woken next.
    fn advance(&mut self, now: Time) {
        // First: nothing may follow an end.
        while let Some(name) = self.out.marks_mut().overdue(now) {
            self.tell_agent(ToAgent::Played(name));
        }
        while let Some(step) = self.due(now) {
            self.follow(now, step);
        }
        if self.may_need_more() && self.meter.tick(now) {
            self.out.push(Output::Extend);
        }
        self.must_end_by = self.deadline(now).unwrap_or(self.must_end_by);
        self.wake_at = self.next_wake();
    }

    /// Before its end has begun.
    fn is_open(&self) -> bool {
        !matches!(self.state, State::Closing { .. } | State::Leaving { .. } | State::Ended)
    }

    /// Words of our own, whatever becomes of their sound.
    fn say_words(&mut self, now: Time, text: String) {
        self.transcribe(now, Role::Assistant, text, true);
    }

    /// Words go to the peer and into the transcript; what is said too fast goes nowhere.
    fn transcribe(&mut self, now: Time, role: Role, text: String, is_slow: bool) {
        let at_ms = self.at_ms(now);
        if is_slow {
            self.out.push(Output::Event(Event::Transcript { role, text: text.clone() }));
        }
        self.note(TranscriptLine::Transcript { role, text, at_ms }, is_slow);
    }

    /// Keeps a line, within bounds, or that one was left out.
    fn note(&mut self, line: TranscriptLine, is_slow: bool) {
        let at_ms = line.at_ms();
        match self.record.keep(line.words(), is_slow) {
            Kept::Line => self.out.push(Output::Line(line)),
            Kept::Omission => self.out.push(Output::Line(TranscriptLine::Truncated { at_ms })),
            Kept::Nothing => {}
        }
    }

    fn tell_agent(&mut self, what: ToAgent) {
        if self.plan.engine == Engine::Outside {
            self.out.push(Output::ToAgent(what));
        }
    }

    /// Whether the agent has taken all the turns it may.
    fn out_of_turns(&self) -> bool {
        self.plan.max_turns.is_some_and(|most| self.turns.taken >= most)
    }

    /// The one way out of a call.
    fn finish(&mut self, now: Time, reason: EndReason) {
        // Somebody who has hung up is told nothing.
        if reason != EndReason::Hangup {
            self.out.end_stretch();
            self.out.push(Output::Event(Event::CallEnd { reason }));
        }
        self.out.marks_mut().clear();
        self.out.end_stretches(now);
        let (talk, dropped_bytes) = (self.meter.talk(now), self.playback.dropped_bytes());
        self.out.push(Output::Finished(Finished { reason, talk, dropped_bytes }));
    }

    fn at_ms(&self, now: Time) -> u64 {
        let since = now.saturating_sub(self.meter.started());
        u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
    }
}
