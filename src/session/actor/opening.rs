//! From the first frame to the first word: which dialect it is, and the beginning of the call.

use std::time::Duration;

use actix::{Actor, ActorFutureExt, AsyncContext, fut::wrap_future};
use actix_web_actors::ws::CloseCode;
use bytes::Bytes;
use futures_util::stream;

use super::{Phase, VoiceSession, effects::send};
use crate::{
    agent::{profile::Engine, speech::Words},
    call::{Cause, CauseCode, EndReason, Event, Input},
    dialect::{
        Caller, Dialect, Frames, Name, Recognised, Say,
        detect::{First, Verdict},
        native::Native,
    },
    ledger,
    live::State,
    session::{
        bot::{self, Events},
        talk::{self, Talk},
    },
};

/// Characters that are logged of what is attached to a call.
const LOGGED: usize = 512;

impl VoiceSession {
    /// Shows the detector what came, or that nothing did, if the dialect is not known yet. True when
    /// the call runs and what came belongs to it.
    pub(super) fn detect(&mut self, first: First<'_>, ctx: &mut <Self as Actor>::Context) -> bool {
        if let Phase::Detecting(detector) = &mut self.phase {
            let now = self.voice.clock.now();
            self.watch.ran(now);
            match detector.judge(now, first) {
                Verdict::Undecided => self.arm(now, ctx),
                Verdict::Native => self.begin(Box::new(Native), Caller::default(), now, ctx),
                Verdict::Recognised(recognised) => {
                    self.recognised(*recognised, now, ctx);
                    // What showed it has been read.
                    return false;
                }
                Verdict::Mismatch { expected, found } => self.mismatch(expected, found, now, ctx),
                Verdict::Hostile => self.turn_away("unrecognised media protocol", now, ctx),
                Verdict::Foreign(name) => {
                    self.turn_away(&format!("this is {name}, which is not served"), now, ctx);
                }
            }
        }
        matches!(self.phase, Phase::Talking(_))
    }

    /// A telephony provider is recognised, whether or not it can be served.
    pub(super) fn recognised(
        &mut self,
        recognised: Recognised,
        now: Duration,
        ctx: &mut <Self as Actor>::Context,
    ) {
        let Recognised { dialect, caller, unserved } = recognised;
        match unserved {
            None => self.begin(dialect, caller, now, ctx),
            Some(why) => self.cannot_serve(dialect, caller, why, now, ctx),
        }
    }

    /// The provider is known, but not how its sound is written: whose call it was is kept, and the
    /// peer is sent its dialect's word for the end. No talk time begins and no sound is sent. The call
    /// still counts against its key, as everything that costs nothing.
    fn cannot_serve(
        &mut self,
        mut wire: Box<dyn Dialect>,
        caller: Caller,
        why: &'static str,
        now: Duration,
        ctx: &mut <Self as Actor>::Context,
    ) {
        let dialect = wire.name().as_str();
        self.note_recognition(dialect, caller, now);
        let cause = Cause::new(CauseCode::UnservedMedia, format!("{dialect}: {why}"));
        self.watch.failed(&cause);
        let mut frames = Frames::new();
        for event in [Event::Error(cause), Event::CallEnd { reason: EndReason::Error }] {
            wire.say(Say::Event(&event), &mut frames);
        }
        wire.say(Say::HangUp, &mut frames);
        send(frames.into_iter(), ctx);
        self.watch.finish(EndReason::Error, Duration::ZERO, now);
        let reason = Cause::close_reason(CauseCode::UnservedMedia);
        self.close(CloseCode::Normal, &reason, now, ctx);
    }

    /// Has it written down whose call it is.
    fn note_recognition(&self, dialect: &'static str, caller: Caller, now: Duration) {
        self.voice.ledger.recognised(ledger::Recognised {
            call_id: self.watch.call_id,
            account_id: self.agent.account_id,
            talk_started_ms: self.voice.clock.stamp_ms(now),
            dialect,
            from: caller.from,
            to: caller.to,
            provider_call_id: caller.provider_call_id,
            custom_parameters: caller.params,
        });
    }

    /// The agent is pinned to another dialect: an error that names both.
    pub(super) fn mismatch(
        &mut self,
        expected: Name,
        found: Name,
        now: Duration,
        ctx: &mut <Self as Actor>::Context,
    ) {
        let (expected, found) = (expected.as_str(), found.as_str());
        self.turn_away(&format!("this agent speaks {expected}, the peer {found}"), now, ctx);
    }

