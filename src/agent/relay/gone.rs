//! Why the bot is not there, or not there any more.

/// The last thing that is heard of a bot. Each has a code for programs and a sentence for people;
/// neither holds an address, a header or a word of the bot's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Gone {
    /// Its address may not be dialled, or leads nowhere that may be.
    Refused,
    /// Nobody can be reached there.
    Unreachable,
    /// There is no TLS there, or a certificate that is not trusted.
    Insecure,
    /// It was not connected within the time for it.
    Timeout,
    /// It answered the upgrade with this status instead of 101. Redirections are not followed.
    Rejected(u16),
    /// Its secret has characters that no header can carry.
    UnfitSecret,
    /// It was connected and then sent nothing within the time for it.
    NoFirstByte,
    /// It closed, with this code, or dropped the connection, without one.
    Closed(Option<u16>),
    /// It broke the WebSocket protocol, or sent more than 1 MiB at once.
    Protocol,
    /// It stopped reading, or answering pings.
    Stalled,
}

impl Gone {
    /// What an account's own users learn of a name that they have chosen. That it leads into the server's
    /// own network and that it leads nowhere is one and the same to them: else they could find out, name by
    /// name, what there is inside.
    pub(super) fn of_a_name(self) -> Self {
        match self {
            Self::Refused => Self::Unreachable,
            other => other,
        }
    }

    /// Stable, for programs.
    pub fn code(self) -> &'static str {
        match self {
            Self::Refused => "bot_address_refused",
            Self::Unreachable => "bot_unreachable",
            Self::Insecure => "bot_insecure",
            Self::Timeout => "bot_timeout",
            Self::Rejected(_) => "bot_rejected",
            Self::UnfitSecret => "bot_secret_unfit",
            Self::NoFirstByte => "bot_silent",
            Self::Closed(_) => "bot_closed",
            Self::Protocol => "bot_protocol_error",
            Self::Stalled => "bot_stalled",
        }
    }

    /// One plain sentence, for people.
    pub fn message(self) -> &'static str {
        match self {
            Self::Refused => "The bot's address is not one that may be called.",
            Self::Unreachable => "The bot cannot be reached.",
            Self::Insecure => "There is no trusted TLS connection to the bot.",
            Self::Timeout => "The bot did not accept the call in time.",
            Self::Rejected(_) => "The bot did not accept the call.",
            Self::UnfitSecret => "The bot's secret cannot be sent in a header.",
            Self::NoFirstByte => "The bot accepted the call and then sent nothing.",
            Self::Closed(_) => "The bot has left the call.",
            Self::Protocol => "The bot broke the WebSocket protocol.",
            Self::Stalled => "The bot has stopped listening.",
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::Gone::*;

    #[test]
    fn every_end_has_a_code_and_a_sentence_of_its_own() {
        let all = [
            Refused,
            Unreachable,
            Insecure,
            Timeout,
            Rejected(401),
            UnfitSecret,
            NoFirstByte,
            Closed(None),
            Protocol,
            Stalled,
        ];
        let codes: HashSet<_> = all.iter().map(|gone| gone.code()).collect();
        let sentences: HashSet<_> = all.iter().map(|gone| gone.message()).collect();
        assert_eq!((codes.len(), sentences.len()), (all.len(), all.len()));
        assert!(sentences.iter().all(|sentence| sentence.ends_with('.')));
    }
}
