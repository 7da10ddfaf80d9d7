//! What has been said before: rendered texts, bounded by their size, and renderings in progress.
//!
//! It knows no synthesiser and no runtime; [`super::Speaker`] decides what to render when.

use std::{
    cmp::Reverse,
    collections::HashMap,
    time::{Duration, Instant},
};

use bytes::Bytes;
use futures_util::future::{BoxFuture, Shared};

use crate::{audio::format::Format, id::AccountId};

/// Bytes that are kept: the least recently used of the account that has the most goes first.
const MOST_KEPT: usize = 64 * 1024 * 1024;
/// How long a failure is remembered before it is tried again.
const FAILURE_KEPT: Duration = Duration::from_secs(30);

/// What is to be said, how, and on what line. Two accounts never share one: what one of them has said
/// must not be seen, or pushed out, by what the other says.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Utterance {
    pub account: AccountId,
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
    bytes_of: HashMap<AccountId, usize>,
    uses: u64,
}

impl Utterance {
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
        self.uses += 1;
        let slot = match rendered {
            Some(audio) => Slot::Ready { audio, used: self.uses },
            None => Slot::Failed { at: Instant::now() },
        };
        self.put(utterance, slot);
        while self.bytes > MOST_KEPT
            && let Some(oldest) = self.first_to_go()
        {
            self.forget(&oldest);
        }
    }

    pub fn forget(&mut self, utterance: &Utterance) {
        let Some(slot) = self.slots.remove(utterance) else { return };
        let weight = weight(utterance, &slot);
        self.bytes -= weight;
        if let Some(bytes) = self.bytes_of.get_mut(&utterance.account) {
            *bytes -= weight;
            if *bytes == 0 {
                self.bytes_of.remove(&utterance.account);
            }
        }
    }

    fn put(&mut self, utterance: Utterance, slot: Slot) {
        self.forget(&utterance);
        let weight = weight(&utterance, &slot);
        self.bytes += weight;
        *self.bytes_of.entry(utterance.account).or_default() += weight;
        self.slots.insert(utterance, slot);
    }

    fn first_to_go(&self) -> Option<Utterance> {
        let finished = self.slots.iter().filter_map(|(utterance, slot)| {
            let used = match slot {
                Slot::Rendering(_) => return None,
                Slot::Failed { .. } => 0,
                Slot::Ready { used, .. } => *used,
            };
            let bytes = self.bytes_of.get(&utterance.account).copied().unwrap_or_default();
            Some(((Reverse(bytes), used), utterance))
        });
        finished.min_by_key(|(order, _)| *order).map(|(_, utterance)| utterance.clone())
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

    fn utterance(account: AccountId, text: &str) -> Utterance {
        let (text, language) = (text.to_owned(), "en".to_owned());
        Utterance { account, text, language, voice: None, format: Format::NATIVE }
    }

    #[test]
    fn what_is_kept_is_bounded_and_the_least_recently_used_goes_first() {
        let account = AccountId::new();
        let utterance = |text| utterance(account, text);
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
        assert_eq!((cache.bytes, cache.bytes_of.len()), (0, 0));
    }

    #[test]
    fn an_account_that_says_much_pushes_out_its_own_words_and_nobody_elses() {
        let (quiet, loud) = (AccountId::new(), AccountId::new());
        let mut cache = Cache::default();
        cache.finished(utterance(quiet, "hello"), Some(Bytes::from(vec![0; 1_000_000])));
        let much = Bytes::from(vec![0; MOST_KEPT / 20]);
        for number in 0..100 {
            cache.finished(utterance(loud, &number.to_string()), Some(much.clone()));
            assert!(cache.bytes <= MOST_KEPT);
        }
        assert!(matches!(cache.find(&utterance(quiet, "hello")), Found::Ready(_)));
        assert!(matches!(cache.find(&utterance(loud, "99")), Found::Ready(_)));
        assert!(matches!(cache.find(&utterance(loud, "0")), Found::Nothing));
    }
}
