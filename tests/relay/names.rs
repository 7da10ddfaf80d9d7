//! Names that never resolve: they cost the account that has chosen them, and no other.

use std::{
    net::{Ipv4Addr, SocketAddr},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    time::{Duration, Instant},
};

use tokio::{net::UdpSocket, time::timeout};
use upvoot::{
    agent::relay::{FromBot, Gone, Names, Target, Unreached},
    id::AccountId,
};

use crate::relay::bot::{Call, PATIENCE, Place, trusted};

/// A name server of the test's own: it never answers for `*.slow`, and every other name is this machine.
struct NameServer {
    address: SocketAddr,
    asked_for_slow: Arc<AtomicUsize>,
}

impl NameServer {
    async fn start() -> Self {
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let address = socket.local_addr().unwrap();
        let asked_for_slow = Arc::<AtomicUsize>::default();
        let counted = Arc::clone(&asked_for_slow);
        tokio::spawn(async move {
            let mut question = [0; 1500];
            while let Ok((length, from)) = socket.recv_from(&mut question).await {
                match answer(&question[..length]) {
                    Some(answer) => drop(socket.send_to(&answer, from).await),
                    None => drop(counted.fetch_add(1, SeqCst)),
                }
            }
        });
        Self { address, asked_for_slow }
    }

    fn names(&self) -> Names {
        Names::new(vec![self.address])
    }
}

/// The answer to a question (RFC 1035, section 4.1); `None` where there is to be none.
fn answer(question: &[u8]) -> Option<Vec<u8>> {
    let name = question[12..].iter().position(|length| *length == 0)? + 12;
    if question[..name].to_ascii_lowercase().ends_with(b"\x04slow") {
        return None;
    }
    let is_a = question[name + 1..name + 3] == [0, 1];
    // The same id; a response, with recursion; one question, and one answer for an IPv4 address.
    let mut answer =
        vec![question[0], question[1], 0x81, 0x80, 0, 1, 0, u8::from(is_a), 0, 0, 0, 0];
    answer.extend_from_slice(&question[12..name + 5]);
    if is_a {
        // The name of the question, an IPv4 address, for a minute.
        answer.extend_from_slice(&[0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4, 127, 0, 0, 1]);
    }
    Some(answer)
}

/// Calls of an account to bots with names.
fn call(names: &Names, account_id: AccountId, url: &str, connect_within: Duration) -> Call {
    let target = Target { account_id, connect_within, ..trusted(url) };
    Call::looking_up(target, names)
}

#[tokio::test]
async fn names_that_never_resolve_keep_no_other_account_from_its_bot() {
    let server = NameServer::start().await;
    let (names, place) = (server.names(), Place::free().await);
    let (one, other) = (AccountId::new(), AccountId::new());
    let mut slow: Vec<_> = (0..200)
        .map(|number| call(&names, one, &format!("wss://bot-{number}.slow/"), PATIENCE))
        .collect();
    while server.asked_for_slow.load(SeqCst) == 0 {
        tokio::task::yield_now().await;
    }
    let url = format!("wss://bot.fast:{}/", place.address().port());
    let _fast = call(&names, other, &url, PATIENCE);
    let _connection = place.connection().await;
    let waiting = slow.iter_mut().map(|call| call.events.try_recv()).filter(Result::is_err).count();
    assert_eq!(waiting, 200, "its bot is reached while all the others are still looked up");
}

#[tokio::test]
async fn a_call_that_gives_up_gives_its_place_back() {
    let server = NameServer::start().await;
    let (names, place, account) = (server.names(), Place::free().await, AccountId::new());
    let soon = Duration::from_millis(200);
    let slow: Vec<_> = (0..40)
        .map(|number| call(&names, account, &format!("wss://bot-{number}.slow/"), soon))
        .collect();
    for call in slow {
        assert_eq!(call.gone().await, Gone::Timeout);
    }
    let url = format!("wss://bot.fast:{}/", place.address().port());
    let began = Instant::now();
    let _fast = call(&names, account, &url, PATIENCE);
    let _connection = place.connection().await;
    // A look-up that went on would keep its place for as long as name servers are waited for.
    assert!(began.elapsed() < Duration::from_secs(2), "{:?}", began.elapsed());
}

#[tokio::test]
async fn a_name_that_was_looked_up_in_vain_is_not_asked_for_again_at_once() {
    let server = NameServer::start().await;
    let (names, account) = (server.names(), AccountId::new());
    let late = Duration::from_millis(1_200);
    assert_eq!(call(&names, account, "wss://bot.slow/", late).gone().await, Gone::Timeout);
    let asked = server.asked_for_slow.load(SeqCst);
    assert!(asked > 0);
    let again = call(&names, account, "wss://bot.slow/", PATIENCE);
    assert_eq!(again.gone().await, Gone::Unreachable(Unreached::NoLookUp));
    assert_eq!(server.asked_for_slow.load(SeqCst), asked, "it was not asked again");
    // Another account has made no such experience.
    let mut other = call(&names, AccountId::new(), "wss://bot.slow/", late);
    let event = timeout(PATIENCE, other.events.recv()).await.unwrap();
    assert_eq!(event, Some(FromBot::Gone(Gone::Timeout)));
    assert!(server.asked_for_slow.load(SeqCst) > asked);
}
