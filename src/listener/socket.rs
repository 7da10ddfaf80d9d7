//! One connection, and the means to end it from outside its task.
//!
//! A WebSocket actor whose output is blocked is not polled (actix-web issue 2441), so nothing said
//! to it can close its socket; and a client that does not read, or does not go on sending, holds its
//! descriptor as long as it likes. [`PeerSocket`] is what others hold of a connection: a flag and a
//! waker. The flag makes the connection's next read or write fail, the waker makes it come; no second
//! descriptor is needed.

use std::{
    io,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering},
    },
    task::{Context, Poll, ready},
    time::Duration,
};

use futures_util::task::AtomicWaker;
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
};
use tokio_rustls::server::TlsStream;

use super::connections::{Full, Shared, Who};
use crate::clock::NodeClock;

/// How long a connection may stand between its requests, or within the head of one. The HTTP
/// library's own time is shorter; it does not hold for the head of a second request.
const BETWEEN_REQUESTS: Duration = Duration::from_secs(10);
/// How long a client may take nothing of an answer.
const UNREAD: Duration = Duration::from_secs(10);
/// Bytes that are handed to the HTTP library between two of its looks at them. It makes all requests
/// that it finds, some KiB each, before it answers the first; so it must not find many.
const OF_HEADS: usize = 1024;
/// The same of a body that is waited for.
const OF_A_BODY: usize = 16 * 1024;
/// A call takes what comes: it looks at every frame.
const ALL: usize = usize::MAX;
/// A time that has not come.
const NEVER: u64 = u64::MAX;

/// A connection as others hold it: the call's watchdog, the listener, the answer that is written to it.
pub struct PeerSocket {
    shared: Arc<Shared>,
    id: u64,
    clock: NodeClock,
    shut: AtomicBool,
    task: AtomicWaker,
    /// The last answer has been handed over: after its last byte our side closes.
    closing: AtomicBool,
    /// How many bytes may be read before something is done about those that have been.
    credit: AtomicUsize,
    /// The request that is answered has announced a body, and its end was not seen.
    owes_body: AtomicBool,
    // Milliseconds of the node's clock, or NEVER.
    waits_since: AtomicU64,
    blocked_since: AtomicU64,
}

impl PeerSocket {
    /// A connection comes in; others may have to go for it.
    pub(super) fn enter(shared: &Arc<Shared>, who: Who, clock: NodeClock) -> Arc<Self> {
        shared.enter(who, |id| Self {
            shared: Arc::clone(shared),
            id,
            clock,
            shut: AtomicBool::new(false),
            task: AtomicWaker::new(),
            closing: AtomicBool::new(false),
            credit: AtomicUsize::new(OF_HEADS),
            owes_body: AtomicBool::new(false),
            waits_since: AtomicU64::new(millis(clock.now())),
            blocked_since: AtomicU64::new(NEVER),
        })
    }

    /// Ends the connection in both directions, whatever is still buffered.
    pub fn shut_down(&self) {
        self.shut.store(true, Ordering::Release);
        self.task.wake();
    }

    /// Keeps descriptors for a call on this connection, and for its bot.
    ///
    /// # Errors
    /// [`Full`] when none are left for another call.
    pub fn begin_call(&self) -> Result<(), Full> {
        self.shared.call(self.id)
    }

    /// The call on this connection has no bot to connect to.
    pub fn needs_no_bot(&self) {
        self.shared.without_bot(self.id);
    }

    /// The request that is answered waits for more of its body.
    pub fn wants_body(&self) {
        self.owes_body.store(true, Ordering::Relaxed);
        self.read_on(OF_A_BODY);
    }

    /// The request that is answered has its whole body.
    pub fn has_body(&self) {
        self.owes_body.store(false, Ordering::Relaxed);
    }

    /// A request is being answered: its client waits for us. A little is read on, so that a client
    /// who leaves is noticed; what is asked next can wait.
    pub(super) fn answering(&self) {
        self.waits_since.store(NEVER, Ordering::Relaxed);
        self.owes_body.store(false, Ordering::Relaxed);
        self.read_on(OF_HEADS);
    }

    /// From here on the connection is a call's.
    pub(super) fn upgraded(&self) {
        self.read_on(ALL);
    }

    /// The answer is complete: we wait for the client.
    pub(super) fn answered(&self) {
        self.waits_since.store(millis(self.clock.now()), Ordering::Relaxed);
        // What is left of a body is read and thrown away, and then the connection closes.
        let owes_body = self.owes_body.load(Ordering::Relaxed);
        self.read_on(if owes_body { ALL } else { OF_HEADS });
    }

    /// The last answer of this connection is complete.
    pub(super) fn answered_for_good(&self) {
        self.answered();
        self.closing.store(true, Ordering::Relaxed);
        self.read_on(ALL);
    }

    fn read_on(&self, credit: usize) {
        if self.credit.swap(credit, Ordering::Relaxed) == 0 {
            self.task.wake();
        }
    }

