//! `upvoot serve`: start, run until a signal, drain, stop.

use std::{io, process::ExitCode};

use tokio::signal::unix::{Signal, SignalKind, signal};

use super::{interrupt::Interrupts, memory, own_program, paint};
use crate::{
    app::{self, Running},
    settings::ServeArgs,
};

/// Serves until SIGTERM or SIGINT, then drains; a second signal ends the calls that are left at
/// once. SIGHUP has the certificate read again. The exit status is 0 if it started, stopped, and left
/// nothing unsettled.
pub async fn run(mut settings: ServeArgs) -> ExitCode {
    memory::keep_private();
    settings.speech_sandbox = own_program();
    // A call takes a descriptor or two, and the usual soft limit is 1024. Where it cannot be raised,
    // it stays as it is.
    let _ = rlimit::increase_nofile_limit(u64::MAX);
    // From here on neither ends the process by itself.
    let (mut interrupts, mut hangups) = match listen() {
        Ok(signals) => signals,
        Err(error) => {
            tracing::error!(%error, "cannot listen for signals");
            return ExitCode::FAILURE;
        }
    };
    let without_token = settings.admin_token.is_none();
    let running = match app::start(settings).await {
        Ok(running) => running,
        Err(error) => {
            tracing::error!(%error, "cannot start");
            if !tracing::enabled!(tracing::Level::ERROR) {
                // The filter hides that line, and a server that is not there must say why.
                paint::complain(format_args!("cannot start: {error}"));
            }
            return ExitCode::FAILURE;
        }
    };
    let url = running.public_url();
    tracing::info!(address = %running.address(), url, "ready for calls");
    if without_token {
        tracing::info!("UPVOOT_ADMIN_TOKEN is not set: bearer access to /api is disabled");
    }
    if let Some(link) = running.setup_url() {
        // On standard output and not in the log, which others may read. Nobody may be looking.
        let _ = paint::print(format!("Set up the dashboard (valid for one hour, once): {link}"));
    }
    until_stopped(&running, &mut interrupts, &mut hangups).await;
    tracing::info!("draining: no new calls");
    let hurry = async {
        interrupts.next().await;
        tracing::warn!("second signal: ending the remaining calls now");
    };
    if running.stop_hurried(hurry).await {
        tracing::info!("stopped");
        ExitCode::SUCCESS
    } else {
        tracing::error!("stopped with unsettled calls; the next node that runs settles them");
        ExitCode::FAILURE
    }
}

fn listen() -> io::Result<(Interrupts, Signal)> {
    Ok((Interrupts::listen()?, signal(SignalKind::hangup())?))
}

/// Until the first signal to stop; those to read files again are obeyed on the way.
async fn until_stopped(running: &Running, interrupts: &mut Interrupts, hangups: &mut Signal) {
    loop {
        tokio::select! {
            () = interrupts.next() => return,
            _ = hangups.recv() => running.reload(),
        }
    }
}
