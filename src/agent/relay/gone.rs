//! Why the bot is not there, or not there any more.

use std::{borrow::Cow, io};

use rustls::CertificateError;

use super::RelayUrl;
use crate::call::{Cause, CauseCode};

/// The last thing that is heard of a bot. It holds no address, header or word of the bot's; the first is
/// added by [`Gone::cause`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Gone {
    /// Its address may not be dialled, or leads nowhere that may be.
    Refused,
    /// No connection, or it ended before there was an answer.
    Unreachable(Unreached),
    /// There is no TLS there, or a certificate that is not trusted.
    Insecure(Untrusted),
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

/// Why there is no connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unreached {
    /// The name has no address; or none that may be called, which to an account's own users is the same.
    NoName,
    /// The name servers gave no answer in time, or did not a moment ago.
    NoLookUp,
    /// No program listens there.
    ConnectionRefused,
    /// No network leads there.
    NoRoute,
    /// The other side dropped the connection.
    HungUp,
    /// The operating system could not connect.
    Failed,
}

/// Why a connection is not secure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Untrusted {
    /// What answers there does not speak TLS.
    NoTls,
    /// The certificate's issuer is not trusted.
    UnknownIssuer,
    /// The certificate's time is over.
    Expired,
    /// The certificate's time has not come.
    NotYetValid,
    /// The certificate is for another name.
    WrongName,
    /// Another fault of the certificate.
    BadCertificate,
    /// The TLS handshake failed.
    Handshake,
}

impl From<&io::Error> for Unreached {
    fn from(error: &io::Error) -> Self {
        use io::ErrorKind as Kind;
        match error.kind() {
            Kind::ConnectionRefused => Self::ConnectionRefused,
            Kind::HostUnreachable | Kind::NetworkUnreachable | Kind::NetworkDown => Self::NoRoute,
            Kind::ConnectionReset
            | Kind::ConnectionAborted
            | Kind::BrokenPipe
            | Kind::UnexpectedEof => Self::HungUp,
            _ => Self::Failed,
        }
    }
}

impl From<&io::Error> for Untrusted {
    fn from(error: &io::Error) -> Self {
        use CertificateError as Bad;
        let cause = error.get_ref().and_then(|cause| cause.downcast_ref::<rustls::Error>());
        match cause {
            Some(rustls::Error::InvalidMessage(_)) => Self::NoTls,
            Some(rustls::Error::InvalidCertificate(bad)) => match bad {
                Bad::UnknownIssuer => Self::UnknownIssuer,
                Bad::Expired | Bad::ExpiredContext { .. } => Self::Expired,
                Bad::NotValidYet | Bad::NotValidYetContext { .. } => Self::NotYetValid,
                Bad::NotValidForName | Bad::NotValidForNameContext { .. } => Self::WrongName,
                _ => Self::BadCertificate,
            },
            _ => Self::Handshake,
        }
    }
}

impl Unreached {
    fn words(self) -> &'static str {
        match self {
            Self::NoName => "its name leads to no address that can be called",
            Self::NoLookUp => "its name could not be looked up in time",
            Self::ConnectionRefused => "connection refused",
            Self::NoRoute => "no route to the host",
            Self::HungUp => "it dropped the connection before it answered",
            Self::Failed => "the connection failed",
        }
    }
}

impl Untrusted {
    fn words(self) -> &'static str {
        match self {
            Self::NoTls => "it does not speak TLS at this port",
            Self::UnknownIssuer => "the issuer of its certificate is not trusted",
            Self::Expired => "its certificate has expired",
            Self::NotYetValid => "its certificate is not valid yet",
            Self::WrongName => "its certificate is for another name",
            Self::BadCertificate => "its certificate is not valid",
            Self::Handshake => "the TLS handshake failed",
        }
    }
}

impl Gone {
    /// What an account's own users learn of a name that they have chosen. That it leads into the server's
    /// own network and that it leads nowhere is one and the same to them: else they could find out, name by
    /// name, what there is inside.
    pub(super) fn of_a_name(self) -> Self {
        match self {
            Self::Refused => Self::Unreachable(Unreached::NoName),
            other => other,
        }
    }

