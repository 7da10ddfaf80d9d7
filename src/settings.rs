//! The settings: environment and flags turned into typed, checked values, once, at the start.
//!
//! Only `app` and the command line open this struct; every other part is handed what it needs. A
//! bad value is refused with the variable named; a secret is a secret type.

use std::{
    net::{IpAddr, SocketAddr},
    path::PathBuf,
    time::Duration,
};

use secrecy::SecretString;

use crate::{
    auth::CALLBACK,
    client_addr::Proxies,
    networks::Networks,
    oidc::{self, Issuer},
    telemetry::LogFormat,
};

/// Characters an admin token needs at least.
const ADMIN_TOKEN_MIN: usize = 32;
/// Characters the secret at the single sign-on service needs at least: the key of a cookie comes from it.
const CLIENT_SECRET_MIN: usize = 16;

/// The flags of `upvoot serve`, each with its environment variable.
#[derive(Debug, Clone, clap::Args)]
pub struct ServeArgs {
    /// Where to listen for calls and the API.
    #[arg(
        long = "listen",
        env = "UPVOOT_LISTEN",
        default_value = "127.0.0.1:8080",
        value_name = "ADDR",
        value_parser = listen
    )]
    pub listen: SocketAddr,

    /// The database: sqlite://PATH or postgres://...
    #[arg(
        long = "database-url",
        env = "UPVOOT_DATABASE_URL",
        default_value = "sqlite://upvoot.db",
        hide_env_values = true,
        value_name = "URL",
        value_parser = database_url
    )]
    pub database_url: SecretString,

    /// The operator's bearer token for /api, at least 32 characters; unset: bearer access is disabled.
    #[arg(long = "admin-token", env = "UPVOOT_ADMIN_TOKEN", hide_env_values = true, value_name = "TOKEN", value_parser = admin_token)]
    pub admin_token: Option<SecretString>,

    /// The public address of this server, such as <https://voice.example.com>.
    #[arg(long = "public-url", env = "UPVOOT_PUBLIC_URL", value_name = "URL", value_parser = public_url)]
    pub public_url: Option<String>,

    /// Where to serve Prometheus metrics, or `off`.
    #[arg(
        long = "metrics-listen",
        env = "UPVOOT_METRICS_LISTEN",
        default_value = "127.0.0.1:9464",
        value_name = "ADDR|off"
    )]
    pub metrics_listen: MetricsListen,

    /// The certificate chain (PEM) for TLS; unset: plain, for use behind a proxy.
    #[arg(long = "tls-cert", env = "UPVOOT_TLS_CERT", value_name = "FILE", requires = "tls_key")]
    pub tls_cert: Option<PathBuf>,

    /// The private key (PEM) of the certificate.
    #[arg(long = "tls-key", env = "UPVOOT_TLS_KEY", value_name = "FILE", requires = "tls_cert")]
    pub tls_key: Option<PathBuf>,

    /// Proxies whose forwarded headers are trusted: addresses or networks, separated by commas.
    #[arg(long = "trusted-proxies", env = "UPVOOT_TRUSTED_PROXIES", default_value = "", value_name = "LIST", value_parser = networks)]
    pub trusted_proxies: Proxies,

    /// Private networks that accounts' bots may be in: addresses or networks, separated by commas.
    /// Elsewhere a bot needs a public address.
    #[arg(long = "relay-networks", env = "UPVOOT_RELAY_NETWORKS", default_value = "", value_name = "LIST", value_parser = networks)]
    pub relay_networks: Networks,

    /// Name servers for bots' names: addresses, with a port if it is not 53, separated by commas; unset:
    /// those of this machine.
    #[arg(long = "relay-dns", env = "UPVOOT_RELAY_DNS", value_name = "LIST", value_delimiter = ',', value_parser = name_server)]
    pub relay_dns: Vec<SocketAddr>,

    /// How long calls may continue after SIGTERM before they are ended.
    #[arg(long = "drain-seconds", env = "UPVOOT_DRAIN_SECONDS", default_value = "30", value_name = "SECONDS", value_parser = clap::value_parser!(u32).range(0..=86_400))]
    pub drain_seconds: u32,

    /// Max connections to a PostgreSQL server; fewer are used where the server allows fewer.
    #[arg(long = "database-connections", env = "UPVOOT_DATABASE_CONNECTIONS", default_value = "16", value_name = "N", value_parser = clap::value_parser!(u32).range(2..=1_000))]
    pub database_connections: u32,

    /// Days that ended calls, their transcripts and the audit log are kept; unset: for ever. An account may
    /// set fewer for its calls. Rows of the ledger are never deleted.
    #[arg(long = "retention-days", env = "UPVOOT_RETENTION_DAYS", value_name = "DAYS", value_parser = clap::value_parser!(u32).range(1..=36_500))]
    pub retention_days: Option<u32>,

    /// Max 401/403 answers per client address and minute; then 429.
    #[arg(long = "attempts-per-minute", env = "UPVOOT_ATTEMPTS_PER_MINUTE", default_value = "100", value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub attempts_per_minute: u32,

    /// Max failed calls of one key a minute, closed or turned away before their dialect was recognised;
    /// then 429.
    #[arg(long = "unrecognised-per-minute", env = "UPVOOT_UNRECOGNISED_PER_MINUTE", default_value = "300", value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub unrecognised_per_minute: u32,

    /// Max bytes of a call's transcript; then one line says that text is missing.
    #[arg(long = "transcript-bytes", env = "UPVOOT_TRANSCRIPT_BYTES", default_value = "262144", value_name = "BYTES", value_parser = clap::value_parser!(u32).range(1_024..=16_777_216))]
    pub transcript_bytes: u32,

    /// A program that is `upvoot`, for the sandbox that speech is rendered in; the command line sets it
    /// to itself. Unset, speech is rendered without a sandbox, and the log says so.
    #[arg(skip)]
    pub speech_sandbox: Option<PathBuf>,

    /// Single sign-on.
    #[command(flatten)]
    pub oidc: OidcArgs,
}

