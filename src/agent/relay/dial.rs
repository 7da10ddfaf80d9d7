//! From a bot's address to an open line: look up, judge, connect, ask for the upgrade.
//!
//! The connection goes to the address that was judged, whatever the name means a moment later, while
//! TLS goes on to want the name. Redirections are not followed. The request may hold a secret: it is
//! wiped, and nothing here prints it.

use std::{fmt::Write, io, net::SocketAddr, time::Duration};

use secrecy::ExposeSecret;
use tokio::{
    io::AsyncWriteExt,
    net::{TcpSocket, TcpStream},
    time::{Instant, sleep_until, timeout},
};
use tokio_rustls::TlsConnector;
use tokio_tungstenite::{WebSocketStream, tungstenite::handshake::client::generate_key};
use zeroize::Zeroizing;

use super::{
    Gone, Target,
    address::Host,
    gone::{Unreached, Untrusted},
    metered::{Metered, Unfinished},
    names::{Names, NoAddress},
    network::Reach,
};
use crate::{
    agent::ws::{self, Answer, BadAnswer, SUBPROTOCOL, Wire},
    budget::BYTES,
    trust::client_tls,
};

/// An open line to a bot.
pub(super) type Socket = WebSocketStream<Metered<Box<dyn Wire>>>;

/// How long it takes at least to say that a name of an account's own leads nowhere.
const NAMES_FAIL_AFTER: Duration = Duration::from_millis(500);
/// Addresses of one name that are tried.
const MOST_ADDRESSES: usize = 4;
/// Bytes that the system may hold for a bot that does not read: two seconds of sound, which the
/// kernel doubles. Left to itself it would hold a minute's, and we would not notice.
const SEND_BUFFER: u32 = 32 * 1024;
/// Bytes that the system may hold of a bot that we do not read, so that it has to wait soon. Enough for
/// all that is read of one in a second over a line of 200 ms.
const RECEIVE_BUFFER: u32 = 256 * 1024;

/// Opens the line; the caller limits the time it takes.
pub(super) async fn dial(
    target: &Target,
    reach: &Reach,
    names: &Names,
    unfinished: Unfinished,
) -> Result<Socket, Gone> {
    let tcp = reach_bot(target, reach, names).await?;
    let wire: Box<dyn Wire> = if target.url.secure {
        let connecting = TlsConnector::from(client_tls()).connect(target.url.server_name(), tcp);
        Box::new(connecting.await.map_err(|e| failed(Gone::Insecure(Untrusted::from(&e)), &e))?)
    } else {
        Box::new(tcp)
    };
    upgrade(target, wire, unfinished).await
}

/// Connects. What an account's own users learn of a name that leads nowhere they may call is the same, and
/// comes after the same time, whether it exists or not.
async fn reach_bot(target: &Target, reach: &Reach, names: &Names) -> Result<TcpStream, Gone> {
    let shown_at = Instant::now() + NAMES_FAIL_AFTER;
    let gone = match connect(target, reach, names).await {
        Ok(stream) => return Ok(stream),
        Err(gone) => gone,
    };
    if target.trusted || matches!(target.url.host, Host::Address(_)) {
        return Err(gone);
    }
    if gone == Gone::Refused {
        tracing::info!(bot = %target.url, "a bot's name leads to an address that may not be called");
    }
    sleep_until(shown_at).await;
    Err(gone.of_a_name())
}

async fn connect(target: &Target, reach: &Reach, names: &Names) -> Result<TcpStream, Gone> {
    let deadline = Instant::now() + target.connect_within;
    let mut addresses = look_up(target, names).await?;
    addresses.retain(|address| reach.has(address.ip()));
    addresses.truncate(MOST_ADDRESSES);
    let mut last = Gone::Refused;
    let mut left = u32::try_from(addresses.len()).unwrap_or(u32::MAX);
    for address in addresses {
        // An address that swallows everything may not take the time of those behind it.
        let share = deadline.saturating_duration_since(Instant::now()) / left.max(1);
        left -= 1;
        match timeout(share, connect_to(address)).await {
            Ok(Ok(stream)) => return Ok(stream),
            Ok(Err(error)) => last = failed(Gone::Unreachable((&error).into()), &error),
            Err(_) => last = Gone::Timeout,
        }
    }
    Err(last)
}

