//! The other service that says who somebody is: an OpenID provider, as its client sees it.
//!
//! [`Provider::depart`] says where to send a browser and what to remember meanwhile,
//! [`Provider::person`] turns the code it comes back with into a [`Person`] whose every claim the
//! provider has signed. Whether that person may come in is decided in `auth`; users, cookies and pages
//! are not known here. Code, tokens and the client's secret leave for the provider and for nowhere
//! else: a [`Fault`] is made of our own words and of names that the standard fixes.

mod discovery;
mod fault;
mod http;
mod issuer;
mod metadata;
mod tokens;

use std::time::{Duration, SystemTime};

use openidconnect::{
    AccessToken, AuthType, AuthenticationFlow, AuthorizationCode, ClientId, ClientSecret,
    CsrfToken, EmptyAdditionalClaims, EndpointMaybeSet, EndpointNotSet, EndpointSet, Nonce,
    OAuth2TokenResponse, PkceCodeChallenge, PkceCodeVerifier, RedirectUrl, Scope,
    StandardErrorResponse, SubjectIdentifier, TokenResponse,
    core::{
        CoreAuthDisplay, CoreAuthPrompt, CoreClientAuthMethod, CoreErrorResponseType,
        CoreGenderClaim, CoreIdTokenClaims, CoreJsonWebKey, CoreJweContentEncryptionAlgorithm,
        CoreJwsSigningAlgorithm as Alg, CoreResponseType, CoreRevocableToken,
        CoreRevocationErrorResponse, CoreTokenIntrospectionResponse, CoreUserInfoClaims,
    },
};
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

pub use fault::Fault;
pub use issuer::Issuer;

use discovery::{Discovery, Found};
use http::Http;
use tokens::Tokens;

/// How id tokens may be signed: with a key that only the provider has. `none` and the shared secret
/// (HS256) are not among them.
const SIGNED_WITH: [Alg; 9] = [
    Alg::RsaSsaPkcs1V15Sha256,
    Alg::RsaSsaPkcs1V15Sha384,
    Alg::RsaSsaPkcs1V15Sha512,
    Alg::RsaSsaPssSha256,
    Alg::RsaSsaPssSha384,
    Alg::RsaSsaPssSha512,
    Alg::EcdsaP256Sha256,
    Alg::EcdsaP384Sha384,
    Alg::EdDsa,
];

/// How long an id token is taken after it has expired: the provider's clock may be that much behind.
const LEEWAY: Duration = Duration::from_secs(30);

/// Who we are to the provider.
#[derive(Clone)]
pub struct Settings {
    /// The provider.
    pub issuer: Issuer,
    /// Our name there.
    pub client_id: String,
    /// What proves that it is us.
    pub client_secret: SecretString,
    /// Where browsers come back to.
    pub redirect_uri: String,
    /// Whether an address counts as verified where the provider does not say whether it is.
    pub trust_unverified_email: bool,
}

/// The provider; one for the whole node, since it remembers what it has discovered.
pub struct Provider {
    settings: Settings,
    http: Http,
    discovery: Discovery,
}

/// What has to be remembered while somebody is away at the provider: for their browser alone.
#[derive(Serialize, Deserialize)]
pub struct Attempt {
    /// What the browser has to come back with.
    pub state: String,
    nonce: String,
    verifier: String,
}

/// Who came back, as the provider has signed it.
pub struct Person {
    /// Who says so.
    pub issuer: String,
    /// The SHA-256 of what the provider calls them: whatever their address is, it stays the same.
    pub subject: [u8; 32],
    /// Their e-mail address, if the provider tells it.
    pub email: Option<String>,
    /// Whether the provider has made sure that the address is theirs.
    pub email_is_verified: bool,
}

type Client = openidconnect::Client<
    EmptyAdditionalClaims,
    CoreAuthDisplay,
    CoreGenderClaim,
    CoreJweContentEncryptionAlgorithm,
    CoreJsonWebKey,
    CoreAuthPrompt,
    StandardErrorResponse<CoreErrorResponseType>,
    Tokens,
    CoreTokenIntrospectionResponse,
    CoreRevocableToken,
    CoreRevocationErrorResponse,
    EndpointSet,
    EndpointNotSet,
    EndpointNotSet,
    EndpointNotSet,
    EndpointMaybeSet,
    EndpointMaybeSet,
>;

impl Provider {
    /// Asks nobody anything yet, so that a provider that is away keeps no server from starting.
    pub fn new(settings: Settings) -> Self {
        let discovery = Discovery::of(settings.issuer.clone());
        Self { settings, http: Http, discovery }
    }

    /// Where to send a browser, and what to remember until it comes back.
    ///
    /// # Errors
    /// [`Fault::Unreachable`].
    pub async fn depart(&self) -> Result<(String, Attempt), Fault> {
        let found = self.discovery.get(&self.http, None).await?;
        let client = self.client(&found)?;
        let (challenge, verifier) = PkceCodeChallenge::new_random_sha256();
        let flow = AuthenticationFlow::<CoreResponseType>::AuthorizationCode;
        let (url, state, nonce) = client
            .authorize_url(flow, CsrfToken::new_random, Nonce::new_random)
            .add_scope(Scope::new("email".to_owned()))
            .set_pkce_challenge(challenge)
            .url();
        let attempt = Attempt {
            state: state.into_secret(),
            nonce: nonce.secret().clone(),
            verifier: verifier.into_secret(),
        };
        Ok((url.into(), attempt))
    }

