//! The actor of one call: feeds the call machine, and carries out what it asks for.
//!
//! Every handler is the same few steps: note the time, feed the machine, carry out its effects,
//! re-arm the one timer. No rule about who speaks when, what is charged or what a frame means stands
//! here; those are `call`, `ledger` and `dialect`. The clocks that must fire although this actor
//! cannot run are in [`super::watch`].

use std::{sync::Arc, time::Duration};

use actix::{
    Actor, ActorContext, ActorFutureExt, AsyncContext, Handler, SpawnHandle, StreamHandler,
    fut::wrap_future,
};
use actix_http::ws::Item;
use actix_web_actors::ws::{CloseCode, CloseReason, Message, ProtocolError, WebsocketContext};
use bytes::Bytes;
use futures_util::stream;
use tokio::sync::mpsc::Receiver;
use tracing::Span;

use super::{
    Voice, bot,
    faults::{self, Fault},
    frames::Found,
    talk::{self, Talk},
    watch::Watch,
};
use crate::{
    admission::Admitted,
    agent::{
        profile::{Agent, Engine},
        relay::FromBot,
    },
    call::{EndReason, Event, Finished, Input, Output, Reserve},
    dialect::{
        Caller, Dialect, Frame, Heard, Name, Recognised, Say,
        detect::{Detector, First, Hints, Verdict},
        native::Native,
        reassembly::{Assembled, Fragment, Reassembly},
    },
    ledger::{self, Extension},
    live::State,
    points::Seconds,
    registry::{Control, LiveCall},
};

/// How often the peer is pinged. One that has not answered by the next time is gone.
const PING_EVERY: Duration = Duration::from_secs(20);
/// How long the peer may take to answer our close frame.
const CLOSING: Duration = Duration::from_secs(2);
/// How long an unrecognised connection may stand at most; detection decides far sooner.
const UNRECOGNISED: Duration = Duration::from_secs(15);

/// The actor of one call, from the upgrade to the close of its socket.
pub struct VoiceSession {
    voice: Arc<Voice>,
    agent: Agent,
    reserved: Seconds,
    watch: Arc<Watch>,
    span: Span,
    phase: Phase,
    reassembly: Reassembly,
    violation: Found,
    /// The one timer: when it will fire, and the means to cancel it. One, because actix polls every
    /// timer of an actor with every frame.
    timer: Option<(Duration, SpawnHandle)>,
    ping_at: Duration,
    pong_missing: bool,
    /// What the peer did wrong, when that is why the call ends.
    fault: Option<Fault>,
    /// The node began to drain before the dialect was recognised.
    drain_by: Option<Duration>,
}

/// Where the connection stands. Only [`Phase::Talking`] costs points.
enum Phase {
    /// The dialect is not known yet; nothing has been sent.
    Detecting(Detector),
    /// The call.
    Talking(Box<Talk>),
    /// Our close frame is on its way; whatever comes is thrown away.
    Closing,
}

impl VoiceSession {
    /// The session of a call that has just been admitted; `hints` is what its handshake told.
    pub fn new(
        voice: Arc<Voice>,
        admitted: Admitted,
        watch: Arc<Watch>,
        violation: Found,
        hints: Hints,
    ) -> Self {
        let span = tracing::info_span!(
            "call",
            call.id = %admitted.call_id,
            key.suffix = tracing::field::Empty,
            agent.id = %admitted.agent.id,
        );
        if let Some((_, suffix)) = admitted.key {
            span.record("key.suffix", tracing::field::display(suffix));
        }
        // From here on this session settles the call, at the latest when it is dropped.
        admitted.claim.take();
        let now = voice.clock.now();
        let detector = Detector::new(now, hints, admitted.agent.dialect);
        Self {
            voice,
            agent: admitted.agent,
            reserved: admitted.reserved,
            watch,
            span,
            phase: Phase::Detecting(detector),
            reassembly: Reassembly::default(),
            violation,
            timer: None,
            ping_at: now + PING_EVERY,
            pong_missing: false,
            fault: None,
            drain_by: None,
        }
    }

    /// The time, noted for the watchdog.
    fn now(&self) -> Duration {
        let now = self.voice.clock.now();
        self.watch.ran(now);
        now
    }

    /// The one way into the call machine: feed it, then carry out what it asks for.
    fn feed(&mut self, input: Input, ctx: &mut <Self as Actor>::Context) {
        let now = self.now();
        if let Phase::Talking(talk) = &mut self.phase {
            talk.handle(now, input);
        }
        self.carry_out(now, ctx);
    }

