//! A call in progress, from the caller's side: a task that keeps the pace, and the handle to it.

use std::time::{Duration, Instant};

use bytes::Bytes;
use futures_util::{
    SinkExt, StreamExt,
    stream::{SplitSink, SplitStream},
};
use tokio::{
    sync::mpsc,
    time::{self, MissedTickBehavior},
};
use tokio_tungstenite::tungstenite::{self, Message as Frame};

use super::{
    Complaint, Message,
    dial::Socket,
    mouth::{Mouth, Start, Turn},
    side::{Side, Step, Steps},
};
use crate::{audio::format::Format, call::Cause};

/// How long a server may take from our hanging up to its last word, and from there to closing.
const FAREWELL: Duration = Duration::from_secs(5);
/// How long the server may leave a frame unread.
const STUCK: Duration = Duration::from_secs(10);

/// Something that happened on the line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Heard {
    /// When, since the server accepted the upgrade.
    pub at: Duration,
    /// What.
    pub what: What,
}

/// What happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum What {
    /// The agent's sound, in [`Line::format`]: as it came, or as the provider played it.
    Sound(Bytes),
    /// The server said something, in the native dialect.
    Said(Message),
    /// The provider sent this text.
    Sent(String),
    /// The provider received this text.
    Received(String),
    /// The provider does not like what it was sent.
    Complained(Complaint),
    /// This machine was late by so much: a hole in the sound around now is its own doing.
    Late(Duration),
    /// The agent begins to be heard, on a line where no message says so.
    AgentSpeaks,
    /// It is not heard any more.
    AgentIsSilent,
    /// A key of ours was pressed.
    Pressed(char),
    /// A clip of ours begins with the frame just sent.
    ClipBegan,
    /// The whole clip has been sent.
    ClipEnded,
    /// The server says, as it closes, that the call failed; the code of the cause.
    Failed(String),
    /// The server closed, with this code if it gave one. The last thing heard.
    Closed(Option<u16>),
    /// The line broke, and why. The last thing heard.
    Broken(String),
}

enum Order {
    Play(Bytes, Start),
    Press(char, Start),
    HangUp,
}

/// An admitted call. It streams from its first moment: silence while no clip is played. Dropping it
/// drops the connection without a word.
pub struct Line {
    /// How long it took from dialling to the server's acceptance.
    pub took: Duration,
    format: Format,
    accepted: Instant,
    orders: mpsc::UnboundedSender<Order>,
    heard: mpsc::UnboundedReceiver<Heard>,
}

impl Line {
    pub(super) fn begin(socket: Socket, took: Duration, side: Box<dyn Side>) -> Self {
        let (orders, taken) = mpsc::unbounded_channel();
        // Unbounded, so that a user who is busy for a moment does not disturb the pace.
        let (tell, heard) = mpsc::unbounded_channel();
        let (sink, stream) = socket.split();
        let accepted = Instant::now();
        let format = side.format();
        let call = Call {
            sink,
            mouth: Mouth::new(format),
            side,
            steps: Steps::new(),
            tell,
            accepted,
            give_up: None,
            mute: false,
            over: false,
            close: None,
        };
        tokio::spawn(call.run(stream, taken));
        Self { took, format, accepted, orders, heard }
    }

    /// How sound is written on this line.
    pub fn format(&self) -> Format {
        self.format
    }

    /// Plays a clip in [`Line::format`], after those that are still being played.
    pub fn play(&self, clip: Bytes, start: Start) {
        // A line that is down has told so through `hear`.
        let _ = self.orders.send(Order::Play(clip, start));
    }

    /// Presses a key (`0`-`9`, `*`, `#`, `A`-`D`), after what is still being played or pressed.
    pub fn press(&self, key: char, start: Start) {
        let _ = self.orders.send(Order::Press(key, start));
    }

    /// Hangs up. What follows, up to the server's close, can be heard.
    pub fn hang_up(&self) {
        let _ = self.orders.send(Order::HangUp);
    }

    /// How long ago the server accepted the upgrade: the clock of [`Heard::at`].
    pub fn now(&self) -> Duration {
        self.accepted.elapsed()
    }

    /// The next thing that happens; `None` after [`What::Closed`] or [`What::Broken`]. Nothing is
    /// lost when the future is dropped before it is ready.
    pub async fn hear(&mut self) -> Option<Heard> {
        self.heard.recv().await
    }
}

struct Call {
    sink: SplitSink<Socket, Frame>,
    mouth: Mouth,
    side: Box<dyn Side>,
    /// What the side wants done; empty between two frames.
    steps: Steps,
    tell: mpsc::UnboundedSender<Heard>,
    accepted: Instant,
    give_up: Option<time::Instant>,
    /// Nothing more is to be sent.
    mute: bool,
    /// The last word was said: only the close is missing.
    over: bool,
    /// When the server closed, and with which code.
    close: Option<(Duration, Option<u16>)>,
}

/// Why the loop is left: what to tell last.
type Over = What;

