//! TLS at both ends: UpVoot ends it itself, with nothing in front, and asks others over it.

use std::{fs, net::SocketAddr, path::Path, process::Command, sync::Arc};

use nix::sys::signal::Signal;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, pem::PemObject};
use serde_json::json;
use tokio::net::TcpStream;
use tokio_rustls::{TlsConnector, client::TlsStream};

use crate::support::{Database, Server, eventually, openid::OpenId, postgres, process::upvoot};

/// A certificate for localhost that signs itself, made by Debian's `openssl`.
fn certificate(dir: &Path) -> (String, String) {
    certificate_for(dir, 2)
}

/// The same, good for so many days.
fn certificate_for(dir: &Path, days: u32) -> (String, String) {
    certificate_of(dir, days, "localhost")
}

/// The same, whose subject has this name.
pub fn certificate_of(dir: &Path, days: u32, subject: &str) -> (String, String) {
    let path = |name: &str| dir.join(name).to_str().unwrap().to_owned();
    let (cert, key) = (path("cert.pem"), path("key.pem"));
    let made = Command::new("openssl")
        .args(["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"])
        .args([
            "-nodes",
            "-days",
            &days.to_string(),
            "-subj",
            &format!("/CN={subject}"),
            "-keyout",
            &key,
            "-out",
            &cert,
        ])
        .args(["-addext", "subjectAltName=DNS:localhost", "-addext", "basicConstraints=CA:FALSE"])
        .output()
        .expect("Debian's package openssl is installed");
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    (cert, key)
}

#[actix_web::test]
async fn a_call_over_wss_is_admitted_and_one_without_trust_is_not_made() {
    let dir = tempfile::tempdir().unwrap();
    let (cert, key_file) = certificate(dir.path());
    let (url, _database) = Database::Sqlite.empty();
    // The same database, first in the clear to make a key, then behind TLS.
    let plain = Server::process(&url, &[]).await;
    let account = plain.account(5.0).await;
    let agent = plain.agent(&account, json!({})).await;
    let key = plain.key(&agent).await;
    plain.stop().await;

    let tls = [("UPVOOT_TLS_CERT", &*cert), ("UPVOOT_TLS_KEY", &*key_file)];
    let mut server = Server::process(&url, &tls).await;
    let port = server.address().port();
    assert!(server.process_mut().log().contains("https://"), "the public address says so");
    assert!(!server.process_mut().log().contains("may read"), "openssl makes private keys");
    let call = |trust: Option<String>| {
        let url = format!("wss://localhost:{port}/voice/{}", key.key);
        let run = move || {
            let mut phone = upvoot();
            phone.args(["call", &url, "--seconds", "2"]);
            if let Some(trust) = trust {
                phone.env("SSL_CERT_FILE", trust);
            }
            phone.output().unwrap()
        };
        async { tokio::task::spawn_blocking(run).await.unwrap() }
    };
    let untrusted = call(None).await;
    assert_eq!(untrusted.status.code(), Some(1));
    let trusted = call(Some(cert.clone())).await;
    let text = String::from_utf8_lossy(&trusted.stdout).into_owned();
    assert_eq!(
        trusted.status.code(),
        Some(0),
        "{text}{}",
        String::from_utf8_lossy(&trusted.stderr)
    );
    assert!(text.contains("Hi."), "{text}");
    server.process_mut().signal_to_stop();
    assert_eq!(server.process_mut().exited().await, Some(0));
}

#[actix_web::test]
async fn a_key_that_everybody_may_read_is_warned_of() {
    use std::os::unix::fs::PermissionsExt as _;
    let dir = tempfile::tempdir().unwrap();
    let (cert, key) = certificate(dir.path());
    std::fs::set_permissions(&key, std::fs::Permissions::from_mode(0o644)).unwrap();
    let (url, _database) = Database::Sqlite.empty();
    let mut server =
        Server::process(&url, &[("UPVOOT_TLS_CERT", &*cert), ("UPVOOT_TLS_KEY", &*key)]).await;
    let log = server.process_mut().log();
    assert!(log.contains("UPVOOT_TLS_KEY") && log.contains("may read"), "{log}");
    server.process_mut().signal_to_stop();
    assert_eq!(server.process_mut().exited().await, Some(0));
}

/// Shakes hands with a server that shows this certificate, and offers these protocols.
async fn shaken(
    address: SocketAddr,
    trusted: &str,
    offered: &[&str],
) -> std::io::Result<TlsStream<TcpStream>> {
    let mut roots = rustls::RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(trusted).unwrap()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = offered.iter().map(|name| name.as_bytes().to_vec()).collect();
    let name = ServerName::try_from("localhost").unwrap();
    let stream = TcpStream::connect(address).await?;
    TlsConnector::from(Arc::new(config)).connect(name, stream).await
}

