//! Audio cut into chunks of exactly 20 ms, for peers that want it so.
//!
//! Audio that comes in whole chunks is handed on as it is; only what begins or ends within one is
//! copied.

use bytes::{Bytes, BytesMut};

use crate::audio::format::Format;

/// How many chunks the copying buffer has room for before it is used again.
const ROOM: usize = 16;

/// Cuts audio, and holds back what is short of a chunk.
#[derive(Debug)]
pub(super) struct Chunks {
    size: usize,
    silence: u8,
    held: BytesMut,
}

impl Chunks {
    /// Chunks of 20 ms in this format.
    pub fn new(format: Format) -> Self {
        let size = format.frame_bytes();
        Self { size, silence: format.silence(), held: BytesMut::with_capacity(ROOM * size) }
    }

    /// Gives the chunks that are complete now.
    pub fn cut(&mut self, audio: &Bytes, mut give: impl FnMut(Bytes)) {
        let mut at = 0;
        if !self.held.is_empty() {
            at = audio.len().min(self.size - self.held.len());
            self.held.extend_from_slice(&audio[..at]);
            if self.held.len() < self.size {
                return;
            }
            give(self.held.split().freeze());
        }
        while audio.len() - at >= self.size {
            give(audio.slice(at..at + self.size));
            at += self.size;
        }
        self.held.extend_from_slice(&audio[at..]);
    }

    /// What is held back, filled up with silence.
    pub fn fill_up(&mut self) -> Option<Bytes> {
        if self.held.is_empty() {
            return None;
        }
        self.held.resize(self.size, self.silence);
        Some(self.held.split().freeze())
    }

    /// Forgets what is held back.
    pub fn clear(&mut self) {
        self.held.clear();
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn cut(chunks: &mut Chunks, audio: &Bytes) -> Vec<Bytes> {
        let mut given = Vec::new();
        chunks.cut(audio, |chunk| given.push(chunk));
        given
    }

    #[test]
    fn whole_chunks_are_not_copied() {
        let mut chunks = Chunks::new(Format::PCMU);
        let audio = Bytes::from(vec![7; 480]);
        let given = cut(&mut chunks, &audio);
        assert_eq!(given.len(), 3);
        assert_eq!(given[1].as_ptr(), audio[160..].as_ptr());
        assert_eq!(chunks.fill_up(), None);
    }

    #[test]
    fn a_rest_is_filled_up_with_silence_or_forgotten() {
        let mut chunks = Chunks::new(Format::PCMU);
        assert!(cut(&mut chunks, &Bytes::from(vec![7; 100])).is_empty());
        let rest = chunks.fill_up().unwrap();
        assert_eq!((rest.len(), rest[99], rest[100]), (160, 7, Format::PCMU.silence()));
        cut(&mut chunks, &Bytes::from(vec![7; 100]));
        chunks.clear();
        assert_eq!(chunks.fill_up(), None);
    }

    proptest! {
        #[test]
        fn however_audio_comes_it_leaves_in_order_and_in_chunks(
            pieces in prop::collection::vec(0usize..700, 0..12),
        ) {
            let mut chunks = Chunks::new(Format::PCMU);
            let mut n = 0u8;
            let (mut said, mut given) = (Vec::new(), Vec::new());
            for length in pieces {
                let audio: Bytes = (0..length).map(|_| { n = n.wrapping_add(1); n }).collect();
                said.extend_from_slice(&audio);
                given.extend(cut(&mut chunks, &audio));
            }
            given.extend(chunks.fill_up());
            prop_assert!(given.iter().all(|chunk| chunk.len() == 160));
            let given = given.concat();
            prop_assert_eq!(&given[..said.len()], &said[..]);
            prop_assert!(given.len() - said.len() < 160);
        }
    }
}
