//! The `upvoot` binary.

fn main() {}
