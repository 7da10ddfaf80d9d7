//! The means to end a connection from outside its actor.
//!
//! A WebSocket actor whose output is blocked is not polled (actix-web issue 2441), so nothing said
//! to it can close its socket. [`PeerSocket`] is a second handle to the socket, kept from the moment
//! of the connection, that shuts it down for good; the server then drops the actor.

use std::{
    any::Any,
    net::{Shutdown, TcpStream},
    os::fd::AsFd,
    sync::Arc,
};

use actix_web::{dev::Extensions, rt::net};

type TlsStream = actix_tls::accept::rustls_0_23::TlsStream<net::TcpStream>;

/// A second handle to a connection's socket. The connection ends when this and the server's own
/// handle are both gone, so it lives in the connection's data and others hold it weakly.
pub struct PeerSocket(TcpStream);

impl PeerSocket {
    /// For `HttpServer::on_connect`: keeps a handle to each connection's socket in its data.
    pub fn keep(connection: &dyn Any, data: &mut Extensions) {
        let plain = connection.downcast_ref::<net::TcpStream>();
        let tls = || connection.downcast_ref::<TlsStream>().map(|tls| tls.get_ref().0);
        let Some(stream) = plain.or_else(tls) else { return };
        // Frames are small and each is worth sending at once.
        let _ = stream.set_nodelay(true);
        if let Ok(handle) = stream.as_fd().try_clone_to_owned() {
            data.insert(Arc::new(Self(TcpStream::from(handle))));
        }
    }

    /// Ends the connection in both directions, whatever is still buffered.
    pub fn shut_down(&self) {
        // It fails when the peer has gone already, which is what is wanted.
        let _ = self.0.shutdown(Shutdown::Both);
    }
}