#[actix_web::test]
async fn http_1_1_is_spoken_and_nothing_else() {
    let dir = tempfile::tempdir().unwrap();
    let (cert, key) = certificate(dir.path());
    let (url, _database) = Database::Sqlite.empty();
    let tls = [("UPVOOT_TLS_CERT", &*cert), ("UPVOOT_TLS_KEY", &*key)];
    let mut server = Server::process(&url, &tls).await;
    let address = server.address();
    let settled = async |offered: &[&str]| {
        let stream = shaken(address, &cert, offered).await?;
        let settled = stream.get_ref().1.alpn_protocol().map(<[u8]>::to_vec);
        std::io::Result::Ok(settled.map(|name| String::from_utf8(name).unwrap()))
    };
    assert_eq!(settled(&["h2", "http/1.1"]).await.unwrap().as_deref(), Some("http/1.1"));
    assert_eq!(settled(&["http/1.1"]).await.unwrap().as_deref(), Some("http/1.1"));
    assert_eq!(settled(&[]).await.unwrap(), None);
    assert!(settled(&["h2"]).await.is_err());
    // Who speaks it without having asked is not understood either.
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let mut blunt = shaken(address, &cert, &[]).await.unwrap();
    blunt.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0").await.unwrap();
    let mut answer = Vec::new();
    let _ = blunt.read_to_end(&mut answer).await;
    assert!(answer.starts_with(b"HTTP/1.1 4"), "{}", String::from_utf8_lossy(&answer));
    server.process_mut().signal_to_stop();
    assert_eq!(server.process_mut().exited().await, Some(0));
}

#[actix_web::test]
async fn a_renewed_certificate_is_shown_after_a_hang_up_and_a_bad_one_never() {
    let dir = tempfile::tempdir().unwrap();
    let (cert, key) = certificate_for(dir.path(), 100);
    let kept = |name: &str| {
        let copy = dir.path().join(name).to_str().unwrap().to_owned();
        fs::copy(&cert, &copy).unwrap();
        copy
    };
    let first = kept("first.pem");
    let (url, _database) = Database::Sqlite.empty();
    let metrics = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let metrics = metrics.to_string();
    let env = [
        ("UPVOOT_TLS_CERT", &*cert),
        ("UPVOOT_TLS_KEY", &*key),
        ("UPVOOT_METRICS_LISTEN", &*metrics),
    ];
    let mut server = Server::process(&url, &env).await;
    let address = server.address();
    let ends = async || {
        let text = reqwest::get(format!("http://{metrics}/metrics")).await.unwrap().text().await;
        let text = text.unwrap();
        let name = "upvoot_certificate_ends_timestamp_seconds{} ";
        let line = text.lines().find_map(|line| line.strip_prefix(name));
        line.unwrap_or_else(|| panic!("{text}")).parse::<i64>().unwrap()
    };
    let days = |at: i64| (at - upvoot::clock::wall_ms() / 1000 + 60) / (24 * 60 * 60);
    assert!(shaken(address, &first, &[]).await.is_ok());
    assert_eq!(days(ends().await), 100);
    assert!(!server.process_mut().log().contains("expires soon"));

    // Half of a renewal: the key does not belong to the certificate.
    let other = tempfile::tempdir().unwrap();
    let (other_cert, other_key) = certificate_for(other.path(), 3);
    fs::copy(&other_cert, &cert).unwrap();
    server.process_mut().signal(Signal::SIGHUP);
    server.process_mut().logged("certificate not reloaded").await;
    assert!(server.process_mut().log().contains("UPVOOT_TLS_KEY"), "it says which file");
    assert!(shaken(address, &first, &[]).await.is_ok());
    fs::write(&cert, "no certificate").unwrap();
    server.process_mut().signal(Signal::SIGHUP);
    server.process_mut().logged("UPVOOT_TLS_CERT").await;
    assert!(shaken(address, &first, &[]).await.is_ok());

    // All of it, while a connection stands.
    let mut standing = shaken(address, &first, &[]).await.unwrap();
    fs::copy(&other_cert, &cert).unwrap();
    fs::copy(&other_key, &key).unwrap();
    server.process_mut().signal(Signal::SIGHUP);
    eventually(async || shaken(address, &other_cert, &[]).await.ok()).await;
    assert!(shaken(address, &first, &[]).await.is_err());
    server.process_mut().logged("the certificate expires soon").await;
    assert_eq!(days(ends().await), 3);
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    standing.write_all(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n").await.unwrap();
    let mut head = [0; 12];
    standing.read_exact(&mut head).await.unwrap();
    assert_eq!(&head, b"HTTP/1.1 200");
    drop(standing);
    server.process_mut().signal_to_stop();
    assert_eq!(server.process_mut().exited().await, Some(0));
}

#[test]
fn a_certificate_that_cannot_be_used_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let (cert, _) = certificate(dir.path());
    let empty = dir.path().join("empty.pem");
    std::fs::write(&empty, "").unwrap();
    let empty = empty.to_str().unwrap();
    for (cert, key, named) in [(empty, empty, "UPVOOT_TLS_CERT"), (&*cert, empty, "UPVOOT_TLS_KEY")]
    {
        let failed = upvoot()
            .arg("serve")
            .env("UPVOOT_DATABASE_URL", format!("sqlite://{}/x.db", dir.path().display()))
            .env("UPVOOT_TLS_CERT", cert)
            .env("UPVOOT_TLS_KEY", key)
            .output()
            .unwrap();
        assert_eq!(failed.status.code(), Some(1));
        let text = String::from_utf8(failed.stderr).unwrap();
        assert!(text.contains(named), "{text}");
    }
}