    /// Whether a browser comes back from this provider: `iss` is the name it comes back with, which it
    /// must have where the provider promises it (RFC 9207), and which is no other in any case.
    ///
    /// # Errors
    /// [`Fault`].
    pub async fn came_from_here(&self, iss: Option<&str>) -> Result<(), Fault> {
        let found = self.discovery.get(&self.http, None).await?;
        let promises = found.metadata.additional_metadata();
        match iss {
            Some(iss) if iss == self.settings.issuer.as_str() => Ok(()),
            Some(_) => Err(Fault::Unproved("the browser comes back from another provider")),
            None if promises.authorization_response_iss_parameter_supported => {
                Err(Fault::Unproved("the browser does not say which provider it comes from"))
            }
            None => Ok(()),
        }
    }

    /// Who has come back with this code.
    ///
    /// # Errors
    /// [`Fault`].
    pub async fn person(&self, code: String, attempt: Attempt) -> Result<Person, Fault> {
        let found = self.discovery.get(&self.http, None).await?;
        let client = self.client(&found)?;
        let tokens = client
            .exchange_code(AuthorizationCode::new(code))
            .map_err(|_| Fault::unreachable("it names no token endpoint"))?
            .set_pkce_verifier(PkceCodeVerifier::new(attempt.verifier))
            .request_async(&self.http)
            .await?;
        let (nonce, ours) = (Nonce::new(attempt.nonce), self.settings.client_id.as_str());
        let claims = match verified(&client, ours, &tokens, &nonce) {
            // It may have got new keys since they were read.
            Err(fault) if fault.is_about_the_signature() => {
                let found = self.discovery.get(&self.http, Some(found.at)).await?;
                verified(&self.client(&found)?, ours, &tokens, &nonce)?
            }
            verified => verified?,
        };
        let subject = claims.subject().clone();
        let told = match claims.email() {
            Some(email) => (Some(email.to_string()), claims.email_verified()),
            // A provider may tell it to whoever has the access token only.
            None => match self.told(&client, tokens.access_token(), &subject).await? {
                Some(info) => (info.email().map(|email| email.to_string()), info.email_verified()),
                None => (None, None),
            },
        };
        Ok(Person {
            issuer: self.settings.issuer.as_str().to_owned(),
            subject: Sha256::digest(subject.as_bytes()).into(),
            email: told.0,
            // A plain no is believed in any case.
            email_is_verified: told.1.unwrap_or(self.settings.trust_unverified_email),
        })
    }

    /// What the provider tells about this person besides the id token; `None`: it has no place for it.
    async fn told(
        &self,
        client: &Client,
        token: &AccessToken,
        subject: &SubjectIdentifier,
    ) -> Result<Option<CoreUserInfoClaims>, Fault> {
        let Ok(asking) = client.user_info(token.clone(), Some(subject.clone())) else {
            return Ok(None);
        };
        Ok(Some(asking.request_async(&self.http).await?))
    }

    fn client(&self, found: &Found) -> Result<Client, Fault> {
        let redirect = RedirectUrl::new(self.settings.redirect_uri.clone())
            .map_err(|_| Fault::unreachable("UPVOOT_PUBLIC_URL cannot be returned to"))?;
        let secret = self.settings.client_secret.expose_secret().to_owned();
        let client = Client::from_provider_metadata(
            found.metadata.clone(),
            ClientId::new(self.settings.client_id.clone()),
            Some(ClientSecret::new(secret)),
        )
        .set_redirect_uri(redirect);
        // Where a provider says nothing it takes the header, by the standard.
        let ways = found.metadata.token_endpoint_auth_methods_supported();
        let header =
            ways.is_none_or(|ways| ways.contains(&CoreClientAuthMethod::ClientSecretBasic));
        Ok(client.set_auth_type(if header { AuthType::BasicAuth } else { AuthType::RequestBody }))
    }
}

/// The claims of the id token, once signature, issuer, audience, expiry and nonce are right.
///
/// A provider may name further audiences; then, and wherever it names the party that the token was issued
/// to, that has to be us.
fn verified(
    client: &Client,
    client_id: &str,
    tokens: &Tokens,
    nonce: &Nonce,
) -> Result<CoreIdTokenClaims, Fault> {
    let token = tokens.id_token().ok_or(Fault::Unproved("no id token"))?;
    let verifier = client
        .id_token_verifier()
        .set_allowed_algs(SIGNED_WITH)
        .set_other_audience_verifier_fn(|_| true)
        .set_time_fn(|| (SystemTime::now() - LEEWAY).into());
    let claims = token.claims(&verifier, nonce)?;
    let party = claims.authorized_party().map(|party| party.as_str());
    if party.is_some_and(|party| party != client_id)
        || (party.is_none() && claims.audiences().len() > 1)
    {
        return Err(Fault::Unproved("an id token for another client"));
    }
    Ok(claims.clone())
}
