//! The API's description against tools that others use: is it one (openapi-spec-validator), and is the
//! server what it says, for requests that it allows and for requests that it forbids (schemathesis)?
//!
//! Both come from PyPI, pinned, into an environment of their own below `target/`. Where they cannot be
//! installed the tests say so and skip, but not where `CI` is set: there they have to run.

use std::{
    path::{Path, PathBuf},
    process::Command,
};

use crate::support::{Server, TOKEN, python};

const REQUIREMENTS: &str = include_str!("description.txt");

/// The interpreter, or `None` where the tools cannot be had and need not.
fn python() -> Option<PathBuf> {
    python::optional("description", REQUIREMENTS)
}

/// Runs it in a directory of its own, and shows what it said if it fails.
async fn passes(mut command: Command, dir: &Path) {
    command.current_dir(dir).env("NO_COLOR", "1");
    let ran = actix_web::web::block(move || command.output()).await.unwrap().unwrap();
    let said = String::from_utf8_lossy(&ran.stdout);
    let complained = String::from_utf8_lossy(&ran.stderr);
    assert!(ran.status.success(), "{said}\n{complained}");
}

#[actix_web::test]
async fn the_description_is_one() {
    let Some(python) = actix_web::web::block(python).await.unwrap() else { return };
    let (server, dir) = (Server::sqlite().await, tempfile::tempdir().unwrap());
    let description = server.get("/api/openapi.json").await.body;
    let file = dir.path().join("openapi.json");
    std::fs::write(&file, description.to_string()).unwrap();
    let mut validator = Command::new(&python);
    validator.args(["-m", "openapi_spec_validator", "--schema", "3.1"]).arg(&file);
    passes(validator, dir.path()).await;

    // It would say so if it were none.
    let mut broken = description;
    broken["paths"]["/api/me"]["get"]["responses"] = serde_json::json!({"200": {"content": 7}});
    std::fs::write(&file, broken.to_string()).unwrap();
    let mut validator = Command::new(&python);
    validator.args(["-m", "openapi_spec_validator", "--schema", "3.1"]).arg(&file);
    assert!(!validator.current_dir(dir.path()).output().unwrap().status.success());
    server.stop().await;
}

const CHECKS: &str = "not_a_server_error,status_code_conformance,content_type_conformance,\
    response_schema_conformance,negative_data_rejection";

/// Requests by this description, the same each time, and few enough for a busy machine.
fn requests(python: &Path, server: &Server, description: &Path) -> Command {
    let mut schemathesis = Command::new(python.with_file_name("schemathesis"));
    schemathesis
        .arg("run")
        .arg(description)
        .args(["--url", &server.base])
        .args(["--header", &format!("Authorization: Bearer {TOKEN}")])
        .args(["--checks", CHECKS, "--phases", "examples,coverage,fuzzing"])
        .args(["--seed", "1", "--max-examples", "20", "--generation-database", "none"])
        .args(["--workers", "1", "--no-shrink"])
        .args(["--warnings", "off", "--suppress-health-check", "all"]);
    schemathesis
}

#[actix_web::test]
async fn the_server_is_what_the_description_says() {
    let Some(python) = actix_web::web::block(python).await.unwrap() else { return };
    let (server, dir) = (Server::sqlite().await, tempfile::tempdir().unwrap());
    let account = server.account(10.0).await;
    let agent = server.agent(&account, serde_json::json!({})).await;
    server.key(&agent).await;
    let mut description = server.get("/api/openapi.json").await.body;
    let file = dir.path().join("openapi.json");
    std::fs::write(&file, description.to_string()).unwrap();
    passes(requests(&python, &server, &file), dir.path()).await;

    // It would say so if the server took what the description forbids.
    let parameters = description.pointer_mut("/paths/~1api~1accounts/get/parameters").unwrap();
    for parameter in parameters.as_array_mut().unwrap() {
        if parameter["name"] == "limit" {
            parameter["schema"]["maximum"] = 100.into();
        }
    }
    std::fs::write(&file, description.to_string()).unwrap();
    let mut control = requests(&python, &server, &file);
    control.args(["--include-operation-id", "list_accounts"]).current_dir(dir.path());
    let ran = actix_web::web::block(move || control.output()).await.unwrap().unwrap();
    let said = String::from_utf8_lossy(&ran.stdout).into_owned();
    assert!(!ran.status.success() && said.contains("limit=101"), "{said}");
    server.stop().await;
}
