//! The last line of defence: no byte leaves for the log that could be a key.
//!
//! Nothing is supposed to log a key in the first place; this is for the day somebody does. It looks
//! at the finished line, so it covers fields, messages, spans, dependencies and panics alike. It
//! knows nothing of events; [`super::subscriber`] puts it between the formatter and the output.

use std::{
    borrow::Cow,
    io::{self, Write},
};

use tracing_subscriber::fmt::MakeWriter;

use super::LogFormat;
use crate::key;

/// The line without anything shaped like a key; a line of JSON stays one.
pub fn redact(line: &[u8], format: LogFormat) -> Cow<'_, [u8]> {
    key::redact_bytes(line, format == LogFormat::Json)
}

/// Makes writers whose every line is redacted.
pub(super) struct Redacting<M> {
    pub(super) inner: M,
    pub(super) format: LogFormat,
}

impl<'a, M: MakeWriter<'a>> MakeWriter<'a> for Redacting<M> {
    type Writer = Line<M::Writer>;

    fn make_writer(&'a self) -> Self::Writer {
        Line { inner: self.inner.make_writer(), format: self.format }
    }
}

/// Takes one finished line per write, as tracing-subscriber's formatter gives it.
pub(super) struct Line<W> {
    inner: W,
    format: LogFormat,
}

impl<W: Write> Write for Line<W> {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        let clean = redact(line, self.format);
        let end = clean.len() - usize::from(clean.ends_with(b"\n"));
        if self.format == LogFormat::Text && clean[..end].contains(&b'\n') {
            // One event is one line, or a value could forge the next one.
            let mut one_line = clean.into_owned();
            one_line[..end].iter_mut().filter(|b| **b == b'\n').for_each(|b| *b = b' ');
            self.inner.write_all(&one_line)?;
        } else {
            self.inner.write_all(&clean)?;
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}
