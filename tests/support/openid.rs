//! An OpenID provider of our own, on a free port of this machine, that can be told to lie.

use std::{
    collections::HashMap,
    net::TcpListener,
    sync::{Arc, Mutex, MutexGuard},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use actix_web::{
    App, HttpRequest, HttpResponse, HttpServer,
    dev::ServerHandle,
    rt,
    web::{self, Data, Form, Query},
};
use base64::{
    Engine as _,
    prelude::{BASE64_STANDARD, BASE64_URL_SAFE_NO_PAD as BASE64URL},
};
use ring::{
    hmac,
    rand::SystemRandom,
    signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _},
};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

pub const CLIENT_ID: &str = "upvoot-test";
pub const CLIENT_SECRET: &str = "a-client-secret-to-look-for";

/// What the token endpoint does instead of answering.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Instead {
    /// It redirects to itself, elsewhere.
    Redirects,
    /// It answers far too much.
    Floods,
    /// It never answers.
    Hangs,
    /// It fails.
    Fails,
    /// It answers something that is no answer, with the code in it.
    Babbles,
}

/// How the id token is signed.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Signed {
    Well,
    /// With a key that nobody knows, under the name of the one they do.
    ByAnother,
    /// Not at all.
    Not,
    /// With the secret that the client has too.
    WithTheSecret,
}

/// What the provider will say next.
#[derive(Clone)]
pub struct Says {
    /// Claims over the usual ones; `null` takes one away.
    pub claims: Value,
    pub signed: Signed,
    pub instead: Option<Instead>,
    /// What the userinfo endpoint tells, if it is to be asked.
    pub info: Value,
    /// The error it sends browsers back with.
    pub error: Option<&'static str>,
    /// Whether people have to press something, or are sent back at once.
    pub asks: bool,
    /// How long it says that the access token is good for.
    pub expires_in: Value,
    /// The name it sends browsers back with.
    pub iss: Option<&'static str>,
    /// Whether it promises to send its name.
    pub promises_iss: bool,
}

impl Default for Says {
    fn default() -> Self {
        Self {
            claims: json!({}),
            signed: Signed::Well,
            instead: None,
            info: json!({}),
            error: None,
            asks: false,
            expires_in: json!(300),
            iss: None,
            promises_iss: false,
        }
    }
}

/// A code that has been given out.
struct Given {
    challenge: String,
    nonce: String,
    redirect_uri: String,
}

struct State {
    says: Says,
    key: Key,
    codes: HashMap<String, Given>,
    /// How often the token endpoint was asked.
    asked: usize,
    /// Codes and tokens: what must be found nowhere.
    secrets: Vec<String>,
}

struct Key {
    pair: EcdsaKeyPair,
    kid: String,
}

impl Key {
    fn new(kid: &str) -> Self {
        let (random, algorithm) = (SystemRandom::new(), &ECDSA_P256_SHA256_FIXED_SIGNING);
        let pkcs8 = EcdsaKeyPair::generate_pkcs8(algorithm, &random).unwrap();
        let pair = EcdsaKeyPair::from_pkcs8(algorithm, pkcs8.as_ref(), &random).unwrap();
        Self { pair, kid: kid.to_owned() }
    }

    fn public(&self) -> Value {
        let (x, y) = self.pair.public_key().as_ref()[1..].split_at(32);
        let (x, y) = (BASE64URL.encode(x), BASE64URL.encode(y));
        json!({"kty": "EC", "crv": "P-256", "use": "sig", "kid": self.kid, "x": x, "y": y})
    }

    fn sign(&self, text: &str) -> Vec<u8> {
        self.pair.sign(&SystemRandom::new(), text.as_bytes()).unwrap().as_ref().to_vec()
    }
}

/// A running provider.
pub struct OpenId {
    pub issuer: String,
    pub port: u16,
    state: Shared,
    server: ServerHandle,
}

type Shared = Arc<Mutex<State>>;

impl OpenId {
    /// On a free port, under the name of this host.
    pub fn start(host: &str) -> Self {
        Self::on(host, 0)
    }

    /// On this port.
    pub fn on(host: &str, port: u16) -> Self {
        Self::with(&format!("http://{host}"), port, None)
    }

    /// Over TLS, with this certificate for `localhost`.
    pub fn over_tls(tls: rustls::ServerConfig) -> Self {
        Self::with("https://localhost", 0, Some(tls))
    }

