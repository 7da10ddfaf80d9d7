//! What a call does to the outside: frames, the ledger, whoever watches, the timer, the close.

use std::time::Duration;

use actix::{Actor, ActorContext, ActorFutureExt, AsyncContext, fut::wrap_future};
use actix_web::rt;
use actix_web_actors::ws::{CloseCode, CloseReason, WebsocketContext};

use super::{Phase, VoiceSession, Wake};
use crate::{
    call::{Cause, EndReason, Event, Finished, Input, Output, Reserve},
    dialect::Frame,
    ledger::Extension,
    live::State,
    session::pulse::Beat,
};

/// How long the peer may take to answer our close frame.
const CLOSING: Duration = Duration::from_secs(2);

impl VoiceSession {
    pub(super) fn carry_out(&mut self, now: Duration, ctx: &mut <Self as Actor>::Context) {
        while let Phase::Talking(talk) = &mut self.phase {
            let output = talk.next_output();
            send(talk.frames(), ctx);
            match output {
                None => break,
                Some(Output::Event(Event::Error(cause))) => self.watch.failed(&cause),
                Some(Output::Event(event)) => self.show(&event),
                Some(Output::Line(line)) => {
                    self.watch.line.said(&line);
                    self.voice.ledger.note(self.watch.call_id, line);
                }
                Some(Output::Heard(stretch)) => {
                    self.voice.ledger.heard(self.watch.call_id, stretch);
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
    pub(super) fn show(&self, event: &Event) {
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
    pub(super) fn arm(&mut self, now: Duration, ctx: &mut <Self as Actor>::Context) {
        let due = match &self.phase {
            Phase::Detecting(detector) => Some(detector.deadline()),
            Phase::Talking(talk) => {
                let (by, reason) = talk.machine().must_end_by();
                self.watch.must_end(by, reason);
                talk.machine().wake_at()
            }
            Phase::Closing => return,
        };
        let wake_at = due.map_or(self.pulse.due(), |due| due.min(self.pulse.due()));
        match self.timer.take() {
            Some(timer) if timer.0 <= wake_at => {
                self.timer = Some(timer);
                return;
            }
            Some((_, later)) => later.abort(),
            None => {}
        }
        let (actor, time) = (ctx.address().downgrade(), wake_at.saturating_sub(now));
        let timer = rt::spawn(async move {
            tokio::time::sleep(time).await;
            if let Some(actor) = actor.upgrade() {
                actor.do_send(Wake(wake_at));
            }
        });
        self.timer = Some((wake_at, timer));
    }

    /// Asks the ledger for further seconds; its answer goes to the machine.
    pub(super) fn extend(&self, ctx: &mut <Self as Actor>::Context) {
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

    /// The machine is done: the call is settled, the socket closed.
    pub(super) fn finish(
        &mut self,
        finished: &Finished,
        now: Duration,
        ctx: &mut <Self as Actor>::Context,
    ) {
        let bytes = finished.dropped_bytes;
        if bytes > 0 {
            let dropped =
                || tracing::warn!(bytes, "audio came faster than it can be kept to be played");
            self.watch.span.in_scope(dropped);
        }
        self.watch.finish(finished.reason, finished.talk, now);
        let code = self.fault.take().map_or(CloseCode::Normal, |fault| fault.close);
        let failed = self.watch.cause().map(|cause| Cause::close_reason(cause.code));
        self.close(code, &failed.unwrap_or_default(), now, ctx);
    }

    /// Sends our close frame and gives the peer a moment to answer it.
    pub(super) fn close(
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

    /// Pings the peer if that is due; one that has not been heard since the last ping is gone.
    pub(super) fn ping(&mut self, now: Duration, ctx: &mut <Self as Actor>::Context) {
        match self.pulse.beat(now) {
            Beat::Wait => {}
            Beat::Ping => ctx.ping(b""),
            Beat::Gone => {
                let gone = || {
                    tracing::info!("the peer sends nothing and answers no ping: connection lost")
                };
                self.watch.span.in_scope(gone);
                self.peer_gone(ctx);
            }
        }
    }
}

/// Sends these frames.
pub(super) fn send(frames: impl Iterator<Item = Frame>, ctx: &mut WebsocketContext<VoiceSession>) {
    for frame in frames {
        match frame {
            Frame::Text(text) => ctx.text(text),
            Frame::Binary(bytes) => ctx.binary(bytes),
        }
    }
}
