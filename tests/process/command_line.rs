//! The command line: what is wrong with a setting is said with its name, and never with its value.

use std::process::Output;

use crate::support::{
    Server,
    process::{Process, upvoot},
};

fn refused(env: &[(&str, &str)]) -> String {
    let Output { status, stderr, .. } = upvoot()
        .arg("serve")
        .env("UPVOOT_DATABASE_URL", "sqlite://:memory:")
        .envs(env.iter().copied())
        .output()
        .unwrap();
    let text = String::from_utf8(stderr).unwrap();
    assert_eq!(status.code(), Some(2), "{text}");
    text
}

#[test]
fn a_bad_setting_is_named_and_its_value_is_not_repeated() {
    let bad = [
        ("UPVOOT_LISTEN", "nowhere"),
        ("UPVOOT_LISTEN", ":8081"),
        ("UPVOOT_LISTEN", "8081"),
        ("UPVOOT_DATABASE_URL", "mysql://root:hunter22@x"),
        ("UPVOOT_ADMIN_TOKEN", "too-short-and-secret"),
        ("UPVOOT_PUBLIC_URL", "ftp://nowhere"),
        ("UPVOOT_METRICS_LISTEN", "nowhere"),
        ("UPVOOT_TRUSTED_PROXIES", "everybody"),
        ("UPVOOT_DRAIN_SECONDS", "soon"),
        ("UPVOOT_ATTEMPTS_PER_MINUTE", "many"),
        ("UPVOOT_OIDC_ISSUER", "http://id.example.com"),
        ("UPVOOT_OIDC_CLIENT_ID", "a name with a \u{e4}"),
        ("UPVOOT_OIDC_CLIENT_SECRET", "secret-and-16ch"),
        ("UPVOOT_PUBLIC_URL", "https://upvoot.example.com/voice"),
        ("UPVOOT_LOG", "upvoot=loudest"),
        ("UPVOOT_LOG", "warning"),
        ("UPVOOT_LOG_FORMAT", "xml"),
    ];
    for (name, value) in bad {
        let text = refused(&[(name, value)]);
        assert!(text.contains(name), "{name}: {text}");
        assert!(!text.contains(value), "{name}: {text}");
    }
    assert!(refused(&[("UPVOOT_TLS_CERT", "cert.pem")]).contains("UPVOOT_TLS_KEY"));
    let example = refused(&[("UPVOOT_LISTEN", ":8081")]);
    assert!(example.contains("such as 127.0.0.1:8080"), "{example}");
    let doubled = refused(&[("UPVOOT_PUBLIC_URL", "https://upvoot.example.com/voice")]);
    assert!(doubled.contains("must not end in /voice"), "{doubled}");
}

#[test]
fn a_bare_command_on_a_terminal_prints_help_and_starts_nothing() {
    let dir = tempfile::tempdir().unwrap();
    // `script` gives it a terminal.
    let mut terminal = std::process::Command::new("script");
    terminal.args(["-qec", env!("CARGO_BIN_EXE_upvoot"), "/dev/null"]);
    terminal.current_dir(&dir).env("NO_COLOR", "1");
    let help = terminal.output().unwrap();
    let text = String::from_utf8_lossy(&help.stdout);
    assert!(help.status.success() && text.contains("Usage: upvoot"), "{text}");
    assert_eq!(std::fs::read_dir(&dir).unwrap().count(), 0, "no database was made");
}

#[test]
fn single_sign_on_is_configured_whole_or_not_at_all() {
    let all = [
        ("UPVOOT_OIDC_ISSUER", "https://id.example.com"),
        ("UPVOOT_OIDC_CLIENT_ID", "upvoot"),
        ("UPVOOT_OIDC_CLIENT_SECRET", "a-long-enough-secret"),
    ];
    for missing in 0..3 {
        let (mut some, name) = (all.to_vec(), all[missing].0);
        some.remove(missing);
        let text = refused(&some);
        assert!(text.contains(&format!("{name} (--oidc-")), "{text}");
        let because = format!("missing: it is required because {} is set", some[0].0);
        assert!(text.contains(&because), "{text}");
        assert!(!text.contains("a-long-enough-secret"));
    }
}

#[test]
fn a_variable_that_is_set_to_nothing_is_unset() {
    let help = upvoot().args(["serve", "--help"]).output().unwrap();
    let help = String::from_utf8(help.stdout).unwrap();
    let mut words = help.split(|c: char| !(c.is_ascii_uppercase() || c == '_'));
    let names: std::collections::BTreeSet<&str> =
        words.by_ref().filter(|word| word.starts_with("UPVOOT_")).collect();
    assert!(names.len() >= 15, "{names:?}");
    // Each of them empty: what is wrong is the one setting that is wrong, so the others were taken.
    let empty = names.iter().filter(|name| **name != "UPVOOT_LISTEN").map(|name| (*name, ""));
    let env: Vec<_> = empty.chain([("UPVOOT_LISTEN", "nowhere")]).collect();
    let output = upvoot().arg("serve").envs(env).output().unwrap();
    let text = String::from_utf8(output.stderr).unwrap();
    assert!(text.starts_with("error: UPVOOT_LISTEN (--listen): expected an address"), "{text}");
    assert_eq!(text.lines().count(), 1, "{text}");
}

