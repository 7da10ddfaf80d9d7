//! The key: the one secret a telephony provider holds, and the two things that are kept of it.
//!
//! [`PlainKey`] is the secret itself; it exists in the creation answer and in the request that is
//! being checked. [`KeyHash`] is what the store keeps and looks up, [`KeySuffix`] what people see.
//! [`redact()`] takes out of a text what is shaped like one.
//! This module knows no database and no request; `admission` decides what a key may do.

mod hash;
mod plain;
mod redact;

pub use hash::{KeyHash, KeySuffix};
pub use plain::{Malformed, PREFIX, PlainKey, looks_like_key};
pub use redact::{redact, redact_bytes};
