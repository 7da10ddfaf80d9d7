//! The listener: who may hold a connection, for how long, and what it costs the node.
//!
//! It speaks HTTP/1.1 and nothing else, in the clear or behind TLS: a WebSocket is opened over
//! HTTP/1.1, and HTTP/2 would let one connection ask for everything at once. Each connection takes
//! one descriptor. [`connections`] says who has to go when there are too many, [`socket`] is the means to
//! end a connection from outside its task, [`answer`] follows one answer to its last byte,
//! [`certificate`] holds what TLS shows. It knows no route, no key and no call; a call is a
//! connection that has a place of its own.

pub mod answer;
pub mod certificate;
pub mod connections;
pub mod socket;

use std::{fmt, io, net, net::SocketAddr, rc::Rc, sync::Arc, time::Duration};

use actix_http::{HttpService, Request, Response, body::MessageBody, error::DispatchError};
use actix_server::{Server, ServerBuilder};
use actix_service::{
    IntoServiceFactory, ServiceFactory, ServiceFactoryExt, fn_service, map_config,
};
use actix_web::dev::AppConfig;
use tokio::{net::TcpStream, time::timeout};
use tokio_rustls::TlsAcceptor;

use self::{
    connections::{Limits, Shared, Who},
    socket::{Connection, PeerSocket, Wire},
};
use crate::{attempts::network, clock::NodeClock, networks::Networks};

/// Connections that wait in the kernel until they are accepted.
const BACKLOG: u32 = 2048;
/// How long a client may take for the head of its first request, and between two requests.
const IDLE: Duration = Duration::from_secs(5);
/// How long a TLS handshake may take.
const HANDSHAKE: Duration = Duration::from_secs(3);
/// How long a client may take to close its side after our last answer.
const LINGER: Duration = Duration::from_secs(1);
/// How often connections are looked at that wait for their clients.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// A bound address, and the rules for those who connect to it.
pub struct Listener {
    bound: net::TcpListener,
    address: SocketAddr,
    workers: usize,
    shared: Arc<Shared>,
    tls: Option<TlsAcceptor>,
    proxies: Networks,
    clock: NodeClock,
}

impl Listener {
    /// Binds an address. Must run within a tokio runtime.
    ///
    /// `proxies` and this machine itself stand for many clients each, so they are not counted like
    /// one.
    ///
    /// # Errors
    /// Those of the operating system.
    pub fn bind(
        address: SocketAddr,
        tls: Option<Arc<rustls::ServerConfig>>,
        proxies: Networks,
        clock: NodeClock,
    ) -> io::Result<Self> {
        let socket = match address {
            SocketAddr::V4(_) => tokio::net::TcpSocket::new_v4()?,
            SocketAddr::V6(_) => tokio::net::TcpSocket::new_v6()?,
        };
        socket.set_reuseaddr(true)?;
        socket.bind(address)?;
        let bound = socket.listen(BACKLOG)?.into_std()?;
        let address = bound.local_addr()?;
        let workers = std::thread::available_parallelism().map_or(2, usize::from).min(512);
        let (descriptors, _) = rlimit::Resource::NOFILE.get()?;
        let shared = Arc::new(Shared::new(Limits::of(descriptors, workers)));
        Ok(Self {
            bound,
            address,
            workers,
            shared,
            tls: tls.map(TlsAcceptor::from),
            proxies,
            clock,
        })
    }

    /// The address that is bound.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Serves an app to those who connect, until the server is stopped.
    ///
    /// # Errors
    /// Those of the operating system.
    pub fn serve<F, I, S, B>(self, app: F) -> io::Result<Server>
    where
        F: Fn() -> I + Send + Clone + 'static,
        I: IntoServiceFactory<S, Request>,
        S: ServiceFactory<Request, Config = AppConfig> + 'static,
        S::Error: Into<actix_web::Error>,
        S::InitError: fmt::Debug,
        S::Response: Into<Response<B>>,
        B: MessageBody + 'static,
    {
        let Self { bound, address, workers, shared, tls, proxies, clock } = self;
        tokio::spawn(look(Arc::downgrade(&shared), clock));
        let builder = ServerBuilder::new()
            .workers(workers)
            .max_concurrent_connections(shared.per_worker(workers))
            // Signals are ours: while draining the listener stays open to answer 503.
            .disable_signals()
            .shutdown_timeout(1);
        let stopping = builder.graceful_shutdown_signal();
        let door = Door { shared, tls, proxies, clock };
        let served = builder.listen("listener", bound, move || {
            let (door, stopping) = (Rc::new(door.clone()), stopping.clone());
            let app = app().into_factory().map_err(|error| error.into().error_response());
            let http = HttpService::build()
                .graceful_shutdown_signal(move || {
                    let stopping = stopping.clone();
                    async move { stopping.notified().await }
                })
                .keep_alive(IDLE)
                .client_request_timeout(IDLE)
                .client_disconnect_timeout(LINGER)
                .local_addr(address)
                .on_connect_ext(|connection: &Connection, data| {
                    data.insert(Arc::clone(connection.peer()));
                })
                .h1(map_config(app, |()| AppConfig::default()));
            fn_service(move |stream| Rc::clone(&door).open(stream)).and_then(http)
        })?;
        Ok(served.run())
    }
}

/// What stands between an accepted socket and HTTP.
#[derive(Clone)]
struct Door {
    shared: Arc<Shared>,
    tls: Option<TlsAcceptor>,
    proxies: Networks,
    clock: NodeClock,
}

impl Door {
    async fn open(
        self: Rc<Self>,
        stream: TcpStream,
    ) -> Result<(Connection, Option<SocketAddr>), DispatchError> {
        // Frames are small and each is worth sending at once.
        let _ = stream.set_nodelay(true);
        let address = stream.peer_addr().ok();
        let peer = PeerSocket::enter(&self.shared, self.who(address), self.clock);
        let wire = Wire::new(stream, peer);
        let Some(tls) = &self.tls else { return Ok((Connection::plain(wire), address)) };
        let shaken = timeout(HANDSHAKE, tls.accept(wire)).await;
        let stream = shaken.unwrap_or_else(|elapsed| Err(elapsed.into()))?;
        Ok((Connection::tls(stream), address))
    }

    fn who(&self, address: Option<SocketAddr>) -> Who {
        let Some(address) = address else { return Who::Many };
        let ip = address.ip().to_canonical();
        if ip.is_loopback() || self.proxies.contain(ip) { Who::Many } else { Who::One(network(ip)) }
    }
}

/// Ends connections whose clients take too long, for as long as the listener lives.
async fn look(shared: std::sync::Weak<Shared>, clock: NodeClock) {
    let mut ticks = tokio::time::interval(LOOK_EVERY);
    loop {
        ticks.tick().await;
        let Some(shared) = shared.upgrade() else { return };
        shared.end_overdue(clock.now());
    }
}
