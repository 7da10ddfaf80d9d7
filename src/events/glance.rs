//! What is live, asked once for all pages that show the same account.
//!
//! However many pages of an account are open, the store is asked once a second at most. It knows no
//! stream and no query: whoever looks brings the question.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError, Weak},
    time::Duration,
};

use tokio::time::Instant;

use crate::{
    id::{AccountId, CallId},
    store::calls::Ongoing,
};

/// How old an answer may be for whoever looks.
const FRESH: Duration = Duration::from_secs(1);

/// What the store says of one account's calls at one moment.
#[derive(Debug, Clone, Default)]
pub(super) struct Live {
    /// The live ones.
    pub(super) calls: Vec<Ongoing>,
    /// The newest there was, over or not.
    pub(super) newest: Option<CallId>,
}

/// The accounts that are looked at, `None` for all accounts together.
#[derive(Default)]
pub struct Glances(Mutex<HashMap<Option<AccountId>, Weak<Glance>>>);

/// One account, as long as somebody looks at it.
#[derive(Default)]
pub(super) struct Glance(tokio::sync::Mutex<Option<(Instant, Option<Arc<Live>>)>>);

impl Glances {
    /// What everybody who looks at this account shares.
    pub(super) fn of(&self, account: Option<AccountId>) -> Arc<Glance> {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(glance) = all.get(&account).and_then(Weak::upgrade) {
            return glance;
        }
        all.retain(|_, glance| glance.strong_count() > 0);
        let glance = Arc::new(Glance::default());
        all.insert(account, Arc::downgrade(&glance));
        glance
    }
}

impl Glance {
    /// What is live, from an answer that is fresh at `now` or else from `ask`. `None` when it could not
    /// be asked, which is not tried again before its time either.
    pub(super) async fn look(
        &self,
        now: Instant,
        ask: impl Future<Output = Option<Live>>,
    ) -> Option<Arc<Live>> {
        // Whoever comes while it is asked waits, and has the same answer.
        let mut last = self.0.lock().await;
        if let Some((at, answer)) = &*last
            && now.saturating_duration_since(*at) < FRESH
        {
            return answer.clone();
        }
        let answer = ask.await.map(Arc::new);
        *last = Some((now, answer.clone()));
        answer
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use std::cell::Cell;

    use super::*;

    #[tokio::test]
    async fn many_who_look_at_one_account_ask_once_a_second() {
        let (glances, asked) = (Glances::default(), Cell::new(0));
        let ask = async || {
            asked.set(asked.get() + 1);
            tokio::task::yield_now().await;
            Some(Live::default())
        };
        let (own, start) = (Some(AccountId::new()), Instant::now());
        let pages: Vec<_> = (0..16).map(|_| glances.of(own)).collect();
        let looks = pages.iter().map(|page| page.look(start, ask()));
        let seen = futures_util::future::join_all(looks).await;
        assert!(
            seen.iter().all(|live| Arc::ptr_eq(live.as_ref().unwrap(), seen[0].as_ref().unwrap()))
        );
        assert_eq!(asked.get(), 1);
        pages[0].look(start + FRESH, ask()).await.unwrap();
        assert_eq!(asked.get(), 2);
        glances.of(None).look(start, ask()).await.unwrap();
        assert_eq!(asked.get(), 3, "another account's answer is none of theirs");
    }

    #[tokio::test]
    async fn a_store_that_is_away_is_not_asked_by_each_in_turn() {
        let (glance, start) = (Glances::default().of(None), Instant::now());
        assert!(glance.look(start, async { None }).await.is_none());
        assert!(glance.look(start, async { Some(Live::default()) }).await.is_none());
        assert!(glance.look(start + FRESH, async { Some(Live::default()) }).await.is_some());
    }

    #[test]
    fn what_nobody_looks_at_is_forgotten() {
        let glances = Glances::default();
        for _ in 0..100 {
            drop(glances.of(Some(AccountId::new())));
        }
        assert_eq!(glances.0.lock().unwrap().len(), 1);
    }
}
