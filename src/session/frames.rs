//! Looks at the header of each WebSocket frame before the codec sees a byte of it.
//!
//! actix-http's parser judges a frame's size only when the whole frame has arrived, so a peer that
//! announces 1 GiB makes it buffer; and a header it cannot parse it reports again and again. So
//! [`Guarded`] stands between the socket and the codec: it passes bytes on untouched until a header
//! is wrong or announces too much, frames come too often, or one is begun and not sent; then it passes
//! nothing on ever again. It does not unmask, assemble or interpret anything. The rules are in
//! `Scanner`, which is pure; a peer that is only too fast with its bytes is not read for a while.

use std::{
    cell::Cell,
    pin::Pin,
    rc::Rc,
    task::{Context, Poll},
    time::Duration,
};

use actix_web::error::PayloadError;
use bytes::Bytes;
use futures_util::Stream;
use tokio::time::{Instant, Sleep, sleep_until};

use super::room::Place;
use crate::{
    budget::{BYTES, Budget, MESSAGES},
    dialect::reassembly::MOST_BYTES,
};

/// How long a message may take from its first byte to its last, beyond the time that its length needs.
const GRACE: Duration = Duration::from_secs(5);
/// Bytes of a message that have to come within a second: 1 MiB takes 8 s at the most, and [`GRACE`].
const LEAST_RATE: u64 = 128 * 1024;

/// What is wrong with a frame, by its header alone, or with its manner of coming.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Violation {
    /// The frame, or the message its fragments make, is announced larger than [`MOST_BYTES`].
    TooLarge,
    /// Not a frame that a client may send (RFC 6455, sections 5.1, 5.2 and 5.5).
    Malformed,
    /// More frames than the [`MESSAGES`] of one peer, of whatever kind.
    TooMany,
    /// A frame, or the message its fragments make, was begun and not sent in time.
    TooSlow,
    /// The node or the account has too many long messages under way.
    NoRoom,
}

/// Where the guard leaves the violation it found, for the actor to read.
pub type Found = Rc<Cell<Option<Violation>>>;

/// A stream of the peer's bytes that gives one error, and then nothing more, at a wrong frame.
pub struct Guarded<S> {
    peer: S,
    scanner: Scanner,
    place: Place,
    bytes: Budget,
    began: Instant,
    /// The peer is not read before then.
    pause: Option<Pin<Box<Sleep>>>,
    /// Looks after a message that is not whole; kept for its memory, and may ring in vain.
    alarm: Option<Pin<Box<Sleep>>>,
    found: Found,
}

impl<S> Guarded<S> {
    /// Guards a stream. What was found is there before the stream's error is seen.
    pub fn new(peer: S, place: Place, found: Found) -> Self {
        let (scanner, began) = (Scanner::default(), Instant::now());
        Self { peer, scanner, place, bytes: BYTES, began, pause: None, alarm: None, found }
    }

    /// Judges what has come.
    fn judge(&mut self, chunk: &[u8]) -> Result<(), Violation> {
        let now = self.began.elapsed();
        self.scanner.scan(now, chunk)?;
        if !self.place.hold(self.scanner.under_way()) {
            return Err(Violation::NoRoom);
        }
        let wait = self.bytes.spend(now, chunk.len());
        if !wait.is_zero() {
            self.pause = Some(Box::pin(sleep_until(Instant::now() + wait)));
        }
        Ok(())
    }

    /// Whether the peer is still given time, when nothing more has come.
    fn has_time(&mut self, cx: &mut Context<'_>) -> bool {
        let Some(due) = self.scanner.due() else { return true };
        let due = self.began + due;
        let alarm = self.alarm.get_or_insert_with(|| Box::pin(sleep_until(due)));
        if alarm.deadline() != due {
            alarm.as_mut().reset(due);
        }
        alarm.as_mut().poll(cx).is_pending()
    }

    fn refuse(&mut self, violation: Violation) -> Poll<Option<Result<Bytes, PayloadError>>> {
        self.found.set(Some(violation));
        self.place.hold(0);
        let refused = std::io::Error::other("a frame that may not be sent");
        Poll::Ready(Some(Err(PayloadError::Io(refused))))
    }
}

impl<S: Stream<Item = Result<Bytes, PayloadError>> + Unpin> Stream for Guarded<S> {
    type Item = Result<Bytes, PayloadError>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if let Some(pause) = &mut self.pause {
            std::task::ready!(pause.as_mut().poll(cx));
            self.pause = None;
        }
        loop {
            let polled = Pin::new(&mut self.peer).poll_next(cx);
            let refused = self.found.get().is_some();
            let Poll::Ready(Some(Ok(chunk))) = &polled else {
                if polled.is_pending() && !refused && !self.has_time(cx) {
                    return self.refuse(Violation::TooSlow);
                }
                return polled;
            };
            if refused {
                // Read on and throw away: closing a socket with unread bytes in it would reset the
                // connection, and the peer would never see our close frame.
                continue;
            }
            return match self.judge(chunk) {
                Ok(()) => polled,
                Err(violation) => self.refuse(violation),
            };
        }
    }
}

