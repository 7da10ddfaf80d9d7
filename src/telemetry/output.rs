//! Where finished lines go: into a bounded queue, and from there to their place by one thread.
//!
//! Standard error may be a pipe that is not read or a slow terminal. A worker that waited for it
//! would stop all of its calls, so it never does: when the queue is full a line is dropped and
//! counted, and the count is written as soon as there is room again. This file knows no event.

use std::{
    io::{self, Write},
    sync::{Arc, OnceLock},
};

use tracing_appender::non_blocking::{ErrorCounter, NonBlocking, NonBlockingBuilder, WorkerGuard};

use super::LogFormat;

/// Lines that may wait to be written. A line is seldom above 1 KiB, so this is a few MiB at most.
const WAITING: usize = 4_096;

/// Dropping it writes what still waits, for a second at most.
#[must_use = "lines that still wait are lost without it"]
pub struct LogGuard(#[expect(dead_code, reason = "its drop does the work")] WorkerGuard);

/// A writer that never waits, in front of one that may.
pub(super) fn queued<W>(inner: W, format: LogFormat) -> (NonBlocking, LogGuard)
where
    W: Write + Send + 'static,
{
    with_room(WAITING, inner, format)
}

fn with_room<W>(lines: usize, inner: W, format: LogFormat) -> (NonBlocking, LogGuard)
where
    W: Write + Send + 'static,
{
    let lost = Arc::new(OnceLock::new());
    let output = Counted { inner, format, lost: Arc::clone(&lost), told: 0 };
    let (writer, guard) = NonBlockingBuilder::default()
        .lossy(true)
        .buffered_lines_limit(lines)
        .thread_name("log")
        .finish(output);
    lost.get_or_init(|| writer.error_counter());
    (writer, LogGuard(guard))
}

/// Writes a line, and before it how many were lost since the last one.
struct Counted<W> {
    inner: W,
    format: LogFormat,
    /// Filled as soon as the queue exists, which needs this writer first.
    lost: Arc<OnceLock<ErrorCounter>>,
    told: usize,
}

impl<W: Write> Counted<W> {
    fn tell_lost(&mut self) -> io::Result<()> {
        let lost = self.lost.get().map_or(0, ErrorCounter::dropped_lines);
        if lost == self.told {
            return Ok(());
        }
        let (now, lines) = (jiff::Timestamp::now(), lost - self.told);
        self.told = lost;
        match self.format {
            LogFormat::Text => writeln!(
                self.inner,
                "{now}  WARN upvoot::telemetry: {lines} log lines lost: standard error was not read fast enough"
            ),
            LogFormat::Json => {
                let line = serde_json::json!({
                    "timestamp": now.to_string(),
                    "level": "WARN",
                    "message": "log lines lost: standard error was not read fast enough",
                    "lines": lines,
                    "target": "upvoot::telemetry",
                });
                writeln!(self.inner, "{line}")
            }
        }
    }
}

impl<W: Write> Write for Counted<W> {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        self.tell_lost()?;
        self.inner.write_all(line)?;
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

#[cfg(test)]
mod tests {
    use std::{
        sync::{Mutex, mpsc},
        time::Duration,
    };

    use tracing_subscriber::fmt::MakeWriter;

    use super::*;

    /// A pipe whose reader takes a line only when the test lets it.
    struct Pipe {
        taken: Arc<Mutex<Vec<u8>>>,
        reads: mpsc::Receiver<()>,
    }

    impl Write for Pipe {
        fn write(&mut self, line: &[u8]) -> io::Result<usize> {
            self.reads.recv_timeout(Duration::from_secs(60)).map_err(io::Error::other)?;
            self.taken.lock().unwrap().extend_from_slice(line);
            Ok(line.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    /// How many lost lines this line tells of, if it does.
    fn lost_of(line: &str, format: LogFormat) -> Option<usize> {
        match format {
            LogFormat::Text => {
                let (before, _) = line.split_once(" log lines lost")?;
                before.rsplit(' ').next()?.parse().ok()
            }
            LogFormat::Json => {
                let line: serde_json::Value = serde_json::from_str(line).ok()?;
                usize::try_from(line["lines"].as_u64()?).ok()
            }
        }
    }

    #[test]
    fn a_reader_that_stops_delays_nothing_and_learns_how_much_it_missed() {
        for format in [LogFormat::Text, LogFormat::Json] {
            let (let_read, reads) = mpsc::channel();
            let taken = Arc::<Mutex<Vec<u8>>>::default();
            let pipe = Pipe { taken: Arc::clone(&taken), reads };
            let (writer, guard) = with_room(8, pipe, format);
            // None of these returns later for want of a reader, or this test would never end.
            for n in 0..1_000 {
                writer.make_writer().write_all(format!("line {n}\n").as_bytes()).unwrap();
            }
            let lost = writer.error_counter().dropped_lines();
            assert!(lost >= 1_000 - 8 - 2, "{lost}");
            for _ in 0..1_100 {
                let_read.send(()).unwrap();
            }
            drop(guard);
            let text = String::from_utf8(taken.lock().unwrap().clone()).unwrap();
            assert!(text.contains("line 0\n"), "{text}");
            // It may be told in parts: some were lost before the first line was taken.
            let told: usize = text.lines().filter_map(|line| lost_of(line, format)).sum();
            assert_eq!(told, lost, "{text}");
        }
    }
}
