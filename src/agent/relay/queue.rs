//! What waits for the bot to read it.
//!
//! Nobody who fills it ever waits, so it is bounded: sound that the bot does not take for longer than
//! it may stand still is dropped, the oldest first, since old sound helps nobody; words are never
//! dropped, and a bot that leaves a mebibyte of them unread is given up. Before the bot is there it
//! keeps all that was said. Pure: the time is passed in.

use std::{collections::VecDeque, time::Duration};

use bytes::Bytes;

use super::{Dropped, ToBot};
use crate::audio::whole_samples;

/// How long sound waits at most: longer than a bot may take to be reached, or not read, and be given up.
const LONGEST_WAIT: Duration = Duration::from_secs(15);
/// Bytes of sound that wait at most: all that a caller may say at once ([`crate::budget::BYTES`]).
pub(super) const MOST_SOUND: usize = 4 * 1024 * 1024;
/// Bytes of words that wait at most: more keys than a caller can press at once, and more marks than
/// can be under way.
const MOST_WORDS: usize = 1024 * 1024;
/// What a word takes besides its text.
const WORD_BYTES: usize = 64;

/// One thing to send.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Item {
    Sound(Bytes),
    Word(ToBot),
    /// The bot has left too much unread; nothing that follows would make sense.
    Overflow,
    /// Whoever has filled it has hung up; nothing follows.
    Over,
}

/// The queue. What is put in comes out in the same order.
#[derive(Debug, Default)]
pub(super) struct Queue {
    /// Each with the time at which it was put in.
    items: VecDeque<(Duration, Item)>,
    /// Bytes of sound in it.
    sound: usize,
    /// Bytes of words in it.
    words: usize,
    dropped: Dropped,
}

impl Queue {
    /// Adds sound, and makes room for it.
    pub(super) fn hear(&mut self, now: Duration, mut pcm: Bytes) {
        if pcm.len() > MOST_SOUND {
            let early = whole_samples(pcm.len() - MOST_SOUND + 1);
            self.dropped.at_once += early as u64;
            pcm = pcm.slice(early..);
        }
        self.sound += pcm.len();
        self.items.push_back((now, Item::Sound(pcm)));
        while let Some((at, since)) = self.oldest_sound() {
            let is_late = now > since + LONGEST_WAIT;
            if !is_late && self.sound <= MOST_SOUND {
                break;
            }
            self.drop_sound(at, is_late);
        }
    }

    /// Where the oldest sound is, and since when.
    fn oldest_sound(&self) -> Option<(usize, Duration)> {
        let is_sound = |(_, (_, item)): &(usize, &(Duration, Item))| matches!(item, Item::Sound(_));
        self.items.iter().enumerate().find(is_sound).map(|(at, (since, _))| (at, *since))
    }

    fn drop_sound(&mut self, at: usize, is_late: bool) {
        if let Some((_, Item::Sound(pcm))) = self.items.remove(at) {
            self.sound -= pcm.len();
            let count = match is_late {
                true => &mut self.dropped.late,
                false => &mut self.dropped.at_once,
            };
            *count += pcm.len() as u64;
        }
    }

    /// Adds a word.
    pub(super) fn tell(&mut self, now: Duration, what: ToBot) {
        self.words += bytes_of(&what);
        if self.words <= MOST_WORDS {
            self.items.push_back((now, Item::Word(what)));
        } else {
            self.items.clear();
            self.items.push_back((now, Item::Overflow));
            self.sound = 0;
        }
    }

    /// Nothing more is going to be added.
    pub(super) fn end(&mut self, now: Duration) {
        self.items.push_back((now, Item::Over));
    }

    /// The next thing to send.
    pub(super) fn take(&mut self) -> Option<Item> {
        let (_, item) = self.items.pop_front()?;
        match &item {
            Item::Sound(pcm) => self.sound -= pcm.len(),
            Item::Word(word) => self.words -= bytes_of(word),
            Item::Overflow | Item::Over => {}
        }
        Some(item)
    }

    /// Sound that was dropped.
    pub(super) fn dropped(&self) -> Dropped {
        self.dropped
    }
}

