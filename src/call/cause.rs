//! Why a call failed: one vocabulary, which its row, the API, its page, the log, the metrics, the
//! `error` event and `upvoot call` share.
//!
//! A [`CauseCode`] is for programs and says which kind of failure it is; a [`Cause`] adds the sentence
//! for the people whose agent it is, with the place of the failure in it. Neither ever holds a secret, a
//! path, a query string or a word of the peer's.

use std::{borrow::Cow, fmt};

/// The kinds of failure that end a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum CauseCode {
    /// The bot's address may not be dialled, or leads nowhere that may be.
    BotAddressRefused,
    /// No connection to the bot's address.
    BotUnreachable,
    /// No TLS at the bot's address, or a certificate that is not trusted.
    BotInsecure,
    /// The bot did not accept the call in time.
    BotTimeout,
    /// The bot answered the upgrade with another status than 101.
    BotRejected,
    /// The bot's secret is not set on this server.
    BotSecretUnset,
    /// The bot's secret cannot stand in a header.
    BotSecretUnfit,
    /// The bot accepted the call and then sent nothing in time.
    BotSilent,
    /// The bot closed with an error, or dropped the connection.
    BotClosed,
    /// The bot broke the WebSocket protocol, or is no WebSocket server.
    BotProtocolError,
    /// The bot stopped reading, or answering pings.
    BotStalled,
    /// The provider's codec, rate or number of channels is not served.
    UnservedMedia,
    /// The peer sent too much at once.
    MessageTooLarge,
    /// The peer sent text that is no UTF-8.
    InvalidUtf8,
    /// The peer broke the WebSocket protocol.
    ProtocolError,
    /// The peer sent too many messages.
    TooManyMessages,
    /// The peer took too long for one message.
    MessageTooSlow,
    /// Too many long messages are under way.
    TooManyLongMessages,
}

impl CauseCode {
    /// Every code.
    pub const ALL: [Self; 18] = [
        Self::BotAddressRefused,
        Self::BotUnreachable,
        Self::BotInsecure,
        Self::BotTimeout,
        Self::BotRejected,
        Self::BotSecretUnset,
        Self::BotSecretUnfit,
        Self::BotSilent,
        Self::BotClosed,
        Self::BotProtocolError,
        Self::BotStalled,
        Self::UnservedMedia,
        Self::MessageTooLarge,
        Self::InvalidUtf8,
        Self::ProtocolError,
        Self::TooManyMessages,
        Self::MessageTooSlow,
        Self::TooManyLongMessages,
    ];

    /// The code as it stands everywhere.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::BotAddressRefused => "bot_address_refused",
            Self::BotUnreachable => "bot_unreachable",
            Self::BotInsecure => "bot_insecure",
            Self::BotTimeout => "bot_timeout",
            Self::BotRejected => "bot_rejected",
            Self::BotSecretUnset => "bot_secret_unset",
            Self::BotSecretUnfit => "bot_secret_unfit",
            Self::BotSilent => "bot_silent",
            Self::BotClosed => "bot_closed",
            Self::BotProtocolError => "bot_protocol_error",
            Self::BotStalled => "bot_stalled",
            Self::UnservedMedia => "unserved_media",
            Self::MessageTooLarge => "message_too_large",
            Self::InvalidUtf8 => "invalid_utf8",
            Self::ProtocolError => "protocol_error",
            Self::TooManyMessages => "too_many_messages",
            Self::MessageTooSlow => "message_too_slow",
            Self::TooManyLongMessages => "too_many_long_messages",
        }
    }

    /// One plain sentence for whoever is at the other end of the call: without an address, a status or
    /// a name, which are the business of the agent's owner.
    pub const fn sentence(self) -> &'static str {
        match self {
            Self::BotAddressRefused => "The bot's address is not one that may be called.",
            Self::BotUnreachable => "The bot cannot be reached.",
            Self::BotInsecure => "There is no trusted TLS connection to the bot.",
            Self::BotTimeout => "The bot did not accept the call in time.",
            Self::BotRejected => "The bot did not accept the call.",
            Self::BotSecretUnset => "The secret that the agent names is not set on this server.",
            Self::BotSecretUnfit => "The bot's secret cannot be sent in a header.",
            Self::BotSilent => "The bot accepted the call and then sent nothing.",
            Self::BotClosed => "The bot has left the call.",
            Self::BotProtocolError => "The bot broke the WebSocket protocol.",
            Self::BotStalled => "The bot has stopped listening.",
            Self::UnservedMedia => "The codec, rate or channels of this call are not served.",
            Self::MessageTooLarge => "A frame or message may have at most 1 MiB.",
            Self::InvalidUtf8 => "A text message must be UTF-8.",
            Self::ProtocolError => "The frame breaks the WebSocket protocol.",
            Self::TooManyMessages => "More messages came than a call may send: 2,000 a second.",
            Self::MessageTooSlow => "A message was begun and not sent within its time.",
            Self::TooManyLongMessages => "Too many long messages are under way; send shorter ones.",
        }
    }

    /// The code of this text; `None` for any other text, such as the code of a newer server.
    pub fn from_code(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|code| code.as_str() == text)
    }

    /// Whether the agent's owner or the operator can mend it: a setting, or a bot. The others are
    /// faults of the peer.
    pub fn is_ours_to_mend(self) -> bool {
        self == Self::UnservedMedia || self.as_str().starts_with("bot_")
    }
}

