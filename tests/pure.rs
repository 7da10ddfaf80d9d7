//! What needs no server and no socket: the call machine, the dialects, and who may import whom.

mod architecture;
mod call;
mod dialect;
