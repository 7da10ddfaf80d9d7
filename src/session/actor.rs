//! The actor of one call: feeds the call machine, and carries out what it asks for.
//!
//! Every handler is the same few steps: note the time, feed the machine, carry out its effects,
//! re-arm the one timer. No rule about who speaks when, what is charged or what a frame means stands
//! here; those are `call`, `ledger` and `dialect`. This file is what comes in; `opening` is the way
//! from the first frame to the first word, `effects` is what goes out. The clocks that must fire
//! although this actor cannot run are in [`super::watch`].

mod effects;
mod opening;

use std::{sync::Arc, time::Duration};

use actix::{Actor, ActorContext, AsyncContext, Handler, Message as ActorMessage, StreamHandler};
use actix_http::ws::Item;
use actix_web_actors::ws::{CloseCode, Message, ProtocolError, WebsocketContext};
use bytes::Bytes;
use tokio::task::JoinHandle;

use super::{
    Voice,
    faults::{self, Fault},
    frames::Found,
    knocks::Knock,
    pulse::Pulse,
    talk::{self, Talk},
    watch::Watch,
};
use crate::{
    admission::Admitted,
    agent::{profile::Agent, relay::FromBot},
    call::{Cause, EndReason, Input},
    dialect::{
        Heard,
        detect::{Detector, First, Hints},
        reassembly::{Assembled, Fragment, Reassembly},
    },
    points::Seconds,
    registry::{Control, LiveCall},
};

/// A provider's complaints that are worth a line each.
const COMPLAINTS_LOGGED: u32 = 5;
/// How long an unrecognised connection may stand at most; detection decides sooner, in 20 s at the most.
const UNRECOGNISED: Duration = Duration::from_secs(25);

/// The actor of one call, from the upgrade to the close of its socket.
pub struct VoiceSession {
    voice: Arc<Voice>,
    agent: Agent,
    reserved: Seconds,
    watch: Arc<Watch>,
    phase: Phase,
    reassembly: Reassembly,
    violation: Found,
    /// The one timer: when it will fire, and its task. Not one of the actor's own, which actix polls
    /// with every frame.
    timer: Option<(Duration, JoinHandle<()>)>,
    pulse: Pulse,
    /// Counts the call against its key until it is recognised.
    knock: Knock,
    /// How often the provider has complained.
    complaints: u32,
    /// What the peer did wrong, when that is why the call ends.
    fault: Option<Fault>,
    /// The node began to drain before the dialect was recognised.
    drain_by: Option<Duration>,
}

/// What the timer that was set for this moment says.
#[derive(ActorMessage)]
#[rtype(result = "()")]
struct Wake(Duration);

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
        knock: Knock,
        hints: Hints,
    ) -> Self {
        // From here on this session settles the call, at the latest when it is dropped.
        admitted.claim.take();
        let now = voice.clock.now();
        // A browser that tries an agent speaks natively, whatever its providers are pinned to.
        let pinned = admitted.key.and(admitted.agent.dialect);
        let detector = Detector::new(now, hints, pinned);
        Self {
            voice,
            agent: admitted.agent,
            reserved: admitted.reserved,
            watch,
            phase: Phase::Detecting(detector),
            reassembly: Reassembly::default(),
            violation,
            timer: None,
            pulse: Pulse::since(now),
            knock,
            complaints: 0,
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

    fn wake(&mut self, ctx: &mut <Self as Actor>::Context) {
        let now = self.now();
        self.ping(now, ctx);
        if self.detect(First::Nothing, ctx) {
            self.feed(Input::Tick, ctx);
        }
    }

    /// A fault of the peer: an `error` event, the end, and the close code that says what it was.
    fn fault(&mut self, fault: Fault, ctx: &mut <Self as Actor>::Context) {
        match self.phase {
            Phase::Detecting(_) => {
                let now = self.now();
                self.watch.failed(&Cause::of(fault.code));
                self.watch.finish(EndReason::Error, Duration::ZERO, now);
                self.close(fault.close, &Cause::close_reason(fault.code), now, ctx);
            }
            Phase::Talking(_) => {
                self.fault = Some(fault);
                self.feed(Input::Fault(Cause::of(fault.code)), ctx);
            }
            Phase::Closing => {}
        }
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
        if let Heard::Complaint(words) = &heard {
            self.complaint(words);
        }
        match talk::input(heard) {
            Some(input) => self.feed(input, ctx),
            None => {
                self.now();
            }
        }
    }

    /// The provider complains: worth a line, but not one for each frame.
    fn complaint(&mut self, words: &str) {
        self.complaints += 1;
        if self.complaints <= COMPLAINTS_LOGGED {
            self.watch.span.in_scope(|| tracing::warn!(words, "the provider complains"));
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
        if item.is_ok() {
            self.pulse.feel();
        }
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

impl Handler<Wake> for VoiceSession {
    type Result = ();

    fn handle(&mut self, Wake(at): Wake, ctx: &mut Self::Context) {
        self.timer.take_if(|(armed, _)| *armed == at);
        self.wake(ctx);
    }
}

impl StreamHandler<FromBot> for VoiceSession {
    fn handle(&mut self, event: FromBot, ctx: &mut Self::Context) {
        let now = self.now();
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
        if let Some((_, timer)) = self.timer.take() {
            timer.abort();
        }
        self.watch.lost(self.voice.clock.now());
        self.voice.registry.unregister(self.watch.call_id);
    }
}
