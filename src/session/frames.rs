//! Looks at the header of each WebSocket frame before the codec sees a byte of it.
//!
//! actix-http's parser judges a frame's size only when the whole frame has arrived, so a peer that
//! announces 1 GiB makes it buffer; and a header it cannot parse it reports again and again. So
//! [`Guarded`] stands between the socket and the codec: it passes bytes on untouched until a header
//! is wrong or announces too much, then it passes nothing on ever again. It does not unmask,
//! assemble or interpret anything.

use std::{
    cell::Cell,
    pin::Pin,
    rc::Rc,
    task::{Context, Poll},
};

use actix_web::error::PayloadError;
use bytes::Bytes;
use futures_util::Stream;

use crate::dialect::reassembly::MOST_BYTES;

/// What is wrong with a frame, by its header alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Violation {
    /// The frame, or the message its fragments make, is announced larger than [`MOST_BYTES`].
    TooLarge,
    /// Not a frame that a client may send (RFC 6455, sections 5.1, 5.2 and 5.5).
    Malformed,
}

/// Where the guard leaves the violation it found, for the actor to read.
pub type Found = Rc<Cell<Option<Violation>>>;

/// A stream of the peer's bytes that gives one error, and then nothing more, at a wrong frame.
pub struct Guarded<S> {
    peer: S,
    scanner: Scanner,
    found: Found,
}

impl<S> Guarded<S> {
    /// Guards a stream. What was found is there before the stream's error is seen.
    pub fn new(peer: S, found: Found) -> Self {
        Self { peer, scanner: Scanner::default(), found }
    }
}

impl<S: Stream<Item = Result<Bytes, PayloadError>> + Unpin> Stream for Guarded<S> {
    type Item = Result<Bytes, PayloadError>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        loop {
            let item = std::task::ready!(Pin::new(&mut self.peer).poll_next(cx));
            let Some(Ok(chunk)) = &item else { return Poll::Ready(item) };
            if self.found.get().is_some() {
                // Read on and throw away: closing a socket with unread bytes in it would reset the
                // connection, and the peer would never see our close frame.
                continue;
            }
            let Err(violation) = self.scanner.scan(chunk) else { return Poll::Ready(item) };
            self.found.set(Some(violation));
            let refused = std::io::Error::other("a frame that may not be sent");
            return Poll::Ready(Some(Err(PayloadError::Io(refused))));
        }
    }
}

/// Follows the frame headers in a stream of bytes, wherever the stream is cut.
#[derive(Default)]
struct Scanner {
    /// Payload bytes of the current frame that are still to come.
    payload_left: u64,
    /// The bytes of a header that is not complete yet.
    header: [u8; 14],
    have: usize,
    /// Announced bytes of the message that is being sent in fragments.
    message: u64,
}

impl Scanner {
    /// Fails as soon as a header is wrong or announces more than may be sent.
    fn scan(&mut self, mut bytes: &[u8]) -> Result<(), Violation> {
        while !bytes.is_empty() {
            if self.payload_left > 0 {
                let skip =
                    usize::try_from(self.payload_left).unwrap_or(usize::MAX).min(bytes.len());
                bytes = &bytes[skip..];
                self.payload_left -= skip as u64;
                continue;
            }
            // Two bytes tell how long the header is; usually all of it is there.
            let missing = header_len(&self.header[..self.have]) - self.have;
            let take = missing.min(bytes.len());
            self.header[self.have..self.have + take].copy_from_slice(&bytes[..take]);
            self.have += take;
            bytes = &bytes[take..];
            if self.have == header_len(&self.header[..self.have]) {
                self.have = 0;
                self.begin_frame()?;
            }
        }
        Ok(())
    }

    /// A header is complete: may a client send such a frame, and is there room for it?
    fn begin_frame(&mut self) -> Result<(), Violation> {
        let h = &self.header;
        let (last, reserved, opcode) = (h[0] & 0x80 != 0, h[0] & 0x70, h[0] & 0x0f);
        let masked = h[1] & 0x80 != 0;
        self.payload_left = match h[1] & 0x7f {
            126 => u64::from(u16::from_be_bytes([h[2], h[3]])),
            127 => u64::from_be_bytes([h[2], h[3], h[4], h[5], h[6], h[7], h[8], h[9]]),
            short => u64::from(short),
        };
        // No extension is ever agreed on, so no reserved bit has a meaning.
        if reserved != 0 || !masked {
            return Err(Violation::Malformed);
        }
        match opcode {
            // Close, ping and pong are whole and short, and may stand between fragments.
            8..=10 if last && self.payload_left <= 125 => Ok(()),
            0..=2 => {
                self.message = self.message.saturating_add(self.payload_left);
                let fits = self.message <= MOST_BYTES as u64;
                if last {
                    self.message = 0;
                }
                if fits { Ok(()) } else { Err(Violation::TooLarge) }
            }
            _ => Err(Violation::Malformed),
        }
    }
}

