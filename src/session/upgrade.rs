//! `GET /voice/<key>`: the decision before the upgrade, in the order of the public table.
//!
//! The raw key lives in the request and, for the length of a hash, in [`PlainKey`]; nothing here
//! prints, logs or keeps it. What a key may do is decided by `admission`; what follows the upgrade
//! is [`super::actor`]'s.

use std::{
    net::IpAddr,
    sync::{Arc, Weak},
    time::Duration,
};

use actix_web::{
    HttpRequest, HttpResponse,
    http::header::{self, HeaderValue},
    web,
};
use actix_web_actors::ws::WsResponseBuilder;
use tokio::time::timeout;
use tracing::Span;

use super::{
    Voice,
    actor::VoiceSession,
    frames::{Found, Guarded},
    handshake::{self, Handshake},
    knocks::Knock,
    room::Place,
    signed,
    watch::Watch,
};
use crate::{
    admission::{self, Admitted, Ask, Intent, NewCall, Proof, Refusal, Verdict},
    agent::profile::Engine,
    attempts::network,
    client_addr::client_ip,
    clock::wall_ms,
    dialect::{
        detect::{Hints, Subprotocol},
        reassembly::MOST_BYTES,
    },
    id::OwnedKey,
    key::{KeyHash, PlainKey},
    listener::socket::PeerSocket,
    live::Subject,
    metrics,
    problem::{Code, Problem},
    store::StoreError,
    telemetry::access::RequestId,
};

/// How long the database may take to say whether a call is admitted; then the answer is no.
const PATIENCE: Duration = Duration::from_secs(5);
/// The reason under which refusals are counted because too many calls of a key came to nothing; the
/// answer is the same as for too many calls at once.
const TOO_MANY_UNRECOGNISED: &str = "too_many_unrecognised";

/// Answers one request for a call.
pub async fn voice(
    request: HttpRequest,
    payload: web::Payload,
    voice: web::Data<Voice>,
) -> HttpResponse {
    let hash = match raw_key(&request) {
        Some(key) => key.hash(),
        None => return turn_away(&voice, &request, Code::InvalidKey, None),
    };
    if let Some(key) = voice.registry.is_revoked(&hash) {
        return turn_away(&voice, &request, Code::KeyRevoked, Some(key));
    }
    if voice.store.knows_no_key(&hash) {
        return turn_away(&voice, &request, Code::InvalidKey, None);
    }
    let handshake = handshake::judge(request.method(), request.version(), request.headers());
    let draining = voice.registry.is_draining();
    let too_many = voice.knocks.are_too_many(&hash);
    let good = matches!(handshake, Handshake::Good);
    let admit = good && !draining && !too_many && has_descriptors(&request);
    // Counts, unless the call is refused or recognised: also when the client goes away meanwhile.
    let mut knock = voice.knocks.knock(hash);
    if !admit {
        knock.answered();
    }
    let proof = signed::proof(&request, voice.public_address.as_deref());
    match decide(&voice, hash, admit, proof).await {
        Err(_) => {
            knock.answered();
            refuse(Code::Unavailable)
        }
        Ok(Verdict::Refused(refusal, key)) => {
            knock.answered();
            if let (Refusal::KeyRevoked, Some(key)) = (refusal, key) {
                voice.registry.remember_revoked(hash, key);
            }
            turn_away(&voice, &request, code(refusal), key)
        }
        Ok(Verdict::WouldAdmit(key)) if too_many => {
            note_refusal(&voice, &request, key, TOO_MANY_UNRECOGNISED);
            refuse(Code::TooManyCalls)
        }
        Ok(Verdict::WouldAdmit(key)) => {
            let code = match handshake {
                Handshake::NoUpgrade | Handshake::WrongVersion => Code::UpgradeRequired,
                Handshake::Bad => Code::BadHandshake,
                Handshake::Good if draining => Code::Draining,
                Handshake::Good => Code::Unavailable,
            };
            note_refusal(&voice, &request, key, code.as_str());
            match handshake {
                Handshake::WrongVersion => answer(wrong_version(), code),
                _ => refuse(code),
            }
        }
        Ok(Verdict::Admitted(admitted)) => begin(voice, &request, payload, admitted, knock).0,
    }
}

/// Keeps descriptors for a call on this connection; false when none are left for another one.
pub(super) fn has_descriptors(request: &HttpRequest) -> bool {
    request.conn_data::<Arc<PeerSocket>>().is_none_or(|socket| socket.begin_call().is_ok())
}

/// What the handshake tells of the peer's dialect.
fn hints(request: &HttpRequest) -> Hints {
    let headers = request.headers().iter();
    let readable = headers.filter_map(|(name, value)| Some((name.as_str(), value.to_str().ok()?)));
    Hints::from_headers(readable, request.uri().query())
}

/// The key in the raw, undecoded path: everything after `/voice/` has to be one canonical key.
fn raw_key(request: &HttpRequest) -> Option<PlainKey> {
    let text = request.uri().path().strip_prefix("/voice/")?;
    PlainKey::parse(text.as_bytes()).ok()
}

/// Refuses, unless this address has had its share of refusals: then that is what it is told.
fn turn_away(
    voice: &Voice,
    request: &HttpRequest,
    code: Code,
    key: Option<OwnedKey>,
) -> HttpResponse {
    if let Some(key) = key {
        note_refusal(voice, request, key, code.as_str());
    }
    let counts = matches!(
        code,
        Code::InvalidKey | Code::InvalidSignature | Code::KeyRevoked | Code::AgentDisabled
    );
    if counts && !voice.attempts.allow(network(client(voice, request)), voice.clock.now()) {
        return refuse(Code::TooManyAttempts);
    }
    refuse(code)
}

