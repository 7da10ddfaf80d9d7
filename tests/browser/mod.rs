//! What people see and do: a real browser against the real binary on an empty database.
//!
//! They need Debian's `chromium` and `chromium-driver`. Things are found by role and accessible name, so
//! that a test passes only where somebody with a screen reader would find the way too.
#![allow(clippy::unwrap_used, reason = "a test that unwraps fails where it should")]
#![allow(dead_code, reason = "verbs are made for all stories, and each uses its own")]

mod accessible;
mod accounts;
mod app;
mod attacks;
mod awkward;
#[allow(clippy::module_inception, reason = "one of the verbs' files is the browser itself")]
mod browser;
mod driver;
mod first_run;
mod keyboard;
mod keys;
mod live;
mod points;
mod single_sign_on;
mod relay;
mod seeded;
mod tabs;
mod trying;
