//! What of our memory others may see: nothing.
//!
//! A key, a token or a database password stands in the memory of the process for a while, and the
//! environment for as long as it lives. A core file would put all of it on a disk.

/// No core files, and no other process of the same user may look into our memory or environment.
/// Where the operating system does not let us, it says so in the log, and the server serves.
pub fn keep_private() {
    if let Err(error) = rlimit::setrlimit(rlimit::Resource::CORE, 0, 0) {
        tracing::warn!(%error, "core files cannot be disabled");
    }
    #[cfg(target_os = "linux")]
    if let Err(error) = nix::sys::prctl::set_dumpable(false) {
        tracing::warn!(%error, "other processes of this user can read this process's memory");
    }
}
