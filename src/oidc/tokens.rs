//! What the provider gives for a code: an id token, and an access token to ask for more with.
//!
//! The library's own type wants all that the standard describes to be of the standard's types, and some
//! providers write `expires_in` as a text or `scope` as a list. Here is what we use; nothing else is read.

use std::time::Duration;

use openidconnect::{
    AccessToken, EmptyAdditionalClaims, OAuth2TokenResponse, RefreshToken, Scope, TokenResponse,
    TokenType,
    core::{
        CoreGenderClaim, CoreIdToken, CoreJweContentEncryptionAlgorithm, CoreJwsSigningAlgorithm,
    },
};
use serde::{Deserialize, Serialize};

/// The answer of a token endpoint.
#[derive(Debug, Deserialize, Serialize)]
pub struct Tokens {
    access_token: AccessToken,
    token_type: Type,
    id_token: Option<CoreIdToken>,
}

/// How the access token is to be used: `Bearer`, in whatever case.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
pub struct Type(String);

impl TokenType for Type {}

impl OAuth2TokenResponse for Tokens {
    type TokenType = Type;

    fn access_token(&self) -> &AccessToken {
        &self.access_token
    }

    fn token_type(&self) -> &Type {
        &self.token_type
    }

    fn expires_in(&self) -> Option<Duration> {
        None
    }

    fn refresh_token(&self) -> Option<&RefreshToken> {
        None
    }

    fn scopes(&self) -> Option<&Vec<Scope>> {
        None
    }
}

impl
    TokenResponse<
        EmptyAdditionalClaims,
        CoreGenderClaim,
        CoreJweContentEncryptionAlgorithm,
        CoreJwsSigningAlgorithm,
    > for Tokens
{
    fn id_token(&self) -> Option<&CoreIdToken> {
        self.id_token.as_ref()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_used_may_be_written_in_any_way() {
        for more in [
            "",
            r#","expires_in":3599"#,
            r#","expires_in":"3599""#,
            r#","expires_in":null,"refresh_token":1"#,
            r#","scope":["openid","email"]"#,
        ] {
            let answer = format!(r#"{{"access_token":"a","token_type":"Bearer"{more}}}"#);
            let tokens: Tokens = serde_json::from_str(&answer).unwrap();
            assert_eq!(tokens.access_token().secret(), "a");
        }
        assert!(serde_json::from_str::<Tokens>(r#"{"token_type":"Bearer"}"#).is_err());
    }
}