    /// How much may be read now; nothing until somebody wakes the connection's task.
    fn credit(&self, cx: &Context<'_>) -> usize {
        let credit = self.credit.load(Ordering::Relaxed);
        if credit == 0 {
            self.task.register(cx.waker());
            if self.waits_since.load(Ordering::Relaxed) != NEVER {
                // Between requests all that was read has been looked at the next time we are asked.
                self.read_on(OF_HEADS);
            }
        }
        credit
    }

    /// Whether the client has taken too long, for its next request or to read an answer.
    pub(super) fn is_overdue(&self, now: Duration) -> bool {
        let over = |since: &AtomicU64, patience| match since.load(Ordering::Relaxed) {
            NEVER => false,
            since => now > Duration::from_millis(since) + patience,
        };
        over(&self.waits_since, BETWEEN_REQUESTS) || over(&self.blocked_since, UNREAD)
    }

    /// Whether the connection goes on; asked by its task before each step.
    fn stands(&self, cx: &Context<'_>) -> io::Result<()> {
        self.task.register(cx.waker());
        if self.shut.load(Ordering::Acquire) {
            return Err(io::ErrorKind::ConnectionAborted.into());
        }
        Ok(())
    }
}

/// The socket itself, below TLS.
pub struct Wire {
    stream: TcpStream,
    peer: Arc<PeerSocket>,
    blocked: bool,
}

impl Wire {
    pub(super) fn new(stream: TcpStream, peer: Arc<PeerSocket>) -> Self {
        Self { stream, peer, blocked: false }
    }

    /// Notes when writing began to wait for the peer to read, and when it went on.
    fn wrote<T>(&mut self, written: Poll<T>) -> Poll<T> {
        if written.is_pending() != self.blocked {
            self.blocked = written.is_pending();
            let since = if self.blocked { millis(self.peer.clock.now()) } else { NEVER };
            self.peer.blocked_since.store(since, Ordering::Relaxed);
        }
        written
    }
}

impl Drop for Wire {
    fn drop(&mut self) {
        self.peer.shared.leave(self.peer.id);
    }
}

impl AsyncRead for Wire {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.peer.stands(cx)?;
        Pin::new(&mut self.stream).poll_read(cx, buf)
    }
}

impl AsyncWrite for Wire {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.peer.stands(cx)?;
        let written = Pin::new(&mut self.stream).poll_write(cx, buf);
        self.wrote(written)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

/// What HTTP is spoken over.
pub struct Connection {
    stream: Stream,
    closed: bool,
}

enum Stream {
    Plain(Wire),
    /// Boxed: it is large, and most nodes stand behind a proxy.
    Tls(Box<TlsStream<Wire>>),
}

impl Connection {
    pub(super) fn plain(wire: Wire) -> Self {
        Self { stream: Stream::Plain(wire), closed: false }
    }

    pub(super) fn tls(stream: TlsStream<Wire>) -> Self {
        Self { stream: Stream::Tls(Box::new(stream)), closed: false }
    }

    /// The connection as others hold it.
    pub(super) fn peer(&self) -> &Arc<PeerSocket> {
        match &self.stream {
            Stream::Plain(wire) => &wire.peer,
            Stream::Tls(stream) => &stream.get_ref().0.peer,
        }
    }
}

impl Connection {
    fn poll_read_all(
        &mut self,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match &mut self.stream {
            Stream::Plain(wire) => Pin::new(wire).poll_read(cx, buf),
            Stream::Tls(stream) => Pin::new(stream).poll_read(cx, buf),
        }
    }
}

impl AsyncRead for Connection {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let credit = match self.peer().credit(cx) {
            ALL => return self.poll_read_all(cx, buf),
            0 => {
                self.peer().stands(cx)?;
                return Poll::Pending;
            }
            credit => credit.min(buf.remaining()),
        };
        let mut part = ReadBuf::new(buf.initialize_unfilled_to(credit));
        ready!(self.poll_read_all(cx, &mut part))?;
        let read = part.filled().len();
        buf.advance(read);
        let left = self.peer().credit.load(Ordering::Relaxed).saturating_sub(read);
        self.peer().credit.store(left, Ordering::Relaxed);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Connection {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        match &mut self.stream {
            Stream::Plain(wire) => Pin::new(wire).poll_write(cx, buf),
            Stream::Tls(stream) => Pin::new(stream).poll_write(cx, buf),
        }
    }

    /// The HTTP library asks for this when all that it has is written. If that was the last answer,
    /// our side closes now: a client that has read it need not wait until the library stops waiting
    /// for more of its request.
    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.stream {
            Stream::Plain(wire) => ready!(Pin::new(wire).poll_flush(cx))?,
            Stream::Tls(stream) => ready!(Pin::new(stream).poll_flush(cx))?,
        }
        if !self.closed && self.peer().closing.load(Ordering::Relaxed) {
            ready!(self.as_mut().poll_shutdown(cx))?;
            self.closed = true;
        }
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.stream {
            Stream::Plain(wire) => Pin::new(wire).poll_shutdown(cx),
            Stream::Tls(stream) => Pin::new(stream).poll_shutdown(cx),
        }
    }
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(NEVER - 1)
}
