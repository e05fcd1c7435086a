//! What the inspecting process may use.

use std::io;
use std::time::Duration;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Memory of the child, in bytes of address space. Readers need a few MiB, an xz decoder 80.
const ADDRESS_SPACE_BYTES: u64 = 512 << 20;
/// Processor time for a small file, in seconds.
const BASE_CPU_SECONDS: u64 = 30;
/// Time that the parent waits longer than the child may compute, in seconds.
const GRACE_SECONDS: u64 = 5;
/// Bytes of file for each further second: a tenth of what a small machine hashes, so that a large
/// package on a busy disk is not mistaken for a hostile one.
const BYTES_PER_SECOND: u64 = 64 << 20;
/// Longest answer, in bytes: an index, which has up to 1,500,000 bytes and 2,000,000 in base64, and
/// up to 1 MiB of all else, as far as that is ever needed.
const ANSWER_BYTES: u64 = 4 << 20;

/// Limits for one inspection.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Limits {
    /// Address space and writable memory of the child, in bytes.
    pub address_space_bytes: u64,
    /// Processor time of the child, in seconds.
    pub cpu_seconds: u64,
    /// How long the parent waits for the answer.
    pub timeout: Duration,
    /// Longest answer that the parent reads, in bytes.
    pub answer_bytes: u64,
}

impl Limits {
    /// The limits for a file of this length: 30 s and 512 MiB, and a second more for every 64 MiB,
    /// since every byte is hashed once.
    #[must_use]
    pub fn for_file_bytes(file_bytes: u64) -> Self {
        let cpu_seconds = BASE_CPU_SECONDS + file_bytes / BYTES_PER_SECOND;
        Self {
            address_space_bytes: ADDRESS_SPACE_BYTES,
            cpu_seconds,
            timeout: Duration::from_secs(cpu_seconds + GRACE_SECONDS),
            answer_bytes: ANSWER_BYTES,
        }
    }
}

/// Whether the process also loses all system calls but a few: on Linux, on the processors for
/// which the filter is written. Elsewhere the other limits have to do.
pub const SYSTEM_CALLS_FILTERED: bool =
    cfg!(all(target_os = "linux", any(target_arch = "x86_64", target_arch = "aarch64")));

/// Takes limits upon the calling process, for good: memory, processor time, no new file, process
/// or thread, nothing written to a file, no core dump; on Linux also no new privileges, an end
/// together with its parent, no path and no network where the system lets an unprivileged process
/// have that, and, see [`SYSTEM_CALLS_FILTERED`], hardly any system call.
///
/// # Errors
/// When the system does not accept a resource limit or the filter; the process must not read
/// anything untrusted then.
pub fn limit_self(limits: &Limits) -> io::Result<()> {
    #[cfg(target_os = "linux")]
    super::sandbox::isolate()?;
    let memory = limits.address_space_bytes;
    for (resource, soft, hard) in [
        (Resource::As, memory, memory),
        (Resource::Data, memory, memory),
        // The soft limit sends SIGXCPU, which tells it from other ends.
        (Resource::Cpu, limits.cpu_seconds, limits.cpu_seconds + 1),
        (Resource::Core, 0, 0),
        (Resource::Fsize, 0, 0),
        (Resource::Nproc, 0, 0),
        // Descriptors that are open stay usable.
        (Resource::Nofile, 0, 0),
    ] {
        lower(resource, soft, hard)?;
    }
    // Nothing that sets a limit is allowed after this.
    #[cfg(all(target_os = "linux", any(target_arch = "x86_64", target_arch = "aarch64")))]
    super::filter::install()?;
    Ok(())
}

/// Lowers a limit; one that is stricter already stays as it is.
fn lower(resource: Resource, soft: u64, hard: u64) -> io::Result<()> {
    let current = getrlimit(resource);
    let hard = current.maximum.map_or(hard, |maximum| maximum.min(hard));
    let soft = current.current.map_or(soft, |current| current.min(soft)).min(hard);
    setrlimit(resource, Rlimit { current: Some(soft), maximum: Some(hard) })?;
    Ok(())
}
