//! What the node counts, as Prometheus reads it.
//!
//! Labels have few values and never a key, an id or an address. Counting costs nanoseconds and is
//! done where the thing happens; [`render`] is served on an address of its own, for the operator
//! only.

use std::sync::{LazyLock, atomic::AtomicU64};

use prometheus_client::{
    encoding::{EncodeLabelSet, text::encode},
    metrics::{counter::Counter, family::Family, gauge::Gauge},
    registry::Registry,
};

/// How a request for a call was answered: `admitted`, or the code of the refusal.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Answered {
    code: &'static str,
}

/// Why a call ended, and why it failed: `none` if it did not.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Ended {
    reason: &'static str,
    cause: &'static str,
}

#[derive(Default)]
struct Metrics {
    upgrades: Family<Answered, Counter>,
    ended: Family<Ended, Counter>,
    talk_seconds: Counter<f64, AtomicU64>,
    live: Gauge,
    draining: Gauge,
    /// Without labels; there only where a certificate is.
    certificate_ends: Family<Vec<(&'static str, &'static str)>, Gauge>,
}

static METRICS: LazyLock<(Registry, Metrics)> = LazyLock::new(|| {
    let mut registry = Registry::with_prefix("upvoot");
    let metrics = Metrics::default();
    let m = &metrics;
    registry.register("upgrades", "Requests for a call, by answer", m.upgrades.clone());
    registry.register(
        "calls_ended",
        "Calls that ended, by reason and cause of failure",
        m.ended.clone(),
    );
    registry.register("talk_seconds", "Seconds that calls lasted", m.talk_seconds.clone());
    registry.register("calls_live", "Calls in progress on this node", m.live.clone());
    registry.register("draining", "1 while the node takes no calls", m.draining.clone());
    registry.register(
        "certificate_ends_timestamp_seconds",
        "When the listener's certificate ends, in seconds since 1970",
        m.certificate_ends.clone(),
    );
    (registry, metrics)
});

/// A request for a call was answered.
pub fn upgrade(code: &'static str) {
    METRICS.1.upgrades.get_or_create(&Answered { code }).inc();
}

/// A call ended for this reason, and failed of this cause if it did.
pub fn ended(reason: &'static str, cause: Option<&'static str>, talk: std::time::Duration) {
    METRICS.1.ended.get_or_create(&Ended { reason, cause: cause.unwrap_or("none") }).inc();
    METRICS.1.talk_seconds.inc_by(talk.as_secs_f64());
}

/// The listener's certificate ends at this time, in seconds since 1970.
pub fn certificate_ends(at: i64) {
    METRICS.1.certificate_ends.get_or_create(&Vec::new()).set(at);
}

/// Everything in Prometheus' text format.
pub fn render(live_calls: usize, draining: bool) -> String {
    METRICS.1.live.set(i64::try_from(live_calls).unwrap_or(i64::MAX));
    METRICS.1.draining.set(i64::from(draining));
    let mut text = String::new();
    encode(&mut text, &METRICS.0).expect("writing to a String does not fail");
    text
}

/// What the text is, for its `Content-Type`.
pub const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";
