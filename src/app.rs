//! Composition: opens the store, starts the registry and the ledger, binds, and hands back what
//! runs.
//!
//! It is the one place that knows every part, and it holds no rule of its own. [`Running::stop`] is
//! the whole way down: refuse new calls, let the others finish, settle, close.

mod tls;

use std::{
    fmt, future, io,
    net::{self, SocketAddr},
    sync::Arc,
    time::Duration,
};

use actix_web::{App, HttpResponse, HttpServer, dev::ServerHandle, middleware::from_fn, rt, web};
use secrecy::ExposeSecret;

use crate::{
    agent::{relay::Names, speech::Speaker},
    api,
    attempts::Attempts,
    auth::{self, Auth, SingleSignOn},
    clock::NodeClock,
    dashboard::pages,
    events::{self, seats::Seats},
    id::NodeId,
    ledger::Ledger,
    listener::{
        Listener, answer,
        certificate::{Certificate, Unusable},
    },
    live::Hub,
    metrics,
    problem::{self, Problem},
    registry::RegistryHandle,
    retention, routes,
    session::{Voice, knocks::Knocks},
    settings::{MetricsListen, ServeArgs},
    store::{Backend, Store, StoreError},
    telemetry::access::AccessLog,
};

/// How long the ledger may take, after the last call, to write what it still holds.
const LAST_SETTLEMENTS: Duration = Duration::from_secs(10);
/// Ports above a taken one among which a free one is looked for.
const NEAR_PORTS: u16 = 20;
/// What calls may take beyond their time to drain: the watchdog ends what is left within a second.
const LAST_CALLS: Duration = Duration::from_secs(2);

/// Why the server could not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The database could not be opened or migrated.
    #[error("UPVOOT_DATABASE_URL: the database cannot be opened: {0}")]
    Store(#[from] StoreError),
    /// Nobody could ever sign in: the set-up link could not be made.
    #[error("the set-up link cannot be created: {0}")]
    Setup(Problem),
    /// An address cannot be listened on.
    #[error("{variable}: cannot listen on {address}: {cause}{}", Free(*free))]
    Bind {
        /// The setting it comes from.
        variable: &'static str,
        /// The address.
        address: SocketAddr,
        /// What the operating system says.
        cause: io::Error,
        /// An address that is free, where this one is taken.
        free: Option<SocketAddr>,
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

/// A free address, as the end of a sentence.
struct Free(Option<SocketAddr>);

impl fmt::Display for Free {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(free) => write!(f, " (another server may be running; {free} is free)"),
            None => Ok(()),
        }
    }
}

impl From<Unusable> for StartError {
    fn from(Unusable { variable, cause }: Unusable) -> Self {
        Self::Tls { variable, cause }
    }
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
    certificate: Option<Arc<Certificate>>,
    servers: Vec<ServerHandle>,
}

