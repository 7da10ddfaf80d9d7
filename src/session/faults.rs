//! What a peer can do wrong on an open socket, and how it is told (RFC 6455, section 7.4.1).
//!
//! Each fault has a code of the vocabulary of causes and a close code. Nothing here repeats what the
//! peer sent.

use actix_web_actors::ws::{CloseCode, ProtocolError};

use super::frames::Violation;
use crate::{call::CauseCode, dialect::reassembly};

/// A fault of the peer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fault {
    /// Which one it is.
    pub code: CauseCode,
    /// The close code.
    pub close: CloseCode,
}

const TOO_LARGE: Fault = Fault { code: CauseCode::MessageTooLarge, close: CloseCode::Size };
const BAD_TEXT: Fault = Fault { code: CauseCode::InvalidUtf8, close: CloseCode::Invalid };
const PROTOCOL: Fault = Fault { code: CauseCode::ProtocolError, close: CloseCode::Protocol };
const TOO_MANY: Fault = Fault { code: CauseCode::TooManyMessages, close: CloseCode::Policy };
const TOO_SLOW: Fault = Fault { code: CauseCode::MessageTooSlow, close: CloseCode::Policy };
const NO_ROOM: Fault = Fault { code: CauseCode::TooManyLongMessages, close: CloseCode::Again };

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
