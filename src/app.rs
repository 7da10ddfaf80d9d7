//! Composition: opens the store, starts the registry and the ledger, binds, and hands back what
//! runs.
//!
//! It is the one place that knows every part, and it holds no rule of its own. [`Running::stop`] is
//! the whole way down: refuse new calls, let the others finish, settle, close.

use std::{
    io,
    net::SocketAddr,
    os::unix::fs::MetadataExt as _,
    path::Path,
    sync::{Arc, OnceLock},
    time::Duration,
};

use actix_web::{App, HttpResponse, HttpServer, dev::ServerHandle, middleware::from_fn, rt, web};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject};
use secrecy::ExposeSecret;

use crate::{
    agent::speech::Speaker,
    api,
    attempts::Attempts,
    auth::{self, Auth, SingleSignOn},
    clock::NodeClock,
    dashboard::pages,
    events::{self, seats::Seats},
    id::NodeId,
    ledger::Ledger,
    live::Hub,
    metrics,
    problem::{self, Problem},
    registry::RegistryHandle,
    retention, routes,
    session::{Voice, knocks::Knocks, socket::PeerSocket},
    settings::{MetricsListen, ServeArgs},
    store::{Store, StoreError},
    telemetry::access::AccessLog,
};

/// How long the ledger may take, after the last call, to write what it still holds.
const LAST_SETTLEMENTS: Duration = Duration::from_secs(10);
/// What calls may take beyond their time to drain, for their close frames and the watchdog.
const LAST_CALLS: Duration = Duration::from_secs(4);

/// Why the server could not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The database could not be opened or migrated.
    #[error("UPVOOT_DATABASE_URL: the database cannot be opened: {0}")]
    Store(#[from] StoreError),
    /// Nobody could ever sign in: the set-up link could not be made.
    #[error("the set-up link cannot be made: {0}")]
    Setup(Problem),
    /// An address cannot be listened on.
    #[error("{variable}: cannot listen on {address}: {cause}")]
    Bind {
        /// The setting it comes from.
        variable: &'static str,
        /// The address.
        address: SocketAddr,
        /// What the operating system says.
        cause: io::Error,
    },
    /// The certificate or its key cannot be used.
    #[error("{variable}: {cause}")]
    Tls {
        /// The setting it comes from.
        variable: &'static str,
        /// What is wrong with it.
        cause: String,
    },
}

/// A server that runs.
pub struct Running {
    address: SocketAddr,
    metrics_address: Option<SocketAddr>,
    public_url: String,
    setup_url: Option<String>,
    drain: Duration,
    clock: NodeClock,
    registry: RegistryHandle,
    store: Store,
    retention: rt::task::JoinHandle<()>,
    ledger: Ledger,
    hub: Hub,
    servers: Vec<ServerHandle>,
}

