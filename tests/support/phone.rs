//! A caller: dials the voice endpoint over a real socket, speaks, listens, and remembers.

use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use serde_json::Value;
use tokio::{net::TcpStream, time::timeout};
use tokio_tungstenite::{
    MaybeTlsStream, WebSocketStream, connect_async,
    tungstenite::{
        self, Message,
        client::IntoClientRequest,
        http::{HeaderMap, Response},
    },
};

/// How long anything that is awaited may take before the test fails.
pub const PATIENCE: Duration = Duration::from_secs(15);

/// 20 ms of audio.
pub const FRAME: usize = 640;

/// A connected caller.
pub struct Phone {
    socket: WebSocketStream<MaybeTlsStream<TcpStream>>,
    /// Every byte of audio heard so far.
    pub heard: Vec<u8>,
    /// Every event so far, as its `type`, with `audio` standing for stretches of audio frames.
    pub story: Vec<String>,
    /// The subprotocol the server agreed to.
    pub protocol: Option<String>,
}

/// A refused call.
#[derive(Debug)]
pub struct Refused {
    pub status: u16,
    pub headers: HeaderMap,
    pub body: Value,
}

impl Refused {
    pub fn code(&self) -> &str {
        self.body["code"].as_str().unwrap_or_default()
    }
}

/// What comes next on the socket.
#[derive(Debug)]
pub enum Next {
    Event(Value),
    Audio(usize),
    Closed(u16),
}

impl Phone {
    /// Dials with our native subprotocol.
    pub async fn dial(url: &str) -> Result<Self, Refused> {
        Self::dial_as(url, Some("upvoot.v1")).await
    }

    /// Dials as a client that knows nothing of us, or offers this subprotocol.
    pub async fn dial_as(url: &str, protocol: Option<&str>) -> Result<Self, Refused> {
        let protocol = protocol.map(|protocol| ("sec-websocket-protocol", protocol));
        Self::dial_with(url, protocol.as_slice()).await
    }

    /// Dials with these headers besides.
    pub async fn dial_with(url: &str, headers: &[(&'static str, &str)]) -> Result<Self, Refused> {
        let mut request = url.into_client_request().unwrap();
        for (name, value) in headers {
            request.headers_mut().insert(*name, value.parse().unwrap());
        }
        match timeout(PATIENCE, connect_async(request)).await.expect("an answer to the upgrade") {
            Ok((socket, response)) => Ok(Self {
                socket,
                heard: Vec::new(),
                story: Vec::new(),
                protocol: agreed(&response),
            }),
            Err(tungstenite::Error::Http(response)) => {
                let body = response.body().as_deref().unwrap_or_default();
                Err(Refused {
                    status: response.status().as_u16(),
                    headers: response.headers().clone(),
                    body: serde_json::from_slice(body).unwrap_or_default(),
                })
            }
            Err(other) => panic!("neither admitted nor refused: {other}"),
        }
    }

    /// Sends audio, in one frame.
    pub async fn say(&mut self, pcm: &[u8]) {
        self.send(Message::binary(pcm.to_vec())).await;
    }

    /// Sends a control message.
    pub async fn tell(&mut self, json: Value) {
        self.send(Message::text(json.to_string())).await;
    }

    pub async fn send(&mut self, message: Message) {
        self.socket.send(message).await.expect("the socket takes a message");
    }

    /// Takes the next thing that comes, answering pings on the way.
    pub async fn next(&mut self) -> Next {
        loop {
            let message = timeout(PATIENCE, self.socket.next()).await.expect("something comes");
            match message {
                Some(Ok(Message::Binary(pcm))) => {
                    self.heard.extend_from_slice(&pcm);
                    if self.story.last().is_none_or(|last| last != "audio") {
                        self.story.push("audio".to_owned());
                    }
                    return Next::Audio(pcm.len());
                }
                Some(Ok(Message::Text(text))) => {
                    let event: Value = serde_json::from_str(&text).expect("events are JSON");
                    self.story.push(event["type"].as_str().expect("events have a type").to_owned());
                    return Next::Event(event);
                }
                Some(Ok(Message::Close(frame))) => {
                    return Next::Closed(frame.map_or(1005, |frame| frame.code.into()));
                }
                Some(Ok(_)) => {}
                Some(Err(_)) | None => return Next::Closed(1006),
            }
        }
    }

    /// Listens until an event of this type comes.
    pub async fn until(&mut self, kind: &str) -> Value {
        loop {
            match self.next().await {
                Next::Event(event) if event["type"] == kind => return event,
                Next::Closed(code) => panic!("closed with {code} while waiting for {kind}"),
                _ => {}
            }
        }
    }

    /// Listens until so many bytes have been heard in all.
    pub async fn hear(&mut self, bytes: usize) {
        while self.heard.len() < bytes {
            if let Next::Closed(code) = self.next().await {
                panic!("closed with {code} after {} of {bytes} bytes", self.heard.len());
            }
        }
    }

    /// Listens until the server closes: the close code.
    pub async fn closed(&mut self) -> u16 {
        loop {
            if let Next::Closed(code) = self.next().await {
                return code;
            }
        }
    }

    /// Listens to the greeting to its end, and forgets its sound.
    pub async fn greeted(&mut self) {
        self.until("audio_end").await;
        self.heard.clear();
    }

    /// Hangs up the polite way: `end_call`, the server's `call_end`, its close.
    pub async fn end(mut self) -> Value {
        self.tell(serde_json::json!({"type": "end_call"})).await;
        let end = self.until("call_end").await;
        assert_eq!(self.closed().await, 1000);
        end
    }

    /// Drops the connection without a word.
    pub fn drop_line(self) {}

    /// The bare socket, for what no well-behaved phone would do.
    pub fn into_socket(self) -> WebSocketStream<MaybeTlsStream<TcpStream>> {
        self.socket
    }
}

fn agreed<T>(response: &Response<T>) -> Option<String> {
    Some(response.headers().get("sec-websocket-protocol")?.to_str().unwrap().to_owned())
}

/// Audio whose every byte can be told from its neighbours, and loud enough to count as speech.
pub fn speech(bytes: usize, seed: u32) -> Vec<u8> {
    let mut state = seed.wrapping_mul(2_654_435_761).wrapping_add(1);
    (0..bytes)
        .map(|_| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            state.to_be_bytes()[0]
        })
        .collect()
}
