//! What `strace` is told, and what it tells.

use std::collections::BTreeMap;

/// Calls that reach the file system. Those that a publish makes are found by looking; a name that
/// an architecture does not have is marked so that strace lets it pass.
pub(crate) const CALLS: [&str; 27] = [
    "openat",
    "close",
    "pread64",
    "read",
    "pwrite64",
    "fsync",
    "fdatasync",
    "syncfs",
    "?sync_file_range",
    "?rename",
    "renameat",
    "renameat2",
    "?link",
    "linkat",
    "?unlink",
    "unlinkat",
    "?mkdir",
    "mkdirat",
    "ftruncate",
    "fstat",
    "newfstatat",
    "statx",
    "statfs",
    "fstatfs",
    "getdents64",
    "lseek",
    "fcntl",
];

/// Calls that make the disk fuller.
const WRITING: [&str; 10] = [
    "openat",
    "pwrite64",
    "fsync",
    "syncfs",
    "rename",
    "renameat",
    "linkat",
    "mkdir",
    "mkdirat",
    "ftruncate",
];

/// Calls that a signal may interrupt.
const SLOW: [&str; 6] = ["openat", "pread64", "read", "pwrite64", "fsync", "ftruncate"];

/// How a call fails.
pub(crate) struct Fault {
    pub(crate) name: &'static str,
    /// In strace's words.
    effect: &'static str,
    /// The calls that can fail so; all of them where there is no list.
    only: Option<&'static [&'static str]>,
}

/// All ways to fail. The first concerns every call.
pub(crate) const FAULTS: [Fault; 4] = [
    Fault { name: "EIO", effect: "error=EIO", only: None },
    Fault { name: "KILL", effect: "signal=KILL", only: None },
    Fault { name: "ENOSPC", effect: "error=ENOSPC", only: Some(&WRITING) },
    Fault { name: "EINTR", effect: "error=EINTR", only: Some(&SLOW) },
];

impl Fault {
    /// Whether a call can fail so.
    pub(crate) fn concerns(&self, call: &str) -> bool {
        self.only.is_none_or(|only| only.contains(&call))
    }

    /// The option that lets the Nth call fail.
    pub(crate) fn inject(&self, call: &str, nth: u64) -> String {
        format!("inject={call}:{}:when={nth}", self.effect)
    }
}

/// A log of calls, one a line.
pub(crate) struct Trace {
    /// Calls in their order; `None` is where the worker said that it is ready.
    calls: Vec<Option<&'static str>>,
    injected: bool,
}

impl Trace {
    pub(crate) fn parse(log: &str) -> Self {
        let known = |line: &str| {
            // Lines begin with the process id.
            let call = line.trim_start_matches(|c: char| c.is_ascii_digit() || c == ' ');
            let (name, rest) = call.split_once('(')?;
            if name == "write" {
                return rest.starts_with("1, \"ready").then_some(None);
            }
            CALLS
                .iter()
                .map(|call| call.trim_start_matches('?'))
                .find(|call| *call == name)
                .map(Some)
        };
        let calls = log.lines().filter_map(known).collect();
        Self { calls, injected: log.contains("(INJECTED)") }
    }

    /// Whether a fault was injected. A kill leaves no such mark.
    pub(crate) fn was_injected(&self) -> bool {
        self.injected
    }

    /// For every call made after the worker was ready, how often it was made before.
    pub(crate) fn before_publishing(&self) -> BTreeMap<&'static str, u64> {
        let mut parts = self.calls.splitn(2, Option::is_none);
        let (before, after) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
        after
            .iter()
            .flatten()
            .map(|call| (*call, before.iter().flatten().filter(|one| *one == call).count() as u64))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOG: &str = "\
12 openat(AT_FDCWD, \"/etc/ld.so.cache\", O_RDONLY|O_CLOEXEC) = 3
12 write(1, \"ready\\n\", 6) = 6
12 openat(AT_FDCWD, \"/r/staged/a.part\", O_RDWR) = -1 EIO (Input/output error) (INJECTED)
12 fsync(4)                          = 0
12 write(1, \"ack 0\\n\", 6) = 6
12 mmap(NULL, 8192, PROT_READ, MAP_PRIVATE, 3, 0) = 0x7f0
";

    #[test]
    fn calls_of_starting_up_are_counted_apart() {
        let trace = Trace::parse(LOG);
        assert_eq!(trace.before_publishing(), BTreeMap::from([("openat", 1), ("fsync", 0)]));
        assert!(trace.was_injected());
    }

    #[test]
    fn a_full_disk_is_told_to_calls_that_write_only() {
        let full = FAULTS.iter().find(|fault| fault.name == "ENOSPC").unwrap();
        assert!(full.concerns("pwrite64") && !full.concerns("pread64"));
        assert_eq!(full.inject("fsync", 3), "inject=fsync:error=ENOSPC:when=3");
    }
}