/// Starts a server with these settings, within a running actix system.
///
/// # Errors
/// When the database, an address or the certificate cannot be used; nothing is left running then.
pub async fn start(settings: ServeArgs) -> Result<Running, StartError> {
    let tls = tls(&settings)?;
    let url = settings.database_url.clone();
    let connections = Some(settings.database_connections);
    let store = web::block(move || Store::open_with(url.expose_secret(), connections))
        .await
        .unwrap_or_else(|panicked| Err(StoreError::Failed(panicked.into())))?;
    let setup = auth::offer_setup(&store).await.map_err(StartError::Setup)?;

    let clock = NodeClock::start();
    let node_id = NodeId::new();
    let registry = RegistryHandle::start(clock);
    let ended = registry.clone();
    let on_end_requested = move |call, reason| ended.end_calls(vec![call], reason);
    let ledger = Ledger::start(store.clone(), node_id, clock, on_end_requested).await?;

    let hub = Hub::default();
    let lost = ledger.clone();
    let voice = web::Data::new(Voice {
        unclaimed: Arc::new(move |call, account| lost.abandon(call, account)),
        store: store.clone(),
        registry: registry.clone(),
        ledger: ledger.clone(),
        hub: hub.clone(),
        speaker: Speaker::new(),
        attempts: Attempts::new(settings.attempts_per_minute),
        proxies: settings.trusted_proxies.clone(),
        public_address: settings.public_address(),
        knocks: Knocks::new(settings.unrecognised_per_minute, clock),
        room: Arc::default(),
        transcript_bytes: usize::try_from(settings.transcript_bytes).unwrap_or(usize::MAX),
        relay_networks: settings.relay_networks.clone(),
        clock,
        node_id,
    });
    let events = web::Data::new(events::Context {
        store: store.clone(),
        hub: hub.clone(),
        seats: Seats::default(),
    });
    let context = web::Data::new(api::Context {
        store: store.clone(),
        registry: registry.clone(),
        limits: api::Limits::default(),
        readiness: api::Readiness::new(store.clone(), ledger.clone()),
    });
    let proxies = settings.trusted_proxies.clone();
    // They need the public URL, which may need the bound address; workers start after both are known.
    let doors: Arc<OnceLock<(web::Data<Auth>, web::Data<pages::Context>)>> = Arc::default();
    let doors_of_workers = Arc::clone(&doors);
    let server = HttpServer::new(move || {
        let (auth, pages) = doors_of_workers.get().expect("it is set before the server runs");
        App::new()
            .wrap(from_fn(problem::close_unread))
            .wrap(routes::headers(&pages.public_url))
            .wrap(AccessLog::new(proxies.clone(), &routes::SCOPES))
            .app_data(auth.clone())
            .app_data(pages.clone())
            .app_data(voice.clone())
            .app_data(context.clone())
            .app_data(events.clone())
            .configure(routes::configure)
    })
    .on_connect(PeerSocket::keep)
    // Signals are ours: while draining the listener stays open to answer 503.
    .disable_signals()
    .shutdown_timeout(1);
    let bind =
        |cause| StartError::Bind { variable: "UPVOOT_LISTEN", address: settings.listen, cause };
    let server = match tls {
        Some(tls) => server.bind_rustls_0_23(settings.listen, tls),
        None => server.bind(settings.listen),
    }
    .map_err(bind)?;
    let address = first(&server.addrs(), settings.listen);
    let public_url = settings.public_url(address);
    let mut doors_settings = auth::Settings::new(
        public_url.clone(),
        settings.admin_token.clone(),
        settings.trusted_proxies.clone(),
    );
    let oidc = settings.oidc.settings(&public_url);
    if oidc.as_ref().is_some_and(|oidc| oidc.trust_unverified_email) {
        tracing::warn!(
            "UPVOOT_OIDC_TRUST_UNVERIFIED_EMAIL is on: whoever can choose an e-mail address at the OpenID provider can sign in as its user"
        );
    }
    let single_sign_on = oidc.map(SingleSignOn::new);
    doors_settings.single_sign_on = single_sign_on;
    let pages = pages::Context {
        store: store.clone(),
        public_url: public_url.clone(),
        single_sign_on: doors_settings.single_sign_on.is_some(),
    };
    let rules = retention::Rules {
        days: settings.retention_days,
        session_idle: doors_settings.idle,
        session_in_all: doors_settings.absolute,
    };
    let retention = retention::keep_for_ever(store.clone(), clock, rules);
    let auth = Auth::new(store.clone(), doors_settings);
    doors.get_or_init(|| (web::Data::new(auth), web::Data::new(pages)));
    let mut servers = Vec::new();
    let metrics_address = match settings.metrics_listen {
        MetricsListen::Off => None,
        MetricsListen::On(listen) => {
            let (address, handle) = serve_metrics(listen, registry.clone())?;
            servers.push(handle);
            Some(address)
        }
    };
    let server = server.run();
    servers.push(server.handle());
    rt::spawn(server);
    Ok(Running {
        retention: rt::spawn(retention),
        address,
        metrics_address,
        setup_url: setup.map(|link| format!("{public_url}{link}")),
        public_url,
        drain: settings.drain(),
        clock,
        registry,
        store,
        ledger,
        hub,
        servers,
    })
}

impl Running {
    /// The address that is listened on.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The address that metrics are served on.
    pub fn metrics_address(&self) -> Option<SocketAddr> {
        self.metrics_address
    }

    /// What people and providers reach this server at.
    pub fn public_url(&self) -> &str {
        &self.public_url
    }

