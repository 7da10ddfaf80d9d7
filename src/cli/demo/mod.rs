//! `upvoot demo`: the main job, on this machine, at once, and every promise checked.
//!
//! It is an operator and a caller of a server that it starts itself; it meets that server over its
//! documented wires only. What is promised and does not happen makes it fail.

mod conversation;
mod operator;
mod script;

use std::{
    io,
    net::{SocketAddr, TcpListener},
    path::{Path, PathBuf},
    process::ExitCode,
    time::Instant,
};

use clap::Args;
use secrecy::{ExposeSecret, SecretString};
use tempfile::TempDir;

use self::{operator::Operator, script::Script};
use super::{
    interrupt::Interrupts,
    paint::{Paint, complain, print},
    phone::NoCall,
};
use crate::{
    app::{self, Running, StartError},
    settings::{MetricsListen, OidcArgs, ServeArgs},
};

/// Where the demo listens unless that is taken.
const USUAL: SocketAddr =
    SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 8080);

/// The arguments of `upvoot demo`.
#[derive(Debug, Args)]
pub struct DemoArgs {
    /// Exit after the calls, instead of serving until Ctrl-C.
    #[arg(long)]
    exit: bool,

    /// Where to listen. Default: 127.0.0.1:8080, or any free port if that one is taken.
    #[arg(long, env = "UPVOOT_LISTEN", value_name = "ADDR")]
    listen: Option<SocketAddr>,

    /// Where to save the agent's audio. Default: a new temporary file.
    #[arg(long, value_name = "FILE")]
    save: Option<PathBuf>,
}

/// Why the demo did not go as promised.
#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error("{0}")]
    Broken(String),
    #[error(transparent)]
    NoCall(#[from] NoCall),
    #[error(transparent)]
    Start(#[from] StartError),
    #[error(transparent)]
    Io(#[from] io::Error),
    #[error("interrupted")]
    Interrupted,
}

impl Failure {
    fn broken(what: impl Into<String>) -> Self {
        Self::Broken(what.into())
    }
}

/// Runs the demo within an actix system. Status 0 only if everything happened as promised.
pub async fn run(args: DemoArgs) -> ExitCode {
    match demonstrate(&args).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            match failure {
                Failure::Interrupted => complain("demo interrupted"),
                failure => complain(format_args!("demo failed: {failure}")),
            }
            ExitCode::FAILURE
        }
    }
}

async fn demonstrate(args: &DemoArgs) -> Result<(), Failure> {
    let began = Instant::now();
    let paint = Paint::for_stdout();
    let mut interrupts = Interrupts::listen()?;
    let directory = tempfile::Builder::new().prefix("upvoot-demo-").tempdir()?;
    let token = SecretString::from(random_token()?);
    let running = app::start(settings(args, directory.path(), &token)).await?;
    let base = format!("http://{}", reachable(running.address()));

    let operator = Operator::new(base.clone(), token.clone());
    let script = Script { paint, base: &base, operator: &operator, directory: directory.path() };
    let mut outcome = tokio::select! {
        outcome = script.play(args.save.as_deref()) => outcome,
        () = interrupts.next() => Err(Failure::Interrupted),
    };
    if outcome.is_ok() {
        let took = format!("✓ Everything worked, in {:.1} s.", began.elapsed().as_secs_f64());
        outcome = print(format_args!("\n{}", paint.good(took))).map_err(Failure::from);
    }
    if outcome.is_ok() && !args.exit {
        outcome = invite(paint, &base, &token, running.setup_url()).map_err(Failure::from);
        interrupts.next().await;
    }
    let settled = stop(running, &mut interrupts).await;
    leave(directory, args.exit, paint)?;
    if outcome.is_ok() && !settled {
        return Err(Failure::broken("a call was left unsettled"));
    }
    outcome
}

fn settings(args: &DemoArgs, directory: &Path, token: &SecretString) -> ServeArgs {
    let database = directory.join("upvoot.db");
    ServeArgs {
        listen: args.listen.unwrap_or_else(usual_or_free),
        database_url: format!("sqlite://{}", database.display()).into(),
        admin_token: Some(token.clone()),
        public_url: None,
        metrics_listen: MetricsListen::Off,
        tls_cert: None,
        tls_key: None,
        trusted_proxies: Default::default(),
        relay_networks: Default::default(),
        relay_dns: Vec::new(),
        drain_seconds: 1,
        database_connections: 16,
        retention_days: None,
        attempts_per_minute: 100,
        unrecognised_per_minute: 300,
        transcript_bytes: 256 * 1024,
        speech_sandbox: super::own_program(),
        oidc: OidcArgs::default(),
    }
}

fn usual_or_free() -> SocketAddr {
    let taken = TcpListener::bind(USUAL).is_err();
    if taken { SocketAddr::new(USUAL.ip(), 0) } else { USUAL }
}

/// A server that listens on all addresses is called on this machine's own.
fn reachable(bound: SocketAddr) -> SocketAddr {
    if bound.ip().is_unspecified() { SocketAddr::new(USUAL.ip(), bound.port()) } else { bound }
}

/// The demo's operator needs a token that cannot be guessed while it serves.
fn random_token() -> io::Result<String> {
    use rand::TryRng;
    let mut bytes = [0; 24];
    rand::rngs::SysRng.try_fill_bytes(&mut bytes).map_err(io::Error::other)?;
    Ok(hex::encode(bytes))
}

/// `setup` is the link that opens the dashboard of a database without users, as the demo's is.
fn invite(paint: Paint, base: &str, token: &SecretString, setup: Option<&str>) -> io::Result<()> {
    print("\nThe server stays up until Ctrl-C.")?;
    if let Some(link) = setup {
        print(format_args!("   the dashboard, to set up   {}", paint.name(link)))?;
        print("                             valid for one hour, once; then open “Demo”")?;
    }
    print(format_args!(
        "   the API, to read and try   {}",
        paint.name(format!("{base}/api/docs"))
    ))?;
    print(format_args!("   its token, for this demo   {}", token.expose_secret()))
}

/// Stops the server, without further patience for its calls if the user insists.
async fn stop(running: Running, interrupts: &mut Interrupts) -> bool {
    running.stop_hurried(interrupts.next()).await
}

fn leave(directory: TempDir, exit: bool, paint: Paint) -> io::Result<()> {
    if exit {
        return directory.close();
    }
    let kept = directory.keep();
    print(format_args!("   the database is kept in {}", paint.name(kept.display())))
}
