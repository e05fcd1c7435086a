//! The system calls that an inspecting process may still make.
//!
//! An inspection reads a file that is open, takes memory, and writes an answer. Whatever else it
//! asks for ends it with `SIGSYS`, which the parent can tell from any other end: a reader that was
//! made to open a file, a socket or a program does not get as far as an error code.
//!
//! Known to seccompiler are x86-64 and 64-bit ARM; see [`super::SYSTEM_CALLS_FILTERED`].

use std::collections::BTreeMap;
use std::io;

use seccompiler::{
    BackendError, BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition,
    SeccompFilter, SeccompRule, TargetArch, apply_filter_all_threads,
};

/// Allowed whatever the arguments.
const ALLOWED: &[i64] = &[
    // The file and the answer, both open before the filter is in place.
    libc::SYS_close,
    libc::SYS_fstat,
    libc::SYS_lseek,
    libc::SYS_pread64,
    libc::SYS_read,
    libc::SYS_readv,
    libc::SYS_write,
    libc::SYS_writev,
    // Memory, as far as it cannot become code.
    libc::SYS_brk,
    libc::SYS_madvise,
    libc::SYS_mremap,
    libc::SYS_munmap,
    // Time, waiting for a lock, and random numbers for hash tables.
    libc::SYS_clock_gettime,
    libc::SYS_futex,
    libc::SYS_getrandom,
    libc::SYS_gettimeofday,
    libc::SYS_restart_syscall,
    libc::SYS_sched_yield,
    // What it is told about itself.
    libc::SYS_getcpu,
    libc::SYS_getpid,
    libc::SYS_getrusage,
    libc::SYS_gettid,
    // A crash is reported as the crash that it is.
    libc::SYS_rt_sigaction,
    libc::SYS_rt_sigprocmask,
    libc::SYS_rt_sigreturn,
    libc::SYS_sigaltstack,
    // The end.
    libc::SYS_exit,
    libc::SYS_exit_group,
];

/// Puts the filter over every thread of the process, for good.
pub(super) fn install() -> io::Result<()> {
    let program = program().map_err(io::Error::other)?;
    apply_filter_all_threads(&program).map_err(io::Error::other)
}

fn program() -> Result<BpfProgram, BackendError> {
    let mut rules: BTreeMap<i64, Vec<SeccompRule>> =
        ALLOWED.iter().map(|number| (*number, Vec::new())).collect();
    for number in [libc::SYS_mmap, libc::SYS_mprotect] {
        rules.insert(number, vec![never_code()?]);
    }
    rules.insert(libc::SYS_tgkill, vec![abort_self()?]);
    rules.insert(libc::SYS_fcntl, vec![is_it_open()?]);
    rules.insert(libc::SYS_prctl, vec![name_memory()?]);
    rules.insert(libc::SYS_statx, vec![status_of_open_file()?]);
    let architecture = TargetArch::try_from(std::env::consts::ARCH)?;
    let refused = SeccompAction::KillProcess;
    SeccompFilter::new(rules, refused, SeccompAction::Allow, architecture)?.try_into()
}

/// The third argument of `mmap` and `mprotect` must not ask for executable memory.
fn never_code() -> Result<SeccompRule, BackendError> {
    let executable = libc::PROT_EXEC as u64;
    rule([(2, SeccompCmpOp::MaskedEq(executable), 0)])
}

/// How a process ends itself with `SIGABRT`. It was alone before the filter, so that every thread
/// of its group is its own.
fn abort_self() -> Result<SeccompRule, BackendError> {
    let process = u64::from(std::process::id());
    rule([(0, SeccompCmpOp::Eq, process), (2, SeccompCmpOp::Eq, libc::SIGABRT as u64)])
}

/// What the standard library asks before it closes a descriptor, in builds for developers.
fn is_it_open() -> Result<SeccompRule, BackendError> {
    rule([(1, SeccompCmpOp::Eq, libc::F_GETFD as u64)])
}

/// How mimalloc labels the memory that it takes, for whoever looks at the process's maps.
fn name_memory() -> Result<SeccompRule, BackendError> {
    rule([(0, SeccompCmpOp::Eq, libc::PR_SET_VMA as u64)])
}

/// The call behind `File::metadata`, which can also look up a path. A filter sees no paths, only
/// the flag that goes with an empty one: what is left is to learn that a file exists.
fn status_of_open_file() -> Result<SeccompRule, BackendError> {
    let empty_path = libc::AT_EMPTY_PATH as u64;
    rule([(2, SeccompCmpOp::MaskedEq(empty_path), empty_path)])
}

/// Every one of these has to hold: the number of an argument, a comparison, a value.
fn rule<const N: usize>(
    conditions: [(u8, SeccompCmpOp, u64); N],
) -> Result<SeccompRule, BackendError> {
    let conditions = conditions.into_iter().map(|(argument, operator, value)| {
        SeccompCondition::new(argument, SeccompCmpArgLen::Dword, operator, value)
    });
    SeccompRule::new(conditions.collect::<Result<Vec<_>, _>>()?)
}
