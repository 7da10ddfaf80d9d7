//! What signing in leaves behind in the process's memory.

use std::{fs, thread};

use futures_util::future::join_all;
use reqwest::Client;

use crate::support::process::Process;

/// KiB of memory that the process holds.
fn resident_kib(process: &Process) -> u64 {
    let status = fs::read_to_string(format!("/proc/{}/status", process.id())).unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

#[actix_web::test]
async fn wrong_passwords_leave_no_more_memory_than_is_hashed_in_at_once() {
    let dir = tempfile::tempdir().unwrap();
    let url = format!("sqlite://{}", dir.path().join("upvoot.db").display());
    let process = Process::serve(&url, &[("UPVOOT_TRUSTED_PROXIES", "127.0.0.1")]).await;
    let (http, login) = (Client::new(), format!("http://{}/login", process.address()));
    let sign_in = async |n: usize| {
        let form = "application/x-www-form-urlencoded";
        let request = http.post(&login).header("sec-fetch-site", "same-origin");
        let request = request.header("x-forwarded-for", format!("192.0.2.{}", n % 200));
        let request = request.header("content-type", form);
        let body = format!("email=nobody{n}%40example.com&password=correct+horse+battery");
        request.body(body).send().await.unwrap().status().as_u16()
    };
    assert_eq!(http.get(&login).send().await.unwrap().status().as_u16(), 200);
    let before = resident_kib(&process);
    for six in 0..10 {
        let statuses = join_all((0..6).map(|n| sign_in(six * 6 + n))).await;
        assert_eq!(statuses, [401; 6]);
    }
    let grown = resident_kib(&process).saturating_sub(before);
    let at_once = thread::available_parallelism().unwrap().get() as u64;
    // What else a first request needs: threads, connections, pages of the database.
    let besides = 16 * 1024;
    assert!(grown <= at_once * 19 * 1024 + besides, "{grown} KiB more, {at_once} at once");
    assert_eq!(process.terminate().await, Some(0));
}
