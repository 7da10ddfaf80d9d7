//! A log that is not read stops nothing: no call, no probe and no stop.

use std::{
    io::{BufRead, BufReader},
    net::SocketAddr,
    process::{Child, Stdio},
};

use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};

use crate::support::{eventually, process::upvoot};

struct Killed(Child);

impl Drop for Killed {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[actix_web::test]
async fn a_full_pipe_of_log_lines_delays_no_answer_and_no_stop() {
    let dir = tempfile::tempdir().unwrap();
    let child = upvoot()
        .arg("serve")
        .env("UPVOOT_LISTEN", "127.0.0.1:0")
        .env("UPVOOT_METRICS_LISTEN", "off")
        .env("UPVOOT_ATTEMPTS_PER_MINUTE", "1000000")
        .env("UPVOOT_LOG_FORMAT", "json")
        .env("UPVOOT_DATABASE_URL", format!("sqlite://{}", dir.path().join("x.db").display()))
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut server = Killed(child);
    let mut log = BufReader::with_capacity(64, server.0.stderr.take().unwrap());
    let address = loop {
        let mut line = String::new();
        assert_ne!(log.read_line(&mut line).unwrap(), 0, "it never became ready");
        let line: serde_json::Value = serde_json::from_str(&line).unwrap();
        if line["message"] == "ready for calls" {
            break line["address"].as_str().unwrap().parse::<SocketAddr>().unwrap();
        }
    };
    // From here on its standard error is not read any more. A pipe holds 64 KiB, so 3,000 lines of
    // more than 100 bytes fill it several times over.
    let http = reqwest::Client::new();
    let refused = format!("http://{address}/voice/not-a-key");
    for _ in 0..3_000 {
        assert_eq!(http.get(&refused).send().await.unwrap().status(), 401);
    }
    let alive = http.get(format!("http://{address}/healthz")).send().await.unwrap();
    assert_eq!(alive.status(), 200);
    kill(Pid::from_raw(server.0.id().try_into().unwrap()), Signal::SIGTERM).unwrap();
    let status = eventually(async || server.0.try_wait().unwrap()).await;
    assert_eq!(status.code(), Some(0));
    drop(log);
}