/// Single sign-on through OpenID Connect: all of it, or nothing.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct OidcArgs {
    /// The OpenID provider for single sign-on, such as <https://id.example.com>; unset: passwords only.
    #[arg(long = "oidc-issuer", env = "UPVOOT_OIDC_ISSUER", value_name = "URL", value_parser = issuer, requires = "client_id", requires = "client_secret")]
    pub issuer: Option<Issuer>,

    /// This server's client id at the OpenID provider.
    #[arg(long = "oidc-client-id", env = "UPVOOT_OIDC_CLIENT_ID", value_name = "ID", value_parser = client_id, requires = "issuer", requires = "client_secret")]
    pub client_id: Option<String>,

    /// This server's client secret at the OpenID provider, at least 16 characters.
    #[arg(long = "oidc-client-secret", env = "UPVOOT_OIDC_CLIENT_SECRET", hide_env_values = true, value_name = "SECRET", value_parser = client_secret, requires = "issuer", requires = "client_id")]
    pub client_secret: Option<SecretString>,

    /// Accept e-mail addresses that the OpenID provider does not call verified. DANGEROUS where people can
    /// choose their own address there: a person who enters another's address signs in as that user.
    #[arg(long = "oidc-trust-unverified-email", env = "UPVOOT_OIDC_TRUST_UNVERIFIED_EMAIL", value_name = "BOOL", value_parser = clap::builder::BoolishValueParser::new(), num_args = 0..=1, require_equals = true, default_value = "false", default_missing_value = "true")]
    pub trust_unverified_email: bool,
}

impl OidcArgs {
    /// What the provider is asked with, by a server that people reach at `public_url`.
    pub fn settings(&self, public_url: &str) -> Option<oidc::Settings> {
        Some(oidc::Settings {
            issuer: self.issuer.clone()?,
            client_id: self.client_id.clone()?,
            client_secret: self.client_secret.clone()?,
            redirect_uri: format!("{public_url}{CALLBACK}"),
            trust_unverified_email: self.trust_unverified_email,
        })
    }
}

/// How the process logs; for every command.
#[derive(Debug, Clone, clap::Args)]
pub struct LogArgs {
    /// What to log: a level, or a filter such as info,upvoot::session=debug.
    #[arg(long = "log", env = "UPVOOT_LOG", global = true, value_name = "FILTER")]
    pub log: Option<String>,

    /// Log format: text, or json (one object per line).
    #[arg(
        long = "log-format",
        env = "UPVOOT_LOG_FORMAT",
        default_value = "text",
        global = true,
        value_name = "FORMAT", value_parser = log_format)]
    pub log_format: LogFormat,
}

/// Where metrics are served.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MetricsListen {
    /// Nowhere.
    Off,
    /// On this address, and on this one only.
    On(SocketAddr),
}

