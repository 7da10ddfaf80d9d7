//! A call in progress, from the caller's side: a task that keeps the pace, and the handle to it.

use std::time::{Duration, Instant};

use bytes::Bytes;
use futures_util::{
    SinkExt, StreamExt,
    stream::{SplitSink, SplitStream},
};
use serde::Deserialize;
use tokio::{
    sync::mpsc,
    time::{self, MissedTickBehavior},
};
use tokio_tungstenite::tungstenite;

use super::{
    dial::Socket,
    mouth::{Mouth, Start, Turn},
};

/// How long a server may take from `end_call` to `call_end`, and from there to closing.
const FAREWELL: Duration = Duration::from_secs(5);
/// How long the server may leave a frame unread.
const STUCK: Duration = Duration::from_secs(10);

/// What the server says in text.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Message {
    /// The call has begun.
    CallStart {
        /// Its id.
        call_id: String,
    },
    /// The agent begins to speak.
    AudioStart,
    /// The agent is silent.
    AudioEnd,
    /// The agent has understood that it is its turn.
    TurnStart,
    /// What the caller may be saying.
    Interim {
        /// The words so far.
        text: String,
    },
    /// What somebody said.
    Transcript {
        /// `user` or `assistant`.
        role: String,
        /// The words.
        text: String,
    },
    /// Something went wrong.
    Error {
        /// A stable code.
        code: String,
        /// A sentence.
        message: String,
    },
    /// The call is over.
    CallEnd {
        /// Why.
        reason: String,
    },
    /// A type this telephone does not know.
    #[serde(other)]
    Unknown,
}

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
    /// The agent's sound.
    Sound(Bytes),
    /// The server said something.
    Said(Message),
    /// A clip of ours begins with the frame just sent.
    ClipBegan,
    /// The whole clip has been sent.
    ClipEnded,
    /// The server closed, with this code if it gave one. The last thing heard.
    Closed(Option<u16>),
    /// The line broke, and why. The last thing heard.
    Broken(String),
}

enum Order {
    Play(Bytes, Start),
    HangUp,
}

/// An admitted call. It streams from its first moment: silence while no clip is played. Dropping it
/// drops the connection without a word.
pub struct Line {
    /// How long it took from dialling to the server's acceptance.
    pub took: Duration,
    accepted: Instant,
    orders: mpsc::UnboundedSender<Order>,
    heard: mpsc::UnboundedReceiver<Heard>,
}

impl Line {
    pub(super) fn begin(socket: Socket, took: Duration) -> Self {
        let (orders, taken) = mpsc::unbounded_channel();
        // Unbounded, so that a user who is busy for a moment does not disturb the pace.
        let (tell, heard) = mpsc::unbounded_channel();
        let (sink, stream) = socket.split();
        let accepted = Instant::now();
        let call = Call {
            sink,
            mouth: Mouth::default(),
            tell,
            accepted,
            give_up: None,
            mute: false,
            call_end: false,
            close: None,
        };
        tokio::spawn(call.run(stream, taken));
        Self { took, accepted, orders, heard }
    }

    /// Plays a clip, after those that are still being played.
    pub fn play(&self, clip: Bytes, start: Start) {
        // A line that is down has told so through `hear`.
        let _ = self.orders.send(Order::Play(clip, start));
    }

    /// Asks the server to end the call. What follows, up to the server's close, can be heard.
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
    sink: SplitSink<Socket, tungstenite::Message>,
    mouth: Mouth,
    tell: mpsc::UnboundedSender<Heard>,
    accepted: Instant,
    give_up: Option<time::Instant>,
    /// Nothing more is to be sent.
    mute: bool,
    /// The server has said that the call is over.
    call_end: bool,
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
        let last = loop {
            let give_up = self.give_up;
            let deadline = async move {
                match give_up {
                    Some(at) => time::sleep_until(at).await,
                    None => std::future::pending().await,
                }
            };
            let step = tokio::select! {
                message = stream.next() => self.receive(message),
                order = orders.recv() => match order {
                    Some(order) => self.obey(order).await,
                    None => return,
                },
                _ = ticks.tick(), if !self.mute => self.speak().await,
                () = deadline => Err(self.over(self.unfinished())),
            };
            if let Err(last) = step {
                break last;
            }
        };
        self.tell(last);
    }

    async fn obey(&mut self, order: Order) -> Result<(), Over> {
        match order {
            Order::Play(clip, start) => {
                self.mouth.play(clip, start);
                Ok(())
            }
            Order::HangUp => {
                self.give_up.get_or_insert_with(|| time::Instant::now() + FAREWELL);
                self.send(tungstenite::Message::text(r#"{"type":"end_call"}"#)).await
            }
        }
    }

    async fn speak(&mut self) -> Result<(), Over> {
        let (frame, turn) = self.mouth.next();
        self.send(tungstenite::Message::Binary(frame)).await?;
        match turn {
            Some(Turn::Began) => self.tell(What::ClipBegan),
            Some(Turn::Ended) => self.tell(What::ClipEnded),
            None => {}
        }
        Ok(())
    }

    async fn send(&mut self, message: tungstenite::Message) -> Result<(), Over> {
        match time::timeout(STUCK, self.sink.send(message)).await {
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

    fn receive(
        &mut self,
        message: Option<Result<tungstenite::Message, tungstenite::Error>>,
    ) -> Result<(), Over> {
        match message {
            Some(Ok(tungstenite::Message::Binary(sound))) => self.tell(What::Sound(sound)),
            Some(Ok(tungstenite::Message::Text(text))) => self.understand(&text)?,
            // The library answers with the next read, which then meets the end.
            Some(Ok(tungstenite::Message::Close(frame))) => {
                self.mute = true;
                let code = frame.map(|frame| frame.code.into());
                self.close = Some((self.accepted.elapsed(), code));
                self.give_up = Some(time::Instant::now() + FAREWELL);
            }
            // Pings are answered by the library.
            Some(Ok(_)) => {}
            Some(Err(error)) => return Err(self.over(&error.to_string())),
            None => return Err(self.over("the connection ended")),
        }
        Ok(())
    }

    fn understand(&mut self, text: &str) -> Result<(), Over> {
        let message = serde_json::from_str(text)
            .map_err(|_| What::Broken("the server sent text that is no event".to_owned()))?;
        match message {
            Message::AudioStart => self.mouth.agent_speaks(),
            Message::AudioEnd => self.mouth.agent_is_silent(),
            Message::CallEnd { .. } => {
                self.mute = true;
                self.call_end = true;
                self.give_up = Some(time::Instant::now() + FAREWELL);
            }
            _ => {}
        }
        self.tell(What::Said(message));
        Ok(())
    }

    /// The last thing to tell: the close, if the server closed, whatever came after it.
    fn over(&self, fault: &str) -> Over {
        match self.close {
            Some((_, code)) => What::Closed(code),
            None => What::Broken(fault.to_owned()),
        }
    }

    fn unfinished(&self) -> &'static str {
        if self.call_end {
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
