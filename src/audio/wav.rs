//! WAV files in and out: whatever people have, to our one format and back.

use std::{
    borrow::Cow,
    fs::File,
    io::{self, BufWriter, Cursor},
    path::Path,
};

use bytes::Bytes;
use hound::{SampleFormat, WavReader, WavSpec, WavWriter};

use super::{
    SAMPLE_RATE,
    resample::{self, BadRate},
};

/// Why bytes are not a clip that can be played.
#[derive(Debug, thiserror::Error)]
pub enum BadWav {
    /// Not a WAV file, or one with a coding other than integer or float PCM.
    #[error("not a PCM WAV file: {0}")]
    Format(#[source] hound::Error),
    /// Its rate is out of range.
    #[error(transparent)]
    Rate(#[from] BadRate),
}

/// A whole WAV file (8 to 32 bit integers or 32 bit floats, any number of channels, 4 to 192 kHz)
/// as our bytes. The lengths in its header are not trusted: a file cut short, or written to a pipe
/// by a program that could not know how long it would be, counts as far as it goes.
///
/// # Errors
/// [`BadWav`] when it is not such a file.
pub fn read(file: &[u8]) -> Result<Bytes, BadWav> {
    let file = with_true_length(file);
    let mut reader = WavReader::new(Cursor::new(&file)).map_err(BadWav::Format)?;
    let spec = reader.spec();
    if !(1..=32).contains(&spec.bits_per_sample) {
        return Err(BadWav::Format(hound::Error::Unsupported));
    }
    let interleaved: Result<Vec<f32>, hound::Error> = match spec.sample_format {
        SampleFormat::Float => reader.samples::<f32>().collect(),
        SampleFormat::Int => {
            #[expect(clippy::cast_precision_loss, reason = "24 bits are more than enough")]
            let full_scale = (1u64 << (spec.bits_per_sample - 1)) as f32;
            #[expect(clippy::cast_precision_loss, reason = "24 bits are more than enough")]
            let samples = reader.samples::<i32>().map(|s| s.map(|s| s as f32 / full_scale));
            samples.collect()
        }
    };
    let interleaved = interleaved.map_err(BadWav::Format)?;
    Ok(resample::to_internal(&mixed_down(&interleaved, spec.channels), spec.sample_rate)?)
}

/// Writes a 16 kHz mono WAV file bit by bit.
pub struct Writer(WavWriter<BufWriter<File>>);

impl Writer {
    /// Makes the file, or empties the one that is there.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn create(path: &Path) -> io::Result<Self> {
        let spec = WavSpec {
            channels: 1,
            sample_rate: SAMPLE_RATE,
            bits_per_sample: 16,
            sample_format: SampleFormat::Int,
        };
        WavWriter::create(path, spec).map(Self).map_err(as_io)
    }

    /// Adds sound: whole samples, in our format. An odd last byte is left out.
    ///
    /// # Errors
    /// When the file cannot be written, or has reached the 4 GiB that a WAV file can hold.
    pub fn write(&mut self, pcm: &[u8]) -> io::Result<()> {
        pcm.as_chunks()
            .0
            .iter()
            .try_for_each(|sample| self.0.write_sample(i16::from_le_bytes(*sample)))
            .map_err(as_io)
    }

    /// Completes the header and closes the file.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn finish(self) -> io::Result<()> {
        self.0.finalize().map_err(as_io)
    }
}

fn as_io(error: hound::Error) -> io::Error {
    match error {
        hound::Error::IoError(error) => error,
        other => io::Error::other(other),
    }
}

/// The file with the length of its `data` chunk corrected to what is really there, in whole frames.
/// espeak-ng on a pipe announces 0x7ffff000 bytes, other programs 0xffffffff.
fn with_true_length(file: &[u8]) -> Cow<'_, [u8]> {
    let mut at = 12;
    let mut frame = 1;
    while let Some((kind, length)) = chunk_header(file, at) {
        let body = at + 8;
        if kind == b"fmt " {
            let align = file.get(body + 12..body + 14);
            frame = align.map_or(1, |two| usize::from(u16::from_le_bytes([two[0], two[1]])).max(1));
        }
        if kind == b"data" {
            let there = (file.len() - body).min(length);
            let whole = there - there % frame;
            let mut fixed = file[..body + whole].to_vec();
            let length = u32::try_from(whole).unwrap_or(u32::MAX);
            fixed[at + 4..body].copy_from_slice(&length.to_le_bytes());
            return Cow::Owned(fixed);
        }
        // Chunks start at even offsets.
        at = body.saturating_add(length).saturating_add(length % 2);
    }
    Cow::Borrowed(file)
}

fn chunk_header(file: &[u8], at: usize) -> Option<(&[u8], usize)> {
    let header = file.get(at..at.checked_add(8)?)?;
    let length = u32::from_le_bytes([header[4], header[5], header[6], header[7]]);
    Some((&header[..4], usize::try_from(length).ok()?))
}

