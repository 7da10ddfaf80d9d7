//! The real binary, as those around it see it: its operator, a browser, a newcomer, and other people's
//! idea of its dialects.

mod support;

mod browser;
mod demo;
mod oracles;
mod process;
mod scan_logs;
