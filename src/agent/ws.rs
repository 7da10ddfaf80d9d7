//! What every WebSocket client of ours has in common: the server's answer, the socket after it.
//!
//! The handshake is our own, because the WebSocket library logs the whole request at trace level,
//! the path and its key and the `Authorization` header with it. The request is written by whoever
//! dials: `cli::phone` and [`super::relay`] send different ones. Nothing here logs or keeps one.

use std::io;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite};
use tokio_tungstenite::{
    WebSocketStream,
    tungstenite::{
        handshake::derive_accept_key,
        protocol::{Role, WebSocketConfig},
    },
};

/// The subprotocol of the native dialect.
pub const SUBPROTOCOL: &str = "upvoot.v1";
/// Bytes of the longest answer head that is read.
pub const LONGEST: usize = 64 * 1024;
/// Bytes of the longest message that is taken.
pub const LONGEST_MESSAGE: usize = 1024 * 1024;

/// A connection, with or without TLS.
pub trait Wire: AsyncRead + AsyncWrite + Unpin + Send {}

impl<T: AsyncRead + AsyncWrite + Unpin + Send> Wire for T {}

/// The wire after a 101. `tail` is what came behind the answer's head.
pub async fn adopt<W: Wire>(wire: W, tail: Vec<u8>) -> WebSocketStream<W> {
    let config = WebSocketConfig::default()
        .read_buffer_size(16 * 1024)
        .write_buffer_size(0)
        .max_message_size(Some(LONGEST_MESSAGE))
        .max_frame_size(Some(LONGEST_MESSAGE));
    WebSocketStream::from_partially_read(wire, tail, Role::Client, Some(config)).await
}

/// Why there is no answer that makes sense.
#[derive(Debug, thiserror::Error)]
pub enum BadAnswer {
    /// The connection broke.
    #[error("{0}")]
    Io(#[from] io::Error),
    /// It is not HTTP at all.
    #[error("the answer is not HTTP")]
    NoHttp,
    /// It is not the answer of a WebSocket server; says in which way.
    #[error("{0}")]
    Nonsense(&'static str),
}

/// The head of the server's answer, and what of the rest came with it.
pub struct Answer {
    /// The HTTP status.
    pub status: u16,
    /// `Sec-WebSocket-Accept`.
    pub accept: Option<String>,
    /// `Sec-WebSocket-Protocol`.
    pub subprotocol: Option<String>,
    /// There is a `Sec-WebSocket-Extensions`.
    pub extended: bool,
    /// `Content-Length`.
    pub length: Option<usize>,
    /// What followed the head.
    pub tail: Vec<u8>,
}

impl Answer {
    /// Reads until the head is complete.
    ///
    /// # Errors
    /// When the connection breaks first, or what comes is not HTTP or longer than [`LONGEST`].
    pub async fn read(wire: &mut (impl Wire + ?Sized)) -> Result<Self, BadAnswer> {
        let mut bytes = Vec::with_capacity(2048);
        loop {
            if wire.read_buf(&mut bytes).await? == 0 {
                return Err(BadAnswer::Nonsense("it hung up without an answer"));
            }
            if let Some(answer) = Self::parse(&bytes)? {
                return Ok(answer);
            }
            if bytes.len() > LONGEST {
                return Err(BadAnswer::Nonsense("an answer without an end"));
            }
        }
    }

    fn parse(bytes: &[u8]) -> Result<Option<Self>, BadAnswer> {
        let mut headers = [httparse::EMPTY_HEADER; 64];
        let mut response = httparse::Response::new(&mut headers);
        let parsed = response.parse(bytes).map_err(|_| BadAnswer::NoHttp)?;
        let httparse::Status::Complete(head) = parsed else {
            return Ok(None);
        };
        let header = |name: &str| {
            let found = response.headers.iter().find(|h| h.name.eq_ignore_ascii_case(name))?;
            Some(String::from_utf8_lossy(found.value).trim().to_owned())
        };
        Ok(Some(Self {
            status: response.code.unwrap_or_default(),
            accept: header("Sec-WebSocket-Accept"),
            subprotocol: header("Sec-WebSocket-Protocol"),
            extended: header("Sec-WebSocket-Extensions").is_some(),
            length: header("Content-Length").and_then(|length| length.parse().ok()),
            tail: bytes[head..].to_vec(),
        }))
    }

    /// Whether a 101 is the answer to a request with this `Sec-WebSocket-Key` that offered this
    /// subprotocol and no extension. It may leave the subprotocol out.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn agrees(&self, nonce: &str, offered: Option<&str>) -> Result<(), BadAnswer> {
        if self.accept.as_ref() != Some(&derive_accept_key(nonce.as_bytes())) {
            return Err(BadAnswer::Nonsense("a wrong Sec-WebSocket-Accept"));
        }
        if self.extended {
            return Err(BadAnswer::Nonsense("an extension that was not requested"));
        }
        match self.subprotocol.as_deref() {
            agreed @ Some(_) if agreed != offered => {
                Err(BadAnswer::Nonsense("a subprotocol that was not requested"))
            }
            _ => Ok(()),
        }
    }
}