    fn carry_out(&mut self, now: Duration, ctx: &mut <Self as Actor>::Context) {
        while let Phase::Talking(talk) = &mut self.phase {
            let output = talk.next_output();
            send(talk, ctx);
            match output {
                None => break,
                Some(Output::Event(event)) => self.show(&event),
                Some(Output::Line(line)) => {
                    self.watch.line.said(&line);
                    self.voice.ledger.note(self.watch.call_id, line);
                }
                Some(Output::Extend) => self.extend(ctx),
                Some(Output::Finished(finished)) => self.finish(&finished, now, ctx),
                // Said on the wire already, or for an agent that this call does not have.
                Some(
                    Output::Audio(_)
                    | Output::Clear
                    | Output::Mark(_)
                    | Output::Tone(_)
                    | Output::ToAgent(_),
                ) => {}
            }
        }
        self.arm(now, ctx);
    }

    /// Shows whoever watches where the call stands.
    fn show(&self, event: &Event) {
        match event {
            Event::AudioStart if self.watch.line.standing() != State::Greeting => {
                self.watch.line.state(State::Speaking);
            }
            Event::AudioEnd => self.watch.line.state(State::Listening),
            _ => {}
        }
    }

    /// Re-arms the timer if something is due earlier than it would fire; a timer that fires early
    /// only looks and re-arms, which is cheaper than moving it with every frame.
    fn arm(&mut self, now: Duration, ctx: &mut <Self as Actor>::Context) {
        let due = match &self.phase {
            Phase::Detecting(detector) => Some(detector.deadline()),
            Phase::Talking(talk) => {
                let (by, reason) = talk.machine().must_end_by();
                self.watch.must_end(by, reason);
                talk.machine().wake_at()
            }
            Phase::Closing => return,
        };
        let wake_at = due.map_or(self.ping_at, |due| due.min(self.ping_at));
        match self.timer {
            Some((armed, _)) if armed <= wake_at => return,
            Some((_, handle)) => {
                ctx.cancel_future(handle);
            }
            None => {}
        }
        let handle = ctx.run_later(wake_at.saturating_sub(now), |session, ctx| {
            session.timer = None;
            session.wake(ctx);
        });
        self.timer = Some((wake_at, handle));
    }

    fn wake(&mut self, ctx: &mut <Self as Actor>::Context) {
        let now = self.now();
        if now >= self.ping_at {
            self.ping(now, ctx);
        }
        if self.detect(First::Nothing, ctx) {
            self.feed(Input::Tick, ctx);
        }
    }

