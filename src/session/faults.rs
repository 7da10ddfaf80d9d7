//! What a peer can do wrong on an open socket, and how it is told (RFC 6455, section 7.4.1).
//!
//! Each fault has a stable code for the `error` event and a close code. Nothing here repeats what
//! the peer sent.

use actix_web_actors::ws::{CloseCode, ProtocolError};

use super::frames::Violation;
use crate::dialect::reassembly;

/// A fault of the peer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fault {
    /// The code in the `error` event.
    pub code: &'static str,
    /// The sentence in the `error` event and in the close frame.
    pub message: &'static str,
    /// The close code.
    pub close: CloseCode,
}

const TOO_LARGE: Fault = Fault {
    code: "message_too_large",
    message: "A frame or message may have at most 1 MiB.",
    close: CloseCode::Size,
};
const BAD_TEXT: Fault = Fault {
    code: "invalid_utf8",
    message: "A text message has to be UTF-8.",
    close: CloseCode::Invalid,
};
const PROTOCOL: Fault = Fault {
    code: "protocol_error",
    message: "The frame breaks the WebSocket protocol.",
    close: CloseCode::Protocol,
};
const TOO_MANY: Fault = Fault {
    code: "too_many_messages",
    message: "More messages came than a call may send: 2,000 a second.",
    close: CloseCode::Policy,
};
const TOO_SLOW: Fault = Fault {
    code: "message_too_slow",
    message: "A message was begun and not sent within its time.",
    close: CloseCode::Policy,
};
const NO_ROOM: Fault = Fault {
    code: "too_many_long_messages",
    message: "Too many long messages are under way; send shorter ones.",
    close: CloseCode::Again,
};

/// The fault in an error of the codec; `None` when it is no fault but the end of the connection.
///
/// The codec reports invalid UTF-8 and a broken stream alike, as I/O errors: only their texts tell
/// them apart. `found` is what the guard in front of the codec has seen.
pub fn of_protocol(error: &ProtocolError, found: Option<Violation>) -> Option<Fault> {
    match (found, error) {
        (Some(Violation::TooMany), _) => Some(TOO_MANY),
        (Some(Violation::TooSlow), _) => Some(TOO_SLOW),
        (Some(Violation::NoRoom), _) => Some(NO_ROOM),
        (Some(Violation::TooLarge), _) | (_, ProtocolError::Overflow) => Some(TOO_LARGE),
        (None, ProtocolError::Io(io)) => {
            io.to_string().to_ascii_lowercase().contains("utf-8").then_some(BAD_TEXT)
        }
        _ => Some(PROTOCOL),
    }
}

/// The fault in a message that came in fragments.
pub fn of_reassembly(error: reassembly::Error) -> Fault {
    match error {
        reassembly::Error::TooBig => TOO_LARGE,
        reassembly::Error::NotUtf8 => BAD_TEXT,
        reassembly::Error::Protocol => PROTOCOL,
    }
}
