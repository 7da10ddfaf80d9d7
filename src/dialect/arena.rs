//! Memory for the pieces of a call's audio and frames, so that a frame does not cost an allocation.
//!
//! Pieces are cut from one buffer. When it is used up and all earlier pieces are gone it is used
//! again; only while some are still held does a new one take its place.

use bytes::{Bytes, BytesMut};

/// How many pieces of the usual size a buffer has room for.
const PIECES: usize = 16;

/// A buffer from which pieces are cut.
#[derive(Debug)]
pub(super) struct Arena(BytesMut);

impl Arena {
    /// For pieces of about this many bytes; a larger one is no fault.
    pub fn for_pieces(bytes: usize) -> Self {
        Self(BytesMut::with_capacity(bytes.saturating_mul(PIECES)))
    }

    /// The piece that `fill` writes into the empty buffer it is given.
    pub fn take(&mut self, fill: impl FnOnce(&mut BytesMut)) -> Bytes {
        fill(&mut self.0);
        self.0.split().freeze()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_stand_for_themselves_and_their_room_is_used_again() {
        let mut arena = Arena::for_pieces(4);
        let first = arena.take(|buf| buf.extend_from_slice(b"abcd"));
        let second = arena.take(|buf| buf.extend_from_slice(b"efgh"));
        assert_eq!((&first[..], &second[..]), (&b"abcd"[..], &b"efgh"[..]));
        let home = first.as_ptr();
        drop((first, second));
        let mut came_home = false;
        for _ in 0..2 * PIECES {
            came_home |= arena.take(|buf| buf.extend_from_slice(b"ijkl")).as_ptr() == home;
        }
        assert!(came_home);
        assert!(arena.take(|_| ()).is_empty());
    }
}
