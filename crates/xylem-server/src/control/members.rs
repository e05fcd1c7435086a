//! Who belongs here, as of a state, for those who all ask at once.
//!
//! A change wakes every event stream, and each must know whether its server still belongs here.
//! Removing one raises the stamp, so the store is asked once for each state, not once for each
//! stream.

use std::collections::BTreeSet;

use xylem_model::{DistributionServerId, Stamp};

use super::ControlService;

/// The distribution servers that were enrolled in a state.
#[derive(Debug, Default)]
pub(super) struct Members {
    stamp: Stamp,
    servers: BTreeSet<DistributionServerId>,
}

impl ControlService {
    /// Whether a distribution server was enrolled in a state, or in a later one.
    pub(super) async fn is_member_at(&self, id: DistributionServerId, stamp: Stamp) -> bool {
        let mut members = self.inner.members.lock().await;
        if members.stamp < stamp {
            match self.store().overview().await {
                Ok(overview) => {
                    let servers = overview.servers.iter().map(|server| server.id).collect();
                    *members = Members { stamp: overview.stamp, servers };
                }
                Err(error) => {
                    // The stream ends and is opened again: then the guard decides.
                    tracing::warn!(%error, "who belongs here cannot be looked up");
                    return false;
                }
            }
        }
        members.servers.contains(&id)
    }
}