#[test]
fn what_is_missing_or_wrong_about_a_call_is_said_by_its_name() {
    let complaint = |arguments: &[&str]| {
        let output = upvoot().arg("call").args(arguments).output().unwrap();
        assert_eq!(output.status.code(), Some(2));
        String::from_utf8(output.stderr).unwrap()
    };
    assert_eq!(complaint(&[]), "error: missing WS_URL (or set UPVOOT_CALL_URL)\n");
    let seconds = complaint(&["ws://localhost/voice/x", "--seconds", "-1"]);
    assert!(seconds.contains("--seconds") && !seconds.contains("UPVOOT_CALL_URL"), "{seconds}");
    for choice in [["--codec", "mulaw"], ["--rate", "8000"]] {
        let native = complaint(&["ws://localhost/voice/x", choice[0], choice[1]]);
        assert!(native.contains("need a --dialect"), "{native}");
    }
    let key = format!("sk_live_{}", "0a".repeat(32));
    for (address, hint) in [
        (key.clone(), "use ws://HOST/voice/KEY"),
        ("ws://localhost:8080/voice/key_0123".to_owned(), "the id of a key"),
        (format!("http://localhost:8080/voice/{key}"), "use ws:// in place of http://"),
        (format!("localhost:8080/voice/{key}"), "begin with ws:// or wss://"),
    ] {
        let text = complaint(&[&address]);
        assert!(text.contains(hint) && !text.contains(&key[8..40]), "{text}");
    }
}

#[test]
fn a_file_of_the_certificate_that_cannot_be_read_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let missing = dir.path().join("no-such.pem").display().to_string();
    let empty = dir.path().join("empty.pem").display().to_string();
    std::fs::write(&empty, "").unwrap();
    for (cert, key, named) in [
        (&missing, &missing, format!("UPVOOT_TLS_CERT: {missing}: ")),
        (&empty, &missing, format!("UPVOOT_TLS_CERT: {empty}: no certificate in the file")),
    ] {
        let tls = [("UPVOOT_TLS_CERT", cert), ("UPVOOT_TLS_KEY", key)];
        let failed = upvoot().arg("serve").envs(tls).current_dir(&dir).output().unwrap();
        assert_eq!(failed.status.code(), Some(1));
        let text = String::from_utf8(failed.stderr).unwrap();
        assert!(text.contains(&named), "{text}");
    }
}

#[actix_web::test]
async fn a_start_that_fails_speaks_whatever_the_filter_hides() {
    let dir = tempfile::tempdir().unwrap();
    let nowhere = format!("sqlite://{}/no/such/place/x.db", dir.path().display());
    for filter in ["off", "error", "upvoot::session=debug"] {
        let env = [("UPVOOT_DATABASE_URL", &*nowhere), ("UPVOOT_LOG", filter)];
        let failed = upvoot().arg("serve").envs(env).output().unwrap();
        assert_eq!(failed.status.code(), Some(1), "{filter}");
        let text = String::from_utf8(failed.stderr).unwrap();
        assert_eq!(text.matches("UPVOOT_DATABASE_URL").count(), 1, "{filter}: {text}");
    }
}

#[test]
fn a_misspelt_variable_is_warned_of_without_its_value() {
    let dir = tempfile::tempdir().unwrap();
    let nowhere = format!("sqlite://{}/no/such/place/x.db", dir.path().display());
    let failed = upvoot()
        .arg("serve")
        .env("UPVOOT_DATABASE_URL", nowhere)
        .env("UPVOOT_DRAIN_SECOND", "hunter22")
        .env("UPVOOT_SECRET_ACME", "hunter22")
        .output()
        .unwrap();
    let text = String::from_utf8(failed.stderr).unwrap();
    let line = text.lines().find(|line| line.contains("WARN")).unwrap();
    assert!(
        line.contains("UPVOOT_DRAIN_SECOND") && line.contains("UPVOOT_DRAIN_SECONDS"),
        "{text}"
    );
    assert!(!text.contains("hunter22") && !text.contains("UPVOOT_SECRET_ACME"), "{text}");
}

