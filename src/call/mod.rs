//! The call itself, pure: input and time go in, effects come out.

pub mod event;
