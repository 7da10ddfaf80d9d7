//! What an upgrade request brings to prove that a provider sent it.
//!
//! Which agents ask for it, and with which secret, is known only when the key has been looked up, so
//! the pieces travel to where that happens. One of them is the path, which is the key: it is wiped
//! when it is dropped, and nothing here prints it.

use actix_web::{
    HttpRequest,
    http::header::{self, HeaderMap},
};
use zeroize::Zeroizing;

use crate::{
    admission::Proof,
    agent::profile::{Signature, SignatureProvider},
    signature::{self, SignedUrl, TwilioAlgorithm},
};

const TWILIO: &str = "x-twilio-signature";
const TWILIO_SETTINGS: &str = "x-twilio-webhooks-signature-settings";
const PLIVO: &str = "x-plivo-signature-v3";
const PLIVO_NONCE: &str = "x-plivo-signature-v3-nonce";

struct Signed {
    /// Hosts that the provider may have dialled: the public one as it is set, and the request's.
    authorities: Vec<String>,
    /// The path of the public address, if it has one.
    prefix: String,
    path: Zeroizing<String>,
    query: Option<Zeroizing<String>>,
    twilio: Option<(Vec<u8>, TwilioAlgorithm)>,
    plivo: Option<(Vec<u8>, Vec<u8>)>,
}

/// Whether this request is signed as an agent asks for. `public` is the host that providers dial, and a
/// path where there is one, where the operator has set it.
pub fn proof(request: &HttpRequest, public: Option<&str>) -> Proof {
    let headers = request.headers();
    let settings = value(headers, TWILIO_SETTINGS).unwrap_or_default();
    let twilio = value(headers, TWILIO).zip(TwilioAlgorithm::from_settings(&settings));
    let plivo = value(headers, PLIVO).zip(value(headers, PLIVO_NONCE));
    if twilio.is_none() && plivo.is_none() {
        return Proof::default();
    }
    let host = headers.get(header::HOST).and_then(|host| host.to_str().ok());
    let uri = request.uri();
    let public =
        public.map(|public| public.find('/').map_or((public, ""), |at| public.split_at(at)));
    let (public, prefix) = public.unzip();
    let signed = Signed {
        authorities: public.into_iter().chain(host).map(str::to_owned).collect(),
        prefix: prefix.unwrap_or_default().to_owned(),
        path: Zeroizing::new(uri.path().to_owned()),
        query: uri.query().map(|query| Zeroizing::new(query.to_owned())),
        twilio,
        plivo,
    };
    Proof::new(move |asked| signed.proves(asked))
}

fn value(headers: &HeaderMap, name: &str) -> Option<Vec<u8>> {
    headers.get(name).map(|value| value.as_bytes().to_vec())
}

impl Signed {
    fn proves(&self, asked: &Signature) -> bool {
        let Ok(secret) = asked.secret.resolve() else {
            tracing::error!(secret = %asked.secret, "a secret that an agent names is not set");
            return false;
        };
        self.authorities.iter().any(|authority| {
            let query = self.query.as_ref().map(|query| query.as_str());
            let url = SignedUrl { authority, prefix: &self.prefix, path: &self.path, query };
            match asked.provider {
                SignatureProvider::Twilio => {
                    let signed = self.twilio.as_ref();
                    signed.is_some_and(|(by, how)| signature::twilio(&secret, url, by, *how))
                }
                SignatureProvider::Plivo => self
                    .plivo
                    .as_ref()
                    .is_some_and(|(by, nonce)| signature::plivo(&secret, url, nonce, by)),
            }
        })
    }
}
