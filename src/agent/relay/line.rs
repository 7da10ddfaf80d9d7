//! The line to the bot: one task that connects, speaks and listens until one side ends it.
//!
//! Speaking and listening are two loops in the same task, so that a bot that does not read is still
//! heard, and one that says too much still hears the caller. Neither loop knows what the call is
//! about; [`super::wire`] knows what frames mean, [`super::queue`] what waits to be sent.

use std::{
    io,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::Duration,
};

use futures_util::{
    SinkExt, StreamExt,
    future::join,
    stream::{SplitSink, SplitStream},
};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    sync::{mpsc, oneshot},
    time::{Instant, MissedTickBehavior, interval_at, sleep, timeout},
};
use tokio_tungstenite::{
    WebSocketStream,
    tungstenite::{
        self, Message,
        error::ProtocolError,
        protocol::{CloseFrame, frame::coding::CloseCode},
    },
};

use super::{
    FromBot, Gone, Mailbox, Opening, Target, ToBot,
    dial::dial,
    metered::Unfinished,
    names::Names,
    network::Reach,
    queue::{Item, Queue},
    wire,
};
use crate::budget::MESSAGES;

/// How long things may take.
#[derive(Debug, Clone, Copy)]
pub(super) struct Limits {
    /// From the first frame sent to the first frame heard.
    first_byte: Duration,
    /// For the bot to read one frame.
    stalled: Duration,
    /// From one ping to the next, and for an answer to it.
    ping: Duration,
    /// For the bot to close, when the call is over.
    farewell: Duration,
}

impl Limits {
    fn of(target: &Target) -> Self {
        Self {
            first_byte: target.first_byte_within,
            stalled: Duration::from_secs(10),
            ping: Duration::from_secs(20),
            farewell: Duration::from_secs(2),
        }
    }
}

/// All that the task needs.
pub(super) struct Line {
    pub(super) target: Target,
    pub(super) reach: Reach,
    pub(super) names: Names,
    pub(super) opening: Opening,
    pub(super) mailbox: Arc<Mailbox>,
    pub(super) events: mpsc::Sender<FromBot>,
    /// Ends when the handle is dropped.
    pub(super) hung_up: oneshot::Receiver<()>,
}

impl Line {
    pub(super) async fn run(mut self) {
        let limits = Limits::of(&self.target);
        let unfinished = Unfinished::default();
        let dialling = dial(&self.target, &self.reach, &self.names, unfinished.clone());
        let dialling = timeout(self.target.connect_within, dialling);
        let dialled = tokio::select! {
            _ = &mut self.hung_up => return,
            dialled = dialling => dialled.unwrap_or(Err(Gone::Timeout)),
        };
        match dialled {
            Ok(socket) => self.talk(socket, unfinished, limits).await,
            Err(gone) => self.tell_last(gone).await,
        }
    }

    async fn talk<W>(mut self, socket: WebSocketStream<W>, unfinished: Unfinished, limits: Limits)
    where
        W: AsyncRead + AsyncWrite + Unpin,
    {
        let (mut sink, mut stream) = socket.split();
        let pulse = Pulse { unfinished, ..Pulse::default() };
        let mailbox = Arc::clone(&self.mailbox);
        let talking = async {
            let start = wire::call_start(&self.opening);
            send(&mut sink, Message::text(start), limits.stalled).await?;
            let _ = self.events.send(FromBot::Connected).await;
            tokio::select! {
                end = listen(&mut stream, &self.events, &mailbox, &pulse, limits.first_byte) => end,
                end = speak(&mut sink, &mailbox, &pulse, limits) => end,
            }
        };
        let (end, heard) = {
            tokio::pin!(talking);
            let left = async {
                tokio::select! {
                    _ = &mut self.hung_up => {}
                    () = self.events.closed() => {}
                }
            };
            tokio::select! {
                end = &mut talking => (end.unwrap_or_else(|end| end), true),
                _ = left => {
                    // What the bot was told before is still sent, that the call is over last.
                    self.mailbox.put(Queue::end);
                    let rest = timeout(limits.farewell, talking).await;
                    (rest.unwrap_or(Ok(End::over())).unwrap_or_else(|end| end), false)
                }
            }
        };
        // Who wants to know how it ended does not wait for the bot's goodbye.
        let telling = async {
            if heard {
                self.tell_last(end.gone).await;
            }
        };
        join(telling, farewell(sink, stream, end.close, limits.farewell)).await;
    }

