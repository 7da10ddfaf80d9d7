//! Whose work it is that waits for the database: what its queues are fair by.
//!
//! A request's work is its sender's: at first only an address is known, then `auth` finds out who it is
//! and says so once, with [`is`], for all that the request asks of the store from then on. Work that is
//! somebody else's names them: [`super::Store::of`]. What is in no request is the node's own.

use std::{cell::Cell, net::IpAddr};

use crate::id::AccountId;

/// Whose work it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Share {
    /// The node's: its lease, its notes. There is little of it, and all calls hang on it.
    Node,
    /// An account's: its users', its keys', its calls'.
    Account(AccountId),
    /// The operators'.
    Operator,
    /// Somebody's who is not known yet, by the network they come from.
    Stranger(IpAddr),
}

tokio::task_local! {
    static SHARE: Cell<Share>;
}

/// Runs a request, which is a stranger's until [`is`] says whose it is.
pub async fn of_stranger<F: Future>(network: IpAddr, request: F) -> F::Output {
    SHARE.scope(Cell::new(Share::Stranger(network)), request).await
}

/// Says whose request this is. Outside a request it says nothing.
pub fn is(share: Share) {
    let _ = SHARE.try_with(|cell| cell.set(share));
}

/// Whose work this is.
pub(super) fn current() -> Share {
    SHARE.try_with(Cell::get).unwrap_or(Share::Node)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    #[tokio::test]
    async fn a_request_is_a_strangers_until_it_is_known_whose() {
        let address: IpAddr = "192.0.2.1".parse().unwrap();
        let account = Share::Account(AccountId::new());
        assert_eq!(current(), Share::Node);
        of_stranger(address, async {
            assert_eq!(current(), Share::Stranger(address));
            is(account);
            tokio::task::yield_now().await;
            assert_eq!(current(), account);
        })
        .await;
        is(account);
        assert_eq!(current(), Share::Node, "a request's end is the end of it");
    }
}
