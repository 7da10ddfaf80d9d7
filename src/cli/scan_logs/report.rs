//! What is printed about keys found in files: a line for each, and at the end what to do.

use std::{
    collections::{BTreeMap, BTreeSet},
    io,
    path::PathBuf,
};

use super::{
    super::paint::{Paint, complain, count, print, tame},
    book::{Book, Standing},
    finder::Found,
};
use crate::{
    id::KeyId,
    key::{KeyHash, KeySuffix},
};

/// A key in a file: where it is, and what may be told of it.
pub struct Sighting {
    file: usize,
    line: u64,
    offset: u64,
    hash: KeyHash,
    suffix: KeySuffix,
}

impl Sighting {
    pub fn new(file: usize, found: &Found) -> Self {
        let Found { key, line, offset } = found;
        Self { file, line: *line, offset: *offset, hash: key.hash(), suffix: key.suffix() }
    }
}

pub struct Report {
    paint: Paint,
    book: Book,
    files: Vec<String>,
    /// The keys of the database that were seen, and how often. There are no more than it has.
    known: BTreeMap<KeyId, (KeySuffix, bool, u64)>,
    others: u64,
    places: BTreeSet<usize>,
    unreadable: u64,
}

impl Report {
    pub fn new(files: &[PathBuf], book: Book) -> Self {
        Self {
            paint: Paint::for_stdout(),
            book,
            // A file's name may be anything, even a key.
            files: files.iter().map(|file| tame(&file.to_string_lossy())).collect(),
            known: BTreeMap::new(),
            others: 0,
            places: BTreeSet::new(),
            unreadable: 0,
        }
    }

    /// Looks a key up and prints its line.
    ///
    /// # Errors
    /// When standard output is closed.
    pub async fn seen(&mut self, seen: &Sighting) -> io::Result<()> {
        self.places.insert(seen.file);
        let standing = self.book.look_up(seen.hash).await;
        let paint = self.paint;
        let what = match standing {
            Standing::Known(id, is_active) => {
                self.known.entry(id).or_insert((seen.suffix, is_active, 0)).2 += 1;
                let state = if is_active { paint.bad("active") } else { paint.dim("revoked") };
                format!("{}  {state}", paint.name(id))
            }
            Standing::Unknown => {
                self.others += 1;
                "unknown key".to_owned()
            }
            Standing::NotLookedUp => {
                self.others += 1;
                "not looked up".to_owned()
            }
        };
        print(format_args!(
            "{}:{}: sk_live_…{}  {what}  {}",
            self.files[seen.file],
            seen.line,
            seen.suffix,
            paint.dim(format_args!("(byte {})", seen.offset)),
        ))
    }

    pub fn unreadable(&mut self, file: usize, error: &io::Error) {
        self.unreadable += 1;
        complain(format_args!("{}: {error}", self.files[file]));
    }

    /// Prints what was found in all, and what to do about it.
    ///
    /// # Errors
    /// When standard output is closed.
    pub fn summary(&self) -> io::Result<()> {
        let paint = self.paint;
        if self.unreadable > 0 {
            complain(format_args!("{} could not be read", count(self.unreadable, "file")));
        }
        if self.places.is_empty() {
            let read = self.files.len() as u64 - self.unreadable;
            return print(format_args!("nothing shaped like a key in {}", count(read, "file")));
        }
        let known: u64 = self.known.values().map(|(_, _, times)| times).sum();
        let (times, places) = (known + self.others, self.places.len() as u64);
        print(format_args!(
            "found {} in {}:",
            paint.bold(count(times, "time")),
            count(places, "file")
        ))?;
        for (id, (suffix, is_active, times)) in &self.known {
            let advice = if *is_active {
                paint.bad(format!("revoke it now: POST /api/keys/{id}/revoke"))
            } else {
                paint.good("revoked already".to_owned())
            };
            print(format_args!("  sk_live_…{suffix}  {id}  {}  {advice}", count(*times, "time")))?;
        }
        if self.others > 0 {
            let why =
                if self.book.is_open() { "not a key of this database" } else { "not looked up" };
            print(format_args!("  {}  {why}", count(self.others, "time")))?;
        }
        Ok(())
    }

    /// Closes the database in which keys were looked up.
    pub async fn close(&self) {
        self.book.close().await;
    }

    /// Whether all files could be read, and no key was in them.
    pub fn is_clean(&self) -> bool {
        self.places.is_empty() && self.unreadable == 0
    }
}
