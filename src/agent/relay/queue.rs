//! What waits for the bot to read it.
//!
//! Nobody who fills it ever waits, so it is bounded: sound that the bot does not take is dropped,
//! the oldest first, since old sound helps nobody; words are never dropped, and a bot that leaves a
//! thousand of them unread is given up.

use std::collections::VecDeque;

use bytes::Bytes;

use super::ToBot;
use crate::audio::{BYTES_PER_SECOND, whole_samples};

/// Bytes of sound that wait at most: two seconds.
pub(super) const MOST_SOUND: usize = 2 * BYTES_PER_SECOND;
/// Words that wait at most.
const MOST_WORDS: usize = 1024;

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
    items: VecDeque<Item>,
    sound: usize,
    words: usize,
    dropped: u64,
}

impl Queue {
    /// Adds sound, and makes room for it.
    pub(super) fn hear(&mut self, mut pcm: Bytes) {
        if pcm.len() > MOST_SOUND {
            let early = whole_samples(pcm.len() - MOST_SOUND + 1);
            self.dropped += early as u64;
            pcm = pcm.slice(early..);
        }
        self.sound += pcm.len();
        self.items.push_back(Item::Sound(pcm));
        while self.sound > MOST_SOUND {
            self.drop_oldest();
        }
    }

    fn drop_oldest(&mut self) {
        let is_sound = |item: &Item| matches!(item, Item::Sound(_));
        let oldest = self.items.iter().position(is_sound).and_then(|at| self.items.remove(at));
        if let Some(Item::Sound(pcm)) = oldest {
            self.sound -= pcm.len();
            self.dropped += pcm.len() as u64;
        }
    }

    /// Adds a word.
    pub(super) fn tell(&mut self, what: ToBot) {
        if self.words < MOST_WORDS {
            self.words += 1;
            self.items.push_back(Item::Word(what));
        } else {
            self.items.clear();
            self.items.push_back(Item::Overflow);
            self.sound = 0;
        }
    }

    /// Nothing more is going to be added.
    pub(super) fn end(&mut self) {
        self.items.push_back(Item::Over);
    }

    /// The next thing to send.
    pub(super) fn take(&mut self) -> Option<Item> {
        let item = self.items.pop_front()?;
        match &item {
            Item::Sound(pcm) => self.sound -= pcm.len(),
            Item::Word(_) => self.words -= 1,
            Item::Overflow | Item::Over => {}
        }
        Some(item)
    }

    /// Bytes of sound that were dropped.
    pub(super) fn dropped(&self) -> u64 {
        self.dropped
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sound(len: usize, fill: u8) -> Bytes {
        vec![fill; len].into()
    }

    fn all(queue: &mut Queue) -> Vec<Item> {
        std::iter::from_fn(|| queue.take()).collect()
    }

    #[test]
    fn sound_and_words_come_out_in_their_order() {
        let mut queue = Queue::default();
        queue.hear(sound(2, 1));
        queue.tell(ToBot::Dtmf('1'));
        queue.hear(sound(2, 2));
        let expected =
            [Item::Sound(sound(2, 1)), Item::Word(ToBot::Dtmf('1')), Item::Sound(sound(2, 2))];
        assert_eq!(all(&mut queue), expected);
        assert_eq!(queue.dropped(), 0);
    }

    #[test]
    fn two_seconds_wait_and_older_sound_is_dropped_and_counted() {
        let mut queue = Queue::default();
        queue.tell(ToBot::Clear);
        for fill in 0..150 {
            queue.hear(sound(640, fill));
        }
        assert_eq!(queue.dropped(), 50 * 640);
        let left = all(&mut queue);
        assert_eq!(left.len(), 101);
        assert_eq!(left[0], Item::Word(ToBot::Clear));
        assert_eq!(left[1], Item::Sound(sound(640, 50)));
        assert_eq!((queue.sound, queue.words), (0, 0));
    }

    #[test]
    fn of_one_long_sound_the_end_is_kept_in_whole_samples() {
        let mut queue = Queue::default();
        for extra in [1, 2, 1000] {
            queue.hear(sound(MOST_SOUND + extra, 7));
            let [Item::Sound(kept)] = &all(&mut queue)[..] else { panic!("one sound") };
            assert!(kept.len() <= MOST_SOUND && MOST_SOUND - kept.len() <= 1, "{}", kept.len());
        }
        assert_eq!(queue.dropped(), 2 + 2 + 1000);
    }

    #[test]
    fn a_thousand_unread_words_are_too_many() {
        let mut queue = Queue::default();
        for _ in 0..MOST_WORDS {
            queue.tell(ToBot::Clear);
        }
        assert_eq!(queue.items.len(), MOST_WORDS);
        queue.tell(ToBot::Clear);
        queue.tell(ToBot::Clear);
        queue.hear(sound(2, 1));
        assert_eq!(queue.take(), Some(Item::Overflow));
    }
}
