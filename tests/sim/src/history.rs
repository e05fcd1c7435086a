//! What happened in a run.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;
use xylem_model::{ContentId, DistributionServerId, FileName};

/// Declares the figures once, with how they are added up.
macro_rules! figures {
    ($($(#[$doc:meta])* $name:ident,)*) => {
        /// What is counted: things that were *checked*, not only violations.
        #[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
        pub struct Figures { $($(#[$doc])* pub $name: u64,)* }

        impl Figures {
            /// Adds another run's figures.
            pub fn add(&mut self, other: &Self) { $(self.$name += other.$name;)* }
        }
    };
}

figures! {
    /// Distribution servers.
    servers,
    /// Hosts crashed.
    crashes,
    /// Links cut.
    partitions,
    /// Clocks set wrong for a while.
    clock_jumps,
    /// Disks filled for a while.
    full_disks,
    /// Starts of a distribution server that failed, as on a full disk; it is started again.
    failed_starts,
    /// Parents changed.
    parent_changes,
    /// P7: times that the root or the principal was handed over.
    hand_overs,
    /// P7: states of which it was seen that they have one root and one principal.
    roles,
    /// Uploads acknowledged.
    acknowledged,
    /// Of these, next versions of a file.
    superseding,
    /// Files deleted.
    deleted,
    /// P1: bodies read to their end and compared.
    bodies,
    /// Wrong bodies of the relay that lies, seen from outside; nobody below it may pass them on.
    lies,
    /// P2 and P3: copies compared at the end, on all servers.
    copies,
    /// P4: servers of which it was seen that they hang below the root.
    in_tree,
    /// P5: requests of a removed server that were refused.
    refusals,
    /// P6: copies that were still there after unwanted content was collected.
    kept,
    /// P6: copies of unwanted content that were gone.
    collected,
    /// P8: rows of the placement compared with what the server gives.
    rows,
    /// Runs with a cloud distribution point.
    clouds,
    /// Faults made at the provider.
    cloud_faults,
    /// Selections made for the cloud.
    cloud_selections,
    /// Parts of uploads that the provider took.
    cloud_parts,
    /// Objects that were written there whole, or put together; each compared with its name.
    cloud_written,
    /// Management servers and roots that were killed while something was on its way there.
    cloud_kills,
    /// Cloud 3: times that something came to be offered there, its proof looked at.
    cloud_proved,
    /// Cloud 4: deletions of which it was seen that they were allowed.
    cloud_deleted,
    /// Cloud 3: objects compared at the end.
    cloud_copies,
    /// Cloud 4: things of others that were still there at the end.
    cloud_kept,
    /// Cloud 5: runs at whose end nothing was left there that no row names.
    cloud_clean,
    /// Simulated milliseconds.
    simulated_ms,
}

/// Shared by everybody in a run.
#[derive(Debug, Clone, Default)]
pub(crate) struct History(Arc<Mutex<Record>>);

/// Root and principal.
type Roles = (Option<DistributionServerId>, Option<DistributionServerId>);

#[derive(Debug, Default)]
pub(crate) struct Record {
    pub(crate) figures: Figures,
    /// Every content that was ever acknowledged, with its bytes.
    pub(crate) acknowledged: BTreeMap<ContentId, Arc<[u8]>>,
    /// What each live file means: its newest acknowledged version.
    pub(crate) current: BTreeMap<FileName, ContentId>,
    /// The name that is being uploaded; nobody deletes it meanwhile.
    pub(crate) uploading: Option<FileName>,
    /// Root and principal of each root epoch.
    pub(crate) roles: BTreeMap<u64, Roles>,
    /// Servers that were the root once: what they held then they keep longer.
    pub(crate) roots: BTreeSet<DistributionServerId>,
    /// The server that was removed, and when.
    pub(crate) removed: Option<(usize, Instant)>,
    /// Whether faults are still being made.
    pub(crate) faults: bool,
    /// What must not have happened, and did.
    pub(crate) violations: Vec<String>,
    /// What was done, in its order, for whoever replays a seed.
    pub(crate) course: Vec<String>,
}

impl History {
    pub(crate) fn lock(&self) -> MutexGuard<'_, Record> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Record {
    /// Notes what is done, with its moment.
    pub(crate) fn note(&mut self, at: Duration, what: String) {
        self.course.push(format!("{:>8.2} s  {what}", at.as_secs_f64()));
    }

    /// What every server is to hold.
    pub(crate) fn wanted(&self) -> BTreeMap<ContentId, Arc<[u8]>> {
        let ids: BTreeSet<&ContentId> = self.current.values().collect();
        let bytes =
            |id: &ContentId| self.acknowledged.get(id).map(|bytes| (*id, Arc::clone(bytes)));
        ids.into_iter().filter_map(bytes).collect()
    }

    /// What was acknowledged once, and has been superseded or deleted since.
    pub(crate) fn unwanted(&self) -> BTreeMap<ContentId, Arc<[u8]>> {
        let wanted = self.wanted();
        let all = self.acknowledged.iter();
        all.filter(|(id, _)| !wanted.contains_key(*id))
            .map(|(id, bytes)| (*id, Arc::clone(bytes)))
            .collect()
    }

    pub(crate) fn is_removed(&self, server: usize) -> bool {
        self.removed.is_some_and(|(removed, _)| removed == server)
    }
}
