//! `upvoot serve`: start, run until a signal, drain, stop.

use std::process::ExitCode;

use tokio::signal::unix::{SignalKind, signal};

use super::paint;
use crate::{app, settings::ServeArgs};

/// Serves until SIGTERM or SIGINT, then drains; a second signal cuts the draining short. The exit
/// status is 0 if it started, stopped, and left nothing unsettled.
pub async fn run(settings: ServeArgs) -> ExitCode {
    // A call takes two descriptors, and the usual soft limit is 1024. Where it cannot be raised, it
    // stays as it is.
    let _ = rlimit::increase_nofile_limit(u64::MAX);
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
    stop_signal().await;
    tracing::info!("draining: no new calls");
    let store = running.store();
    let settled = tokio::select! {
        settled = running.stop() => settled,
        () = stop_signal() => {
            tracing::warn!("second signal: not waiting any longer");
            false
        }
    };
    // Also where the second signal has cut short what closes it.
    store.close().await;
    if settled {
        tracing::info!("stopped");
        ExitCode::SUCCESS
    } else {
        tracing::error!(
            "stopped with calls that are not settled; the next node to run settles them"
        );
        ExitCode::FAILURE
    }
}

async fn stop_signal() {
    let listening = "the process may listen to its own signals";
    let mut terminate = signal(SignalKind::terminate()).expect(listening);
    let mut interrupt = signal(SignalKind::interrupt()).expect(listening);
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
}
