//! From an address to a line: connect, ask for the upgrade, and say why not.
//!
//! The handshake is our own, for two reasons: the WebSocket library logs the whole request, path
//! and key, at trace level, and it drops the body of a refusal, in which the code stands.

use std::{
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

use super::{Address, Line};
use crate::agent::ws::{self, Answer, BadAnswer, LONGEST, SUBPROTOCOL, Wire};

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
}

/// Why there is no call. It holds nothing of the address but its host.
#[derive(Debug, thiserror::Error)]
pub enum NoCall {
    /// The server said no.
    #[error("refused: {} {}", .0.status, .0.code.as_deref().unwrap_or("(no code)"))]
    Refused(Refusal),
    /// Nobody can be reached there.
    #[error("cannot connect: {0}")]
    Unreachable(#[source] io::Error),
    /// The server's certificate is not in order, or there is no TLS there.
    #[error("no secure connection: {0}")]
    Insecure(#[source] io::Error),
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
            BadAnswer::Nonsense(what) => Self::NoVoiceServer(what),
        }
    }
}

/// Places a call.
///
/// # Errors
/// [`NoCall`], also when the server refuses.
pub async fn dial(address: &Address) -> Result<Line, NoCall> {
    let dialled = Instant::now();
    let wire = timeout(PATIENCE, connect(address)).await.map_err(|_| NoCall::NoAnswer)??;
    let socket =
        timeout(PATIENCE, upgrade(address, wire)).await.map_err(|_| NoCall::NoAnswer)??;
    Ok(Line::begin(socket, dialled.elapsed()))
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
    let secured = TlsConnector::from(ws::tls()).connect(name, stream).await;
    Ok(Box::new(secured.map_err(NoCall::Insecure)?))
}

async fn upgrade(address: &Address, mut wire: Box<dyn Wire>) -> Result<Socket, NoCall> {
    let nonce = generate_key();
    let request = Zeroizing::new(format!(
        "GET {} HTTP/1.1\r\nHost: {}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {nonce}\r\n\
         Sec-WebSocket-Protocol: {SUBPROTOCOL}\r\nUser-Agent: upvoot/{}\r\n\r\n",
        address.path.as_str(),
        address.authority,
        env!("CARGO_PKG_VERSION"),
    ));
    // A server that answers before it has read everything may close early: its answer counts.
    let _ = wire.write_all(request.as_bytes()).await;
    let _ = wire.flush().await;

    let answer = Answer::read(&mut wire).await?;
    if answer.status != 101 {
        let code = problem_code(&mut wire, &answer).await;
        return Err(NoCall::Refused(Refusal { status: answer.status, code }));
    }
    answer.agrees(&nonce, &[SUBPROTOCOL])?;
    Ok(ws::adopt(wire, answer.tail).await)
}

/// The `code` of a problem document. A body that is late, long or something else has none.
async fn problem_code(wire: &mut Box<dyn Wire>, answer: &Answer) -> Option<String> {
    #[derive(Deserialize)]
    struct Problem {
        code: String,
    }
    let mut body = answer.tail.clone();
    let wanted = answer.length.unwrap_or(LONGEST).min(LONGEST);
    let missing = wanted.saturating_sub(body.len());
    let rest = wire.take(missing as u64);
    tokio::pin!(rest);
    // What arrived before an error or the time limit may be the whole of it.
    let _ = timeout(Duration::from_secs(3), rest.read_to_end(&mut body)).await;
    let problem: Problem = serde_json::from_slice(&body).ok()?;
    // It is going to be printed.
    let tame = problem.code.len() <= 64
        && problem.code.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_');
    tame.then_some(problem.code)
}
