//! Who may import whom: the compiler does not stop a wrong `use crate::...` in one crate, so this
//! does. A change that needs a new arrow changes this table, and says why.
#![allow(clippy::unwrap_used, reason = "a test that unwraps fails where it should")]

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

/// Modules by tier. A module may use what is in a lower tier, and itself.
const TIERS: [(u8, &[&str]); 6] = [
    (5, &["main", "app", "routes", "cli", "settings"]),
    (4, &["session", "api", "events", "dashboard"]),
    (3, &["admission", "auth", "ledger", "retention", "problem", "client_addr"]),
    (2, &["store", "registry", "agent", "oidc", "telemetry", "metrics", "live", "listener"]),
    (1, &["dialect", "call", "user", "trust"]),
    (
        0,
        &[
            "key",
            "signature",
            "points",
            "audio",
            "id",
            "clock",
            "attempts",
            "networks",
            "budget",
            "pool",
            "text",
            "turns",
        ],
    ),
];

/// Arrows that the tiers do not allow, each with its reason.
const EXCEPTIONS: [(&str, &str, &str); 5] = [
    ("store", "agent", "agents are stored as they are configured"),
    ("dialect", "call", "a dialect turns frames into the call's events and back"),
    ("auth", "problem", "the doors of /api and of the pages refuse by themselves"),
    ("auth", "client_addr", "attempts are counted by address, and the audit log tells it"),
    ("telemetry", "client_addr", "a request's line says where it came from"),
];

/// Crates that only these modules may name.
const CRATES: [(&str, &[&str]); 5] = [
    ("diesel", &["store"]),
    ("diesel_migrations", &["store"]),
    ("openidconnect", &["oidc"]),
    ("actix_web_actors", &["session"]),
    (
        "actix_web",
        &[
            "main",
            "app",
            "routes",
            "cli",
            "session",
            "api",
            "events",
            "dashboard",
            "auth",
            "problem",
            "client_addr",
            "telemetry",
            "listener",
        ],
    ),
];

pub fn sources(dir: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

/// The files of `src/`, each with the top-level module it belongs to.
fn modules() -> Vec<(String, PathBuf, String)> {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    sources(&src, &mut files);
    files
        .into_iter()
        .map(|path| {
            let inside = path.strip_prefix(&src).unwrap().to_owned();
            let top = inside.components().next().unwrap().as_os_str().to_str().unwrap();
            (top.trim_end_matches(".rs").to_owned(), inside, fs::read_to_string(&path).unwrap())
        })
        .collect()
}

/// Every identifier that follows `prefix` in code, also within `{...}` of a grouped import.
fn named_after(code: &str, prefix: &str) -> BTreeSet<String> {
    let word = |text: &str| -> String {
        text.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect()
    };
    let mut names = BTreeSet::new();
    for (at, _) in code.match_indices(prefix) {
        let rest = &code[at + prefix.len()..];
        let Some(group) = rest.strip_prefix('{') else {
            names.insert(word(rest));
            continue;
        };
        let (mut depth, mut start) = (0, true);
        for (i, c) in group.char_indices() {
            match c {
                '}' if depth == 0 => break,
                '{' => depth += 1,
                '}' => depth -= 1,
                ',' if depth == 0 => start = true,
                c if start && !c.is_whitespace() => {
                    names.insert(word(&group[i..]));
                    start = false;
                }
                _ => {}
            }
        }
    }
    names
}

/// The code of a file: no comments, so that docs may link anywhere.
fn code(text: &str) -> String {
    text.lines().filter(|line| !line.trim_start().starts_with("//")).collect::<Vec<_>>().join("\n")
}

#[test]
fn modules_import_only_what_is_below_them() {
    let tiers: BTreeMap<&str, u8> =
        TIERS.iter().flat_map(|(tier, names)| names.iter().map(|name| (*name, *tier))).collect();
    let mut wrong = Vec::new();
    for (module, file, text) in modules() {
        if module == "lib" {
            continue;
        }
        let own = tiers.get(&*module).unwrap_or_else(|| panic!("{module} has no tier"));
        for used in named_after(&code(&text), "crate::") {
            let Some(tier) = tiers.get(&*used) else { continue };
            let excepted = EXCEPTIONS.iter().any(|(from, to, _)| *from == module && *to == used);
            if used != module && !excepted && (tier > own || (tier == own && *own < 5)) {
                wrong.push(format!("{}: {module} may not use {used}", file.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn crates_stay_in_the_modules_that_own_them() {
    let mut wrong = Vec::new();
    for (module, file, text) in modules() {
        for (name, owners) in CRATES {
            if !owners.contains(&&*module) && code(&text).contains(&format!("{name}::")) {
                wrong.push(format!("{}: {module} may not use {name}", file.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn a_wrong_import_would_be_found() {
    let names = named_after(
        "use crate::{\n    store::{Store, keys},\n    api,\n};\nuse crate::call::x;",
        "crate::",
    );
    assert_eq!(names, ["api", "call", "store"].map(str::to_owned).into());
}

/// The table of tiers that people read is the one that is checked, and every file it names is there.
#[test]
fn the_document_describes_this_tree() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let text = fs::read_to_string(root.join("docs/ARCHITECTURE.md")).unwrap();
    for (tier, names) in TIERS {
        let names: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
        let row = format!("| {tier} | {} |", names.join(", "));
        assert!(text.lines().any(|line| line == row), "docs/ARCHITECTURE.md: {row}");
    }
    let quoted = text.split('`').skip(1).step_by(2);
    let paths = quoted.filter(|path| path.ends_with(".rs") || path.ends_with('/'));
    let there = |path: &str| root.join(path).exists() || root.join("src").join(path).exists();
    let missing: Vec<_> = paths.filter(|path| !path.contains('<') && !there(path)).collect();
    assert!(missing.is_empty(), "docs/ARCHITECTURE.md names what is not there: {missing:?}");
}