/// Starts a server with these settings, within a running actix system.
///
/// # Errors
/// When the database, an address or the certificate cannot be used; nothing is left running then.
pub async fn start(settings: ServeArgs) -> Result<Running, StartError> {
    let clock = NodeClock::start();
    let certificate = tls::certificate(&settings)?;
    let url = settings.database_url.clone();
    let connections = Some(settings.database_connections);
    let store = web::block(move || Store::open_with(url.expose_secret(), connections))
        .await
        .unwrap_or_else(|panicked| Err(StoreError::Failed(panicked.into())))?;
    let setup = auth::offer_setup(&store).await.map_err(StartError::Setup)?;

    let node_id = NodeId::new();
    let registry = RegistryHandle::start(clock);
    let ended = registry.clone();
    let on_end_requested = move |call, reason| ended.end_calls(vec![call], reason);
    let ledger = Ledger::start(store.clone(), node_id, clock, on_end_requested).await?;
    warn_of_neighbours(&store, &ledger).await?;

    let speaker = Speaker::new(settings.speech_sandbox.clone());
    rt::spawn(speaker.clone().introduce());
    let hub = Hub::default();
    let lost = ledger.clone();
    let voice = web::Data::new(Voice {
        unclaimed: Arc::new(move |call, account| lost.abandon(call, account)),
        store: store.clone(),
        registry: registry.clone(),
        ledger: ledger.clone(),
        hub: hub.clone(),
        speaker: speaker.clone(),
        attempts: Attempts::new(settings.attempts_per_minute),
        proxies: settings.trusted_proxies.clone(),
        public_address: settings.public_address(),
        knocks: Knocks::new(settings.unrecognised_per_minute, clock),
        room: Arc::default(),
        transcript_bytes: usize::try_from(settings.transcript_bytes).unwrap_or(usize::MAX),
        relay_networks: settings.relay_networks.clone(),
        names: Names::new(settings.relay_dns.clone()),
        clock,
        node_id,
    });
    let events = web::Data::new(events::Context {
        store: store.clone(),
        hub: hub.clone(),
        seats: Seats::default(),
        glances: events::Glances::default(),
    });
    let context = web::Data::new(api::Context {
        store: store.clone(),
        registry: registry.clone(),
        speaker,
        limits: api::Limits::default(),
        readiness: api::Readiness::new(store.clone(), ledger.clone()),
    });
    let proxies = settings.trusted_proxies.clone();
    let listener = listen(&settings, certificate.as_ref(), clock)?;
    let address = listener.address();
    let public_url = settings.public_url(address);
    let (auth, pages, kept) = doors(&settings, &store, &public_url);
    let retention = retention::keep_for_ever(store.clone(), clock, kept);
    let mut servers = Vec::new();
    let metrics_address = match settings.metrics_listen {
        MetricsListen::Off => None,
        MetricsListen::On(listen) => {
            let (address, handle) = serve_metrics(listen, registry.clone())?;
            servers.push(handle);
            Some(address)
        }
    };
    let app = move || {
        App::new()
            .wrap(from_fn(auth::as_stranger))
            .wrap(from_fn(problem::refuse_slow))
            .wrap(from_fn(problem::close_unread))
            .wrap(routes::headers(&pages.public_url))
            .wrap(AccessLog::new(proxies.clone(), &routes::SCOPES))
            .wrap(from_fn(answer::follow))
            .app_data(auth.clone())
            .app_data(pages.clone())
            .app_data(voice.clone())
            .app_data(context.clone())
            .app_data(events.clone())
            .configure(routes::configure)
    };
    let server = listener.serve(app).map_err(|cause| cannot_listen(address, cause))?;
    servers.push(server.handle());
    rt::spawn(server);
    if let Some(certificate) = &certificate {
        rt::spawn(tls::warn_daily(Arc::downgrade(certificate)));
    }
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
        certificate,
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

    /// Reads the certificate and its key again, where there is one: calls go on, and who connects
    /// from now on sees the new one. Files that cannot be used change nothing; the log says why.
    pub fn reload(&self) {
        let Some(certificate) = &self.certificate else {
            return tracing::info!("SIGHUP: no certificate to reload");
        };
        tls::read_again(certificate);
    }

    /// Drains and stops: new calls are refused, those in progress may finish within
    /// `UPVOOT_DRAIN_SECONDS` and are then ended, all of them are settled, and the database is closed.
    /// True if no call was left and every settlement was written.
    pub async fn stop(self) -> bool {
        self.stop_hurried(future::pending()).await
    }

    /// The same, with no more patience for calls as soon as `hurry` is ready: they are ended at once,
    /// and settled all the same.
    pub async fn stop_hurried(self, hurry: impl Future<Output = ()>) -> bool {
        self.registry.drain(self.clock.now() + self.drain);
        tokio::select! {
            () = self.drained(self.drain) => {}
            () = hurry => {
                self.registry.drain(self.clock.now());
                self.drained(Duration::ZERO).await;
            }
        }
        let left = self.registry.live_calls();
        if left > 0 {
            tracing::error!(calls = left, "calls are still live after draining");
        }
        // Streams last as long as somebody listens.
        self.hub.close();
        for server in &self.servers {
            server.stop(true).await;
        }
        let settled = self.ledger.close(LAST_SETTLEMENTS).await;
        self.retention.abort();
        self.store.close().await;
        settled && left == 0
    }

    async fn drained(&self, patience: Duration) {
        // Those that are left are counted by whoever waits.
        let _ = tokio::time::timeout(patience + LAST_CALLS, self.registry.drained()).await;
    }
}

