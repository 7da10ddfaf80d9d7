//! Which files the synthesiser may open: itself, its libraries, its data; all of them to read only.

use std::{env, io, path::Path};

use landlock::{
    ABI, Access, AccessFs, AccessNet, CompatLevel, Compatible, Ruleset, RulesetAttr,
    RulesetCreatedAttr, RulesetStatus, Scope, path_beneath_rules,
};

/// What is asked for; a kernel that knows less of it gives what it has.
const WANTED: ABI = ABI::V6;

/// Where libraries and the data of espeak-ng are. None of them holds a secret: everybody on a machine
/// may read them.
const LIBRARIES: [&str; 13] = [
    "/lib",
    "/lib32",
    "/lib64",
    "/usr/lib",
    "/usr/lib32",
    "/usr/lib64",
    "/usr/local/lib",
    "/usr/local/lib64",
    "/usr/share/espeak-ng-data",
    "/usr/local/share/espeak-ng-data",
    "/etc/ld.so.cache",
    "/etc/ld.so.conf",
    "/etc/ld.so.conf.d",
];
/// What a program needs to be started with: the loader of its libraries. Nix and Guix have everything
/// in one place, which everybody may read.
const LOADERS: [&str; 7] = [
    "/lib64/ld-linux-x86-64.so.2",
    "/lib/ld-linux-aarch64.so.1",
    "/lib/ld-linux-riscv64-lp64d.so.1",
    "/lib/ld-musl-x86_64.so.1",
    "/lib/ld-musl-aarch64.so.1",
    "/nix/store",
    "/gnu/store",
];

/// Confines this process. False where the kernel has no Landlock.
pub fn confine(program: Option<&Path>, data: Option<&Path>) -> io::Result<bool> {
    let read = AccessFs::ReadFile | AccessFs::ReadDir;
    let start = read | AccessFs::Execute;
    let libraries = env::var_os("LD_LIBRARY_PATH").unwrap_or_default();
    let status = Ruleset::default()
        .set_compatibility(CompatLevel::BestEffort)
        .handle_access(AccessFs::from_all(WANTED))
        .and_then(|rules| rules.handle_access(AccessNet::from_all(WANTED)))
        .and_then(|rules| rules.scope(Scope::from_all(WANTED)))
        .and_then(|rules| rules.create())
        .and_then(|rules| rules.add_rules(path_beneath_rules(LIBRARIES, read)))
        .and_then(|rules| rules.add_rules(path_beneath_rules(env::split_paths(&libraries), read)))
        .and_then(|rules| rules.add_rules(path_beneath_rules(LOADERS, start)))
        .and_then(|rules| rules.add_rules(path_beneath_rules(data, read)))
        .and_then(|rules| rules.add_rules(path_beneath_rules(program, start)))
        .and_then(|rules| rules.restrict_self())
        .map_err(io::Error::other)?;
    Ok(status.ruleset != RulesetStatus::NotEnforced)
}