impl Call {
    async fn run(
        mut self,
        mut stream: SplitStream<Socket>,
        mut orders: mpsc::UnboundedReceiver<Order>,
    ) {
        let mut ticks = time::interval(Duration::from_millis(20));
        // Late frames are sent at once, so that the average stays at real time.
        ticks.set_missed_tick_behavior(MissedTickBehavior::Burst);
        self.side.begin(&mut self.steps);
        let mut step = self.carry_out().await;
        let last = loop {
            if let Err(last) = step {
                break last;
            }
            let give_up = self.give_up;
            let deadline = async move {
                match give_up {
                    Some(at) => time::sleep_until(at).await,
                    None => std::future::pending().await,
                }
            };
            step = tokio::select! {
                message = stream.next() => self.receive(message).await,
                order = orders.recv() => match order {
                    Some(order) => self.obey(order).await,
                    None => return,
                },
                _ = ticks.tick(), if !self.mute => self.speak().await,
                () = deadline => Err(self.ended(self.unfinished())),
            };
        };
        self.tell(last);
    }

    async fn obey(&mut self, order: Order) -> Result<(), Over> {
        match order {
            Order::Play(clip, start) => self.mouth.play(clip, start),
            Order::Press(key, start) => self.mouth.press(key, start),
            Order::HangUp => {
                self.give_up.get_or_insert_with(|| time::Instant::now() + FAREWELL);
                if !self.over {
                    self.side.hang_up(&mut self.steps);
                }
            }
        }
        self.carry_out().await
    }

    async fn speak(&mut self) -> Result<(), Over> {
        let now = self.accepted.elapsed();
        let (frame, turn) = self.mouth.next();
        self.side.speak(now, frame, &mut self.steps);
        if let Some(Turn::Pressed(key)) = turn {
            self.side.press(now, key, &mut self.steps);
        }
        self.carry_out().await?;
        match turn {
            Some(Turn::Began) => self.tell(What::ClipBegan),
            Some(Turn::Ended) => self.tell(What::ClipEnded),
            Some(Turn::Pressed(key)) => self.tell(What::Pressed(key)),
            None => {}
        }
        Ok(())
    }

    /// Does what the side wants done.
    async fn carry_out(&mut self) -> Result<(), Over> {
        for step in std::mem::take(&mut self.steps) {
            match step {
                Step::Send(frame) => self.send(frame).await?,
                Step::Tell(what) => self.tell(what),
                Step::AgentSpeaks => self.mouth.agent_speaks(),
                Step::AgentIsSilent => self.mouth.agent_is_silent(),
                Step::Over => {
                    self.mute = true;
                    self.over = true;
                    self.give_up = Some(time::Instant::now() + FAREWELL);
                }
                Step::Broken(why) => return Err(What::Broken(why)),
            }
        }
        Ok(())
    }

    async fn send(&mut self, frame: Frame) -> Result<(), Over> {
        match time::timeout(STUCK, self.sink.send(frame)).await {
            Err(_) => Err(What::Broken("the server does not read".to_owned())),
            // Not an end in itself: what the server said before it went away is still to be read.
            Ok(Err(_)) => {
                self.mute = true;
                self.give_up.get_or_insert_with(|| time::Instant::now() + FAREWELL);
                Ok(())
            }
            Ok(Ok(())) => Ok(()),
        }
    }

    async fn receive(
        &mut self,
        frame: Option<Result<Frame, tungstenite::Error>>,
    ) -> Result<(), Over> {
        match frame {
            Some(Ok(frame @ (Frame::Binary(_) | Frame::Text(_)))) => {
                self.side.hear(self.accepted.elapsed(), frame, &mut self.steps);
                self.carry_out().await
            }
            // The library answers with the next read, which then meets the end.
            Some(Ok(Frame::Close(frame))) => {
                self.mute = true;
                let failed = frame.as_ref().and_then(|frame| Cause::code_in_reason(&frame.reason));
                if let Some(code) = failed {
                    self.tell(What::Failed(code.to_owned()));
                }
                let code = frame.map(|frame| frame.code.into());
                self.close = Some((self.accepted.elapsed(), code));
                self.give_up = Some(time::Instant::now() + FAREWELL);
                Ok(())
            }
            // Pings are answered by the library.
            Some(Ok(_)) => Ok(()),
            Some(Err(error)) => Err(self.ended(&error.to_string())),
            None => Err(self.ended("the connection ended")),
        }
    }

    /// The last thing to tell: the close, if the server closed, whatever came after it.
    fn ended(&self, fault: &str) -> Over {
        match self.close {
            Some((_, code)) => What::Closed(code),
            None => What::Broken(fault.to_owned()),
        }
    }

    fn unfinished(&self) -> &'static str {
        if self.over {
            "the server did not close the connection"
        } else {
            "the server did not end the call"
        }
    }

    fn tell(&self, what: What) {
        let at = match (&what, self.close) {
            // What came later is the end of the connection, for which nobody waits.
            (What::Closed(_), Some((at, _))) => at,
            _ => self.accepted.elapsed(),
        };
        // Nobody listens any more: the orders' channel is closed too, and ends the loop.
        let _ = self.tell.send(Heard { at, what });
    }
}
