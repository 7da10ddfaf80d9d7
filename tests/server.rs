//! A server in this process and those who speak to it, and the store below it on both databases.
//!
//! What belongs to the whole process, its log or its memory, is tested in a process of its own:
//! [`support::alone`].

mod support;

mod admin;
mod bots;
mod carrier;
mod pages;
mod phone;
mod relay;
mod relay_log;
mod store;
mod voice;