    /// The one-time link that makes the first operator; `None` when there is one. It is a secret: it
    /// belongs on the screen of whoever started the server, and not into a log.
    pub fn setup_url(&self) -> Option<&str> {
        self.setup_url.as_deref()
    }

    /// The database, to be closed by whoever cuts [`Running::stop`] short.
    pub fn store(&self) -> Store {
        self.store.clone()
    }

    /// Drains and stops: new calls are refused, those in progress may finish within
    /// `UPVOOT_DRAIN_SECONDS` and are then ended, all of them are settled, and the database is closed.
    /// True if every settlement was written.
    pub async fn stop(self) -> bool {
        self.registry.drain(self.clock.now() + self.drain);
        let patience = self.drain + LAST_CALLS;
        if tokio::time::timeout(patience, self.registry.drained()).await.is_err() {
            tracing::error!(calls = self.registry.live_calls(), "calls outlived their draining");
        }
        // Streams last as long as somebody listens.
        self.hub.close();
        for server in &self.servers {
            server.stop(true).await;
        }
        let settled = self.ledger.close(LAST_SETTLEMENTS).await;
        self.retention.abort();
        self.store.close().await;
        settled
    }
}

/// Serves `/metrics`, and nothing else, on an address of its own.
fn serve_metrics(
    listen: SocketAddr,
    registry: RegistryHandle,
) -> Result<(SocketAddr, ServerHandle), StartError> {
    let server = HttpServer::new(move || {
        let registry = registry.clone();
        let metrics = move || {
            let text = metrics::render(registry.live_calls(), registry.is_draining());
            async move { HttpResponse::Ok().content_type(metrics::CONTENT_TYPE).body(text) }
        };
        App::new()
            .route("/metrics", web::get().to(metrics))
            .default_service(web::to(problem::not_found))
    })
    .workers(1)
    .disable_signals()
    .shutdown_timeout(1)
    .bind(listen)
    .map_err(|cause| StartError::Bind {
        variable: "UPVOOT_METRICS_LISTEN",
        address: listen,
        cause,
    })?;
    let address = first(&server.addrs(), listen);
    let server = server.run();
    let handle = server.handle();
    rt::spawn(server);
    Ok((address, handle))
}

fn first(bound: &[SocketAddr], asked: SocketAddr) -> SocketAddr {
    bound.first().copied().unwrap_or(asked)
}

/// The TLS configuration, if a certificate is set. Providers speak HTTP/1.1 to a WebSocket.
fn tls(settings: &ServeArgs) -> Result<Option<rustls::ServerConfig>, StartError> {
    let (Some(cert), Some(key)) = (&settings.tls_cert, &settings.tls_key) else { return Ok(None) };
    let chain =
        chain(cert).map_err(|cause| StartError::Tls { variable: "UPVOOT_TLS_CERT", cause })?;
    warn_of_readers(key);
    let key_error = |cause: String| StartError::Tls { variable: "UPVOOT_TLS_KEY", cause };
    let key = PrivateKeyDer::from_pem_file(key).map_err(|error| key_error(error.to_string()))?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| key_error(error.to_string()))?
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .map_err(|error| key_error(error.to_string()))?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Some(config))
}

/// A key that every user of the machine may read is used all the same: the file is not ours to change.
/// A group may read it, as a service's key often is its group's.
fn warn_of_readers(key: &Path) {
    const READ_BY_ALL: u32 = 0o004;
    if std::fs::metadata(key).is_ok_and(|file| file.mode() & READ_BY_ALL != 0) {
        tracing::warn!(file = %key.display(), "UPVOOT_TLS_KEY: every user of this machine may read it");
    }
}

fn chain(path: &Path) -> Result<Vec<CertificateDer<'static>>, String> {
    let certificates: Result<Vec<_>, _> = match CertificateDer::pem_file_iter(path) {
        Ok(found) => found.collect(),
        Err(error) => return Err(error.to_string()),
    };
    match certificates {
        Ok(chain) if chain.is_empty() => Err("no certificate in the file".to_owned()),
        Ok(chain) => Ok(chain),
        Err(error) => Err(error.to_string()),
    }
}
