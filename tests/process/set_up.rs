//! The set-up link: shown to whoever started the server, on standard output, and to no log.

use std::fs;

use reqwest::{Client, Method};

use crate::support::{eventually, process::Process};

/// What the process has printed on standard output so far.
fn printed(process: &Process) -> String {
    fs::read_to_string(&process.log_files()[0]).unwrap()
}

/// The one link on standard output, and its secret part.
async fn link(process: &Process) -> (String, String) {
    let line = eventually(async || printed(process).lines().next().map(str::to_owned)).await;
    let at = format!("http://{}/setup/", process.address());
    let (_, token) = line.split_once(&at).unwrap_or_else(|| panic!("no {at} in {line:?}"));
    assert_eq!(token.len(), 64, "{line:?}");
    (format!("{at}{token}"), token.to_owned())
}

/// Which of these hold a piece of the token that would give it away.
fn holding<'a>(token: &str, texts: &[(&'a str, Vec<u8>)]) -> Vec<&'a str> {
    let piece = &token.as_bytes()[20..44];
    let holds = |text: &[u8]| text.windows(piece.len()).any(|window| window == piece);
    texts.iter().filter(|(_, text)| holds(text)).map(|(name, _)| *name).collect()
}

async fn drive(format: &str) {
    let dir = tempfile::tempdir().unwrap();
    let database = dir.path().join("upvoot.db");
    let url = format!("sqlite://{}", database.display());
    let env = [("UPVOOT_LOG", "trace"), ("UPVOOT_LOG_FORMAT", format)];
    let process = Process::serve(&url, &env).await;
    let (link, token) = link(&process).await;

    // It is opened, sent wrongly, sent rightly, and opened once more.
    let http = Client::builder().redirect(reqwest::redirect::Policy::none()).build().unwrap();
    let ask = async |method: Method, body: &'static str| {
        let request = http.request(method, &link).header("sec-fetch-site", "same-origin");
        let form = request.header("content-type", "application/x-www-form-urlencoded");
        form.body(body).send().await.unwrap().status().as_u16()
    };
    assert_eq!(ask(Method::GET, "").await, 200);
    assert_eq!(ask(Method::POST, "email=&password=&account_name=").await, 422);
    let given = "email=ann%40example.com&password=correct+horse+battery&account_name=Acme";
    assert_eq!(ask(Method::POST, given).await, 303);
    assert_eq!(ask(Method::GET, "").await, 404, "once");

    let log = eventually(async || {
        let log = process.log();
        (log.matches("/setup/{token}").count() >= 4).then_some(log)
    })
    .await;
    assert_eq!(log.matches("/setup/{token}").count(), 4, "each request by its pattern: {log}");
    let stored: Vec<u8> = fs::read_dir(dir.path())
        .unwrap()
        .flat_map(|file| fs::read(file.unwrap().path()).unwrap())
        .collect();
    let stdout = printed(&process);
    assert_eq!(stdout.matches("/setup/").count(), 1, "{stdout}");
    let texts =
        [("the log", log.into_bytes()), ("the database", stored), ("stdout", stdout.into_bytes())];
    assert_eq!(holding(&token, &texts), ["stdout"]);
    assert_eq!(process.terminate().await, Some(0));

    // With an operator there is no link any more.
    let again = Process::serve(&url, &env).await;
    let login = http.get(format!("http://{}/login", again.address())).send().await.unwrap();
    assert_eq!(login.status().as_u16(), 200, "it is up");
    assert_eq!(printed(&again), "");
    assert_eq!(again.terminate().await, Some(0));
}

#[actix_web::test]
async fn the_set_up_link_is_printed_and_never_logged_as_text() {
    drive("text").await;
}

#[actix_web::test]
async fn the_set_up_link_is_printed_and_never_logged_as_json() {
    drive("json").await;
}
