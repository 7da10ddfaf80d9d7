//! The canary: everything is driven at trace level, and then the keys are searched for in every
//! log, database file, metric and answer.

use std::{fs, path::Path};

use serde_json::json;

use crate::support::{
    Server,
    phone::{Phone, speech},
    process::upvoot,
};

/// Pieces of a key long enough to give it away; its last eight characters are public.
fn pieces(key: &str) -> Vec<String> {
    let digits = &key["sk_live_".len()..];
    let (head, middle, tail) = (&digits[..24], &digits[20..44], &digits[40..56]);
    [head, middle, tail].iter().flat_map(|p| [(*p).to_owned(), p.to_uppercase()]).collect()
}

/// Which of the files hold a piece of a key, in any form.
fn holding(files: &[std::path::PathBuf], keys: &[&str]) -> Vec<String> {
    let mut found = Vec::new();
    for file in files {
        let bytes = fs::read(file).unwrap();
        for piece in keys.iter().flat_map(|key| pieces(key)) {
            if bytes.windows(piece.len()).any(|window| window == piece.as_bytes()) {
                found.push(format!("{} holds {}…", file.display(), &piece[..6]));
            }
        }
    }
    found
}

fn files_below(dir: &Path) -> Vec<std::path::PathBuf> {
    fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path()).collect()
}

async fn drive(format: &str) {
    let dir = tempfile::tempdir().unwrap();
    let url = format!("sqlite://{}", dir.path().join("canary.db").display());
    let env = [("UPVOOT_LOG", "trace"), ("UPVOOT_LOG_FORMAT", format)];
    let mut server = Server::process(&url, &env).await;
    let (_, agent, good) = server.ready().await;
    let revoked = server.key(&agent).await;
    server.post(&format!("/api/keys/{}/revoke", revoked.id), json!({"end_calls": true})).await;
    let unknown = upvoot::key::PlainKey::generate().unwrap();
    let keys = [good.key.as_str(), &revoked.key, unknown.expose()];

    let mut call = Phone::dial(&server.voice(&good.key)).await.unwrap();
    call.greeted().await;
    call.say(&speech(640, 1)).await;
    // A caller may send its own key as text, too.
    call.tell(json!({"type": good.key, "digit": good.key})).await;
    call.end().await;
    let mut answers = Vec::new();
    for key in keys {
        for tail in [
            key.to_owned(),
            format!("{key}/"),
            format!("{key}?x={key}"),
            key.replace('_', "%5f"),
            key.to_uppercase(),
            format!("%73{}", &key[1..]),
            format!("{key}{key}"),
        ] {
            match Phone::dial(&server.voice(&tail)).await {
                Ok(phone) => {
                    phone.end().await;
                }
                Err(refused) => answers.push(format!("{:?} {}", refused.headers, refused.body)),
            }
        }
        for path in [
            format!("/voice/{key}"),
            format!("/{key}"),
            format!("/api/{key}"),
            format!("/api/keys/{key}"),
            format!("/api/keys?agent_id={key}&cursor={key}&{key}=1"),
            format!("/api/docs/{key}"),
        ] {
            let answer = server.get(&path).await;
            answers.push(format!("{:?} {}", answer.headers, answer.body));
        }
        for body in [
            json!({"agent_id": key}),
            json!({"agent_id": agent, "name": key}),
            json!({"agent_id": agent, key: 1}),
            json!(key),
        ] {
            let answer = server.post("/api/keys", body).await;
            assert_ne!(answer.status, 201);
            answers.push(format!("{:?} {}", answer.headers, answer.body));
        }
        let bearer = [("authorization", &*format!("Bearer {key}")), ("idempotency-key", key)];
        let answer = server.request("GET", "/api/keys", None, &bearer).await;
        answers.push(format!("{:?} {}", answer.headers, answer.body));
    }
    server.quiet().await;
    for path in ["/api/keys", "/api/audit", "/api/calls", "/api/agents", "/healthz", "/readyz"] {
        answers.push(server.get(path).await.body.to_string());
    }
    let told = dir.path().join("answers");
    fs::write(&told, answers.join("\n")).unwrap();

    let logs = server.process_mut().log_files();
    let log = server.process_mut().log();
    assert!(log.len() > 10_000, "trace level logs a lot: {}", log.len());
    assert!(log.contains("/voice/{key"), "requests are logged by their pattern");
    if format == "json" {
        for line in log.lines() {
            let parsed: Result<serde_json::Value, _> = serde_json::from_str(line);
            assert!(parsed.is_ok_and(|value| value.is_object()), "{line}");
        }
    }
    // While it runs, the write-ahead log is there too; after it has stopped, the database alone.
    let mut files = [files_below(dir.path()), logs.clone()].concat();
    assert!(files.len() >= 5, "{files:?}");
    assert_eq!(holding(&files, &keys), Vec::<String>::new());
    let log_copy = dir.path().join("log");
    fs::copy(&logs[1], &log_copy).unwrap();
    server.stop().await;
    files = files_below(dir.path());
    assert_eq!(holding(&files, &keys), Vec::<String>::new());

    // The search itself works: what may be kept is found, and so is a key that is there.
    let kept = files.iter().filter(|file| {
        let suffix = &good.key.as_bytes()[64..];
        fs::read(file).unwrap().windows(8).any(|window| window == suffix)
    });
    assert!(kept.count() >= 2, "the suffix is in the database and in the log");
    let leak = dir.path().join("leak");
    fs::write(&leak, format!("GET /voice/{} HTTP/1.1", good.key)).unwrap();
    assert_eq!(holding(std::slice::from_ref(&leak), &keys).len(), 3);

    // And so does `upvoot scan-logs`, which says whose key it is.
    let scan =
        upvoot().arg("scan-logs").arg(&leak).env("UPVOOT_DATABASE_URL", &url).output().unwrap();
    let text = String::from_utf8(scan.stdout).unwrap();
    assert_eq!(scan.status.code(), Some(1), "{text}");
    assert!(text.contains(&good.id) && !text.contains(&good.key[8..40]), "{text}");
    let clean =
        upvoot().arg("scan-logs").arg(&log_copy).env("UPVOOT_DATABASE_URL", &url).output().unwrap();
    assert_eq!(clean.status.code(), Some(0), "{}", String::from_utf8_lossy(&clean.stdout));
}

#[actix_web::test]
async fn no_key_is_anywhere_but_in_its_creation_with_logs_as_text() {
    drive("text").await;
}

#[actix_web::test]
async fn no_key_is_anywhere_but_in_its_creation_with_logs_as_json() {
    drive("json").await;
}