impl std::str::FromStr for MetricsListen {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text == "off" {
            return Ok(Self::Off);
        }
        listen(text).map(Self::On).map_err(|error| format!("{error}, or off"))
    }
}

impl ServeArgs {
    /// How long calls may go on after SIGTERM.
    pub fn drain(&self) -> Duration {
        Duration::from_secs(u64::from(self.drain_seconds))
    }

    /// What `UPVOOT_PUBLIC_URL` says, or what can be derived from the bound listener.
    pub fn public_url(&self, bound: SocketAddr) -> String {
        let scheme = if self.tls_cert.is_some() { "https" } else { "http" };
        let host = if bound.ip().is_unspecified() {
            format!("localhost:{}", bound.port())
        } else {
            bound.to_string()
        };
        self.public_url.clone().unwrap_or_else(|| format!("{scheme}://{host}"))
    }

    /// `UPVOOT_PUBLIC_URL` without its scheme: the host, with a port and a path if it names them;
    /// `None` where it is not set.
    pub fn public_address(&self) -> Option<String> {
        let (_, rest) = self.public_url.as_ref()?.split_once("://")?;
        Some(rest.to_owned())
    }
}

/// An address to listen on. `localhost` is a name that people write and every machine has; others
/// would need a look-up, whose answer may change under a running server.
fn listen(text: &str) -> Result<SocketAddr, &'static str> {
    let local = text.strip_prefix("localhost:").map(|port| format!("127.0.0.1:{port}"));
    local.as_deref().unwrap_or(text).parse().map_err(|_| {
        "expected an address and a port, such as 127.0.0.1:8080 (this machine) or 0.0.0.0:8080 (every network)"
    })
}

/// A url of a database, as far as its scheme says.
///
/// # Errors
/// What is expected instead.
pub fn database_url(text: &str) -> Result<SecretString, &'static str> {
    let known = ["sqlite://", "postgres://", "postgresql://"];
    if !known.iter().any(|scheme| text.starts_with(scheme)) {
        return Err("expected sqlite://PATH or postgres://...");
    }
    Ok(SecretString::from(text))
}

fn admin_token(text: &str) -> Result<SecretString, &'static str> {
    // The text itself is never part of the message: it is a secret, if a short one.
    if text.chars().count() < ADMIN_TOKEN_MIN {
        return Err("must have at least 32 characters");
    }
    if !text.bytes().all(|b| b.is_ascii_graphic()) {
        return Err("must be visible ASCII characters without spaces, as a header carries it");
    }
    Ok(SecretString::from(text))
}

fn public_url(text: &str) -> Result<String, &'static str> {
    let url = text.trim_end_matches('/');
    let host = url.strip_prefix("https://").or_else(|| url.strip_prefix("http://"));
    if url.ends_with("/voice") {
        return Err("must not end in /voice: UpVoot adds the path itself");
    }
    match host {
        Some(host) if !host.is_empty() && !host.contains(['?', '#', ' ']) => Ok(url.to_owned()),
        _ => Err("expected http://HOST or https://HOST"),
    }
}

fn issuer(text: &str) -> Result<Issuer, &'static str> {
    Issuer::parse(text).ok_or("expected https://..., or http://... on this machine")
}

fn client_id(text: &str) -> Result<String, &'static str> {
    let good = !text.is_empty() && text.bytes().all(|b| matches!(b, b' '..=b'~'));
    good.then(|| text.to_owned()).ok_or("must be visible ASCII characters")
}

fn client_secret(text: &str) -> Result<SecretString, &'static str> {
    if text.chars().count() < CLIENT_SECRET_MIN {
        return Err("must have at least 16 characters");
    }
    if !text.bytes().all(|b| matches!(b, b' '..=b'~')) {
        return Err("must be visible ASCII characters");
    }
    Ok(SecretString::from(text))
}

fn networks(text: &str) -> Result<Networks, String> {
    text.parse().map_err(|_| "expected addresses or networks, separated by commas".to_owned())
}

fn name_server(text: &str) -> Result<SocketAddr, &'static str> {
    let (text, usual) = (text.trim(), 53);
    let alone = text.parse::<IpAddr>().map(|address| SocketAddr::new(address, usual));
    alone.or_else(|_| text.parse()).map_err(|_| "expected addresses, separated by commas")
}

fn log_format(text: &str) -> Result<LogFormat, &'static str> {
    match text {
        "text" => Ok(LogFormat::Text),
        "json" => Ok(LogFormat::Json),
        _ => Err("expected text or json"),
    }
}
