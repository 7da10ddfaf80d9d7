//! What has been said before: rendered texts, bounded by their size, and renderings in progress.
//!
//! It knows no synthesiser and no runtime; [`super::Speaker`] decides what to render when.

use std::{
    collections::HashMap,
    time::{Duration, Instant},
};

use bytes::Bytes;
use futures_util::future::{BoxFuture, Shared};

use crate::audio::format::Format;

/// Bytes that are kept, least recently used first to go.
const MOST_KEPT: usize = 64 * 1024 * 1024;
/// How long a failure is remembered before it is tried again.
const FAILURE_KEPT: Duration = Duration::from_secs(30);

/// What is to be said, how, and on what line.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Utterance {
    pub text: String,
    pub language: String,
    pub voice: Option<String>,
    pub format: Format,
}

/// A rendering in progress; it goes on when those who wait for it hang up.
pub type Rendering = Shared<BoxFuture<'static, Option<Bytes>>>;

/// What is known of an utterance.
pub enum Found {
    Nothing,
    Rendering(Rendering),
    Ready(Bytes),
    /// It failed a moment ago; trying again at once would only cost time.
    Failed,
}

enum Slot {
    Rendering(Rendering),
    Ready { audio: Bytes, used: u64 },
    Failed { at: Instant },
}

#[derive(Default)]
pub struct Cache {
    slots: HashMap<Utterance, Slot>,
    bytes: usize,
    uses: u64,
}

impl Utterance {
    pub fn new(text: &str, language: &str, voice: Option<&str>, format: Format) -> Self {
        Self {
            text: text.to_owned(),
            language: language.to_owned(),
            voice: voice.map(ToOwned::to_owned),
            format,
        }
    }

    /// The same as it leaves the synthesiser.
    pub fn native(&self) -> Self {
        Self { format: Format::NATIVE, ..self.clone() }
    }
}

impl Cache {
    pub fn find(&mut self, utterance: &Utterance) -> Found {
        self.uses += 1;
        match self.slots.get_mut(utterance) {
            None => Found::Nothing,
            Some(Slot::Rendering(rendering)) => Found::Rendering(rendering.clone()),
            Some(Slot::Failed { at }) if at.elapsed() < FAILURE_KEPT => Found::Failed,
            Some(Slot::Failed { .. }) => Found::Nothing,
            Some(Slot::Ready { audio, used }) => {
                *used = self.uses;
                Found::Ready(audio.clone())
            }
        }
    }

    pub fn rendering(&mut self, utterance: Utterance, rendering: Rendering) {
        self.put(utterance, Slot::Rendering(rendering));
    }

    pub fn finished(&mut self, utterance: Utterance, rendered: Option<Bytes>) {
        let slot = match rendered {
            Some(audio) => Slot::Ready { audio, used: self.uses },
            None => Slot::Failed { at: Instant::now() },
        };
        self.put(utterance, slot);
        while self.bytes > MOST_KEPT
            && let Some(oldest) = self.least_recently_used()
        {
            self.forget(&oldest);
        }
    }

    pub fn forget(&mut self, utterance: &Utterance) {
        if let Some(slot) = self.slots.remove(utterance) {
            self.bytes -= weight(utterance, &slot);
        }
    }

    fn put(&mut self, utterance: Utterance, slot: Slot) {
        self.forget(&utterance);
        self.bytes += weight(&utterance, &slot);
        self.slots.insert(utterance, slot);
    }

    fn least_recently_used(&self) -> Option<Utterance> {
        let last_used = |slot: &Slot| match slot {
            Slot::Rendering(_) => None,
            Slot::Failed { .. } => Some(0),
            Slot::Ready { used, .. } => Some(*used),
        };
        let finished =
            self.slots.iter().filter_map(|(utterance, slot)| Some((last_used(slot)?, utterance)));
        finished.min_by_key(|(used, _)| *used).map(|(_, utterance)| utterance.clone())
    }
}

fn weight(utterance: &Utterance, slot: &Slot) -> usize {
    // The 256 stand for the entry itself, so that many tiny ones are bounded too.
    let entry = utterance.text.len() + utterance.language.len() + 256;
    match slot {
        Slot::Rendering(_) | Slot::Failed { .. } => entry,
        Slot::Ready { audio, .. } => audio.len() + entry,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_kept_is_bounded_and_the_least_recently_used_goes_first() {
        let utterance = |text| Utterance::new(text, "en", None, Format::NATIVE);
        let mut cache = Cache::default();
        let has = |cache: &mut Cache, text| matches!(cache.find(&utterance(text)), Found::Ready(_));
        let audio = Bytes::from(vec![0; MOST_KEPT * 3 / 10]);
        for text in ["a", "b", "c"] {
            cache.finished(utterance(text), Some(audio.clone()));
            assert!(has(&mut cache, text));
        }
        assert!(has(&mut cache, "a"));
        cache.finished(utterance("d"), Some(audio));
        assert!(!has(&mut cache, "b"), "least recently used");
        assert!(has(&mut cache, "a") && has(&mut cache, "c") && has(&mut cache, "d"));
        assert!(cache.bytes <= MOST_KEPT);
        for text in ["a", "c", "d"] {
            cache.forget(&utterance(text));
        }
        assert_eq!(cache.bytes, 0);
    }
}
