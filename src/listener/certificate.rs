//! The certificate that TLS shows, read again when the operator says so.
//!
//! Certificates are renewed every few weeks, and calls must not end for that: a new pair of files
//! takes the place of the old one between two handshakes, and a pair that cannot be used changes
//! nothing. How long a certificate is good for is known here; who is warned, and when to read again,
//! is the business of `app`.

use std::{
    fmt,
    path::{Path, PathBuf},
    sync::{Arc, PoisonError, RwLock},
};

use rustls::{
    ServerConfig,
    crypto::CryptoProvider,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
    server::{ClientHello, ResolvesServerCert},
    sign::CertifiedKey,
};
use x509_cert::der::Decode;

/// Days before its end at which a certificate is worth a warning.
const SOON: i64 = 14;
const DAY: i64 = 24 * 60 * 60;

/// Which of the two files cannot be used, and why.
#[derive(Debug)]
pub struct Unusable {
    /// The setting it comes from.
    pub variable: &'static str,
    /// What is wrong with it.
    pub cause: String,
}

impl fmt::Display for Unusable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.variable, self.cause)
    }
}

/// How a certificate stands at some time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// It is good for a while.
    Good,
    /// It ends in so many whole days.
    EndsSoon(i64),
    /// It has ended.
    Over,
}

/// How a certificate that ends at `ends` stands at `now`, both in seconds since 1970.
pub fn standing(ends: i64, now: i64) -> Standing {
    match ends.saturating_sub(now) {
        ..=0 => Standing::Over,
        left if left <= SOON * DAY => Standing::EndsSoon(left / DAY),
        _ => Standing::Good,
    }
}

/// Two files, and what was last read from them.
pub struct Certificate {
    chain: PathBuf,
    key: PathBuf,
    provider: Arc<CryptoProvider>,
    current: RwLock<Pair>,
}

#[derive(Clone)]
struct Pair {
    key: Arc<CertifiedKey>,
    ends: i64,
}

impl Certificate {
    /// Reads a certificate chain and its key, both in PEM.
    ///
    /// # Errors
    /// When a file cannot be read or used, or the two do not belong together.
    pub fn read(chain: &Path, key: &Path) -> Result<Arc<Self>, Unusable> {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let current = RwLock::new(pair(chain, key, &provider)?);
        Ok(Arc::new(Self { chain: chain.into(), key: key.into(), provider, current }))
    }

    /// Reads both files again. Handshakes that begin from now on see the new certificate;
    /// connections that stand are left alone.
    ///
    /// # Errors
    /// Those of [`Certificate::read`]; the old certificate then stays.
    pub fn read_again(&self) -> Result<(), Unusable> {
        let new = pair(&self.chain, &self.key, &self.provider)?;
        *self.current.write().unwrap_or_else(PoisonError::into_inner) = new;
        Ok(())
    }

    /// When it ends, in seconds since 1970: the first of its chain to end.
    pub fn ends(&self) -> i64 {
        self.pair().ends
    }

    /// Where its key is.
    pub fn key_file(&self) -> &Path {
        &self.key
    }

    /// The TLS configuration that shows it, for HTTP/1.1 and nothing else.
    ///
    /// # Errors
    /// When the crypto library cannot be set up.
    pub fn config(self: &Arc<Self>) -> Result<Arc<ServerConfig>, Unusable> {
        let mut config = ServerConfig::builder_with_provider(Arc::clone(&self.provider))
            .with_safe_default_protocol_versions()
            .map_err(|error| of_key(&error))?
            .with_no_client_auth()
            .with_cert_resolver(Arc::clone(self) as _);
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(Arc::new(config))
    }

    fn pair(&self) -> Pair {
        self.current.read().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl ResolvesServerCert for Certificate {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.pair().key)
    }
}

impl fmt::Debug for Certificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Certificate").field("chain", &self.chain).finish_non_exhaustive()
    }
}

fn of_chain(cause: &dyn fmt::Display) -> Unusable {
    Unusable { variable: "UPVOOT_TLS_CERT", cause: cause.to_string() }
}

fn of_key(cause: &dyn fmt::Display) -> Unusable {
    Unusable { variable: "UPVOOT_TLS_KEY", cause: cause.to_string() }
}

/// What is wrong with a file, with its name: the path is what is mistyped most often.
fn of_file(file: &Path, cause: &dyn fmt::Display) -> String {
    format!("{}: {cause}", file.display())
}

fn pair(chain: &Path, key: &Path, provider: &CryptoProvider) -> Result<Pair, Unusable> {
    let certificates: Vec<_> = CertificateDer::pem_file_iter(chain)
        .and_then(Iterator::collect)
        .map_err(|error| of_chain(&of_file(chain, &error)))?;
    if certificates.is_empty() {
        return Err(of_chain(&of_file(chain, &"no certificate in the file")));
    }
    let ends = certificates.iter().map(ends).collect::<Result<Vec<_>, _>>()?;
    let key = PrivateKeyDer::from_pem_file(key).map_err(|error| of_key(&of_file(key, &error)))?;
    let key =
        CertifiedKey::from_der(certificates, key, provider).map_err(|error| of_key(&error))?;
    Ok(Pair { key: Arc::new(key), ends: ends.into_iter().min().unwrap_or(i64::MAX) })
}

fn ends(certificate: &CertificateDer<'_>) -> Result<i64, Unusable> {
    let read = x509_cert::Certificate::from_der(certificate).map_err(|error| of_chain(&error))?;
    let ends = read.tbs_certificate.validity.not_after.to_unix_duration();
    Ok(i64::try_from(ends.as_secs()).unwrap_or(i64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_certificate_is_worth_a_warning_fourteen_days_before_its_end() {
        let ends = 1_800_000_000;
        for (left, expected) in [
            (15 * DAY, Standing::Good),
            (14 * DAY + 1, Standing::Good),
            (14 * DAY, Standing::EndsSoon(14)),
            (DAY - 1, Standing::EndsSoon(0)),
            (1, Standing::EndsSoon(0)),
            (0, Standing::Over),
            (-DAY, Standing::Over),
        ] {
            assert_eq!(standing(ends, ends - left), expected, "{left}");
        }
    }
}