    /// Shows the detector what came, or that nothing did, if the dialect is not known yet. True when
    /// the call runs and what came belongs to it.
    fn detect(&mut self, first: First<'_>, ctx: &mut <Self as Actor>::Context) -> bool {
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
            }
        }
        matches!(self.phase, Phase::Talking(_))
    }

    /// A telephony provider is recognised, whether or not it can be served.
    fn recognised(
        &mut self,
        recognised: Recognised,
        now: Duration,
        ctx: &mut <Self as Actor>::Context,
    ) {
        let Recognised { dialect, caller, unserved } = recognised;
        self.begin(dialect, caller, now, ctx);
        if let Some(message) = unserved {
            self.span.in_scope(|| tracing::warn!(message, "the call cannot be served"));
            self.feed(Input::Fault { code: "unserved_media", message }, ctx);
        }
    }

    /// The agent is pinned to another dialect: an error that names both.
    fn mismatch(
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
    fn turn_away(&mut self, why: &str, now: Duration, ctx: &mut <Self as Actor>::Context) {
        self.span.in_scope(|| tracing::info!(why, "turned away before the call began"));
        self.watch.finish(EndReason::Error, Duration::ZERO, now);
        self.close(CloseCode::Policy, why, now, ctx);
    }

    /// The dialect is recognised: the talk time, and so the charge, begins.
    fn begin(
        &mut self,
        wire: Box<dyn Dialect>,
        caller: Caller,
        now: Duration,
        ctx: &mut <Self as Actor>::Context,
    ) {
        let (call_id, dialect) = (self.watch.call_id, wire.name().as_str());
        self.watch.talk_begins(now);
        self.watch.line.state(State::Greeting);
        let bot = self.call_bot(&caller, wire.as_ref());
        self.voice.ledger.recognised(ledger::Recognised {
            call_id,
            talk_started_ms: self.voice.clock.stamp_ms(now),
            dialect,
            from: caller.from,
            to: caller.to,
            provider_call_id: caller.provider_call_id,
            custom_parameters: caller.params,
        });
        self.span.in_scope(|| tracing::info!(dialect, "call begins"));
        let mut talk = Box::new(Talk::begin(&self.agent, self.reserved, wire, now));
        talk.say(Say::Begin(call_id));
        match bot {
            None => {}
            Some(Ok((bot, events))) => {
                talk.answered_by(bot);
                ctx.add_stream(stream::unfold(events, next_event));
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
    fn call_bot(&self, caller: &Caller, wire: &dyn Dialect) -> Option<bot::Called> {
        let relay = self.agent.relay.as_ref().filter(|_| self.agent.engine == Engine::Relay)?;
        let line = bot::Line { call_id: self.watch.call_id, caller, wire };
        Some(bot::call(&self.agent, relay, line, &self.voice.relay_networks))
    }

    /// Hands the machine the speech of a text, if there is one: at once if it has been rendered before,
    /// else when it is there.
    fn speak(
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
        let (language, voice) = (&self.agent.language, self.agent.voice.as_deref());
        if let Some(speech) = self.voice.speaker.cached(&text, language, voice, format) {
            return self.feed(input(speech), ctx);
        }
        let (speaker, agent) = (self.voice.speaker.clone(), self.agent.clone());
        let rendering = async move {
            speaker.speech(&text, &agent.language, agent.voice.as_deref(), format).await
        };
        ctx.spawn(wrap_future(rendering).map(move |speech, session: &mut Self, ctx| {
            session.feed(input(speech), ctx);
        }));
    }

    /// Asks the ledger for further seconds; its answer goes to the machine.
    fn extend(&self, ctx: &mut <Self as Actor>::Context) {
        let ledger = self.voice.ledger.clone();
        let (call_id, account_id) = (self.watch.call_id, self.agent.account_id);
        let asking = async move { ledger.extend(call_id, account_id).await };
        ctx.spawn(wrap_future(asking).map(|extension, session: &mut Self, ctx| {
            let reserve = match extension {
                Extension::Granted { reserved } => Reserve::Granted { total: reserved },
                Extension::Denied => Reserve::Denied,
                Extension::Unavailable => Reserve::Unavailable,
            };
            session.feed(Input::Reservation(reserve), ctx);
        }));
    }

    /// A fault of the peer: an `error` event, the end, and the close code that says what it was.
    fn fault(&mut self, fault: Fault, ctx: &mut <Self as Actor>::Context) {
        match self.phase {
            Phase::Detecting(_) => {
                let now = self.now();
                self.watch.finish(EndReason::Error, Duration::ZERO, now);
                self.close(fault.close, fault.message, now, ctx);
            }
            Phase::Talking(_) => {
                self.fault = Some(fault);
                self.feed(Input::Fault { code: fault.code, message: fault.message }, ctx);
            }
            Phase::Closing => {}
        }
    }

    /// The machine is done: the call is settled, the socket closed.
    fn finish(&mut self, finished: &Finished, now: Duration, ctx: &mut <Self as Actor>::Context) {
        if self.watch.finish(finished.reason, finished.talk, now) {
            let (reason, duration_ms) = (finished.reason.as_str(), finished.talk.as_millis());
            self.span.in_scope(|| tracing::info!(reason, duration_ms, "call ended"));
        }
        match self.fault.take() {
            Some(fault) => self.close(fault.close, fault.message, now, ctx),
            None => self.close(CloseCode::Normal, "", now, ctx),
        }
    }

    /// Sends our close frame and gives the peer a moment to answer it.
    fn close(
        &mut self,
        code: CloseCode,
        description: &str,
        now: Duration,
        ctx: &mut <Self as Actor>::Context,
    ) {
        self.phase = Phase::Closing;
        let description = (!description.is_empty()).then(|| description.to_owned());
        ctx.close(Some(CloseReason { code, description }));
        ctx.run_later(CLOSING, |_, ctx| ctx.stop());
        // If the peer does not read, that timer never runs; the watchdog then shuts the socket.
        self.watch.must_end(now + CLOSING, EndReason::Hangup);
    }

    /// The peer is gone, or says so.
    fn peer_gone(&mut self, ctx: &mut <Self as Actor>::Context) {
        if matches!(self.phase, Phase::Detecting(_)) {
            let now = self.now();
            self.watch.finish(EndReason::Hangup, Duration::ZERO, now);
            self.close(CloseCode::Normal, "", now, ctx);
        } else {
            self.feed(Input::PeerGone, ctx);
        }
        ctx.stop();
    }

    fn text(&mut self, text: &str, ctx: &mut <Self as Actor>::Context) {
        if self.detect(First::Text(text), ctx)
            && let Phase::Talking(talk) = &mut self.phase
        {
            let heard = talk.wire().text(text);
            self.hear(heard, ctx);
        }
    }

    fn binary(&mut self, bytes: Bytes, ctx: &mut <Self as Actor>::Context) {
        if self.detect(First::Binary, ctx)
            && let Phase::Talking(talk) = &mut self.phase
        {
            let heard = talk.wire().binary(bytes);
            self.hear(heard, ctx);
        }
    }

    /// Something is heard on the wire.
    fn hear(&mut self, heard: Heard, ctx: &mut <Self as Actor>::Context) {
        match talk::input(heard) {
            Some(input) => self.feed(input, ctx),
            None => {
                self.now();
            }
        }
    }

    fn fragment(&mut self, item: Item, ctx: &mut <Self as Actor>::Context) {
        let fragment = match item {
            Item::FirstText(bytes) => Fragment::FirstText(bytes),
            Item::FirstBinary(bytes) => Fragment::FirstBinary(bytes),
            Item::Continue(bytes) => Fragment::Continue(bytes),
            Item::Last(bytes) => Fragment::Last(bytes),
        };
        match self.reassembly.add(fragment) {
            Ok(None) => {}
            Ok(Some(Assembled::Text(text))) => self.text(&text, ctx),
            Ok(Some(Assembled::Binary(pcm))) => self.binary(pcm, ctx),
            Err(fault) => self.fault(faults::of_reassembly(fault), ctx),
        }
    }

    /// Pings the peer; one that has not answered the last ping is gone.
    fn ping(&mut self, now: Duration, ctx: &mut <Self as Actor>::Context) {
        if self.pong_missing {
            self.span.in_scope(|| tracing::info!("no answer to our ping: the peer is gone"));
            return self.peer_gone(ctx);
        }
        self.pong_missing = true;
        self.ping_at = now + PING_EVERY;
        ctx.ping(b"");
    }
}

impl Actor for VoiceSession {
    type Context = WebsocketContext<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        let now = self.now();
        self.watch.must_end(now + UNRECOGNISED, EndReason::Hangup);
        self.voice.registry.register(LiveCall {
            call_id: self.watch.call_id,
            control: ctx.address().recipient(),
            watched: Arc::clone(&self.watch) as _,
        });
        self.detect(First::Nothing, ctx);
    }
}

impl StreamHandler<Result<Message, ProtocolError>> for VoiceSession {
    fn handle(&mut self, item: Result<Message, ProtocolError>, ctx: &mut Self::Context) {
        match item {
            Ok(Message::Binary(pcm)) => self.binary(pcm, ctx),
            Ok(Message::Text(text)) => self.text(&text, ctx),
            Ok(Message::Continuation(item)) => self.fragment(item, ctx),
            Ok(Message::Ping(payload)) => {
                self.now();
                ctx.pong(&payload);
            }
            Ok(Message::Pong(_)) => {
                self.now();
                self.pong_missing = false;
            }
            Ok(Message::Close(_)) => self.peer_gone(ctx),
            Ok(Message::Nop) => {}
            Err(error) => match faults::of_protocol(&error, self.violation.get()) {
                Some(fault) => self.fault(fault, ctx),
                None => self.peer_gone(ctx),
            },
        }
    }

    fn finished(&mut self, ctx: &mut Self::Context) {
        self.peer_gone(ctx);
    }
}

impl StreamHandler<FromBot> for VoiceSession {
    fn handle(&mut self, event: FromBot, ctx: &mut Self::Context) {
        let now = self.now();
        if let FromBot::Gone(gone) = &event {
            self.span.in_scope(|| tracing::info!(why = gone.code(), "the bot is gone"));
        }
        if let Phase::Talking(talk) = &mut self.phase {
            talk.bot_does(now, event);
        }
        self.carry_out(now, ctx);
    }

    /// The call goes on without its bot: what becomes of it is for the machine to say.
    fn finished(&mut self, _: &mut Self::Context) {}
}

impl Handler<Control> for VoiceSession {
    type Result = ();

    fn handle(&mut self, control: Control, ctx: &mut Self::Context) {
        match (control, &self.phase) {
            (Control::End(reason), Phase::Detecting(_)) => {
                let now = self.now();
                self.watch.finish(reason, Duration::ZERO, now);
                self.close(CloseCode::Normal, "", now, ctx);
            }
            (Control::End(reason), _) => self.feed(Input::End(reason), ctx),
            (Control::DrainBy(by), Phase::Detecting(_)) => self.drain_by = Some(by),
            (Control::DrainBy(by), _) => self.feed(Input::DrainBy(by), ctx),
        }
    }
}

impl Drop for VoiceSession {
    /// However the actor ends, also with its connection torn from under it, the call is settled
    /// and no longer live.
    fn drop(&mut self) {
        self.watch.lost(self.voice.clock.now());
        self.voice.registry.unregister(self.watch.call_id);
    }
}

/// The bot's next event, for the actor's stream of them.
async fn next_event(mut events: Receiver<FromBot>) -> Option<(FromBot, Receiver<FromBot>)> {
    let event = events.recv().await?;
    Some((event, events))
}

/// Sends the frames that wait.
fn send(talk: &mut Talk, ctx: &mut WebsocketContext<VoiceSession>) {
    for frame in talk.frames() {
        match frame {
            Frame::Text(text) => ctx.text(text),
            Frame::Binary(bytes) => ctx.binary(bytes),
        }
    }
}
