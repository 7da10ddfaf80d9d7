//! The certificate over the life of the server: read at the start and at each SIGHUP, looked at daily.

use std::{
    os::unix::fs::MetadataExt as _,
    path::Path,
    sync::{Arc, Weak},
    time::Duration,
};

use super::StartError;
use crate::{
    clock::wall_ms,
    listener::certificate::{Certificate, Standing, standing},
    metrics,
    settings::ServeArgs,
};

/// How often it is looked whether the certificate is about to end.
const A_DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// The certificate, if one is set.
pub(super) fn certificate(settings: &ServeArgs) -> Result<Option<Arc<Certificate>>, StartError> {
    let (Some(cert), Some(key)) = (&settings.tls_cert, &settings.tls_key) else { return Ok(None) };
    let certificate = Certificate::read(cert, key)?;
    warn_of_readers(key);
    Ok(Some(certificate))
}

/// A key that every user of the machine may read is used all the same: the file is not ours to change.
/// A group may read it, as a service's key often is its group's.
fn warn_of_readers(key: &Path) {
    const READ_BY_ALL: u32 = 0o004;
    if std::fs::metadata(key).is_ok_and(|file| file.mode() & READ_BY_ALL != 0) {
        tracing::warn!(file = %key.display(), "UPVOOT_TLS_KEY: every user of this machine may read it");
    }
}

/// Reads it again; files that cannot be used change nothing, and the log says why.
pub(super) fn read_again(certificate: &Certificate) {
    match certificate.read_again() {
        Ok(()) => {
            tracing::info!("certificate reloaded");
            warn_of_readers(certificate.key_file());
            look_at(certificate);
        }
        Err(unusable) => {
            tracing::error!(error = %unusable, "certificate not reloaded");
        }
    }
}

/// Looks at the certificate when the server starts and every day, for as long as it is shown.
pub(super) async fn warn_daily(certificate: Weak<Certificate>) {
    let mut days = tokio::time::interval(A_DAY);
    loop {
        days.tick().await;
        let Some(certificate) = certificate.upgrade() else { return };
        look_at(&certificate);
    }
}

/// Counts the certificate's days, and warns when they are few.
fn look_at(certificate: &Certificate) {
    let ends = certificate.ends();
    metrics::certificate_ends(ends);
    match standing(ends, wall_ms() / 1000) {
        Standing::Good => {}
        Standing::EndsSoon(days) => {
            tracing::warn!(days, "the certificate expires soon: renew it, then send SIGHUP");
        }
        Standing::Over => {
            tracing::error!("the certificate has expired: renew it, then send SIGHUP");
        }
    }
}
