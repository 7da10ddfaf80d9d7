//! What a telephony provider sees: refusals first, then the life of a call.
#![allow(clippy::unwrap_used, reason = "a test that unwraps fails where it should")]

/// A test on both databases: `on_both! { async fn name(server: Server) { ... } }`.
macro_rules! on_both {
    ($($(#[doc = $doc:literal])* async fn $name:ident($server:ident: Server) $body:block)*) => {$(
        mod $name {
            use super::*;

            async fn run($server: Server) $body

            $(#[doc = $doc])*
            #[actix_web::test]
            async fn on_sqlite() {
                run(Server::start($crate::support::Database::Sqlite, &[]).await).await;
            }

            $(#[doc = $doc])*
            #[actix_web::test]
            async fn on_postgres() {
                run(Server::start($crate::support::Database::Postgres, &[]).await).await;
            }
        }
    )*};
}

mod faults;
mod handshakes;
mod life;
mod money;
mod noise;
mod refusals;
mod strangers;
mod unserved;
