//! The same load as a Twilio Media Stream: 20 ms of mu-law a frame, in base64, in JSON.

use std::{net::SocketAddr, time::Duration};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, BufReader, BufWriter},
    net::{
        TcpStream,
        tcp::{OwnedReadHalf, OwnedWriteHalf},
    },
    time::{interval, timeout},
};

use crate::caller::{self, Dial};

const SID: &str = "MZ0123456789abcdef0123456789abcdef";

/// A stream that has started and is past its greeting.
pub struct Stream {
    reader: BufReader<OwnedReadHalf>,
    writer: BufWriter<OwnedWriteHalf>,
}

impl Stream {
    /// Dials and starts. `greeting`: seconds of audio to be heard before the echo begins.
    pub async fn begin(address: SocketAddr, dial: &Dial, greeting: Duration) -> Self {
        let socket: TcpStream = caller::dial(address, dial).await;
        let (reader, writer) = socket.into_split();
        let mut stream = Self { reader: BufReader::new(reader), writer: BufWriter::new(writer) };
        stream.send(r#"{"event":"connected","protocol":"Call","version":"1.0.0"}"#).await;
        let start = format!(
            r#"{{"event":"start","sequenceNumber":"1","streamSid":"{SID}","start":{{"accountSid":"AC0","callSid":"CA0","streamSid":"{SID}","tracks":["inbound"],"customParameters":{{}},"mediaFormat":{{"encoding":"audio/x-mulaw","sampleRate":8000,"channels":1}}}}}}"#
        );
        stream.send(&start).await;
        let mut heard = Duration::ZERO;
        while heard < greeting {
            heard += Duration::from_micros(125) * stream.media_bytes().await;
        }
        stream
    }

    /// Speaks for so long, 50 frames a second, and listens: how many bytes did not come back.
    pub async fn talk(&mut self, long: Duration) -> usize {
        let frames = usize::try_from(long.as_millis() / 20).unwrap();
        let masked = masked(&media());
        let Self { reader, writer } = self;
        let speaking = async {
            let mut clock = interval(Duration::from_millis(20));
            for _ in 0..frames {
                clock.tick().await;
                writer.write_all(&masked).await.unwrap();
                writer.flush().await.unwrap();
            }
        };
        let expected = frames * 160;
        let hearing = async {
            let mut heard = 0;
            let reading = async {
                while heard < expected {
                    heard += usize::try_from(media_bytes(reader).await).unwrap();
                }
            };
            let _ = timeout(long + Duration::from_secs(2), reading).await;
            expected.saturating_sub(heard)
        };
        tokio::join!(speaking, hearing).1
    }

    async fn send(&mut self, text: &str) {
        self.writer.write_all(&masked(text)).await.unwrap();
        self.writer.flush().await.unwrap();
    }

    async fn media_bytes(&mut self) -> u32 {
        media_bytes(&mut self.reader).await
    }
}

/// The frame as Twilio sends it.
fn media() -> String {
    let payload = "f39/f39+fn19fHx7e3t6".repeat(11)[..216].to_owned();
    format!(
        r#"{{"event":"media","sequenceNumber":"3","media":{{"track":"inbound","chunk":"2","timestamp":"40","payload":"{payload}"}},"streamSid":"{SID}"}}"#
    )
}

fn masked(text: &str) -> Vec<u8> {
    let mut frame = vec![0x81];
    match u8::try_from(text.len()) {
        Ok(short @ 0..126) => frame.push(0x80 | short),
        _ => {
            frame.push(0x80 | 126);
            frame.extend(u16::try_from(text.len()).unwrap().to_be_bytes());
        }
    }
    let mask = [0x12, 0x34, 0x56, 0x78];
    frame.extend(mask);
    frame.extend(text.bytes().zip(mask.iter().cycle()).map(|(byte, mask)| byte ^ mask));
    frame
}

/// Reads a frame: how many bytes of audio it carries.
async fn media_bytes(reader: &mut BufReader<OwnedReadHalf>) -> u32 {
    let head = [reader.read_u8().await.unwrap(), reader.read_u8().await.unwrap()];
    let len = match head[1] {
        126 => usize::from(reader.read_u16().await.unwrap()),
        127 => usize::try_from(reader.read_u64().await.unwrap()).unwrap(),
        short => usize::from(short),
    };
    let mut payload = vec![0; len];
    reader.read_exact(&mut payload).await.unwrap();
    let text = String::from_utf8_lossy(&payload);
    let Some((_, rest)) = text.split_once(r#""payload":""#) else { return 0 };
    let base64 = rest.split('"').next().unwrap_or_default().trim_end_matches('=');
    u32::try_from(base64.len() * 3 / 4).unwrap()
}
