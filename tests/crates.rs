//! Test crates are listed in Cargo.toml, not found by their place: a file that none of them names would be
//! tests that never run, and the compiler does not miss it.
#![allow(clippy::unwrap_used, reason = "a test that unwraps fails where it should")]

use std::{
    fs,
    path::{Path, PathBuf},
};

use crate::architecture::sources;

/// Where a file of `tests/` has to be declared as a module, and its name there.
fn declared_in(tests: &Path, file: &Path, crates: &[PathBuf]) -> (Vec<PathBuf>, String) {
    let is_mod = file.file_name().is_some_and(|name| name == "mod.rs");
    let module = if is_mod { file.parent().unwrap() } else { file };
    let name = module.file_stem().unwrap().to_str().unwrap().to_owned();
    let parent = module.parent().unwrap();
    let parents = if parent == tests {
        crates.to_vec()
    } else {
        vec![parent.join("mod.rs"), parent.with_extension("rs")]
    };
    (parents, name)
}

#[test]
fn every_test_file_is_part_of_a_test_crate() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let manifest = fs::read_to_string(root.join("Cargo.toml")).unwrap();
    let tests = root.join("tests");
    let mut files = Vec::new();
    sources(&tests, &mut files);
    let (crates, files): (Vec<_>, Vec<_>) = files.into_iter().partition(|file| {
        let path = file.strip_prefix(root).unwrap().display();
        manifest.contains(&format!("path = \"{path}\""))
    });
    assert!(
        crates.len() > 1 && files.len() > 100,
        "{} crates, {} files",
        crates.len(),
        files.len()
    );
    for file in files {
        let (parents, name) = declared_in(&tests, &file, &crates);
        let declares = |parent: &PathBuf| {
            let text = fs::read_to_string(parent).unwrap_or_default();
            text.lines().any(|line| line.trim_start_matches("pub ") == format!("mod {name};"))
        };
        assert!(parents.iter().any(declares), "{} is in no test crate", file.display());
    }
}
