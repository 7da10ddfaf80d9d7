//! From an address to a line: connect, ask for the upgrade, and say why not.
//!
//! The handshake is our own, for two reasons: the WebSocket library logs the whole request, path
//! and key, at trace level, and it drops the body of a refusal, in which the code stands.

use std::{
    fmt::{self, Write},
    io,
    time::{Duration, Instant},
};

use rustls_pki_types::ServerName;
use serde::Deserialize;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};
use tokio_rustls::TlsConnector;
use tokio_tungstenite::{WebSocketStream, tungstenite::handshake::client::generate_key};
use zeroize::Zeroizing;

use super::{Address, Carrier, Line, native::Native, side::Side};
use crate::{
    agent::ws::{self, Answer, BadAnswer, LONGEST, SUBPROTOCOL, Wire},
    cli::paint::tame,
    trust::client_tls,
};

/// To connect, and again to be answered: the server itself takes up to five seconds to refuse.
const PATIENCE: Duration = Duration::from_secs(10);

pub(super) type Socket = WebSocketStream<Box<dyn Wire>>;

/// An answer other than 101.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// The HTTP status.
    pub status: u16,
    /// The `code` of the body, if it has one.
    pub code: Option<String>,
    /// The `detail` of the body, if it has one: a sentence.
    pub detail: Option<String>,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "refused: {} {}", self.status, self.code.as_deref().unwrap_or("(no code)"))?;
        if let Some(detail) = &self.detail {
            write!(f, ": {detail}")?;
        }
        if self.status == 404 {
            f.write_str(" (the path of a call is /voice/KEY)")?;
        }
        Ok(())
    }
}