/// Follows the frame headers in a stream of bytes, wherever the stream is cut.
struct Scanner {
    /// Payload bytes of the current frame that are still to come.
    payload_left: u64,
    /// The bytes of a header that is not complete yet.
    header: [u8; 14],
    have: usize,
    /// Announced bytes of the message that is not whole yet.
    message: u64,
    /// A fragment of it came, and more will.
    goes_on: bool,
    /// When what is not whole began.
    since: Option<Duration>,
    frames: Budget,
}

impl Default for Scanner {
    fn default() -> Self {
        Self {
            payload_left: 0,
            header: [0; 14],
            have: 0,
            message: 0,
            goes_on: false,
            since: None,
            frames: MESSAGES,
        }
    }
}

impl Scanner {
    /// Fails as soon as a header is wrong, announces more than may be sent, or is one too many.
    fn scan(&mut self, now: Duration, mut bytes: &[u8]) -> Result<(), Violation> {
        while !bytes.is_empty() {
            self.since.get_or_insert(now);
            if self.payload_left > 0 {
                let skip =
                    usize::try_from(self.payload_left).unwrap_or(usize::MAX).min(bytes.len());
                bytes = &bytes[skip..];
                self.payload_left -= skip as u64;
            } else {
                // Two bytes tell how long the header is; usually all of it is there.
                let missing = header_len(&self.header[..self.have]) - self.have;
                let take = missing.min(bytes.len());
                self.header[self.have..self.have + take].copy_from_slice(&bytes[..take]);
                self.have += take;
                bytes = &bytes[take..];
                if self.have < header_len(&self.header[..self.have]) {
                    continue;
                }
                self.have = 0;
                self.begin_frame(now)?;
            }
            if self.payload_left == 0 && !self.goes_on {
                (self.message, self.since) = (0, None);
            }
        }
        Ok(())
    }

