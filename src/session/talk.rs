//! A call under way, as its actor holds it: the machine, the wire it speaks on, and what joins them.
//!
//! [`Talk`] turns what the wire heard into inputs and what the machine says into frames. It decides
//! nothing and sends nothing by itself; the actor carries out what is left.

use std::time::Duration;

use super::bot::Bot;
use crate::{
    agent::{
        profile::{self, Agent},
        relay::FromBot,
    },
    audio::format::Format,
    call::{CallPlan, EndReason, Engine, Input, Machine, Output},
    dialect::{Dialect, Frame, Frames, Heard, Say},
    points::Seconds,
};

/// A recognised call.
pub struct Talk {
    machine: Machine,
    wire: Box<dyn Dialect>,
    /// Who answers, if it is not the machine itself.
    bot: Option<Bot>,
    /// Frames that wait to be sent; empty between two inputs, and kept for its memory.
    frames: Frames,
}

/// What a call may use up.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// What was reserved when it was admitted.
    pub reserved: Seconds,
    /// Bytes of its transcript that are kept.
    pub transcript_bytes: usize,
}

impl Talk {
    /// The call begins now. Its first frames and outputs wait.
    pub fn begin(agent: &Agent, limits: Limits, wire: Box<dyn Dialect>, now: Duration) -> Self {
        let manners = wire.manners();
        let plan = CallPlan {
            engine: match agent.engine {
                profile::Engine::Echo => Engine::Echo,
                profile::Engine::Relay => Engine::Outside,
            },
            format: wire.format(),
            ahead: manners.ahead,
            marks: manners.marks,
            greeting: Some(agent.greeting.clone()).filter(|greeting| !greeting.is_empty()),
            closing: agent.closing_phrase.clone(),
            apology: apology(agent).to_owned(),
            max_turns: agent.max_turns.and_then(|turns| u32::try_from(turns).ok()),
            max_duration: seconds(agent.max_duration_seconds),
            silence_timeout: seconds(agent.silence_timeout_seconds),
            reserved: limits.reserved,
            transcript_bytes: limits.transcript_bytes,
        };
        Self { machine: Machine::start(plan, now), wire, bot: None, frames: Frames::new() }
    }

    /// The bot that answers has been called.
    pub fn answered_by(&mut self, bot: Bot) {
        self.bot = Some(bot);
    }

    /// The bot does something.
    pub fn bot_does(&mut self, now: Duration, event: FromBot) {
        let Self { machine, bot, .. } = self;
        if let Some(bot) = bot {
            bot.inputs(event, |input| machine.handle(now, Input::Agent(input)));
            bot.listen(machine.has_room(now));
        }
    }

    /// The wire.
    pub fn wire(&mut self) -> &mut dyn Dialect {
        self.wire.as_mut()
    }

    /// How sound is written in this call.
    pub fn format(&self) -> Format {
        self.wire.format()
    }

    /// The machine.
    pub fn machine(&self) -> &Machine {
        &self.machine
    }

    /// Feeds the machine.
    pub fn handle(&mut self, now: Duration, input: Input) {
        if let (Input::Audio(sound), Some(bot)) = (&input, &mut self.bot) {
            bot.hear(sound);
        }
        self.machine.handle(now, input);
        if let Some(bot) = &self.bot {
            bot.listen(self.machine.has_room(now));
        }
    }

    /// Says something on the wire; [`Talk::frames`] has the frames.
    pub fn say(&mut self, say: Say<'_>) {
        self.wire.say(say, &mut self.frames);
    }

    /// What the machine wants done next, if it is not said on the wire: that is turned into frames on
    /// the way.
    pub fn next_output(&mut self) -> Option<Output> {
        let output = self.machine.poll()?;
        match &output {
            Output::Audio(sound) => self.wire.say(Say::Audio(sound), &mut self.frames),
            Output::Event(event) => self.wire.say(Say::Event(event), &mut self.frames),
            Output::Clear => self.wire.say(Say::Clear, &mut self.frames),
            Output::Mark(tag) => self.wire.say(Say::Mark(*tag), &mut self.frames),
            Output::Tone(digit) => self.wire.say(Say::Dtmf(*digit), &mut self.frames),
            Output::Finished(finished) => {
                self.wire.say(Say::HangUp, &mut self.frames);
                if let Some(mut bot) = self.bot.take() {
                    bot.end(finished.reason);
                }
            }
            Output::ToAgent(what) => {
                if let Some(bot) = &self.bot {
                    bot.tell(what.clone());
                }
            }
            Output::Line(_) | Output::Heard(_) | Output::Extend => {}
        }
        Some(output)
    }

    /// The frames to be sent now, oldest first.
    pub fn frames(&mut self) -> impl Iterator<Item = Frame> {
        self.frames.drain(..)
    }
}

impl Drop for Talk {
    /// A call whose connection is torn from under its actor comes to no end of its own; its bot is told
    /// all the same.
    fn drop(&mut self) {
        if let Some(mut bot) = self.bot.take() {
            bot.end(EndReason::Hangup);
        }
    }
}

/// What is said when the agent cannot be reached; an agent without a bot always can.
pub fn apology(agent: &Agent) -> &str {
    agent.relay.as_ref().map_or("", |relay| &relay.unreachable_phrase)
}

/// What the call is told of what the wire heard; `None` if that is nothing.
pub fn input(heard: Heard) -> Option<Input> {
    Some(match heard {
        Heard::Audio(sound) => Input::Audio(sound),
        Heard::Dtmf(digit) => Input::Dtmf(digit),
        Heard::Mark(tag) => Input::Played(tag),
        Heard::EndCall => Input::EndCall,
        Heard::Stop => Input::PeerGone,
        Heard::Nothing | Heard::Complaint(_) => return None,
    })
}

fn seconds(seconds: i32) -> Duration {
    Duration::from_secs(u64::try_from(seconds).unwrap_or(0))
}