    /// Tells the last thing, if somebody is there to hear it, and that it was the last.
    async fn tell_last(mut self, gone: Gone) {
        let id = self.opening.call_id;
        tracing::debug!(call.id = %id, code = gone.code().as_str(), "a bot is gone");
        tokio::select! {
            _ = &mut self.hung_up => {}
            _ = self.events.send(FromBot::Gone(gone)) => {}
        }
    }
}

/// How a line ends: what is told, and the code it is closed with, if it is worth closing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct End {
    gone: Gone,
    close: Option<CloseCode>,
}

impl End {
    /// We have ended it, and all is well.
    fn over() -> Self {
        let close = CloseCode::Normal;
        Self { gone: Gone::Closed(Some(close.into())), close: Some(close) }
    }

    /// The bot has ended it, with this code if it said one. The library answers a close by itself.
    fn closed(code: Option<u16>) -> Self {
        Self { gone: Gone::Closed(code), close: code.map(|_| CloseCode::Normal) }
    }

    fn stalled() -> Self {
        Self { gone: Gone::Stalled, close: None }
    }

    fn fault(error: &tungstenite::Error) -> Self {
        use tungstenite::Error::{Capacity, Io, Protocol, Utf8};
        let close = match error {
            Capacity(_) => CloseCode::Size,
            Utf8(_) => CloseCode::Invalid,
            Protocol(ProtocolError::ResetWithoutClosingHandshake) => return Self::closed(None),
            Protocol(_) => CloseCode::Protocol,
            // A message without an end, or broken TLS.
            Io(error) if error.kind() == io::ErrorKind::InvalidData => CloseCode::Protocol,
            _ => return Self::closed(None),
        };
        Self { gone: Gone::Protocol, close: Some(close) }
    }
}

/// Whether the bot shows signs of life.
#[derive(Debug, Default)]
struct Pulse {
    /// Something was heard since the last look.
    felt: AtomicBool,
    /// We are not listening at the moment.
    deaf: AtomicBool,
    /// Counts what is sent without making a message.
    unfinished: Unfinished,
}

impl Pulse {
    fn feel(&self) {
        self.felt.store(true, Relaxed);
    }

    /// Waits for something else than the bot, which cannot be blamed for its silence meanwhile.
    async fn away<T>(&self, waiting: impl Future<Output = T>) -> T {
        self.deaf.store(true, Relaxed);
        let waited = waiting.await;
        self.deaf.store(false, Relaxed);
        self.feel();
        waited
    }

    /// Whether there was any sign since the last look.
    fn look(&self) -> bool {
        self.felt.swap(false, Relaxed) || self.deaf.load(Relaxed)
    }
}

