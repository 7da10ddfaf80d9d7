//! Which system calls the synthesiser may make: those of a program that reads files, computes and
//! writes to a pipe.
//!
//! Every other call answers that it does not exist, which the C library takes as an old kernel, and
//! programs as something they do without. No process can be started, no socket made, no signal sent but
//! to itself, no other process looked at.

use std::{collections::BTreeMap, env::consts::ARCH, io, process};

use libc as c;
use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen::Dword, SeccompCmpOp, SeccompCondition,
    SeccompFilter, SeccompRule, TargetArch,
};

/// Calls that may be made with whatever arguments.
#[rustfmt::skip]
const FREE: &[c::c_long] = &[
    // files; which of them may be opened is for Landlock
    c::SYS_openat, c::SYS_close, c::SYS_close_range, c::SYS_read, c::SYS_readv, c::SYS_pread64,
    c::SYS_write, c::SYS_writev, c::SYS_lseek, c::SYS_fstat, c::SYS_newfstatat, c::SYS_statx,
    c::SYS_faccessat, c::SYS_faccessat2, c::SYS_readlinkat, c::SYS_getdents64, c::SYS_getcwd,
    c::SYS_fadvise64, c::SYS_dup, c::SYS_dup3, c::SYS_pipe2, c::SYS_ppoll, c::SYS_pselect6,
    c::SYS_umask,
    // memory
    c::SYS_brk, c::SYS_mmap, c::SYS_mprotect, c::SYS_mremap, c::SYS_munmap, c::SYS_madvise,
    // itself
    c::SYS_execve, c::SYS_exit, c::SYS_exit_group, c::SYS_futex, c::SYS_set_robust_list,
    c::SYS_set_tid_address, c::SYS_rseq, c::SYS_getpid, c::SYS_getppid, c::SYS_gettid,
    c::SYS_getuid, c::SYS_geteuid, c::SYS_getgid, c::SYS_getegid, c::SYS_getrusage, c::SYS_times,
    c::SYS_uname, c::SYS_sysinfo, c::SYS_getrandom, c::SYS_sched_yield, c::SYS_sched_getaffinity,
    c::SYS_rt_sigaction, c::SYS_rt_sigprocmask, c::SYS_rt_sigreturn, c::SYS_sigaltstack,
    c::SYS_restart_syscall,
    // time
    c::SYS_clock_gettime, c::SYS_clock_getres, c::SYS_clock_nanosleep, c::SYS_nanosleep,
    c::SYS_gettimeofday,
];

/// The names that some of them have had before.
#[cfg(target_arch = "x86_64")]
#[rustfmt::skip]
const FORMER: &[c::c_long] = &[
    c::SYS_open, c::SYS_access, c::SYS_stat, c::SYS_lstat, c::SYS_readlink, c::SYS_dup2,
    c::SYS_pipe, c::SYS_poll, c::SYS_select, c::SYS_time, c::SYS_arch_prctl, c::SYS_getrlimit,
];
#[cfg(not(target_arch = "x86_64"))]
const FORMER: &[c::c_long] = &[];

/// Asks whether a descriptor is a terminal; other requests could type into one.
const IS_TERMINAL: u32 = 0x5401;
/// What may be done to descriptors; other commands could have signals sent.
const FCNTL: [c::c_int; 6] =
    [c::F_DUPFD, c::F_DUPFD_CLOEXEC, c::F_GETFD, c::F_SETFD, c::F_GETFL, c::F_SETFL];

/// Confines this process. False where this processor has no filter.
pub fn confine() -> io::Result<bool> {
    let Ok(arch) = TargetArch::try_from(ARCH) else { return Ok(false) };
    let program = filter(arch).map_err(io::Error::other)?;
    match seccompiler::apply_filter(&program) {
        Ok(()) => Ok(true),
        // The kernel has been built without it.
        Err(seccompiler::Error::Seccomp(error))
            if matches!(error.raw_os_error(), Some(c::EINVAL | c::ENOSYS)) =>
        {
            Ok(false)
        }
        Err(error) => Err(io::Error::other(error)),
    }
}

fn filter(arch: TargetArch) -> Result<BpfProgram, seccompiler::BackendError> {
    let mut rules: BTreeMap<_, Vec<SeccompRule>> =
        FREE.iter().chain(FORMER).map(|call| (*call, Vec::new())).collect();
    let mut allow = |call, argument, value| {
        // Of a thread's many flags one says that it is no process.
        let equal = match call {
            c::SYS_clone => SeccompCmpOp::MaskedEq(value),
            _ => SeccompCmpOp::Eq,
        };
        let condition = SeccompCondition::new(argument, Dword, equal, value)?;
        rules.entry(call).or_default().push(SeccompRule::new(vec![condition])?);
        Ok::<_, seccompiler::BackendError>(())
    };
    allow(c::SYS_ioctl, 1, IS_TERMINAL.into())?;
    for command in FCNTL {
        allow(c::SYS_fcntl, 1, u64::from(command.unsigned_abs()))?;
    }
    // espeak-ng gives up where it cannot have a second thread.
    allow(c::SYS_clone, 0, u64::from(c::CLONE_THREAD.unsigned_abs()))?;
    // Itself: the program keeps the number of this process.
    allow(c::SYS_prlimit64, 0, 0)?;
    allow(c::SYS_tgkill, 0, process::id().into())?;
    let missing = SeccompAction::Errno(c::ENOSYS.unsigned_abs());
    SeccompFilter::new(rules, missing, SeccompAction::Allow, arch)?.try_into()
}
