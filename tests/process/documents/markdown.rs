//! A document taken apart: its command blocks, its links, its headings.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use pulldown_cmark::{CodeBlockKind, Event, Options, Parser, Tag, TagEnd};

/// A fenced block and what its fence says.
#[derive(Debug, Clone)]
pub struct Block {
    pub kind: Kind,
    pub code: String,
}

/// What a test does with a block; CONTRIBUTING.md has the table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kind {
    /// `sh`, `sh set-up`, `sh needs=PROGRAM`.
    Commands { set_up: bool, needs: Option<String> },
    /// `sh no-test: REASON`.
    NotRun { reason: String },
    /// `text output`: lines that the commands above print. `text trace`: the same, with any numbers,
    /// since times and lengths differ from call to call.
    Output { any_numbers: bool },
    /// `python bot.py`: a file.
    File { name: String },
    /// Anything else.
    Other,
}

impl Kind {
    fn of(info: &str) -> Self {
        let (language, rest) = info.split_once(' ').unwrap_or((info, ""));
        assert!(
            !["bash", "shell", "console", "zsh"].contains(&language),
            "commands stand in a fence of `sh`, so that they are run: {info}"
        );
        match (language, rest.trim()) {
            ("sh", "") => Self::Commands { set_up: false, needs: None },
            ("sh", "set-up") => Self::Commands { set_up: true, needs: None },
            ("sh", rest) => match (rest.strip_prefix("no-test: "), rest.strip_prefix("needs=")) {
                (Some(reason), _) => Self::NotRun { reason: reason.to_owned() },
                (_, Some(program)) => {
                    Self::Commands { set_up: false, needs: Some(program.to_owned()) }
                }
                _ => panic!("a fence of commands that means nothing: {info}"),
            },
            ("text", "output") => Self::Output { any_numbers: false },
            ("text", "trace") => Self::Output { any_numbers: true },
            (_, name) if name.contains('.') => Self::File { name: name.to_owned() },
            _ => Self::Other,
        }
    }
}

/// A document of this repository.
pub struct Document {
    /// From the root of the repository, such as `docs/api.md`.
    pub name: String,
    pub blocks: Vec<Block>,
    /// As written.
    pub links: Vec<String>,
    /// What a link's fragment may be, as GitHub makes it of the headings.
    pub anchors: Vec<String>,
    pub text: String,
}

/// The root of the repository.
pub fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

impl Document {
    pub fn read(name: &str) -> Self {
        let text = fs::read_to_string(root().join(name)).unwrap();
        let (mut blocks, mut links, mut headings) = (Vec::new(), Vec::new(), Vec::new());
        let (mut block, mut heading): (Option<Block>, Option<String>) = (None, None);
        for event in Parser::new_ext(&text, Options::ENABLE_TABLES) {
            match event {
                Event::Start(Tag::CodeBlock(CodeBlockKind::Fenced(info))) => {
                    block = Some(Block { kind: Kind::of(&info), code: String::new() });
                }
                Event::End(TagEnd::CodeBlock) => blocks.extend(block.take()),
                Event::Start(Tag::Heading { .. }) => heading = Some(String::new()),
                Event::End(TagEnd::Heading(_)) => headings.extend(heading.take()),
                Event::Start(Tag::Link { dest_url, .. } | Tag::Image { dest_url, .. }) => {
                    links.push(dest_url.into_string());
                }
                Event::Text(words) | Event::Code(words) => {
                    if let Some(block) = &mut block {
                        block.code.push_str(&words);
                    } else if let Some(heading) = &mut heading {
                        heading.push_str(&words);
                    }
                }
                _ => {}
            }
        }
        Self { name: name.to_owned(), blocks, links, anchors: anchors(&headings), text }
    }

    /// The directory it is in.
    pub fn directory(&self) -> PathBuf {
        root().join(&self.name).parent().unwrap().to_owned()
    }

    /// Its blocks that others build on.
    pub fn set_up(&self) -> impl Iterator<Item = Block> + '_ {
        let others = |block: &&Block| matches!(block.kind, Kind::Commands { set_up: true, .. });
        self.blocks.iter().filter(others).cloned()
    }
}

/// The anchors of headings: small letters, digits and hyphens; a second one of the same name is numbered.
fn anchors(headings: &[String]) -> Vec<String> {
    let mut seen: BTreeMap<String, usize> = BTreeMap::new();
    let mut anchors = Vec::new();
    for heading in headings {
        let words = heading.to_lowercase().replace(' ', "-");
        let name: String =
            words.chars().filter(|c| c.is_alphanumeric() || "-_".contains(*c)).collect();
        let earlier = seen.entry(name.clone()).or_default();
        anchors.push(if *earlier == 0 { name } else { format!("{name}-{earlier}") });
        *earlier += 1;
    }
    anchors
}

/// Every document: those at the root, those in `docs`, those beside what they explain.
pub fn all() -> Vec<String> {
    let mut names = Vec::new();
    let mut directories = vec!["docs".to_owned(), "migrations".to_owned()];
    let of_root = fs::read_dir(root()).unwrap().map(|entry| entry.unwrap().file_name());
    names.extend(of_root.map(|name| name.into_string().unwrap()).filter(|n| n.ends_with(".md")));
    while let Some(directory) = directories.pop() {
        for entry in fs::read_dir(root().join(&directory)).unwrap() {
            let entry = entry.unwrap();
            let name = format!("{directory}/{}", entry.file_name().into_string().unwrap());
            if entry.file_type().unwrap().is_dir() {
                directories.push(name);
            } else if name.ends_with(".md") {
                names.push(name);
            }
        }
    }
    names.sort();
    names
}