/// Why a call failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cause {
    /// Which kind of failure it is.
    pub code: CauseCode,
    message: Cow<'static, str>,
}

impl Cause {
    /// What every close reason of a failed call begins with.
    const REASON: &str = "error: ";

    /// A failure of which nothing more is known.
    pub const fn of(code: CauseCode) -> Self {
        Self { code, message: Cow::Borrowed(code.sentence()) }
    }

    /// A failure in one sentence for the agent's owner.
    pub fn new(code: CauseCode, message: impl Into<Cow<'static, str>>) -> Self {
        Self { code, message: message.into() }
    }

    /// The sentence for the agent's owner: which address or stage, and what failed.
    pub fn message(&self) -> &str {
        &self.message
    }

    /// The reason of the close frame of a call that failed of this, for peers whose dialect has no
    /// word for an error: `error: CODE: SENTENCE`, within the 123 bytes that a close frame has.
    pub fn close_reason(code: CauseCode) -> String {
        format!("{}{}: {}", Self::REASON, code.as_str(), code.sentence())
    }

    /// The code in such a reason, of this server or of a newer one.
    pub fn code_in_reason(reason: &str) -> Option<&str> {
        let code = reason.strip_prefix(Self::REASON)?;
        let code = code.split_once(": ").map_or(code, |(code, _)| code);
        let is_code = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
        (!code.is_empty() && code.bytes().all(is_code)).then_some(code)
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.code.as_str(), self.message)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn every_code_is_found_by_its_text_and_has_a_sentence_of_its_own() {
        let sentences: HashSet<_> = CauseCode::ALL.map(CauseCode::sentence).into();
        assert_eq!(sentences.len(), CauseCode::ALL.len());
        for code in CauseCode::ALL {
            assert_eq!(CauseCode::from_code(code.as_str()), Some(code));
            assert!(code.sentence().ends_with('.'), "{code:?}");
        }
        assert_eq!(CauseCode::from_code("out_of_luck"), None);
    }

    #[test]
    fn the_documentation_has_every_code_and_its_sentence() {
        let docs = include_str!("../../docs/causes.md");
        for code in CauseCode::ALL {
            let row = format!("| `{}` | {} |", code.as_str(), code.sentence());
            assert!(docs.contains(&row), "docs/causes.md misses: {row}");
        }
    }

    #[test]
    fn a_close_frame_holds_every_reason_and_tells_its_code() {
        for code in CauseCode::ALL {
            let reason = Cause::close_reason(code);
            assert!(reason.len() <= 123, "{reason}");
            assert_eq!(Cause::code_in_reason(&reason), Some(code.as_str()));
        }
        assert_eq!(Cause::code_in_reason("error: newer_code"), Some("newer_code"));
        for other in ["", "error: ", "error: Not a code", "going away", "unserved_media"] {
            assert_eq!(Cause::code_in_reason(other), None, "{other}");
        }
    }

    #[test]
    fn a_setting_or_a_bot_can_be_mended_and_a_strange_peer_cannot() {
        assert!(CauseCode::BotStalled.is_ours_to_mend());
        assert!(CauseCode::UnservedMedia.is_ours_to_mend());
        assert!(!CauseCode::ProtocolError.is_ours_to_mend());
    }
}