#[test]
fn wrong_usage_is_status_2_and_help_is_status_0() {
    assert_eq!(upvoot().arg("dance").output().unwrap().status.code(), Some(2));
    assert_eq!(upvoot().arg("call").output().unwrap().status.code(), Some(2));
    let help = upvoot().arg("--help").output().unwrap();
    assert_eq!(help.status.code(), Some(0));
    let text = String::from_utf8(help.stdout).unwrap();
    for command in ["serve", "demo", "call", "scan-logs"] {
        assert!(text.contains(command), "{text}");
    }
}

#[actix_web::test]
async fn what_cannot_be_opened_or_bound_is_status_1_and_named() {
    let dir = tempfile::tempdir().unwrap();
    let nowhere = format!("sqlite://{}/no/such/place/x.db", dir.path().display());
    let failed = upvoot().arg("serve").env("UPVOOT_DATABASE_URL", nowhere).output().unwrap();
    assert_eq!(failed.status.code(), Some(1));
    assert!(String::from_utf8(failed.stderr).unwrap().contains("UPVOOT_DATABASE_URL"));

    let server = Server::sqlite().await;
    let failed = upvoot()
        .arg("serve")
        .env("UPVOOT_DATABASE_URL", format!("sqlite://{}/x.db", dir.path().display()))
        .env("UPVOOT_METRICS_LISTEN", "off")
        .env("UPVOOT_LISTEN", server.address().to_string())
        .output()
        .unwrap();
    assert_eq!(failed.status.code(), Some(1));
    assert!(String::from_utf8(failed.stderr).unwrap().contains("UPVOOT_LISTEN"));
    server.stop().await;
}

#[actix_web::test]
async fn a_second_server_is_told_a_port_that_is_free() {
    let dir = tempfile::tempdir().unwrap();
    let database = format!("sqlite://{}/x.db", dir.path().display());
    let holder = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = holder.local_addr().unwrap();
    for (variable, other) in
        [("UPVOOT_LISTEN", "UPVOOT_METRICS_LISTEN"), ("UPVOOT_METRICS_LISTEN", "UPVOOT_LISTEN")]
    {
        let failed = upvoot()
            .arg("serve")
            .env("UPVOOT_DATABASE_URL", &database)
            .env(variable, taken.to_string())
            .env(other, "127.0.0.1:0")
            .output()
            .unwrap();
        assert_eq!(failed.status.code(), Some(1));
        let text = String::from_utf8(failed.stderr).unwrap();
        let (_, free) = text.split_once("another server may be running; 127.0.0.1:").unwrap();
        let port: u16 = free.split_once(" is free").unwrap().0.parse().unwrap();
        assert!(port > taken.port() && text.contains(variable), "{text}");
    }
}

#[actix_web::test]
async fn a_second_server_on_one_database_file_says_so() {
    let dir = tempfile::tempdir().unwrap();
    let database = format!("sqlite://{}/x.db", dir.path().display());
    let first = Process::serve(&database, &[]).await;
    let second = Process::serve(&database, &[]).await;
    let said = "another server uses this database file";
    assert!(second.log().contains(said) && !first.log().contains(said), "{}", second.log());
    assert_eq!(second.terminate().await, Some(0));
    assert_eq!(first.terminate().await, Some(0));
    let alone = Process::serve(&database, &[]).await;
    assert!(!alone.log().contains(said), "{}", alone.log());
    assert_eq!(alone.terminate().await, Some(0));
}

#[actix_web::test]
async fn the_terminal_phone_says_how_a_call_went_by_its_status() {
    let server = Server::sqlite().await;
    let (_, _, key) = server.ready().await;
    let (good, bad) = (server.voice(&key.key), server.voice("sk_live_nonsense"));
    let call = |url: String| async move {
        let run = move || upvoot().args(["call", &url, "--seconds", "3"]).output().unwrap();
        tokio::task::spawn_blocking(run).await.unwrap()
    };
    let answered = call(good.clone()).await;
    let text = String::from_utf8_lossy(&answered.stdout).into_owned();
    assert_eq!(
        answered.status.code(),
        Some(0),
        "{text}{}",
        String::from_utf8_lossy(&answered.stderr)
    );
    assert!(text.contains("Hi.") && text.contains("end_call"), "{text}");
    assert!(!text.contains(&key.key[8..40]));

    let refused = call(bad).await;
    let text = String::from_utf8_lossy(&refused.stdout).into_owned()
        + &String::from_utf8_lossy(&refused.stderr);
    assert_eq!(refused.status.code(), Some(3), "{text}");
    assert!(text.contains("401") && text.contains("invalid_key"), "{text}");

    let address = server.address();
    server.stop().await;
    let nobody = call(format!("ws://{address}/voice/{}", key.key)).await;
    assert_eq!(nobody.status.code(), Some(1));
    let text = String::from_utf8_lossy(&nobody.stderr).into_owned();
    assert!(!text.contains(&key.key[8..40]), "{text}");
}