    /// The peer makes no sense here: it is told why, and charged nothing.
    pub(super) fn turn_away(
        &mut self,
        why: &str,
        now: Duration,
        ctx: &mut <Self as Actor>::Context,
    ) {
        self.watch.span.in_scope(|| tracing::info!(why, "turned away before the call began"));
        self.watch.finish(EndReason::Error, Duration::ZERO, now);
        self.close(CloseCode::Policy, why, now, ctx);
    }

    /// The dialect is recognised: the talk time, and so the charge, begins.
    pub(super) fn begin(
        &mut self,
        wire: Box<dyn Dialect>,
        caller: Caller,
        now: Duration,
        ctx: &mut <Self as Actor>::Context,
    ) {
        let (call_id, dialect) = (self.watch.call_id, wire.name().as_str());
        self.watch.talk_begins(now);
        self.knock.answered();
        let greets = !self.agent.greeting.is_empty();
        self.watch.line.state(if greets { State::Greeting } else { State::Listening });
        let bot = self.call_bot(&caller, wire.as_ref());
        self.watch.span.in_scope(|| log_beginning(dialect, &caller));
        self.note_recognition(dialect, caller, now);
        let transcript_bytes = self.voice.transcript_bytes;
        let limits = talk::Limits { reserved: self.reserved, transcript_bytes };
        let mut talk = Box::new(Talk::begin(&self.agent, limits, wire, now));
        talk.say(Say::Begin(call_id));
        match bot {
            None => {}
            Some(Ok((bot, events))) => {
                talk.answered_by(bot);
                ctx.add_stream(stream::unfold(events, Events::next));
            }
            Some(Err(gone)) => talk.handle(now, Input::Agent(gone)),
        }
        self.phase = Phase::Talking(talk);
        if let Some(by) = self.drain_by {
            self.feed(Input::DrainBy(by), ctx);
        }
        self.speak(self.agent.closing_phrase.clone(), Input::Closing, ctx);
        self.speak(talk::apology(&self.agent).to_owned(), Input::Apology, ctx);
        self.speak(self.agent.greeting.clone(), Input::Greeting, ctx);
        // Also if neither has been rendered yet: the call's clocks run from here.
        self.carry_out(now, ctx);
    }

    /// Calls the agent's bot, if a bot is what answers.
    pub(super) fn call_bot(&self, caller: &Caller, wire: &dyn Dialect) -> Option<bot::Called> {
        let relay = self.agent.relay.as_ref().filter(|_| self.agent.engine == Engine::Relay)?;
        let line = bot::Line { call_id: self.watch.call_id, caller, wire };
        let (networks, names) = (&self.voice.relay_networks, &self.voice.names);
        Some(bot::call(&self.agent, relay, line, networks, names))
    }

    /// Hands the machine the speech of a text, if there is one: at once if it has been rendered before,
    /// else when it is there.
    pub(super) fn speak(
        &mut self,
        text: String,
        input: fn(Bytes) -> Input,
        ctx: &mut <Self as Actor>::Context,
    ) {
        if text.is_empty() {
            return;
        }
        let Phase::Talking(talk) = &self.phase else { return };
        let format = talk.format();
        let words = Words::of(&self.agent, &text);
        if let Some(speech) = self.voice.speaker.cached(words, format) {
            return self.feed(input(speech), ctx);
        }
        let (speaker, agent) = (self.voice.speaker.clone(), self.agent.clone());
        let rendering = async move { speaker.speech(Words::of(&agent, &text), format).await };
        ctx.spawn(wrap_future(rendering).map(move |speech, session: &mut Self, ctx| {
            session.feed(input(speech), ctx);
        }));
    }
}

/// Says in the log that a call begins; who calls, and what is attached to the call, are personal data,
/// and said at `debug` only.
fn log_beginning(dialect: &str, caller: &Caller) {
    tracing::info!(dialect, "call begins");
    if caller.cut_params > 0 {
        let parameters = caller.cut_params;
        tracing::warn!(parameters, "custom parameters are too long or too many and were truncated");
    }
    if tracing::enabled!(tracing::Level::DEBUG) {
        let Caller { from, to, provider_call_id, params, .. } = caller;
        let (from, to) = (from.as_deref(), to.as_deref());
        let provider_call_id = provider_call_id.as_deref();
        let params = (!params.is_empty()).then(|| cut(&format!("{params:?}")));
        tracing::debug!(from, to, provider_call_id, params, "who calls");
    }
}

/// What is logged of something that may be long.
fn cut(text: &str) -> String {
    text.chars().take(LOGGED).collect()
}