    /// A header is complete: may a client send such a frame, and is there room for it?
    fn begin_frame(&mut self, now: Duration) -> Result<(), Violation> {
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
            8..=10 if last && self.payload_left <= 125 => {}
            0..=2 => {
                self.message = self.message.saturating_add(self.payload_left);
                self.goes_on = !last;
            }
            _ => return Err(Violation::Malformed),
        }
        if self.message > MOST_BYTES as u64 {
            return Err(Violation::TooLarge);
        }
        if self.frames.try_spend(now, 1) { Ok(()) } else { Err(Violation::TooMany) }
    }

    /// Announced bytes of the message that is not whole yet.
    fn under_way(&self) -> usize {
        usize::try_from(self.message).unwrap_or(usize::MAX)
    }

    /// When what is not whole yet has to be; `None` between two messages.
    fn due(&self) -> Option<Duration> {
        let needed = Duration::from_millis(self.message.saturating_mul(1_000) / LEAST_RATE);
        Some(self.since? + GRACE + needed)
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
    use std::sync::Arc;

    use futures_util::{StreamExt, stream};
    use proptest::prelude::*;

    use super::*;
    use crate::id::AccountId;

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
        Scanner::default().scan(NOW, bytes)
    }

    const NOW: Duration = Duration::from_secs(100);

    fn place() -> Place {
        Place::new(Arc::default(), AccountId::new())
    }

    /// What a peer who sends these bytes, and nothing more, is found to do wrong; and when.
    async fn found(bytes: Vec<u8>) -> (Violation, Duration) {
        let sent = stream::iter([Ok(Bytes::from(bytes))]).chain(stream::pending());
        let (violation, began) = (Found::default(), Instant::now());
        let mut guarded = Guarded::new(sent, place(), violation.clone());
        while guarded.next().await.is_some_and(|chunk| chunk.is_ok()) {}
        (violation.get().unwrap(), began.elapsed())
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
        assert_eq!(scanner.scan(NOW, &frame(BINARY, half)), Ok(()));
        assert_eq!(scanner.scan(NOW, &frame(FIN | PING, 5)), Ok(()));
        assert_eq!(scanner.scan(NOW, &frame(FIN | CONTINUATION, half)), Ok(()));
        assert_eq!(scanner.scan(NOW, &frame(BINARY, half)), Ok(()));
        assert_eq!(scanner.scan(NOW, &frame(CONTINUATION, half)), Ok(()));
        assert_eq!(scanner.scan(NOW, &header(FIN | CONTINUATION, 1)), Err(Violation::TooLarge));
    }

    #[test]
    fn two_thousand_frames_a_second_are_taken_and_no_more_whatever_they_are() {
        for kind in [FIN | BINARY, FIN | PING, FIN | 1, FIN | 10] {
            let (mut scanner, frame) = (Scanner::default(), frame(kind, 0));
            assert_eq!(scanner.scan(NOW, &frame.repeat(6_000)), Ok(()));
            for second in 1..10 {
                let now = NOW + Duration::from_secs(second);
                assert_eq!(scanner.scan(now, &frame.repeat(2_000)), Ok(()));
            }
            let now = NOW + Duration::from_secs(9);
            assert_eq!(scanner.scan(now, &frame), Err(Violation::TooMany), "{kind}");
        }
    }

    #[test]
    fn what_is_begun_has_to_be_sent_within_seconds_and_what_is_long_at_a_least_rate() {
        let s = |seconds| Some(NOW + Duration::from_secs(seconds));
        let due = |bytes: &[u8]| {
            let mut scanner = Scanner::default();
            scanner.scan(NOW, bytes).unwrap();
            scanner.due()
        };
        assert_eq!(due(&frame(FIN | BINARY, 70_000)), None);
        assert_eq!(due(&[FIN | BINARY]), s(5), "half a header");
        assert_eq!(due(&header(FIN | PING, 5)), s(5));
        assert_eq!(due(&header(FIN | BINARY, 1 << 20)), s(13));
        assert_eq!(due(&frame(BINARY, 0)), s(5), "the rest of a message");
        // Neither what stands between the fragments nor a further one begins it anew.
        let mut scanner = Scanner::default();
        scanner.scan(NOW, &frame(BINARY, 1 << 17)).unwrap();
        for second in 1..4 {
            let now = NOW + Duration::from_secs(second);
            scanner.scan(now, &frame(FIN | PING, 5)).unwrap();
            scanner.scan(now, &frame(CONTINUATION, 1 << 17)).unwrap();
            assert_eq!(scanner.due(), s(6 + second));
        }
        let now = NOW + Duration::from_secs(4);
        scanner.scan(now, &frame(FIN | CONTINUATION, 0)).unwrap();
        assert_eq!((scanner.due(), scanner.under_way()), (None, 0));
    }

    #[tokio::test(start_paused = true)]
    async fn a_peer_that_does_not_go_on_is_found_when_its_time_is_over() {
        let mut almost = frame(FIN | BINARY, 1 << 20);
        almost.pop();
        for (bytes, seconds) in [(almost, 13), (frame(BINARY, 3), 5), (vec![FIN], 5)] {
            let (violation, after) = found(bytes).await;
            assert_eq!(violation, Violation::TooSlow);
            assert!(after.abs_diff(Duration::from_secs(seconds)) < Duration::from_millis(5));
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_peer_that_is_fast_is_read_at_a_mebibyte_a_second() {
        let mebibyte = Bytes::from(frame(FIN | BINARY, 1 << 20));
        let sent = stream::iter((0..10).map(|_| Ok(mebibyte.clone())));
        let began = Instant::now();
        let guarded = Guarded::new(sent, place(), Found::default());
        assert_eq!(guarded.filter(|chunk| std::future::ready(chunk.is_ok())).count().await, 10);
        let took = began.elapsed();
        assert!((5..7).contains(&took.as_secs()), "{took:?}");
    }

    #[tokio::test]
    async fn the_long_messages_of_one_account_are_bounded_together() {
        let (room, account) = (Arc::default(), AccountId::new());
        let mut begun = 0;
        let mut calls = Vec::new();
        loop {
            let sent = stream::iter([Ok(Bytes::from(header(FIN | BINARY, 1 << 20)))]);
            let (place, found) = (Place::new(Arc::clone(&room), account), Found::default());
            let mut guarded = Guarded::new(sent.chain(stream::pending()), place, found.clone());
            if guarded.next().await.unwrap().is_err() {
                assert_eq!(found.get(), Some(Violation::NoRoom));
                break;
            }
            begun += 1;
            calls.push(guarded);
        }
        assert_eq!(begun, 16);
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
                prop_assert_eq!(scanner.scan(NOW, piece), Ok(()));
            }
            let bad = header(FIN | BINARY, MOST_BYTES as u64 + 1);
            let (last, most) = (bad.len() - 5, bad.len() - 4);
            prop_assert_eq!(scanner.scan(NOW, &bad[..last]), Ok(()));
            prop_assert_eq!(scanner.scan(NOW, &bad[last..most]), Ok(()));
            prop_assert_eq!(scanner.scan(NOW, &bad[most..]), Err(Violation::TooLarge));
        }

        #[test]
        fn noise_never_panics(noise in proptest::collection::vec(any::<u8>(), 0..300), cut in 1usize..20) {
            let mut scanner = Scanner::default();
            for piece in noise.chunks(cut) {
                if scanner.scan(NOW, piece).is_err() {
                    break;
                }
            }
        }
    }
}
