//! Logs: set up once, to standard error, as text or as JSON, with no key in them at any level.
//!
//! Three things keep keys out: no code of ours hands one to a log; the debug lines of dependencies,
//! which print paths and frames, are never let through; and [`redact`] cleans every finished line.
//! This module knows no call and no route; [`access`] writes the one line per request.

pub mod access;
mod filter;
mod output;
pub mod redact;

use std::{io, panic};

use tracing::{Subscriber, level_filters::LevelFilter};
use tracing_subscriber::{
    Layer,
    filter::{FilterExt, Targets},
    fmt::{self, MakeWriter},
    layer::SubscriberExt,
    registry::LookupSpan,
    util::SubscriberInitExt,
};

use self::redact::Redacting;
pub use self::{filter::FilterError, output::LogGuard};

/// What a line of the log looks like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    /// For people.
    Text,
    /// For machines: every line is one JSON object.
    Json,
}

/// Why logging could not be set up.
#[derive(Debug, thiserror::Error)]
pub enum InitError {
    /// The filter is not one.
    #[error(transparent)]
    Filter(#[from] FilterError),
    /// This process logs already.
    #[error("logging is already set up")]
    Twice,
}

/// Logs to standard error from now on, panics too, until the guard is dropped. `filter` is what
/// `UPVOOT_LOG` holds: a level, or levels by target. A line is written by a thread of its own: a
/// standard error that stops reading loses lines (and says how many) and delays nothing.
///
/// # Errors
/// A bad filter, or a second call in one process.
pub fn init(filter: &str, format: LogFormat) -> Result<LogGuard, InitError> {
    let (lines, guard) = output::queued(io::stderr(), format);
    subscriber(filter, format, lines)?.try_init().map_err(|_| InitError::Twice)?;
    panic::set_hook(Box::new(log_panic));
    Ok(guard)
}

/// What [`init`] installs, with another place to write to: for tests that read the log.
///
/// # Errors
/// A bad filter.
pub fn subscriber<W>(
    filter: &str,
    format: LogFormat,
    output: W,
) -> Result<Box<dyn Subscriber + Send + Sync>, FilterError>
where
    W: for<'w> MakeWriter<'w> + Send + Sync + 'static,
{
    let filter = filter::parse(filter)?.and(own_details_only());
    let lines = lines(format, output).with_filter(filter);
    Ok(Box::new(tracing_subscriber::registry().with(lines)))
}

/// Below `warn`, only our own lines: actix-web prints paths, its extractors the values they refuse,
/// the WebSocket and HTTP crates whole frames and headers. The next dependency is covered as well.
/// actix-http calls each malformed request of a stranger an error, without its address: nothing that
/// an operator could act on, so that module is silent.
fn own_details_only() -> Targets {
    Targets::new()
        .with_default(LevelFilter::WARN)
        .with_target("actix_http::h1", LevelFilter::OFF)
        .with_target(env!("CARGO_CRATE_NAME"), LevelFilter::TRACE)
}

fn lines<S, W>(format: LogFormat, output: W) -> Box<dyn Layer<S> + Send + Sync>
where
    S: Subscriber + for<'s> LookupSpan<'s>,
    W: for<'w> MakeWriter<'w> + Send + Sync + 'static,
{
    let output = Redacting { inner: output, format };
    // Its own complaints would go to standard error past the redaction, with the event's fields.
    let lines = fmt::layer().log_internal_errors(false).with_writer(output);
    match format {
        LogFormat::Text => {
            let colour = io::IsTerminal::is_terminal(&io::stderr());
            lines.with_ansi(colour && std::env::var_os("NO_COLOR").is_none()).boxed()
        }
        LogFormat::Json => lines.json().flatten_event(true).with_current_span(false).boxed(),
    }
}

/// A panic is one event like any other, so that it is one line, in the right format, and redacted.
fn log_panic(info: &panic::PanicHookInfo<'_>) {
    let message = info.payload_as_str().unwrap_or("(no message)");
    let location = info.location().map(ToString::to_string);
    let thread = std::thread::current();
    tracing::error!(
        panic.message = message,
        panic.location = location.as_deref(),
        panic.thread = thread.name(),
        "a thread panicked; this is a bug"
    );
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex, MutexGuard};

