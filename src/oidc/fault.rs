//! What can go wrong with a provider: it does not answer, or what it answers proves nobody.
//!
//! The library's errors repeat what the provider says, and a provider may repeat a code or a token.
//! So a fault is made of our own words, of addresses, and of names that the standard fixes.

use std::borrow::Cow;

use openidconnect::{
    ClaimsVerificationError as Claims, DiscoveryError, RequestTokenError, StandardErrorResponse,
    UserInfoError, core::CoreErrorResponseType as Said,
};

use super::http::NoAnswer;

/// Why nobody has been proved to be anybody. `Display` is the cause, for the log.
#[derive(Debug, Clone, thiserror::Error)]
pub enum Fault {
    /// The provider does not answer as one.
    #[error("the provider cannot be reached: {0}")]
    Unreachable(Cow<'static, str>),
    /// It answers, and what it says proves nobody.
    #[error("the provider's answer is not valid: {0}")]
    Unproved(&'static str),
}

const SIGNATURE: &str = "an id token without a right signature";

impl Fault {
    pub(super) fn unreachable(why: impl Into<Cow<'static, str>>) -> Self {
        Self::Unreachable(why.into())
    }

    /// Whether other keys could make a difference.
    pub(super) fn is_about_the_signature(&self) -> bool {
        matches!(self, Self::Unproved(SIGNATURE))
    }
}

impl From<DiscoveryError<NoAnswer>> for Fault {
    fn from(error: DiscoveryError<NoAnswer>) -> Self {
        match error {
            DiscoveryError::Request(none) => Self::unreachable(none.to_string()),
            DiscoveryError::Response(status, ..) => {
                Self::unreachable(format!("what it says about itself is answered with {status}"))
            }
            // The most usual mistake in a setting: it says which issuer was expected.
            DiscoveryError::Validation(why) => Self::unreachable(why),
            _ => Self::unreachable("what it says about itself cannot be read"),
        }
    }
}

type TokenError = RequestTokenError<NoAnswer, StandardErrorResponse<Said>>;

impl From<TokenError> for Fault {
    fn from(error: TokenError) -> Self {
        Self::Unproved(match error {
            RequestTokenError::Request(none) => return Self::unreachable(none.to_string()),
            RequestTokenError::ServerResponse(said) => match said.error() {
                Said::InvalidClient => "invalid_client: the client's id or secret is not right",
                Said::InvalidGrant => "invalid_grant: the code is not good, or no longer",
                Said::InvalidRequest => "invalid_request",
                Said::InvalidScope => "invalid_scope",
                Said::UnauthorizedClient => "unauthorized_client",
                Said::UnsupportedGrantType => "unsupported_grant_type",
                Said::Extension(_) => "an error that the standard does not know",
            },
            _ => "an answer that holds no tokens",
        })
    }
}

impl From<Claims> for Fault {
    fn from(error: Claims) -> Self {
        Self::Unproved(match error {
            Claims::Expired(_) => "an id token that has expired",
            Claims::InvalidAudience(_) => "an id token for another client",
            Claims::InvalidIssuer(_) => "an id token of another provider",
            Claims::InvalidNonce(_) => "an id token of another sign-in",
            Claims::InvalidSubject(_) => "an id token without a good subject",
            Claims::SignatureVerification(_) => SIGNATURE,
            _ => "an id token that is not a good one",
        })
    }
}

impl From<UserInfoError<NoAnswer>> for Fault {
    fn from(error: UserInfoError<NoAnswer>) -> Self {
        match error {
            UserInfoError::Request(none) => Self::unreachable(none.to_string()),
            _ => Self::Unproved("what it tells about the person is not good"),
        }
    }
}