    fn with(host: &str, port: u16, tls: Option<rustls::ServerConfig>) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", port)).unwrap();
        let port = listener.local_addr().unwrap().port();
        let issuer = format!("{host}:{port}");
        let state = State {
            says: Says::default(),
            key: Key::new("first"),
            codes: HashMap::new(),
            asked: 0,
            secrets: Vec::new(),
        };
        let state: Shared = Arc::new(Mutex::new(state));
        let (shared, own) = (state.clone(), issuer.clone());
        let server = HttpServer::new(move || {
            App::new()
                .app_data(Data::new(shared.clone()))
                .app_data(Data::new(Issuer(own.clone())))
                .route("/.well-known/openid-configuration", web::get().to(about))
                .route("/keys", web::get().to(keys))
                .route("/authorize", web::get().to(authorize))
                .route("/token", web::post().to(token))
                .route("/info", web::get().to(info))
        })
        .workers(1)
        .disable_signals()
        .shutdown_timeout(0);
        let server = match tls {
            Some(tls) => server.listen_rustls_0_23(listener, tls),
            None => server.listen(listener),
        }
        .unwrap()
        .run();
        let handle = server.handle();
        rt::spawn(server);
        Self { issuer, port, state, server: handle }
    }

    /// The settings of a server that signs people in here.
    pub fn env(&self) -> [(&str, &str); 3] {
        [
            ("UPVOOT_OIDC_ISSUER", &self.issuer),
            ("UPVOOT_OIDC_CLIENT_ID", CLIENT_ID),
            ("UPVOOT_OIDC_CLIENT_SECRET", CLIENT_SECRET),
        ]
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    pub fn will_say(&self, says: Says) {
        self.state().says = says;
    }

    /// These claims, well signed.
    pub fn will_claim(&self, claims: Value) {
        self.will_say(Says { claims, ..Says::default() });
    }

    /// New keys; what the old ones signed is worth nothing any more.
    pub fn rotate(&self) {
        self.state().key = Key::new("second");
    }

    /// How often it was asked for tokens.
    pub fn asked(&self) -> usize {
        self.state().asked
    }

    /// Every code and token it has given out.
    pub fn secrets(&self) -> Vec<String> {
        self.state().secrets.clone()
    }

    pub async fn stop(&self) {
        self.server.stop(false).await;
    }
}

struct Issuer(String);

async fn about(state: Data<Shared>, issuer: Data<Issuer>) -> HttpResponse {
    let issuer = &issuer.0;
    let promises_iss = state.lock().unwrap().says.promises_iss;
    HttpResponse::Ok().json(json!({
        "issuer": issuer,
        "authorization_endpoint": format!("{issuer}/authorize"),
        "token_endpoint": format!("{issuer}/token"),
        "userinfo_endpoint": format!("{issuer}/info"),
        "jwks_uri": format!("{issuer}/keys"),
        "response_types_supported": ["code"],
        "authorization_response_iss_parameter_supported": promises_iss,
        "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": ["ES256", "HS256", "none"],
    }))
}

async fn keys(state: Data<Shared>) -> HttpResponse {
    HttpResponse::Ok().json(json!({"keys": [state.lock().unwrap().key.public()]}))
}

async fn authorize(
    state: Data<Shared>,
    Query(asks): Query<HashMap<String, String>>,
) -> HttpResponse {
    let asked = |name: &str| asks.get(name).cloned().unwrap_or_default();
    assert_eq!((asked("response_type"), asked("client_id")), ("code".into(), CLIENT_ID.into()));
    assert_eq!(asked("scope"), "openid email");
    assert_eq!(asked("code_challenge_method"), "S256");
    assert!(asked("state").len() >= 20 && asked("nonce").len() >= 20);
    let mut state = state.lock().unwrap();
    let redirect_uri = asked("redirect_uri");
    let back = match state.says.error {
        Some(error) => format!("{redirect_uri}?error={error}&state={}", asked("state")),
        None => {
            let code = format!("code-to-look-for-{}", uuid::Uuid::now_v7().simple());
            let back = format!("{redirect_uri}?code={code}&state={}", asked("state"));
            state.secrets.push(code.clone());
            let (challenge, nonce) = (asked("code_challenge"), asked("nonce"));
            state.codes.insert(code, Given { challenge, nonce, redirect_uri });
            back
        }
    };
    let back = match state.says.iss {
        Some(iss) => format!("{back}&iss={}", iss.replace(':', "%3A").replace('/', "%2F")),
        None => back,
    };
    if state.says.asks {
        let page = format!(
            "<!doctype html><title>x</title><link rel=icon href=\"data:,\"><a href=\"{back}\">Continue</a>"
        );
        return HttpResponse::Ok().content_type("text/html").body(page);
    }
    HttpResponse::Found().insert_header(("location", back)).finish()
}