async fn connect_to(address: SocketAddr) -> io::Result<TcpStream> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
    socket.set_send_buffer_size(SEND_BUFFER)?;
    socket.set_recv_buffer_size(RECEIVE_BUFFER)?;
    socket.set_nodelay(true)?;
    socket.connect(address).await
}

async fn look_up(target: &Target, names: &Names) -> Result<Vec<SocketAddr>, Gone> {
    let port = target.url.port;
    let name = match &target.url.host {
        Host::Address(address) => return Ok(vec![SocketAddr::new(*address, port)]),
        Host::Name(name) => name,
    };
    let found = names.look_up(target.account_id, name).await;
    let found = found.map_err(|error| {
        let why = match error {
            NoAddress::Failed(_) => Unreached::NoName,
            NoAddress::Crowded(_) | NoAddress::Remembered | NoAddress::TooLong => {
                Unreached::NoLookUp
            }
        };
        failed(Gone::Unreachable(why), &error.into())
    })?;
    Ok(found.into_iter().map(|address| SocketAddr::new(address, port)).collect())
}

async fn upgrade(
    target: &Target,
    mut wire: Box<dyn Wire>,
    unfinished: Unfinished,
) -> Result<Socket, Gone> {
    let nonce = generate_key();
    let request = request(target, &nonce)?;
    // A bot that answers before it has read everything may close early: its answer counts.
    let _ = wire.write_all(request.as_bytes()).await;
    let _ = wire.flush().await;
    drop(request);

    let answer = Answer::read(&mut wire).await.map_err(no_answer)?;
    if answer.status != 101 {
        return Err(Gone::Rejected(answer.status));
    }
    answer.agrees(&nonce, Some(SUBPROTOCOL)).map_err(no_answer)?;
    Ok(ws::adopt(Metered::new(wire, BYTES, unfinished), answer.tail).await)
}

/// The request for the upgrade. It may hold a secret.
fn request(target: &Target, nonce: &str) -> Result<Zeroizing<String>, Gone> {
    let (url, secret) = (&target.url, target.secret.as_ref().map(ExposeSecret::expose_secret));
    if secret.is_some_and(|secret| !secret.bytes().all(|b| b.is_ascii_graphic())) {
        return Err(Gone::UnfitSecret);
    }
    // Never moved by growing, which would leave a copy that nobody wipes.
    let room = url.path.len() + url.authority.len() + secret.map_or(0, str::len) + 512;
    let mut request = Zeroizing::new(String::with_capacity(room));
    let written = write!(
        request,
        "GET {} HTTP/1.1\r\nHost: {}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {nonce}\r\n\
         Sec-WebSocket-Protocol: {SUBPROTOCOL}\r\nUser-Agent: upvoot/{}\r\n",
        url.path,
        url.authority,
        env!("CARGO_PKG_VERSION"),
    );
    written.expect("a string takes any text");
    if let Some(secret) = secret {
        for piece in ["Authorization: Bearer ", secret, "\r\n"] {
            request.push_str(piece);
        }
    }
    request.push_str("\r\n");
    Ok(request)
}

fn no_answer(bad: BadAnswer) -> Gone {
    match bad {
        BadAnswer::Io(error) => failed(Gone::Unreachable((&error).into()), &error),
        bad @ (BadAnswer::NoHttp | BadAnswer::Nonsense(_)) => {
            tracing::debug!(%bad, "a bot did not answer as a WebSocket server does");
            Gone::Protocol
        }
    }
}

/// Tells the cause in the words of the system, which nobody but the log learns.
fn failed(gone: Gone, error: &io::Error) -> Gone {
    tracing::debug!(%error, code = gone.code().as_str(), "a bot could not be dialled");
    gone
}
