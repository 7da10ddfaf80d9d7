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
mod browser;
mod driver;
mod first_run;
mod keyboard;
mod keys;
mod live;
#[path = "../support/openid.rs"]
mod openid;
mod points;
mod single_sign_on;
mod relay;
mod seeded;
#[path = "../support/mod.rs"]
mod support;
mod tabs;
mod trying;
