//! Moving the root and the principal, in the memory store.

use xylem_api::catalogue::PlacementState;
use xylem_model::{DistributionServerId, TreeError};

use super::{Memory, MemoryUpload, MemoryWishStore};
use crate::wish::WishError;

/// Why a role is not handed over.
#[derive(Debug, thiserror::Error)]
pub enum HandOverError {
    /// The server does not hold everything.
    #[error("the server lacks {0} contents")]
    Incomplete(usize),
    /// The tree does not allow it.
    #[error(transparent)]
    Tree(#[from] TreeError),
}

impl MemoryWishStore {
    /// Makes a server the root; the former one becomes its child.
    ///
    /// # Errors
    /// Where it does not hold everything, or the tree does not allow it.
    pub fn hand_over_root(
        &self,
        to: DistributionServerId,
        keep_children: bool,
    ) -> Result<u64, HandOverError> {
        let mut memory = self.lock();
        memory.require_complete(to)?;
        memory.tree.hand_over(to, keep_children)?;
        for server in memory.servers.values_mut() {
            server.is_root = server.id == to;
        }
        Ok(memory.moved(to))
    }

    /// Makes a server the principal, where new files enter.
    ///
    /// # Errors
    /// Where it does not hold everything.
    pub fn set_principal(&self, id: DistributionServerId) -> Result<u64, HandOverError> {
        let mut memory = self.lock();
        memory.require_complete(id)?;
        for server in memory.servers.values_mut() {
            server.is_principal = server.id == id;
        }
        for upload in memory.uploads.values_mut().filter(|upload| upload.outcome.is_none()) {
            upload.declared.server = id;
        }
        Ok(memory.moved(id))
    }

    /// Makes the cloud the principal, or no longer: files enter where they did. What is there is known
    /// to the [`CloudStore`](crate::cloud::CloudStore) alone, so here nothing is compared.
    pub fn set_cloud_principal(&self, is_principal: bool) -> u64 {
        let mut memory = self.lock();
        memory.cloud_is_principal = is_principal;
        memory.raise();
        memory.root_epoch = memory.root_epoch.saturating_add(1);
        memory.root_epoch
    }
}

impl Memory {
    /// A role went to a server.
    fn moved(&mut self, to: DistributionServerId) -> u64 {
        if let Some(server) = self.servers.get_mut(&to) {
            server.selection = None;
        }
        self.raise();
        self.root_epoch = self.root_epoch.saturating_add(1);
        self.root_epoch
    }

    fn require_complete(&self, id: DistributionServerId) -> Result<(), HandOverError> {
        if !self.servers.contains_key(&id) {
            return Err(TreeError::UnknownParent.into());
        }
        let is_present = |content| {
            let copy = self.copies.get(&(id, content));
            copy.is_some_and(|copy| copy.state == PlacementState::Present)
        };
        let live = self.files.values().filter(|file| !file.deleted);
        let lacking = live.filter(|file| !is_present(file.descriptor.content)).count();
        let told = self.news.get(&id).and_then(|news| news.set).map(|set| set.missing);
        match (lacking, told) {
            (0, Some(0)) => Ok(()),
            _ => Err(HandOverError::Incomplete(lacking)),
        }
    }

    /// Why an upload cannot be committed at a server: new files enter elsewhere by now.
    pub(super) fn moved_away(
        &self,
        upload: &MemoryUpload,
        server: DistributionServerId,
        said: Option<u64>,
    ) -> Result<Option<String>, WishError> {
        if said.is_some_and(|said| said != self.root_epoch) || server != upload.server {
            let now = self.root_epoch;
            return Err(WishError::Behind(format!("the root epoch is {now} by now")));
        }
        let server = self.servers.get(&server).filter(|server| server.is_principal);
        Ok(server.is_none().then(|| "new files do not enter there any more".to_owned()))
    }
}
