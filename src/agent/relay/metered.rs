//! A connection that reads no more than a [`Budget`] allows, whatever the other side sends.
//!
//! It counts bytes below the WebSocket, so that frames that never make a message count as well; when
//! they go on for too long, the connection fails, since each of them costs more than its bytes. When
//! the budget is spent it does not read, and TCP tells the other side to wait. And it reads in
//! slices: between them the thread's other calls have their turn, however much there is to read.

use std::{
    io,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    task::{Context, Poll, ready},
};

use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    time::{Instant, Sleep, sleep},
};

use crate::{agent::ws::LONGEST_MESSAGE, budget::Budget};

/// Bytes that are read before others have their turn.
const SLICE: usize = 16 * 1024;

/// Bytes that one message may take on the wire, with the headers of all its pieces.
const MOST_UNFINISHED: usize = 2 * LONGEST_MESSAGE;

/// Bytes that were read since the last message; whoever gets a message says so.
#[derive(Debug, Clone, Default)]
pub(super) struct Unfinished(Arc<AtomicUsize>);

impl Unfinished {
    /// A message has come.
    pub(super) fn finished(&self) {
        self.0.store(0, Relaxed);
    }

    fn read(&self, bytes: usize) -> usize {
        self.0.fetch_add(bytes, Relaxed) + bytes
    }
}

/// Reads within a budget; writes as it pleases.
pub(super) struct Metered<W> {
    wire: W,
    budget: Budget,
    /// Bytes that were read since others had their turn.
    slice: usize,
    unfinished: Unfinished,
    began: Instant,
    pause: Option<Pin<Box<Sleep>>>,
}

impl<W> Metered<W> {
    /// The budget's unit is a byte.
    pub(super) fn new(wire: W, budget: Budget, unfinished: Unfinished) -> Self {
        Self { wire, budget, slice: 0, unfinished, began: Instant::now(), pause: None }
    }
}

impl<W: AsyncRead + Unpin> AsyncRead for Metered<W> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if let Some(pause) = &mut self.pause {
            ready!(pause.as_mut().poll(cx));
            self.pause = None;
        }
        if self.slice >= SLICE {
            self.slice = 0;
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        let before = buf.filled().len();
        let polled = Pin::new(&mut self.wire).poll_read(cx, buf);
        if polled.is_pending() {
            self.slice = 0;
        }
        ready!(polled)?;
        let read = buf.filled().len() - before;
        self.slice += read;
        if self.unfinished.read(read) > MOST_UNFINISHED {
            return Poll::Ready(Err(io::ErrorKind::InvalidData.into()));
        }
        let now = self.began.elapsed();
        let wait = self.budget.spend(now, read);
        if !wait.is_zero() {
            self.pause = Some(Box::pin(sleep(wait)));
        }
        Poll::Ready(Ok(()))
    }
}

impl<W: AsyncWrite + Unpin> AsyncWrite for Metered<W> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.wire).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.wire).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.wire).poll_shutdown(cx)
    }
}
