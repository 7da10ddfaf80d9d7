//! The dashboard: what people see and do in a browser, as pages out of the binary.
//!
//! [`pages`] has one file per page: it reads the store, fills a plain view and renders it inside the
//! [`layout`]; what the pages have in common is in [`part`] and [`words`], what is drawn in [`plot`] and
//! [`timeline`]. Changes are not made here: the scripts among the [`assets`] send them to `/api` with the
//! session's cookie; only signing in, signing out and setting up are forms of their own. Every page
//! leaves through [`answer`], with the policy that lets nothing foreign in.

pub mod answer;
pub mod assets;
pub mod balance;
pub mod layout;
pub mod pages;
pub mod paging;
pub mod part;
pub mod plot;
pub mod seen;
pub mod timeline;
pub mod turns;
pub mod words;