    use super::*;

    #[derive(Clone, Default)]
    struct Captured(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Captured {
        fn write(&mut self, line: &[u8]) -> io::Result<usize> {
            self.bytes().extend_from_slice(line);
            Ok(line.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    impl Captured {
        fn bytes(&self) -> MutexGuard<'_, Vec<u8>> {
            self.0.lock().unwrap()
        }

        fn of(filter: &str, format: LogFormat, events: impl FnOnce()) -> String {
            let captured = Self::default();
            let writer = captured.clone();
            let subscriber = subscriber(filter, format, move || writer.clone()).unwrap();
            tracing::subscriber::with_default(subscriber, events);
            String::from_utf8(captured.bytes().clone()).unwrap()
        }
    }

    const KEY: &str =
        concat!("sk_live_", "00112233445566778899aabbccddeeff", "00112233445566778899aabbccddeeff");

    fn careless() {
        let span = tracing::info_span!("call", call.id = "call_1", secret = KEY);
        let _inside = span.enter();
        tracing::info!(path = KEY, "placed {KEY}\nover two lines");
        tracing::warn!(bytes = ?KEY.as_bytes().escape_ascii().to_string(), "\u{1b}{KEY}");
    }

    #[test]
    fn what_a_careless_line_holds_does_not_get_out() {
        for format in [LogFormat::Text, LogFormat::Json] {
            let log = Captured::of("trace", format, careless);
            assert!(log.contains("[redacted]") && log.contains("call_1"), "{log}");
            assert!(!log.contains("sk_live_") && !log.contains("00112233"), "{log}");
            assert_eq!(log.lines().count(), 2, "{log}");
        }
    }

    #[test]
    fn every_line_of_json_is_one_object() {
        let log = Captured::of("trace", LogFormat::Json, careless);
        for line in log.lines() {
            let line: serde_json::Value = serde_json::from_str(line).unwrap();
            assert_eq!(line["spans"][0]["call.id"], "call_1");
            assert!(line["message"].is_string() && line["level"].is_string());
        }
    }

    #[test]
    fn a_panic_is_one_redacted_line() {
        let log = Captured::of("info", LogFormat::Json, || {
            let hook = panic::take_hook();
            panic::set_hook(Box::new(log_panic));
            let caught = panic::catch_unwind(|| panic!("lost {KEY}\nfor ever"));
            panic::set_hook(hook);
            assert!(caught.is_err());
        });
        let line: serde_json::Value = serde_json::from_str(log.trim_end()).unwrap();
        assert_eq!(line["panic.message"], "lost [redacted]\nfor ever");
        assert!(line["panic.location"].as_str().unwrap().contains("telemetry"));
    }

    #[test]
    fn debug_lines_of_dependencies_are_not_let_through_by_any_filter() {
        for filter in ["trace", "debug,actix_web=trace", "actix_http=trace"] {
            let log = Captured::of(filter, LogFormat::Text, || {
                tracing::debug!(target: "actix_web::types::path", "of a dependency");
                tracing::trace!(target: "actix_http::h1", "of a dependency");
                tracing::error!(target: "actix_http::h1::dispatcher", "stream error of a dependency");
                tracing::info!(target: "actix_server", "worth knowing");
                tracing::trace!("our own");
            });
            assert!(!log.contains("of a dependency"), "{filter}: {log}");
            assert_eq!(log.contains("our own"), filter == "trace", "{filter}: {log}");
        }
    }

    #[test]
    fn a_bad_filter_is_an_error() {
        for bad in ["upvoot=loud", "=,=", "info,[{", "warning", "loud", "info,verbose"] {
            assert!(subscriber(bad, LogFormat::Text, io::sink).is_err(), "{bad}");
        }
        for good in
            ["", "off", "INFO", "info, upvoot=debug", "upvoot=debug,warn", "upvoot[call]=trace"]
        {
            assert!(subscriber(good, LogFormat::Text, io::sink).is_ok(), "{good}");
        }
    }
}