/// Says that another server uses the same embedded database: it works, but is rarely meant.
async fn warn_of_neighbours(store: &Store, ledger: &Ledger) -> Result<(), StoreError> {
    if store.backend() == Backend::Sqlite && ledger.neighbours().await? > 0 {
        tracing::warn!(
            "another server uses this database file, or was killed within the last 15 seconds"
        );
    }
    Ok(())
}

/// Binds `UPVOOT_LISTEN`.
fn listen(
    settings: &ServeArgs,
    certificate: Option<&Arc<Certificate>>,
    clock: NodeClock,
) -> Result<Listener, StartError> {
    let tls = certificate.map(Certificate::config).transpose()?;
    let proxies = settings.trusted_proxies.clone();
    Listener::bind(settings.listen, tls, proxies, clock)
        .map_err(|cause| cannot_listen(settings.listen, cause))
}

fn cannot_listen(address: SocketAddr, cause: io::Error) -> StartError {
    cannot_bind("UPVOOT_LISTEN", address, cause)
}

fn cannot_bind(variable: &'static str, address: SocketAddr, cause: io::Error) -> StartError {
    let taken = cause.kind() == io::ErrorKind::AddrInUse;
    let free = if taken { next_free(address) } else { None };
    StartError::Bind { variable, address, cause, free }
}

/// The nearest port above that is free now.
fn next_free(taken: SocketAddr) -> Option<SocketAddr> {
    let above = (1..=NEAR_PORTS).filter_map(|step| taken.port().checked_add(step));
    let mut addresses = above.map(|port| SocketAddr::new(taken.ip(), port));
    addresses.find(|address| net::TcpListener::bind(address).is_ok())
}

/// The doors of the API and of the pages, for people who reach this server at `public_url`, and how
/// long what is kept of them and of calls stays.
fn doors(
    settings: &ServeArgs,
    store: &Store,
    public_url: &str,
) -> (web::Data<Auth>, web::Data<pages::Context>, retention::Rules) {
    let mut doors = auth::Settings::new(
        public_url.to_owned(),
        settings.admin_token.clone(),
        settings.trusted_proxies.clone(),
    );
    let oidc = settings.oidc.settings(public_url);
    if oidc.as_ref().is_some_and(|oidc| oidc.trust_unverified_email) {
        tracing::warn!(
            "UPVOOT_OIDC_TRUST_UNVERIFIED_EMAIL is on: a person who can choose an e-mail address at the OpenID provider can sign in as its user"
        );
    }
    doors.single_sign_on = oidc.map(SingleSignOn::new);
    let pages = pages::Context {
        store: store.clone(),
        public_url: public_url.to_owned(),
        single_sign_on: doors.single_sign_on.is_some(),
    };
    let kept = retention::Rules {
        days: settings.retention_days,
        session_idle: doors.idle,
        session_in_all: doors.absolute,
    };
    (web::Data::new(Auth::new(store.clone(), doors)), web::Data::new(pages), kept)
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
    .map_err(|cause| cannot_bind("UPVOOT_METRICS_LISTEN", listen, cause))?;
    let address = first(&server.addrs(), listen);
    let server = server.run();
    let handle = server.handle();
    rt::spawn(server);
    Ok((address, handle))
}

fn first(bound: &[SocketAddr], asked: SocketAddr) -> SocketAddr {
    bound.first().copied().unwrap_or(asked)
}
