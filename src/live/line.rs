//! One call's side of the hub: its state, and what is told of it.
//!
//! A state is one atomic word, written a few times per stretch of speech and never per frame. The
//! line's end is told once, by whoever comes first: the call's actor, its watchdog, or the drop.

use std::sync::{
    Arc,
    atomic::{AtomicBool, AtomicU8, Ordering},
};

use super::{Happening, News, Shared, Subject};
use crate::call::{Cause, EndReason, TranscriptLine};

/// Where a call stands, as people see it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum State {
    /// Admitted; the provider's dialect is not recognised yet.
    Connecting,
    /// The agent greets.
    Greeting,
    /// Nobody speaks, or the caller does.
    Listening,
    /// The agent speaks.
    Speaking,
}

impl State {
    const ALL: [Self; 4] = [Self::Connecting, Self::Greeting, Self::Listening, Self::Speaking];

    /// The state as programs read it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Connecting => "connecting",
            Self::Greeting => "greeting",
            Self::Listening => "listening",
            Self::Speaking => "speaking",
        }
    }
}

/// What the hub keeps of a live call. The words are independent of each other, hence relaxed.
pub(super) struct Cell {
    pub(super) subject: Subject,
    state: AtomicU8,
    over: AtomicBool,
}

impl Cell {
    pub(super) fn new(subject: Subject) -> Self {
        let state = AtomicU8::new(State::Connecting as u8);
        Self { subject, state, over: AtomicBool::new(false) }
    }

    pub(super) fn state(&self) -> State {
        State::ALL[usize::from(self.state.load(Ordering::Relaxed))]
    }
}

/// How a call tells what happens to it.
pub struct Line {
    shared: Arc<Shared>,
    cell: Arc<Cell>,
}

impl Line {
    pub(super) fn new(shared: Arc<Shared>, cell: Arc<Cell>) -> Self {
        Self { shared, cell }
    }

    /// Where the call stands now.
    pub fn standing(&self) -> State {
        self.cell.state()
    }

    /// The call stands here from now on.
    pub fn state(&self, state: State) {
        let before = self.cell.state.swap(state as u8, Ordering::Relaxed);
        if before != state as u8 {
            self.tell(|| News::State(state));
        }
    }

    /// Something was said.
    pub fn said(&self, line: &TranscriptLine) {
        self.tell(|| News::Said(line.clone()));
    }

    /// The call is over; whatever comes after this is not told.
    pub fn ended(&self, reason: EndReason, cause: Option<&Cause>) {
        if self.cell.over.swap(true, Ordering::Relaxed) {
            return;
        }
        let subject = self.cell.subject;
        self.shared.calls().remove(&subject.call_id);
        self.shared.tell(|| Happening { subject, news: News::Ended(reason, cause.cloned()) });
    }

    fn tell(&self, news: impl FnOnce() -> News) {
        if !self.cell.over.load(Ordering::Relaxed) {
            let subject = self.cell.subject;
            self.shared.tell(|| Happening { subject, news: news() });
        }
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        self.ended(EndReason::Hangup, None);
    }
}
