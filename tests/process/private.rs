//! What other processes of the same user see of the server's memory: nothing.

use std::{
    fs,
    os::unix::{
        fs::{MetadataExt, PermissionsExt},
        process::CommandExt,
    },
    process::Command,
};

use nix::unistd::Uid;

use crate::support::process::{Process, upvoot};

/// Debian's `nobody`: a user without rights, so that no right of root's opens what is closed.
const NOBODY: u32 = 65_534;

#[actix_web::test]
async fn no_core_file_and_no_other_process_holds_the_servers_memory() {
    let dir = tempfile::tempdir().unwrap();
    let binary = dir.path().join("upvoot");
    fs::copy(upvoot().get_program(), &binary).unwrap();
    fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o777)).unwrap();
    let user = if Uid::effective().is_root() { NOBODY } else { Uid::effective().as_raw() };
    let mut command = Command::new(&binary);
    for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("UPVOOT_")) {
        command.env_remove(name);
    }
    command.uid(user).current_dir(dir.path());
    let process = Process::start(command, "sqlite://private.db", &[]).await;

    let limits = fs::read_to_string(process.proc("limits")).unwrap();
    let core = limits.lines().find_map(|line| line.strip_prefix("Max core file size")).unwrap();
    assert_eq!(core.split_whitespace().take(2).collect::<Vec<_>>(), ["0", "0"]);

    // What the kernel lets the user look into belongs to the user; the rest belongs to root.
    let mine = Command::new("sleep").arg("60").uid(user).spawn().unwrap();
    let owner = |path: &std::path::Path| fs::metadata(path).unwrap().uid();
    let open = format!("/proc/{}/environ", mine.id());
    assert_eq!(owner(open.as_ref()), user);
    assert_eq!(owner(&process.proc("environ")), 0);
    assert_eq!(owner(&process.proc("mem")), 0);
    let mut mine = mine;
    mine.kill().unwrap();
    mine.wait().unwrap();
    assert_eq!(process.terminate().await, Some(0));
}