fn bytes_of(word: &ToBot) -> usize {
    WORD_BYTES + if let ToBot::Mark(name) = word { name.len() } else { 0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Duration = Duration::from_secs(7);

    fn sound(len: usize, fill: u8) -> Bytes {
        vec![fill; len].into()
    }

    fn all(queue: &mut Queue) -> Vec<Item> {
        std::iter::from_fn(|| queue.take()).collect()
    }

    /// Frame by frame, in real time.
    fn second(queue: &mut Queue, from: Duration) {
        for frame in 0..50 {
            queue.hear(from + frame * Duration::from_millis(20), sound(640, 1));
        }
    }

    #[test]
    fn sound_and_words_come_out_in_their_order() {
        let mut queue = Queue::default();
        queue.hear(NOW, sound(2, 1));
        queue.tell(NOW, ToBot::Dtmf('1'));
        queue.hear(NOW, sound(2, 2));
        let expected =
            [Item::Sound(sound(2, 1)), Item::Word(ToBot::Dtmf('1')), Item::Sound(sound(2, 2))];
        assert_eq!(all(&mut queue), expected);
        assert_eq!(queue.dropped(), Dropped::default());
    }

    #[test]
    fn all_that_was_said_in_fifteen_seconds_waits_and_then_the_oldest_is_dropped() {
        let mut queue = Queue::default();
        queue.tell(NOW, ToBot::Clear);
        for n in 0..15 {
            second(&mut queue, Duration::from_secs(n));
        }
        assert_eq!((queue.sound, queue.dropped()), (15 * 32_000, Dropped::default()));
        for n in 15..20 {
            second(&mut queue, Duration::from_secs(n));
        }
        // The frame that was put in exactly 15 s ago is not late.
        let late: u64 = 5 * 32_000 - 640;
        assert_eq!(queue.dropped(), Dropped { late, at_once: 0 });
        let left = all(&mut queue);
        assert_eq!((left.len(), &left[0]), (752, &Item::Word(ToBot::Clear)));
        assert_eq!((queue.sound, queue.words), (0, 0));
    }

    #[test]
    fn a_burst_waits_whole_however_long_it_lasts_and_is_bounded_in_bytes() {
        let mut queue = Queue::default();
        for fill in 0..131 {
            queue.hear(NOW, sound(32_000, fill));
        }
        assert_eq!((queue.sound, queue.dropped()), (131 * 32_000, Dropped::default()));
        queue.hear(NOW, sound(32_000, 131));
        assert_eq!(queue.dropped(), Dropped { late: 0, at_once: 32_000 });
        assert_eq!(queue.take(), Some(Item::Sound(sound(32_000, 1))));
    }

    #[test]
    fn of_one_long_sound_the_end_is_kept_in_whole_samples() {
        let mut queue = Queue::default();
        for extra in [1, 2, 1000] {
            queue.hear(NOW, sound(MOST_SOUND + extra, 7));
            let [Item::Sound(kept)] = &all(&mut queue)[..] else { panic!("one sound") };
            assert!(kept.len() <= MOST_SOUND && MOST_SOUND - kept.len() <= 1, "{}", kept.len());
        }
        assert_eq!(queue.dropped().at_once, 2 + 2 + 1000);
    }

    #[test]
    fn all_the_keys_that_a_caller_can_press_at_once_wait_and_a_mebibyte_of_words_is_too_much() {
        let mut queue = Queue::default();
        for _ in 0..MOST_WORDS / WORD_BYTES {
            queue.tell(NOW, ToBot::Dtmf('5'));
        }
        assert!(queue.items.len() > 6_000 + 2_000, "{}", queue.items.len());
        queue.tell(NOW, ToBot::Clear);
        queue.tell(NOW, ToBot::Clear);
        queue.hear(NOW, sound(2, 1));
        assert_eq!(queue.take(), Some(Item::Overflow));

        let mut queue = Queue::default();
        for _ in 0..MOST_WORDS / 1_024 {
            queue.tell(NOW, ToBot::Mark("x".repeat(1_024)));
        }
        assert_eq!(queue.take(), Some(Item::Overflow));
    }
}
