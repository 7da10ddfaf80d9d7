//! What the agent says, kept in a file, whatever it was written in on the line.

use std::{io, path::Path};

use bytes::BytesMut;

use crate::audio::{format::Format, transcode::Transcoder, wav};

pub struct Tape {
    file: wav::Writer,
    /// From the line's format, once there is a line.
    transcoder: Option<Transcoder>,
    /// Made once: what has been converted and not been written.
    room: BytesMut,
}

impl Tape {
    /// Makes the file, or empties the one that is there.
    pub fn create(path: &Path) -> io::Result<Self> {
        Ok(Self { file: wav::Writer::create(path)?, transcoder: None, room: BytesMut::new() })
    }

    /// Adds sound in the line's format.
    pub fn keep(&mut self, format: Format, sound: &[u8]) -> io::Result<()> {
        self.transcoder
            .get_or_insert_with(|| Transcoder::new(format, Format::NATIVE))
            .convert(sound, &mut self.room);
        self.write()
    }

    /// Completes the file.
    pub fn finish(mut self) -> io::Result<()> {
        if let Some(transcoder) = &mut self.transcoder {
            transcoder.flush(&mut self.room);
        }
        self.write()?;
        self.file.finish()
    }

    fn write(&mut self) -> io::Result<()> {
        self.file.write(&self.room)?;
        self.room.clear();
        Ok(())
    }
}
