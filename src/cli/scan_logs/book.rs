//! The database as a directory of keys, if there is one.

use std::{collections::HashMap, path::Path};

use secrecy::{ExposeSecret, SecretString};

use super::super::paint::complain;
use crate::{
    id::KeyId,
    key::KeyHash,
    store::{Store, StoreError, keys},
};

/// Keys whose answers are remembered: a file full of made-up ones is not worth more memory.
const REMEMBERED: usize = 10_000;

/// Whose key it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// This one; and whether it is active.
    Known(KeyId, bool),
    /// Nobody's here.
    Unknown,
    /// The database cannot be asked.
    NotLookedUp,
}

pub struct Book {
    store: Option<Store>,
    remembered: HashMap<KeyHash, Standing>,
}

impl Book {
    /// Opens the database. Without it keys are still found, so its absence is only complained of.
    pub async fn open(url: SecretString) -> Self {
        let opened = tokio::task::spawn_blocking(move || open(url.expose_secret())).await;
        let store = match opened {
            Ok(Ok(store)) => Some(store),
            Ok(Err(why)) => {
                complain(format_args!("{why}: keys are found but cannot be looked up"));
                None
            }
            Err(_) => None,
        };
        Self { store, remembered: HashMap::new() }
    }

    pub fn is_open(&self) -> bool {
        self.store.is_some()
    }

    /// Closes the database.
    pub async fn close(&self) {
        if let Some(store) = &self.store {
            store.close().await;
        }
    }

    pub async fn look_up(&mut self, hash: KeyHash) -> Standing {
        if let Some(standing) = self.remembered.get(&hash) {
            return *standing;
        }
        let Some(store) = &self.store else {
            return Standing::NotLookedUp;
        };
        let found = store.read(move |conn| keys::find_by_hash(conn, &hash)).await;
        let standing = match found {
            Ok(Some(key)) if key.hash == hash => Standing::Known(key.key_id, key.key_is_active),
            Ok(_) => Standing::Unknown,
            Err(StoreError::Unavailable(_) | StoreError::Failed(_)) => {
                complain("UPVOOT_DATABASE_URL: the database does not answer");
                return Standing::NotLookedUp;
            }
        };
        if self.remembered.len() >= REMEMBERED {
            self.remembered.clear();
        }
        self.remembered.insert(hash, standing);
        standing
    }
}

/// A url may hold a password: nothing that is said repeats it.
fn open(url: &str) -> Result<Store, &'static str> {
    // Opening would make the file.
    let missing = url.strip_prefix("sqlite://").is_some_and(|path| !Path::new(path).is_file());
    if missing {
        return Err("UPVOOT_DATABASE_URL: there is no such database");
    }
    Store::open(url).map_err(|_| "UPVOOT_DATABASE_URL: the database cannot be opened")
}