/// How long the header is that begins with these bytes; at least two are needed to tell.
fn header_len(begun: &[u8]) -> usize {
    let Some(second) = begun.get(1) else { return 2 };
    let mask = if second & 0x80 == 0 { 0 } else { 4 };
    2 + mask
        + match second & 0x7f {
            126 => 2,
            127 => 8,
            _ => 0,
        }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const FIN: u8 = 0x80;
    const BINARY: u8 = 2;
    const CONTINUATION: u8 = 0;
    const PING: u8 = 9;

    /// The header of a masked frame.
    fn header(first: u8, len: u64) -> Vec<u8> {
        let mut header = vec![first];
        match len {
            0..126 => header.push(0x80 | u8::try_from(len).unwrap()),
            126..65_536 => {
                header.push(0x80 | 126);
                header.extend(u16::try_from(len).unwrap().to_be_bytes());
            }
            _ => {
                header.push(0x80 | 127);
                header.extend(len.to_be_bytes());
            }
        }
        header.extend([1, 2, 3, 4]);
        header
    }

    fn frame(first: u8, len: u64) -> Vec<u8> {
        let mut frame = header(first, len);
        frame.resize(frame.len() + usize::try_from(len).unwrap(), 0xff);
        frame
    }

    fn scan(bytes: &[u8]) -> Result<(), Violation> {
        Scanner::default().scan(bytes)
    }

    #[test]
    fn a_frame_is_refused_by_its_header_alone() {
        let limit = MOST_BYTES as u64;
        assert_eq!(scan(&header(FIN | BINARY, limit)), Ok(()));
        assert_eq!(scan(&header(FIN | BINARY, limit + 1)), Err(Violation::TooLarge));
        assert_eq!(scan(&header(FIN | BINARY, u64::MAX)), Err(Violation::TooLarge));
    }

    #[test]
    fn what_a_client_may_not_send_is_malformed() {
        let mut unmasked = header(FIN | BINARY, 5);
        unmasked[1] &= 0x7f;
        assert_eq!(scan(&unmasked), Err(Violation::Malformed));
        assert_eq!(scan(&header(FIN | 0x40 | BINARY, 5)), Err(Violation::Malformed));
        assert_eq!(scan(&header(FIN | 3, 5)), Err(Violation::Malformed));
        assert_eq!(scan(&header(FIN | 15, 5)), Err(Violation::Malformed));
        assert_eq!(scan(&header(PING, 5)), Err(Violation::Malformed));
        assert_eq!(scan(&header(FIN | PING, 126)), Err(Violation::Malformed));
        assert_eq!(scan(&header(FIN | PING, 125)), Ok(()));
    }

    #[test]
    fn fragments_count_together_and_control_frames_between_them_do_not() {
        let half = MOST_BYTES as u64 / 2;
        let mut scanner = Scanner::default();
        assert_eq!(scanner.scan(&frame(BINARY, half)), Ok(()));
        assert_eq!(scanner.scan(&frame(FIN | PING, 5)), Ok(()));
        assert_eq!(scanner.scan(&frame(FIN | CONTINUATION, half)), Ok(()));
        assert_eq!(scanner.scan(&frame(BINARY, half)), Ok(()));
        assert_eq!(scanner.scan(&frame(CONTINUATION, half)), Ok(()));
        assert_eq!(scanner.scan(&header(FIN | CONTINUATION, 1)), Err(Violation::TooLarge));
    }

    proptest! {
        /// However the stream is cut, good frames pass and the first one too many is found.
        #[test]
        fn headers_are_found_wherever_the_stream_is_cut(
            lens in proptest::collection::vec(prop_oneof![0u64..200, 65_000u64..66_000], 1..8),
            cut in 1usize..5000,
        ) {
            let mut good: Vec<u8> = Vec::new();
            for len in lens {
                good.extend(frame(FIN | BINARY, len));
            }
            let mut scanner = Scanner::default();
            for piece in good.chunks(cut) {
                prop_assert_eq!(scanner.scan(piece), Ok(()));
            }
            let bad = header(FIN | BINARY, MOST_BYTES as u64 + 1);
            let (last, most) = (bad.len() - 5, bad.len() - 4);
            prop_assert_eq!(scanner.scan(&bad[..last]), Ok(()));
            prop_assert_eq!(scanner.scan(&bad[last..most]), Ok(()));
            prop_assert_eq!(scanner.scan(&bad[most..]), Err(Violation::TooLarge));
        }

        #[test]
        fn noise_never_panics(noise in proptest::collection::vec(any::<u8>(), 0..300), cut in 1usize..20) {
            let mut scanner = Scanner::default();
            for piece in noise.chunks(cut) {
                if scanner.scan(piece).is_err() {
                    break;
                }
            }
        }
    }
}