async fn token(
    request: HttpRequest,
    state: Data<Shared>,
    issuer: Data<Issuer>,
    Form(asks): Form<HashMap<String, String>>,
) -> HttpResponse {
    let says = {
        let mut state = state.lock().unwrap();
        state.asked += 1;
        state.says.clone()
    };
    let code = asks.get("code").cloned().unwrap_or_default();
    match says.instead {
        Some(Instead::Redirects) => {
            let to = format!("{}/token?code={code}", issuer.0);
            return HttpResponse::TemporaryRedirect().insert_header(("location", to)).finish();
        }
        Some(Instead::Floods) => return HttpResponse::Ok().body(vec![b' '; 4 << 20]),
        Some(Instead::Hangs) => rt::time::sleep(Duration::from_secs(60)).await,
        Some(Instead::Fails) => return HttpResponse::ServiceUnavailable().finish(),
        Some(Instead::Babbles) => {
            let error = json!({"error": code, "error_description": code, "error_uri": code});
            return HttpResponse::BadRequest().json(error);
        }
        None => {}
    }
    let credentials = BASE64_STANDARD.encode(format!("{CLIENT_ID}:{CLIENT_SECRET}"));
    let header = request.headers().get("authorization").and_then(|value| value.to_str().ok());
    assert_eq!(header, Some(&*format!("Basic {credentials}")));
    assert_eq!(asks.get("grant_type").map(String::as_str), Some("authorization_code"));
    let mut state = state.lock().unwrap();
    let verifier = asks.get("code_verifier").cloned().unwrap_or_default();
    let challenge = BASE64URL.encode(Sha256::digest(verifier));
    // A code is good once, for whoever asked for it.
    let given = state.codes.remove(&code).filter(|given| {
        given.challenge == challenge && asks.get("redirect_uri") == Some(&given.redirect_uri)
    });
    let Some(given) = given else {
        let error = json!({"error": "invalid_grant", "error_description": code});
        return HttpResponse::BadRequest().json(error);
    };
    let id_token = signed(&state.key, &issuer.0, &given.nonce, &says);
    let access_token = format!("access-to-look-for-{}", uuid::Uuid::now_v7().simple());
    state.secrets.extend([id_token.clone(), access_token.clone()]);
    HttpResponse::Ok().json(json!({
        "access_token": access_token,
        "token_type": "Bearer",
        "expires_in": says.expires_in,
        "id_token": id_token,
    }))
}

/// Tells more of the person to whoever has the newest access token.
async fn info(request: HttpRequest, state: Data<Shared>) -> HttpResponse {
    let state = state.lock().unwrap();
    let expected = format!("Bearer {}", state.secrets.last().unwrap());
    assert_eq!(request.headers().get("authorization").unwrap(), &*expected);
    let mut info = json!({"sub": "ada-at-the-provider"});
    info.as_object_mut().unwrap().extend(state.says.info.as_object().unwrap().clone());
    HttpResponse::Ok().json(info)
}

fn signed(key: &Key, issuer: &str, nonce: &str, says: &Says) -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    let mut claims = json!({
        "iss": issuer,
        "sub": "ada-at-the-provider",
        "aud": CLIENT_ID,
        "exp": now + 300,
        "iat": now,
        "nonce": nonce,
        "email": "ada@example.com",
        "email_verified": true,
    });
    let claims_object = claims.as_object_mut().unwrap();
    claims_object.extend(says.claims.as_object().unwrap().clone());
    claims_object.retain(|_, value| !value.is_null());
    let algorithm = match says.signed {
        Signed::Well | Signed::ByAnother => "ES256",
        Signed::Not => "none",
        Signed::WithTheSecret => "HS256",
    };
    let head = json!({"alg": algorithm, "typ": "JWT", "kid": key.kid});
    let part = |value: &Value| BASE64URL.encode(value.to_string());
    let text = format!("{}.{}", part(&head), part(&claims));
    let signature = match says.signed {
        Signed::Well => key.sign(&text),
        Signed::ByAnother => Key::new(&key.kid).sign(&text),
        Signed::Not => Vec::new(),
        Signed::WithTheSecret => {
            let key = hmac::Key::new(hmac::HMAC_SHA256, CLIENT_SECRET.as_bytes());
            hmac::sign(&key, text.as_bytes()).as_ref().to_vec()
        }
    };
    format!("{text}.{}", BASE64URL.encode(signature))
}
