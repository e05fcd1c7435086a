//! What a process on Linux gives up beside its resource limits.
//!
//! Three walls that know nothing of each other: Landlock refuses every path and every connection,
//! namespaces take the network away, and the [`filter`] leaves about thirty system calls. The first
//! two are as strong as the kernel and its settings allow; the filter is not negotiable.

use std::io;

use landlock::{
    ABI, Access as _, AccessFs, AccessNet, CompatLevel, Compatible as _, Ruleset, RulesetAttr as _,
    RulesetError, RulesetStatus, Scope,
};
use rustix::process::{Signal, set_parent_process_death_signal};
use rustix::thread::{UnshareFlags, set_no_new_privs};

/// Takes away paths, the network and new privileges. Comes before the resource limits, as Landlock
/// needs a descriptor for a moment.
pub(super) fn isolate() -> io::Result<()> {
    set_no_new_privs(true)?;
    deny_paths().map_err(io::Error::other)?;
    // Containers and hardened systems forbid this, and so does a process with threads; the
    // other limits hold all the same, and nothing here opens a socket.
    #[expect(deprecated, reason = "sound for these flags; unsafe only with UnshareFlags::FILES")]
    let _ = rustix::thread::unshare(UnshareFlags::NEWUSER | UnshareFlags::NEWNET);
    // Last, since a change of credentials may forget it.
    set_parent_process_death_signal(Some(Signal::KILL))?;
    Ok(())
}

/// Handles every kind of access that Landlock knows of, and allows none of them anywhere. A kernel
/// enforces what it knows; one without Landlock enforces nothing, and that is no error.
fn deny_paths() -> Result<RulesetStatus, RulesetError> {
    let newest = ABI::V7;
    let restriction = Ruleset::default()
        .set_compatibility(CompatLevel::BestEffort)
        .handle_access(AccessFs::from_all(newest))?
        .handle_access(AccessNet::from_all(newest))?
        .scope(Scope::from_all(newest))?
        .create()?
        .restrict_self()?;
    Ok(restriction.ruleset)
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::net::TcpListener;

    use super::*;

    #[test]
    fn no_path_can_be_opened_where_the_kernel_has_landlock() {
        // It holds for the calling thread alone.
        let checked = std::thread::spawn(|| {
            let acts = || {
                let opened = File::open(env!("CARGO_MANIFEST_DIR")).is_ok();
                (opened, tempfile::tempfile().is_ok(), TcpListener::bind("127.0.0.1:0").is_ok())
            };
            assert_eq!(acts(), (true, true, true), "free");
            match deny_paths().unwrap() {
                RulesetStatus::FullyEnforced => assert_eq!(acts(), (false, false, false)),
                // Linux before 6.7 does not control the network.
                RulesetStatus::PartiallyEnforced => assert!(!acts().0 && !acts().1),
                RulesetStatus::NotEnforced => {}
            }
        });
        checked.join().unwrap();
    }
}