    /// Stable, for programs.
    pub fn code(self) -> CauseCode {
        match self {
            Self::Refused => CauseCode::BotAddressRefused,
            Self::Unreachable(_) => CauseCode::BotUnreachable,
            Self::Insecure(_) => CauseCode::BotInsecure,
            Self::Timeout => CauseCode::BotTimeout,
            Self::Rejected(_) => CauseCode::BotRejected,
            Self::UnfitSecret => CauseCode::BotSecretUnfit,
            Self::NoFirstByte => CauseCode::BotSilent,
            Self::Closed(_) => CauseCode::BotClosed,
            Self::Protocol => CauseCode::BotProtocolError,
            Self::Stalled => CauseCode::BotStalled,
        }
    }

    /// Why the call fails, for the agent's owner: which bot, and what is wrong with it. Of its address
    /// there is the scheme, the host and the port, since people put tokens into the rest.
    pub fn cause(self, bot: &RelayUrl) -> Cause {
        let bot = bot.origin();
        let message: Cow<'static, str> = match self {
            Self::Refused => format!("The bot's address {bot} is not one that may be called."),
            Self::Unreachable(why) => {
                format!("The bot at {bot} cannot be reached: {}.", why.words())
            }
            Self::Insecure(why) => {
                format!("There is no trusted TLS connection to the bot at {bot}: {}.", why.words())
            }
            Self::Timeout => format!("The bot at {bot} did not accept the call in time."),
            Self::Rejected(status @ (401 | 403)) => format!(
                "The bot at {bot} did not accept the call: it answered {status}, so check its secret."
            ),
            Self::Rejected(status) => {
                format!("The bot at {bot} did not accept the call: it answered {status}.")
            }
            Self::UnfitSecret => {
                format!("The secret of the bot at {bot} cannot be sent in a header.")
            }
            Self::NoFirstByte => {
                format!("The bot at {bot} accepted the call and then sent nothing.")
            }
            Self::Closed(Some(code)) => format!("The bot at {bot} closed the call with {code}."),
            Self::Closed(None) => format!("The bot at {bot} dropped the connection."),
            Self::Protocol => format!("The bot at {bot} broke the WebSocket protocol."),
            Self::Stalled => format!("The bot at {bot} has stopped listening."),
        }
        .into();
        Cause::new(self.code(), message)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::{Gone::*, *};

    const ALL: [Gone; 13] = [
        Refused,
        Unreachable(Unreached::NoName),
        Unreachable(Unreached::ConnectionRefused),
        Insecure(Untrusted::UnknownIssuer),
        Timeout,
        Rejected(401),
        Rejected(503),
        UnfitSecret,
        NoFirstByte,
        Closed(None),
        Closed(Some(1011)),
        Protocol,
        Stalled,
    ];

    #[test]
    fn every_end_names_the_bot_and_has_a_sentence_of_its_own() {
        let bot: RelayUrl = "wss://bot.example.com:8443/s3cret?token=s3cret".parse().unwrap();
        let causes = ALL.map(|gone| gone.cause(&bot));
        let sentences: HashSet<_> = causes.iter().map(Cause::message).collect();
        assert_eq!(sentences.len(), ALL.len());
        for cause in &causes {
            let message = cause.message();
            assert!(message.contains("wss://bot.example.com:8443"), "{message}");
            assert!(message.ends_with('.') && !message.contains("s3cret"), "{message}");
        }
        let codes: HashSet<_> = causes.iter().map(|cause| cause.code).collect();
        assert_eq!(codes.len(), 10);
    }

    #[test]
    fn a_name_of_an_accounts_own_that_leads_inside_leads_nowhere() {
        assert_eq!(Refused.of_a_name(), Unreachable(Unreached::NoName));
        assert_eq!(Stalled.of_a_name(), Stalled);
    }

    #[test]
    fn what_the_operating_system_says_is_put_into_words() {
        let why = |kind: io::ErrorKind| Unreached::from(&io::Error::from(kind)).words();
        assert_eq!(why(io::ErrorKind::ConnectionRefused), "connection refused");
        assert_eq!(why(io::ErrorKind::UnexpectedEof), Unreached::HungUp.words());
        assert_eq!(why(io::ErrorKind::OutOfMemory), Unreached::Failed.words());
        let tls = |error| Untrusted::from(&io::Error::new(io::ErrorKind::InvalidData, error));
        let expired = rustls::Error::InvalidCertificate(CertificateError::Expired);
        assert_eq!(tls(expired), Untrusted::Expired);
        assert_eq!(tls(rustls::Error::HandshakeNotComplete), Untrusted::Handshake);
    }
}
