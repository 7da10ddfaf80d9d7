//! The documents keep their word: every command block runs as it stands, every link leads somewhere.

mod markdown;
mod shell;

use std::path::{Path, PathBuf};

use self::{
    markdown::{Document, Kind, root},
    shell::Session,
};
use crate::support::python;

/// What cannot be run here, with the reason that its fence names.
const NOT_RUN: [(&str, &str); 7] = [
    ("README.md", "installs packages and builds"),
    ("README.md", "installs packages and runs this test"),
    ("docs/bots.md", "installs a package"),
    ("docs/bots.md", "installs packages"),
    ("docs/bots.md", "needs an account at OpenAI"),
    ("docs/operations.md", "needs a PostgreSQL server"),
    ("docs/operations.md", "needs an account, or reaches a public service"),
];

/// Lines that the README may have: what a newcomer reads before the first call.
const README_LINES: usize = 130;

/// One test for each document that has commands, so that they run side by side.
macro_rules! documents {
    ($($test:ident: $name:literal;)*) => {
        /// Those that are run.
        const RUN: &[&str] = &[$($name),*];

        $(#[test]
        fn $test() {
            run($name);
        })*
    };
}

documents! {
    the_readme_does_what_it_says: "README.md";
    the_page_about_bots_does_what_it_says: "docs/bots.md";
    the_page_about_the_api_does_what_it_says: "docs/api.md";
    the_page_about_operations_does_what_it_says: "docs/operations.md";
    the_page_about_providers_does_what_it_says: "docs/providers/README.md";
    the_page_about_asterisk_does_what_it_says: "docs/providers/asterisk.md";
    the_page_about_exotel_does_what_it_says: "docs/providers/exotel.md";
    the_page_about_jambonz_does_what_it_says: "docs/providers/jambonz.md";
    the_page_about_plivo_does_what_it_says: "docs/providers/plivo.md";
    the_page_about_signalwire_does_what_it_says: "docs/providers/signalwire.md";
    the_page_about_smartflo_does_what_it_says: "docs/providers/smartflo.md";
    the_page_about_telnyx_does_what_it_says: "docs/providers/telnyx.md";
    the_page_about_twilio_does_what_it_says: "docs/providers/twilio.md";
    the_page_about_vobiz_does_what_it_says: "docs/providers/vobiz.md";
    the_page_about_vonage_does_what_it_says: "docs/providers/vonage.md";
}

/// Runs a document's commands, after those that it builds on: the README's, and its directory's.
fn run(name: &str) {
    let document = Document::read(name);
    let mut blocks = Vec::new();
    for before in ["README.md", "docs/providers/README.md"].map(Document::read) {
        let above = document.directory().starts_with(before.directory());
        if above && before.name != name {
            blocks.extend(before.set_up());
        }
    }
    let mut programs = Vec::new();
    for block in &document.blocks {
        match &block.kind {
            Kind::Commands { needs: Some(program), .. } => match provided(program) {
                Ok(directory) => programs.push(directory),
                Err(why) => {
                    assert!(std::env::var_os("CI").is_none(), "{name}: {program}: {why}");
                    eprintln!("skipped: {name}: a block that needs {program}: {why}");
                    continue;
                }
            },
            Kind::NotRun { reason } => eprintln!("not run: {name}: {reason}"),
            _ => {}
        }
        blocks.push(block.clone());
    }
    Session::new(programs).run(name, &blocks);
}

/// The directory of a program that a block needs, with the packages that the document has installed
/// for it.
fn provided(program: &str) -> Result<PathBuf, String> {
    assert_eq!(program, "python3", "only Python is provided");
    let python = python::environment("oracles", include_str!("../../oracles/requirements.txt"))?;
    Ok(python.parent().unwrap().to_owned())
}

#[test]
fn every_document_with_commands_is_run() {
    let (mut run, mut not_run) = (Vec::new(), Vec::new());
    for name in markdown::all() {
        for block in Document::read(&name).blocks {
            match block.kind {
                Kind::Commands { .. } => run.push(name.clone()),
                Kind::NotRun { reason } => not_run.push((name.clone(), reason)),
                Kind::Output { .. } | Kind::File { .. } | Kind::Other => {}
            }
        }
    }
    run.dedup();
    let mut listed = RUN.to_vec();
    listed.sort_unstable();
    assert_eq!(run, listed);
    let not_run: Vec<_> = not_run.iter().map(|(name, why)| (name.as_str(), why.as_str())).collect();
    assert_eq!(not_run, NOT_RUN);
}

#[test]
fn every_link_leads_to_a_file_and_a_heading() {
    let mut dead = Vec::new();
    for name in markdown::all() {
        let document = Document::read(&name);
        for link in &document.links {
            if link.contains("://") {
                continue;
            }
            let (file, fragment) = link.split_once('#').unwrap_or((link, ""));
            let target =
                if file.is_empty() { root().join(&name) } else { document.directory().join(file) };
            if !target.exists() || !fragment.is_empty() && !has_heading(&target, fragment) {
                dead.push(format!("{name}: {link}"));
            }
        }
    }
    assert!(dead.is_empty(), "{dead:#?}");
}

fn has_heading(file: &Path, fragment: &str) -> bool {
    let file = file.canonicalize().unwrap();
    let name = file.strip_prefix(root().canonicalize().unwrap()).unwrap();
    Document::read(name.to_str().unwrap()).anchors.iter().any(|anchor| anchor == fragment)
}

#[test]
fn the_readme_is_short() {
    let lines = Document::read("README.md").text.lines().count();
    assert!(lines <= README_LINES, "{lines} lines");
}