fn mixed_down(interleaved: &[f32], channels: u16) -> Cow<'_, [f32]> {
    if channels == 1 {
        return Cow::Borrowed(interleaved);
    }
    let frames = interleaved.chunks_exact(usize::from(channels));
    frames.map(|frame| frame.iter().sum::<f32>() / f32::from(channels)).collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::cast_possible_truncation, reason = "tests")]

    use proptest::prelude::*;

    use super::super::resample::tests::{frequency, samples, sine};
    use super::*;

    fn file(spec: WavSpec, clip: &[f32]) -> Vec<u8> {
        let mut bytes = Cursor::new(Vec::new());
        let mut writer = WavWriter::new(&mut bytes, spec).unwrap();
        for sample in clip.iter().flat_map(|s| std::iter::repeat_n(s, spec.channels.into())) {
            match spec.sample_format {
                SampleFormat::Float => writer.write_sample(*sample).unwrap(),
                SampleFormat::Int => {
                    let scale = f64::from(1u32 << (spec.bits_per_sample - 1));
                    writer.write_sample((f64::from(*sample) * scale) as i32).unwrap();
                }
            }
        }
        writer.finalize().unwrap();
        bytes.into_inner()
    }

    fn spec(channels: u16, sample_rate: u32, bits: u16, format: SampleFormat) -> WavSpec {
        WavSpec { channels, sample_rate, bits_per_sample: bits, sample_format: format }
    }

    #[test]
    fn every_usual_kind_of_file_is_read() {
        for (channels, rate, bits, format) in [
            (1, 8_000, 8, SampleFormat::Int),
            (1, 16_000, 16, SampleFormat::Int),
            (2, 44_100, 16, SampleFormat::Int),
            (1, 22_050, 24, SampleFormat::Int),
            (2, 48_000, 32, SampleFormat::Int),
            (2, 48_000, 32, SampleFormat::Float),
        ] {
            let bytes = file(spec(channels, rate, bits, format), &sine(300.0, rate, 0.5));
            let pcm = read(&bytes).unwrap();
            assert!(pcm.len().abs_diff(16_000) <= 4, "{channels} {rate} {bits}: {}", pcm.len());
            assert!((frequency(&pcm) - 300.0).abs() < 2.0, "{channels} {rate} {bits}");
        }
    }

    #[test]
    fn lengths_that_lie_do_no_harm() {
        let honest = file(spec(1, 16_000, 16, SampleFormat::Int), &sine(300.0, 16_000, 0.1));
        let expected = read(&honest).unwrap();
        for lie in [0x7fff_f000u32, u32::MAX, 0x8000_0001] {
            let mut bytes = honest.clone();
            bytes[40..44].copy_from_slice(&lie.to_le_bytes());
            assert_eq!(read(&bytes).unwrap(), expected, "{lie:#x}");
        }
        let cut = &honest[..honest.len() - 1];
        assert_eq!(read(cut).unwrap(), expected.slice(..expected.len() - 2), "cut in a sample");
    }

    #[test]
    fn what_is_written_reads_back_the_same() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("reply.wav");
        let pcm = read(&file(spec(1, 16_000, 16, SampleFormat::Int), &sine(300.0, 16_000, 0.1)));
        let pcm = pcm.unwrap();
        let mut writer = Writer::create(&path).unwrap();
        writer.write(&pcm[..1_000]).unwrap();
        writer.write(&pcm[1_000..]).unwrap();
        writer.finish().unwrap();
        let written = std::fs::read(&path).unwrap();
        assert_eq!(samples(&read(&written).unwrap()), samples(&pcm));
    }

    #[test]
    fn a_file_that_is_no_wav_is_an_error() {
        for bytes in [&b""[..], b"RIFF", b"RIFF\0\0\0\0WAVE", b"\x7fELF and so on and on and on"] {
            assert!(matches!(read(bytes), Err(BadWav::Format(_))), "{bytes:?}");
        }
        let mut wide = file(spec(2, 16_000, 24, SampleFormat::Int), &[0.0; 10]);
        assert_eq!(wide[38..40], [24, 0], "valid bits of the extensible header");
        wide[38] = 200;
        assert!(matches!(read(&wide), Err(BadWav::Format(_))));
        let odd = file(spec(1, 1_000, 16, SampleFormat::Int), &[0.0; 10]);
        assert!(matches!(read(&odd), Err(BadWav::Rate(BadRate(1_000)))));
    }

    proptest! {
        #[test]
        fn noise_in_the_header_never_panics(
            at in 0usize..44,
            noise in proptest::collection::vec(any::<u8>(), 1..12),
        ) {
            let mut bytes = file(spec(1, 16_000, 16, SampleFormat::Int), &[0.1; 100]);
            let end = (at + noise.len()).min(bytes.len());
            bytes[at..end].copy_from_slice(&noise[..end - at]);
            let _ = read(&bytes);
        }
    }
}
