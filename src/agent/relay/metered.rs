//! A connection that reads no more than a [`Budget`] allows, whatever the other side sends.
//!
//! It counts bytes below the WebSocket, so that frames that never make a message count as well. When
//! the budget is spent it does not read, and TCP tells the other side to wait.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll, ready},
};

use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    time::{Instant, Sleep, sleep},
};

use super::budget::Budget;

/// Reads within a budget; writes as it pleases.
pub(super) struct Metered<W> {
    wire: W,
    budget: Budget,
    began: Instant,
    pause: Option<Pin<Box<Sleep>>>,
}

impl<W> Metered<W> {
    /// The budget's unit is a byte.
    pub(super) fn new(wire: W, budget: Budget) -> Self {
        Self { wire, budget, began: Instant::now(), pause: None }
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
        let before = buf.filled().len();
        ready!(Pin::new(&mut self.wire).poll_read(cx, buf))?;
        let now = self.began.elapsed();
        let wait = self.budget.spend(now, buf.filled().len() - before);
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
