//! The load: callers at the level of bytes, so that they cost little beside what is measured.

use std::{net::SocketAddr, time::Duration};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::interval,
};

/// 20 ms of audio.
const FRAME: usize = 640;

/// How to dial.
pub struct Dial {
    pub path: String,
    /// Whether to offer `upvoot.v1`.
    pub native: bool,
}

/// Dials and reads the head of the answer; refused or admitted, the connection is given back.
pub async fn dial(address: SocketAddr, dial: &Dial) -> TcpStream {
    let mut socket = TcpStream::connect(address).await.unwrap();
    socket.set_nodelay(true).unwrap();
    let protocol = if dial.native { "Sec-WebSocket-Protocol: upvoot.v1\r\n" } else { "" };
    let request = format!(
        "GET {} HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n{protocol}\r\n",
        dial.path
    );
    socket.write_all(request.as_bytes()).await.unwrap();
    let mut head = Vec::with_capacity(512);
    while !head.ends_with(b"\r\n\r\n") {
        head.push(socket.read_u8().await.unwrap());
    }
    socket
}

/// Reads one frame: its opcode and how long its payload was.
async fn frame(socket: &mut TcpStream, payload: &mut Vec<u8>) -> u8 {
    let head = [socket.read_u8().await.unwrap(), socket.read_u8().await.unwrap()];
    let len = match head[1] {
        126 => usize::from(socket.read_u16().await.unwrap()),
        127 => usize::try_from(socket.read_u64().await.unwrap()).unwrap(),
        short => usize::from(short),
    };
    payload.resize(len, 0);
    socket.read_exact(payload).await.unwrap();
    head[0] & 0x0f
}

/// How many bytes of audio a call's greeting has.
pub async fn greeting(address: SocketAddr, key: &str) -> usize {
    let dialled = Dial { path: format!("/voice/{key}"), native: true };
    let mut socket = dial(address, &dialled).await;
    let (mut payload, mut bytes) = (Vec::new(), 0);
    loop {
        match frame(&mut socket, &mut payload).await {
            2 => bytes += payload.len(),
            1 if payload.windows(9).any(|window| window == b"audio_end") => return bytes,
            _ => {}
        }
    }
}

/// A call that is past its greeting.
pub struct Call(TcpStream);

impl Call {
    pub async fn begin(address: SocketAddr, dialled: &Dial, greeting: usize) -> Self {
        let mut socket = dial(address, dialled).await;
        let (mut payload, mut heard) = (Vec::new(), 0);
        let mut ended = greeting == 0;
        while heard < greeting || !ended {
            match frame(&mut socket, &mut payload).await {
                2 => heard += payload.len(),
                1 => ended |= payload.windows(9).any(|window| window == b"audio_end"),
                _ => {}
            }
        }
        Self(socket)
    }

    /// Speaks for so long, 50 frames a second, and listens: how many bytes did not come back.
    pub async fn talk(&mut self, long: Duration) -> usize {
        let frames = usize::try_from(long.as_millis() / 20).unwrap();
        let mut masked = vec![0x82, 0x80 | 126];
        masked.extend(u16::try_from(FRAME).unwrap().to_be_bytes());
        masked.extend([0x12, 0x34, 0x56, 0x78]);
        masked.extend((0..FRAME).map(|n| u8::try_from(n % 251).unwrap()));
        let (mut reader, mut writer) = self.0.split();
        let speaking = async {
            let mut clock = interval(Duration::from_millis(20));
            for _ in 0..frames {
                clock.tick().await;
                writer.write_all(&masked).await.unwrap();
            }
        };
        // Headers and events come along with the audio: enough bytes mean every frame is back.
        let expected = frames * FRAME;
        let hearing = async {
            let (mut buffer, mut heard) = (vec![0; 64 * 1024], 0);
            let patience = long + Duration::from_secs(2);
            let reading = async {
                while heard < expected + frames * 4 {
                    match reader.read(&mut buffer).await.unwrap() {
                        0 => break,
                        bytes => heard += bytes,
                    }
                }
            };
            let _ = tokio::time::timeout(patience, reading).await;
            expected.saturating_sub(heard)
        };
        tokio::join!(speaking, hearing).1
    }
}