/// Has the tests' PostgreSQL offer TLS, with this certificate and key.
fn offer_tls(url: &str, certificate: &str, key: &str) {
    use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};

    use diesel::{
        Connection as _, PgConnection, QueryableByName, RunQueryDsl as _,
        connection::SimpleConnection as _, sql_query,
    };
    #[derive(QueryableByName)]
    struct Place {
        #[diesel(sql_type = diesel::sql_types::Text)]
        place: String,
    }
    let mut conn = PgConnection::establish(url).unwrap();
    let place = sql_query("SELECT current_setting('data_directory') AS place");
    let place = Path::new(&place.get_result::<Place>(&mut conn).unwrap().place).to_owned();
    let owner = std::fs::metadata(&place).unwrap();
    for (from, name) in [(certificate, "server.crt"), (key, "server.key")] {
        let to = place.join(name);
        std::fs::copy(from, &to).unwrap();
        std::fs::set_permissions(&to, std::fs::Permissions::from_mode(0o600)).unwrap();
        std::os::unix::fs::chown(&to, Some(owner.uid()), Some(owner.gid())).unwrap();
    }
    conn.batch_execute("ALTER SYSTEM SET ssl = on").unwrap();
    conn.batch_execute("SELECT pg_reload_conf()").unwrap();
    let until = std::time::Instant::now() + std::time::Duration::from_secs(30);
    while PgConnection::establish(&format!("{url}?sslmode=require")).is_err() {
        assert!(std::time::Instant::now() < until, "PostgreSQL offers no TLS");
    }
}

#[actix_web::test]
async fn a_database_server_is_verified_by_the_certificates_that_this_machine_trusts() {
    let dir = tempfile::tempdir().unwrap();
    let (cert, key) = certificate(dir.path());
    // A unix socket needs no TLS and has none.
    let (url, _server) = postgres::on_a_port();
    offer_tls(&url, &cert, &key);
    let url = url.replace("@127.0.0.1:", "@localhost:");
    let verified = format!("{url}?sslmode=verify-full&sslrootcert=system");
    let refused = async |url: String| {
        let start = move || upvoot().arg("serve").env("UPVOOT_DATABASE_URL", url).output().unwrap();
        let failed = tokio::task::spawn_blocking(start).await.unwrap();
        assert_eq!(failed.status.code(), Some(1));
        String::from_utf8_lossy(&failed.stderr).into_owned()
    };
    let text = refused(verified.clone()).await;
    assert!(text.contains("certificate verify failed"), "not one that this machine trusts: {text}");
    let weak = refused(format!("{url}?sslmode=require&sslrootcert=system")).await;
    assert!(weak.contains("verify-full"), "{weak}");
    let server = Server::process(&verified, &[("SSL_CERT_FILE", &*cert)]).await;
    server.account(1.0).await;
    server.stop().await;
}

#[actix_web::test]
async fn single_sign_on_asks_a_provider_that_this_machine_trusts_and_no_other() {
    let dir = tempfile::tempdir().unwrap();
    let (cert, key) = certificate(dir.path());
    let chain = CertificateDer::pem_file_iter(&cert).unwrap().map(Result::unwrap).collect();
    let tls = rustls::ServerConfig::builder_with_provider(Arc::new(
        rustls::crypto::ring::default_provider(),
    ))
    .with_safe_default_protocol_versions()
    .unwrap()
    .with_no_client_auth()
    .with_single_cert(chain, PrivateKeyDer::from_pem_file(key).unwrap())
    .unwrap();
    let provider = OpenId::over_tls(tls);
    let (url, _database) = Database::Sqlite.empty();
    let asked = async |server: &Server| {
        let http = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none());
        let http = http.build().unwrap();
        http.get(format!("{}/login/oidc", server.base)).send().await.unwrap().status().as_u16()
    };
    let mut server = Server::process(&url, &provider.env()).await;
    assert_eq!(asked(&server).await, 503);
    // It says why.
    server.process_mut().logged("certificate").await;
    server.stop().await;
    let trusting: Vec<_> = provider.env().into_iter().chain([("SSL_CERT_FILE", &*cert)]).collect();
    let server = Server::process(&url, &trusting).await;
    assert_eq!(asked(&server).await, 303);
    server.stop().await;
}