/// Listens until the bot ends the call. While nobody takes what it says, it is not read.
async fn listen<W: AsyncRead + AsyncWrite + Unpin>(
    stream: &mut SplitStream<WebSocketStream<W>>,
    events: &mpsc::Sender<FromBot>,
    mailbox: &Mailbox,
    pulse: &Pulse,
    first_byte: Duration,
) -> Result<End, End> {
    let began = Instant::now();
    let mut messages = MESSAGES;
    let mut samples = wire::Samples::default();
    // Where nobody listens any more, the line is about to end.
    let tell = async |what| {
        let _ = pulse.away(events.send(what)).await;
    };
    let first = timeout(first_byte, stream.next()).await;
    let mut next =
        first.map_err(|_| End { gone: Gone::NoFirstByte, close: Some(CloseCode::Policy) })?;
    loop {
        let Some(message) = next else { return Ok(End::closed(None)) };
        pulse.feel();
        pulse.unfinished.finished();
        match message.map_err(|error| End::fault(&error))? {
            Message::Binary(frame) => {
                for piece in samples.pieces(frame) {
                    tell(FromBot::Audio(piece)).await;
                }
            }
            Message::Text(text) => match wire::decode(&text) {
                Ok(None) => {}
                Ok(Some(said)) => {
                    if said == FromBot::Clear {
                        samples.clear();
                    }
                    tell(said).await;
                }
                Err(why) => {
                    mailbox.put(|queue, now| queue.tell(now, ToBot::Refused(why)));
                }
            },
            Message::Close(frame) => {
                let code = frame.map_or(CloseCode::Status, |frame| frame.code);
                return Ok(End::closed(Some(code.into())));
            }
            // Pings are answered by the library.
            Message::Ping(_) | Message::Pong(_) | Message::Frame(_) => {}
        }
        let wait = messages.spend(began.elapsed(), 1);
        if !wait.is_zero() {
            pulse.away(sleep(wait)).await;
        }
        next = stream.next().await;
    }
}

/// Speaks until the call is over, and pings.
async fn speak<W: AsyncRead + AsyncWrite + Unpin>(
    sink: &mut SplitSink<WebSocketStream<W>, Message>,
    mailbox: &Mailbox,
    pulse: &Pulse,
    limits: Limits,
) -> Result<End, End> {
    let mut pings = interval_at(Instant::now() + limits.ping, limits.ping);
    pings.set_missed_tick_behavior(MissedTickBehavior::Delay);
    pulse.feel();
    loop {
        let item = tokio::select! {
            biased;
            _ = pings.tick() => None,
            item = mailbox.next() => Some(item),
        };
        let message = match &item {
            None if !pulse.look() => return Err(End::stalled()),
            None => Message::Ping(Default::default()),
            Some(Item::Sound(pcm)) => Message::Binary(pcm.clone()),
            Some(Item::Word(word)) => Message::text(wire::encode(word)),
            Some(Item::Overflow) => return Err(End::stalled()),
            Some(Item::Over) => return Ok(End::over()),
        };
        match send(sink, message, limits.stalled).await {
            Err(end) if end.gone == Gone::Stalled => return Err(end),
            Err(end) => {
                // What the bot said before it went away is still to be read, however long that takes.
                loop {
                    sleep(limits.farewell).await;
                    if !pulse.look() {
                        return Err(end);
                    }
                }
            }
            Ok(()) if matches!(item, Some(Item::Word(ToBot::EndCall(_)))) => return Ok(End::over()),
            Ok(()) => {}
        }
    }
}

async fn send<W: AsyncRead + AsyncWrite + Unpin>(
    sink: &mut SplitSink<WebSocketStream<W>, Message>,
    message: Message,
    stalled: Duration,
) -> Result<(), End> {
    match timeout(stalled, sink.send(message)).await {
        Ok(Ok(())) => Ok(()),
        Ok(Err(_)) => Err(End::closed(None)),
        Err(_) => Err(End::stalled()),
    }
}

/// Closes, and gives the bot a moment to close too.
async fn farewell<W: AsyncRead + AsyncWrite + Unpin>(
    mut sink: SplitSink<WebSocketStream<W>, Message>,
    mut stream: SplitStream<WebSocketStream<W>>,
    code: Option<CloseCode>,
    patience: Duration,
) {
    let Some(code) = code else { return };
    let closing = async {
        let _ = sink.send(Message::Close(Some(CloseFrame { code, reason: "".into() }))).await;
        let _ = sink.close().await;
        while let Some(Ok(_)) = stream.next().await {}
    };
    let _ = timeout(patience, closing).await;
}

#[cfg(test)]
mod tests;
