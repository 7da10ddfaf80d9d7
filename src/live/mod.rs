//! What moves: calls that begin, change state, are spoken in and end, for whoever watches just now.
//!
//! A [`Hub`] passes the happenings of this node's calls on as they happen; it keeps nothing but the
//! calls in progress and is never waited for, so a call costs the same whether somebody watches or
//! nobody does. It knows no socket, no page and no database: `session` tells it, `events` listens.
//! What it misses (another node's calls, a listener that was too slow) the store knows.

mod line;

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use tokio::sync::{broadcast, watch};

pub use line::{Line, State};

use crate::{
    call::{Cause, EndReason, TranscriptLine},
    id::{AccountId, AgentId, CallId, KeyId},
};

/// Happenings kept for a listener that is slow; one that is slower is told that it missed some.
const KEPT: usize = 1024;

/// Which call it is, and whose.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Subject {
    /// The call.
    pub call_id: CallId,
    /// Who pays, and so who may watch.
    pub account_id: AccountId,
    /// Who answers.
    pub agent_id: AgentId,
    /// What opened it; `None`: a ticket.
    pub key_id: Option<KeyId>,
}

/// Something that happened to a call of this node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Happening {
    /// To which call.
    pub subject: Subject,
    /// What.
    pub news: News,
}

/// What can happen to a call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum News {
    /// It was admitted and is live.
    Started,
    /// Somebody else speaks now.
    State(State),
    /// Something was said.
    Said(TranscriptLine),
    /// It is over, for this reason, and why it failed if it did; it is settled a moment later.
    Ended(EndReason, Option<Cause>),
}

/// The way to whoever watches. Cheap to clone; one per node.
#[derive(Clone)]
pub struct Hub {
    shared: Arc<Shared>,
}

struct Shared {
    happenings: broadcast::Sender<Arc<Happening>>,
    /// The calls in progress and where each stands, for those who come to watch later.
    calls: Mutex<HashMap<CallId, Arc<line::Cell>>>,
    closed: watch::Sender<bool>,
}

/// What a listener hears, and what was the case when it began to listen.
pub struct Listener {
    /// The happenings from then on.
    pub happenings: broadcast::Receiver<Arc<Happening>>,
    /// The calls that were live, and their states.
    pub live: Vec<(Subject, State)>,
}

impl Default for Hub {
    fn default() -> Self {
        let shared = Shared {
            happenings: broadcast::Sender::new(KEPT),
            calls: Mutex::default(),
            closed: watch::Sender::default(),
        };
        Self { shared: Arc::new(shared) }
    }
}

impl Hub {
    /// A call begins. The line is how the rest of it is told, and dropping it without an end is an
    /// end too.
    pub fn open(&self, subject: Subject) -> Line {
        let cell = Arc::new(line::Cell::new(subject));
        self.shared.calls().insert(subject.call_id, Arc::clone(&cell));
        self.shared.tell(|| Happening { subject, news: News::Started });
        Line::new(Arc::clone(&self.shared), cell)
    }

    /// Listens from now on, to the calls of one account or, with `None`, of all.
    pub fn listen(&self, account: Option<AccountId>) -> Listener {
        // In this order: what happens in between is both heard and seen, and never missed.
        let happenings = self.shared.happenings.subscribe();
        let calls = self.shared.calls();
        let live = calls
            .values()
            .filter(|cell| account.is_none_or(|account| cell.subject.account_id == account))
            .map(|cell| (cell.subject, cell.state()))
            .collect();
        Listener { happenings, live }
    }

    /// Nobody is to listen any longer: the node stops.
    pub fn close(&self) {
        self.shared.closed.send_replace(true);
    }

    /// Waits until the hub is closed.
    pub async fn closed(&self) {
        let mut closed = self.shared.closed.subscribe();
        // The sender lives as long as this hub, so waiting cannot fail.
        let _ = closed.wait_for(|closed| *closed).await;
    }

    /// Whether the hub is closed.
    pub fn is_closed(&self) -> bool {
        *self.shared.closed.borrow()
    }
}

impl Shared {
    fn calls(&self) -> std::sync::MutexGuard<'_, HashMap<CallId, Arc<line::Cell>>> {
        self.calls.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Makes the happening only if somebody hears it.
    fn tell(&self, happening: impl FnOnce() -> Happening) {
        if self.happenings.receiver_count() > 0 {
            // It fails when the last listener has just gone, which is all the same.
            let _ = self.happenings.send(Arc::new(happening()));
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;
    use crate::call::{CauseCode, Role};

    fn subject() -> Subject {
        Subject {
            call_id: CallId::new(),
            account_id: AccountId::new(),
            agent_id: AgentId::new(),
            key_id: None,
        }
    }

    fn news(listener: &mut Listener) -> Vec<News> {
        std::iter::from_fn(|| listener.happenings.try_recv().ok())
            .map(|happening| happening.news.clone())
            .collect()
    }

    #[test]
    fn a_call_is_heard_from_its_beginning_to_its_end_and_once_only() {
        let hub = Hub::default();
        let mut listener = hub.listen(None);
        let line = hub.open(subject());
        line.state(State::Greeting);
        line.state(State::Greeting);
        let words =
            TranscriptLine::Transcript { role: Role::Assistant, text: "Hi.".into(), at_ms: 1 };
        line.said(&words);
        line.ended(EndReason::Hangup, Some(&Cause::of(CauseCode::BotSilent)));
        line.state(State::Speaking);
        drop(line);
        assert_eq!(
            news(&mut listener),
            [
                News::Started,
                News::State(State::Greeting),
                News::Said(words),
                News::Ended(EndReason::Hangup, Some(Cause::of(CauseCode::BotSilent)))
            ]
        );
        assert_eq!(hub.listen(None).live, []);
    }

    #[test]
    fn who_comes_later_sees_the_calls_of_the_account_as_they_stand() {
        let hub = Hub::default();
        let (ours, theirs) = (subject(), subject());
        let line = hub.open(ours);
        let _other = hub.open(theirs);
        line.state(State::Listening);
        assert_eq!(hub.listen(Some(ours.account_id)).live, [(ours, State::Listening)]);
        assert_eq!(hub.listen(None).live.len(), 2);
    }

    #[test]
    fn a_line_that_is_dropped_has_ended() {
        let hub = Hub::default();
        let mut listener = hub.listen(None);
        drop(hub.open(subject()));
        assert_eq!(news(&mut listener), [News::Started, News::Ended(EndReason::Hangup, None)]);
        assert_eq!(hub.listen(None).live, []);
    }

    #[tokio::test]
    async fn a_listener_that_is_too_slow_is_told_so_and_costs_no_more_memory() {
        let hub = Hub::default();
        let mut listener = hub.listen(None);
        let line = hub.open(subject());
        for _ in 0..KEPT {
            line.state(State::Listening);
            line.state(State::Speaking);
        }
        let first = listener.happenings.recv().await;
        assert!(matches!(first, Err(broadcast::error::RecvError::Lagged(_))), "{first:?}");
    }

    #[tokio::test]
    async fn closing_reaches_those_who_wait_and_those_who_come_later() {
        let hub = Hub::default();
        let waiting = hub.clone();
        let waiting = tokio::spawn(async move { waiting.closed().await });
        hub.close();
        waiting.await.unwrap();
        assert!(hub.is_closed());
        hub.closed().await;
    }
}
