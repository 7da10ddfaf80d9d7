//! The sandbox that the synthesiser runs in: what it may still do, and nothing else.
//!
//! The text that it reads is a tenant's and its parser is C, so it is treated as a program of the
//! tenant's. The server starts itself anew as `upvoot speech-child`, with an empty environment; that
//! process takes its own rights away here and then becomes the synthesiser. It must not be able to read
//! the server's environment or its database, reach any network, leave a process behind, or write a file.
//!
//! This module knows neither texts nor sound. It confines the process that calls it: never call it in
//! one that has anything else to do.

#[cfg(target_os = "linux")]
mod files;
#[cfg(target_os = "linux")]
mod syscalls;

use std::{
    fmt, fs, io,
    os::unix::process::CommandExt,
    path::{Path, PathBuf},
    process::Command,
};

use rlimit::Resource;

/// The hidden command of `upvoot` that ends in [`run`].
pub const COMMAND: &str = "speech-child";

/// Bytes of address space: espeak-ng takes a tenth of them, most for its libraries.
const MOST_MEMORY: u64 = 256 * 1024 * 1024;
/// Seconds of processor time: a minute of speech takes espeak-ng less than half a second.
const MOST_TIME: u64 = 3;
/// Descriptors: the three of its own, and some for its data.
const MOST_FILES: u64 = 32;

/// What of the sandbox this system has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Strength {
    /// Files, by Landlock: all that is asked for, or all that this kernel knows.
    pub files: bool,
    /// System calls, by seccomp.
    pub system_calls: bool,
}

/// What is to run in the sandbox.
#[derive(Debug)]
pub struct Confined {
    /// The program.
    pub program: PathBuf,
    /// A directory of data that it may read besides the system's libraries.
    pub data: Option<PathBuf>,
    /// Its arguments.
    pub arguments: Vec<String>,
}

impl Strength {
    /// Whether nothing is missing.
    pub fn is_whole(self) -> bool {
        self.files && self.system_calls
    }
}

impl fmt::Display for Strength {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let word = |held: bool| if held { "yes" } else { "no" };
        write!(f, "landlock={} seccomp={}", word(self.files), word(self.system_calls))
    }
}

impl std::str::FromStr for Strength {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let both = [false, true]
            .map(|files| [false, true].map(|system_calls| Self { files, system_calls }));
        both.into_iter().flatten().find(|known| known.to_string() == text.trim()).ok_or(())
    }
}

/// Takes this process's rights away and becomes the program. Returns only if that fails.
pub fn run(confined: &Confined) -> io::Error {
    let mut command = Command::new(&confined.program);
    command.args(&confined.arguments);
    if let Some(data) = &confined.data {
        command.env("ESPEAK_DATA_PATH", data);
    }
    match confine(Some(&confined.program), confined.data.as_deref()) {
        Ok(_) => command.exec(),
        Err(error) => error,
    }
}

/// Takes this process's rights away; what is left is enough to say how well that went.
///
/// # Errors
/// When the system has a means and it cannot be used: the process must then end.
pub fn confine(program: Option<&Path>, data: Option<&Path>) -> io::Result<Strength> {
    close_inherited()?;
    limit()?;
    strengthen(program, data)
}

#[cfg(target_os = "linux")]
fn strengthen(program: Option<&Path>, data: Option<&Path>) -> io::Result<Strength> {
    // In this order: the filter of system calls would refuse what Landlock needs.
    let files = files::confine(program, data)?;
    Ok(Strength { files, system_calls: syscalls::confine()? })
}

#[cfg(not(target_os = "linux"))]
fn strengthen(_: Option<&Path>, _: Option<&Path>) -> io::Result<Strength> {
    Ok(Strength { files: false, system_calls: false })
}

/// Nothing that the server, or what has started the server, left open is handed on.
fn close_inherited() -> io::Result<()> {
    let numbers = fs::read_dir("/dev/fd")?
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
        .filter(|number: &i32| *number > 2)
        .collect::<Vec<_>>();
    for number in numbers {
        // One of them was the directory's own and is closed already.
        let _ = nix::unistd::close(number);
    }
    Ok(())
}

/// Processes are not limited here: the system counts threads, and those of the server's own user with
/// them. The filter of system calls lets none be made.
fn limit() -> io::Result<()> {
    for (resource, most) in [
        (Resource::CORE, 0),
        (Resource::CPU, MOST_TIME),
        (Resource::FSIZE, 0),
        (Resource::NOFILE, MOST_FILES),
        (Resource::AS, MOST_MEMORY),
    ] {
        // A limit that is lower already stays.
        let (_, hard) = resource.get()?;
        let most = most.min(hard);
        resource.set(most, most)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_child_says_of_itself_is_understood() {
        for (files, system_calls) in [(false, false), (false, true), (true, false), (true, true)] {
            let strength = Strength { files, system_calls };
            assert_eq!(format!("{strength}\n").parse(), Ok(strength));
            assert_eq!(strength.is_whole(), files && system_calls);
        }
        assert!("".parse::<Strength>().is_err() && "landlock=perhaps".parse::<Strength>().is_err());
    }
}
