//! What the provider says about itself: its addresses and its keys, asked for when first needed.
//!
//! It is kept for an hour and read again when a signature is made with a key that is not among them. A
//! provider that is away is asked once in a few seconds, by one request for all who wait.

use std::time::{Duration, Instant};

use tokio::sync::Mutex;

use super::{Fault, Issuer, http::Http, metadata::Metadata};

/// How long it is believed.
const GOOD_FOR: Duration = Duration::from_secs(3600);
/// How long a provider is left alone after it has failed.
const PAUSE: Duration = Duration::from_secs(2);
/// How long both answers may take together.
const ALLOWED: Duration = Duration::from_secs(8);

/// What has been found out.
#[derive(Clone)]
pub struct Found {
    pub metadata: Metadata,
    /// When it was asked for.
    pub at: Instant,
}

/// What is known of one provider.
pub struct Discovery {
    issuer: Issuer,
    /// Held while it is asked, so that the others wait for the same answer.
    last: Mutex<Option<(Instant, Result<Metadata, Fault>)>>,
}

impl Discovery {
    pub fn of(issuer: Issuer) -> Self {
        Self { issuer, last: Mutex::new(None) }
    }

    /// What it says about itself; asked for after `older`, if that is given.
    pub async fn get(&self, http: &Http, older: Option<Instant>) -> Result<Found, Fault> {
        let mut last = self.last.lock().await;
        if let Some((at, result)) = &*last {
            let good_for = if result.is_ok() { GOOD_FOR } else { PAUSE };
            if at.elapsed() < good_for && older.is_none_or(|older| *at > older) {
                let metadata = result.clone()?;
                return Ok(Found { metadata, at: *at });
            }
        }
        let asking = Metadata::discover_async(self.issuer.url().clone(), http);
        let result = match tokio::time::timeout(ALLOWED, asking).await {
            Ok(asked) => asked.map_err(Fault::from),
            Err(_) => Err(Fault::unreachable("it takes too long to say what it is")),
        };
        let at = Instant::now();
        *last = Some((at, result.clone()));
        result.map(|metadata| Found { metadata, at })
    }
}