/// Why there is no call. It holds nothing of the address but its host.
#[derive(Debug, thiserror::Error)]
pub enum NoCall {
    /// The server said no.
    #[error("{0}")]
    Refused(Refusal),
    /// Nothing answers there.
    #[error("cannot connect: {0}")]
    Unreachable(#[source] io::Error),
    /// The server's certificate is not in order, or there is no TLS there.
    #[error("no secure connection: {0}")]
    Insecure(#[source] io::Error),
    /// There is no TLS there.
    #[error("the server does not speak TLS at this port: use ws:// in place of wss://")]
    NoTls,
    /// What answers is not HTTP, on a connection without TLS.
    #[error(
        "the answer is not HTTP: if the server speaks TLS at this port, use wss:// in place of ws://"
    )]
    MaybeTls,
    /// It took too long.
    #[error("no answer within {} seconds", PATIENCE.as_secs())]
    NoAnswer,
    /// The answer is not that of a WebSocket server.
    #[error("not a voice server: {0}")]
    NoVoiceServer(&'static str),
}

impl From<BadAnswer> for NoCall {
    fn from(bad: BadAnswer) -> Self {
        match bad {
            BadAnswer::Io(error) => Self::Unreachable(error),
            BadAnswer::NoHttp => Self::NoVoiceServer("the answer is not HTTP"),
            BadAnswer::Nonsense(what) => Self::NoVoiceServer(what),
        }
    }
}

/// What a client says of itself when it asks for the upgrade.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Offer {
    /// The one subprotocol it offers.
    pub subprotocol: Option<String>,
    /// The server must agree to that subprotocol, or there is no call.
    pub insists: bool,
    /// Further headers.
    pub headers: Vec<(&'static str, String)>,
    /// What it adds to the address's query string.
    pub query: Option<String>,
}

/// Places a call in the native dialect.
///
/// # Errors
/// [`NoCall`], also when the server refuses.
pub async fn dial(address: &Address) -> Result<Line, NoCall> {
    let native = Offer { subprotocol: Some(SUBPROTOCOL.to_owned()), ..Offer::default() };
    place(address, &native, Box::new(Native::default())).await
}

/// Places a call as a telephony provider does.
///
/// # Errors
/// [`NoCall`], also when the server refuses.
pub async fn dial_as(address: &Address, carrier: Carrier) -> Result<Line, NoCall> {
    place(address, &carrier.offer(), Box::new(carrier)).await
}

async fn place(address: &Address, offer: &Offer, side: Box<dyn Side>) -> Result<Line, NoCall> {
    let dialled = Instant::now();
    let wire = timeout(PATIENCE, connect(address)).await.map_err(|_| NoCall::NoAnswer)??;
    let socket =
        timeout(PATIENCE, upgrade(address, offer, wire)).await.map_err(|_| NoCall::NoAnswer)??;
    Ok(Line::begin(socket, dialled.elapsed(), side))
}

async fn connect(address: &Address) -> Result<Box<dyn Wire>, NoCall> {
    let host = (address.host.as_str(), address.port);
    let stream = TcpStream::connect(host).await.map_err(NoCall::Unreachable)?;
    stream.set_nodelay(true).map_err(NoCall::Unreachable)?;
    if !address.secure {
        return Ok(Box::new(stream));
    }
    let name = ServerName::try_from(address.host.clone())
        .map_err(|error| NoCall::Insecure(io::Error::other(error)))?;
    let secured = TlsConnector::from(client_tls()).connect(name, stream).await;
    Ok(Box::new(secured.map_err(insecure)?))
}

/// Why there is no TLS. What is not a TLS message at all comes from a server that does not speak it.
fn insecure(error: io::Error) -> NoCall {
    let cause = error.get_ref().and_then(|cause| cause.downcast_ref::<rustls::Error>());
    match cause {
        Some(rustls::Error::InvalidMessage(_)) => NoCall::NoTls,
        _ => NoCall::Insecure(error),
    }
}

async fn upgrade(
    address: &Address,
    offer: &Offer,
    mut wire: Box<dyn Wire>,
) -> Result<Socket, NoCall> {
    let nonce = generate_key();
    let request = request(address, offer, &nonce);
    // A server that answers before it has read everything may close early: its answer counts.
    let _ = wire.write_all(request.as_bytes()).await;
    let _ = wire.flush().await;

    let answer = Answer::read(&mut wire).await.map_err(|bad| match bad {
        BadAnswer::NoHttp if !address.secure => NoCall::MaybeTls,
        bad => bad.into(),
    })?;
    if answer.status != 101 {
        let (code, detail) = problem(&mut wire, &answer).await;
        return Err(NoCall::Refused(Refusal { status: answer.status, code, detail }));
    }
    answer.agrees(&nonce, offer.subprotocol.as_deref())?;
    if offer.insists && answer.subprotocol.is_none() {
        return Err(NoCall::NoVoiceServer("no subprotocol"));
    }
    Ok(ws::adopt(wire, answer.tail).await)
}

/// The request for the upgrade. It holds the key.
fn request(address: &Address, offer: &Offer, nonce: &str) -> Zeroizing<String> {
    let query = offer.query.as_ref().map(|query| {
        let joint = if address.path.contains('?') { '&' } else { '?' };
        format!("{joint}{query}")
    });
    // Never moved by growing, which would leave a copy that nobody wipes.
    let room = address.path.len() + query.as_ref().map_or(0, String::len) + 4096;
    let mut request = Zeroizing::new(String::with_capacity(room));
    request.push_str("GET ");
    request.push_str(&address.path);
    request.extend(query);
    let _ = write!(
        request,
        " HTTP/1.1\r\nHost: {}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {nonce}\r\nUser-Agent: upvoot/{}\r\n",
        address.authority,
        env!("CARGO_PKG_VERSION"),
    );
    let subprotocol = offer.subprotocol.iter().map(|name| ("Sec-WebSocket-Protocol", name));
    let headers = offer.headers.iter().map(|(name, value)| (*name, value));
    for (name, value) in subprotocol.chain(headers) {
        let _ = write!(request, "{name}: {value}\r\n");
    }
    request.push_str("\r\n");
    request
}

/// `code` and `detail` of a problem document. A body that is late, long or something else has none.
async fn problem(wire: &mut Box<dyn Wire>, answer: &Answer) -> (Option<String>, Option<String>) {
    #[derive(Default, Deserialize)]
    struct Problem {
        code: Option<String>,
        detail: Option<String>,
    }
    let mut body = answer.tail.clone();
    let wanted = answer.length.unwrap_or(LONGEST).min(LONGEST);
    let missing = wanted.saturating_sub(body.len());
    let rest = wire.take(missing as u64);
    tokio::pin!(rest);
    // What arrived before an error or the time limit may be the whole of it.
    let _ = timeout(Duration::from_secs(3), rest.read_to_end(&mut body)).await;
    let problem: Problem = serde_json::from_slice(&body).unwrap_or_default();
    // Both are going to be printed.
    let code = problem.code.filter(|code| {
        let word = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_';
        code.len() <= 64 && code.bytes().all(word)
    });
    (code, problem.detail.map(|detail| tame(&detail)))
}