/// Counts a refused call of a known key, for those who wonder why their calls do not come in.
fn note_refusal(voice: &Voice, request: &HttpRequest, key: OwnedKey, code: &'static str) {
    voice.ledger.refused(key, code, client(voice, request).to_string(), wall_ms());
}

fn client(voice: &Voice, request: &HttpRequest) -> IpAddr {
    client_ip(request.peer_addr(), request.headers(), &voice.proxies)
}

pub(super) fn refuse(code: Code) -> HttpResponse {
    answer(code.response(), code)
}

pub(super) fn answer(response: HttpResponse, code: Code) -> HttpResponse {
    metrics::upgrade(code.as_str());
    response
}

/// A 426 that names the version we speak.
pub(super) fn wrong_version() -> HttpResponse {
    let version = HeaderValue::from_static("13");
    Problem::from(Code::UpgradeRequired).header(header::SEC_WEBSOCKET_VERSION, version).response()
}

pub(super) fn code(refusal: Refusal) -> Code {
    match refusal {
        Refusal::InvalidKey => Code::InvalidKey,
        Refusal::InvalidTicket => Code::InvalidTicket,
        Refusal::KeyRevoked => Code::KeyRevoked,
        Refusal::AgentDisabled => Code::AgentDisabled,
        Refusal::InvalidSignature => Code::InvalidSignature,
        Refusal::InsufficientPoints => Code::InsufficientPoints,
        Refusal::TooManyCalls => Code::TooManyCalls,
    }
}

/// Asks the database, and fails closed after [`PATIENCE`]. A call that is admitted all the same, or
/// whose client has gone by then, is settled for nothing by the claim that nobody takes.
async fn decide(
    voice: &Voice,
    hash: KeyHash,
    admit: bool,
    proof: Proof,
) -> Result<Verdict, StoreError> {
    let intent = if admit { Intent::Admit(new_call(voice)) } else { Intent::Probe };
    in_time(admission::ask(&voice.store, Ask { hash, intent, proof })).await
}

/// The call that the asker wants to start.
pub(super) fn new_call(voice: &Voice) -> NewCall {
    NewCall { node_id: voice.node_id, now_ms: wall_ms(), unclaimed: Arc::clone(&voice.unclaimed) }
}

/// The verdict, or no verdict after [`PATIENCE`].
pub(super) async fn in_time(
    asking: impl Future<Output = Result<Verdict, StoreError>>,
) -> Result<Verdict, StoreError> {
    let verdict = timeout(PATIENCE, asking)
        .await
        .unwrap_or_else(|elapsed| Err(StoreError::Unavailable(elapsed.into())));
    if let Err(error) = &verdict {
        tracing::error!(%error, "call refused: key could not be checked");
    }
    verdict
}

/// What every line about the call is logged with; the request's line has the same `request.id`.
fn span(request: &HttpRequest, admitted: &Admitted) -> Span {
    let span = tracing::info_span!(
        "call",
        call.id = %admitted.call_id,
        request.id = tracing::field::Empty,
        key.suffix = tracing::field::Empty,
        agent.id = %admitted.agent.id,
    );
    if let Some(id) = RequestId::of(request) {
        span.record("request.id", tracing::field::display(id));
    }
    if let Some((_, suffix)) = admitted.key {
        span.record("key.suffix", tracing::field::display(suffix));
    }
    span
}

/// Upgrades, and starts the call's actor. The watch is there as long as the call is.
pub(super) fn begin(
    voice: web::Data<Voice>,
    request: &HttpRequest,
    payload: web::Payload,
    admitted: Admitted,
    knock: Knock,
) -> (HttpResponse, Weak<Watch>) {
    let socket = request.conn_data::<Arc<PeerSocket>>();
    if let Some(socket) = socket
        && admitted.agent.engine != Engine::Relay
    {
        socket.needs_no_bot();
    }
    let subject = Subject {
        call_id: admitted.call_id,
        account_id: admitted.account_id,
        agent_id: admitted.agent.id,
        key_id: admitted.key.map(|(id, _)| id),
    };
    let watch = Arc::new(Watch::new(
        admitted.call_id,
        admitted.account_id,
        voice.clock,
        voice.ledger.clone(),
        socket.map(Arc::downgrade).unwrap_or_default(),
        span(request, &admitted),
        voice.hub.open(subject),
    ));
    let live = Arc::downgrade(&watch);
    let place = Place::new(Arc::clone(&voice.room), admitted.account_id);
    let violation = Found::default();
    let guarded = Guarded::new(payload, place, violation.clone());
    let hints = hints(request);
    let session = VoiceSession::new(voice.into_inner(), admitted, watch, violation, knock, hints);
    metrics::upgrade("admitted");
    let upgraded = WsResponseBuilder::new(session, request, guarded)
        .protocols(&Subprotocol::TOKENS)
        .frame_size(MOST_BYTES)
        .start();
    let answer = upgraded.unwrap_or_else(|_| {
        // Whatever is refused here is refused by our own judgement too, before the call is admitted;
        // if not, dropping the session has settled the call.
        refuse(Code::BadHandshake)
    });
    (answer, live)
}
