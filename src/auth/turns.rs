//! The memory that passwords are hashed in: one piece per processor, and with it the right to hash.
//!
//! Argon2 takes its 19 MiB by `malloc` on whichever thread it runs, and the allocator keeps them for each
//! of them. So there are as many pieces as may be used at once, each is made when it is first needed and
//! then kept, and who wants to hash waits for one. Who waits for whom is [`super::line`]'s.

use std::{
    net::IpAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use argon2::Block;
use tokio::{sync::oneshot, time::timeout};

use super::line::{Full, Line, Standing};
use crate::{
    attempts::network,
    id::{AccountId, UserId},
    problem::{Code, Problem},
};

/// How long a password waits for its turn; then the answer is 503.
const PATIENCE: Duration = Duration::from_secs(5);
/// Passwords of one party that may wait at once. On two processors they take a quarter of a second.
const PER_PARTY: usize = 32;
/// Passwords that may wait at once in each of the two lines; on two processors they take two seconds.
const PER_LINE: usize = 256;

/// Who wants a password hashed or compared: what turns are fair by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Party {
    /// Whoever has the operator's token.
    Operator,
    /// Everybody of an account.
    Account(AccountId),
    /// An operator who belongs to no account.
    User(UserId),
    /// A browser that has signed in before, by its cookie's hash.
    Browser([u8; 32]),
    /// Somebody at this address or network, who has proved nothing.
    Network(IpAddr),
}

impl Party {
    /// Whoever signs in: as a browser that is known, or as a stranger from this address.
    pub(super) fn of(known: Option<[u8; 32]>, client: IpAddr) -> Self {
        known.map_or(Self::Network(network(client)), Self::Browser)
    }

    fn standing(self) -> Standing {
        match self {
            Self::Network(_) => Standing::Stranger,
            _ => Standing::Proved,
        }
    }
}

/// The memory, and those who wait for it; clones share it.
#[derive(Clone)]
pub(super) struct Turns {
    shared: Arc<Mutex<Shared>>,
}

struct Shared {
    free: Vec<Vec<Block>>,
    line: Line<Party, oneshot::Sender<Turn>>,
}

/// The right to hash, with the memory for it; dropping it is the next one's turn.
pub(super) struct Turn {
    memory: Vec<Block>,
    shared: Option<Arc<Mutex<Shared>>>,
}

fn locked(shared: &Mutex<Shared>) -> MutexGuard<'_, Shared> {
    // It is whole between any two operations, whoever panicked.
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Turns {
    /// So many at once.
    pub(super) fn new(at_once: usize) -> Self {
        let free = vec![Vec::new(); at_once];
        let shared = Shared { free, line: Line::new(PER_PARTY, PER_LINE) };
        Self { shared: Arc::new(Mutex::new(shared)) }
    }

    /// Waits for a turn.
    ///
    /// # Errors
    /// 429 `too_many_passwords` at once when this party waits for as much as it may, 503 when too many
    /// parties wait, or the turn does not come in time.
    pub(super) async fn take(&self, party: Party) -> Result<Turn, Problem> {
        let waiting = match self.free_or_waiting(party) {
            Ok(Ok(turn)) => return Ok(turn),
            Ok(Err(waiting)) => waiting,
            Err(Full::Party) => return Err(Code::TooManyPasswords.into()),
            Err(Full::Line) => {
                tracing::warn!("too many passwords are waiting to be hashed");
                return Err(Code::Unavailable.into());
            }
        };
        match timeout(PATIENCE, waiting).await {
            Ok(Ok(turn)) => Ok(turn),
            _ => {
                tracing::warn!("a password waited too long to be hashed");
                Err(Code::Unavailable.into())
            }
        }
    }

    fn free_or_waiting(&self, party: Party) -> Result<Result<Turn, oneshot::Receiver<Turn>>, Full> {
        let mut shared = locked(&self.shared);
        // As long as something is free nobody waits.
        if let Some(memory) = shared.free.pop() {
            return Ok(Ok(Turn { memory, shared: Some(Arc::clone(&self.shared)) }));
        }
        // Who has hung up takes up no place.
        shared.line.retain(|turn| !turn.is_closed());
        let (turn, waiting) = oneshot::channel();
        shared.line.join(party, party.standing(), turn)?;
        Ok(Err(waiting))
    }
}

impl Turn {
    /// The memory, with at least so many blocks.
    pub(super) fn memory(&mut self, blocks: usize) -> &mut [Block] {
        if self.memory.len() < blocks {
            // Not kept while the bigger piece is made.
            self.memory = Vec::new();
            self.memory = vec![Block::new(); blocks];
        }
        &mut self.memory
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        let Some(shared) = self.shared.take() else { return };
        let mut memory = std::mem::take(&mut self.memory);
        loop {
            let mut locked = locked(&shared);
            let Some(next) = locked.line.next() else {
                locked.free.push(memory);
                return;
            };
            drop(locked);
            let turn = Turn { memory, shared: Some(Arc::clone(&shared)) };
            // Nobody there any more: then it is the turn of the one after.
            let Err(mut turn) = next.send(turn) else { return };
            turn.shared = None;
            memory = std::mem::take(&mut turn.memory);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn network(last: u8) -> Party {
        Party::Network([192, 0, 2, last].into())
    }

    #[tokio::test]
    async fn memory_is_handed_on_and_never_made_twice() {
        let turns = Turns::new(1);
        let mut turn = turns.take(Party::Operator).await.unwrap();
        let at = turn.memory(8).as_ptr();
        let waiting = turns.take(network(1));
        let given_up = turns.free_or_waiting(network(2)).unwrap();
        drop(given_up);
        drop(turn);
        let mut turn = waiting.await.unwrap();
        assert_eq!(turn.memory(8).as_ptr(), at);
        drop(turn);
        assert_eq!(locked(&turns.shared).free.len(), 1);
    }

    #[tokio::test]
    async fn a_turn_nobody_takes_any_more_is_not_lost() {
        let turns = Turns::new(1);
        let turn = turns.take(Party::Operator).await.unwrap();
        let Ok(Err(waiting)) = turns.free_or_waiting(network(1)) else { panic!("nothing is free") };
        drop(turn);
        // It was handed over, and is not picked up.
        drop(waiting);
        assert_eq!(locked(&turns.shared).free.len(), 1);
    }

    #[tokio::test]
    async fn who_wants_too_much_is_refused_at_once_and_others_are_not() {
        let turns = Turns::new(1);
        let _turn = turns.take(Party::Operator).await.unwrap();
        let account = Party::Account(AccountId::new());
        let waiting: Vec<_> =
            (0..PER_PARTY).map(|_| turns.free_or_waiting(account).unwrap()).collect();
        let refused = turns.take(account).await.err().unwrap();
        assert_eq!(refused.code(), Code::TooManyPasswords);
        assert!(turns.free_or_waiting(network(1)).is_ok());
        drop(waiting);
        assert!(turns.free_or_waiting(account).is_ok(), "those who hung up make room");
    }
}
