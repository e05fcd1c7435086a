//! Digests that come after an upload, in memory.

use std::cmp::Reverse;

use xylem_api::catalogue::PlacementState;
use xylem_model::{ContentId, DistributionServerId, FurtherDigests, Generation};

use super::Memory;
use crate::wish::{LackingDigests, WishError};

impl Memory {
    pub(super) fn lacking_digests(
        &self,
        after: Option<(Generation, ContentId)>,
        limit: u64,
    ) -> Vec<LackingDigests> {
        let mut lacking: Vec<LackingDigests> = self
            .files
            .values()
            .filter(|file| !file.deleted)
            .filter(|file| !self.digests.contains_key(&file.descriptor.content))
            .map(|file| LackingDigests {
                content: file.descriptor.content,
                generation: file.generation,
                holders: self.holders(file.descriptor.content),
            })
            .collect();
        let order = |generation, content| (Reverse(generation), content);
        if let Some((generation, content)) = after {
            let after = order(generation, content);
            lacking.retain(|it| order(it.generation, it.content) > after);
        }
        lacking.sort_by_key(|it| order(it.generation, it.content));
        lacking.truncate(usize::try_from(limit).unwrap_or(usize::MAX));
        lacking
    }

    pub(super) fn note_digests(
        &mut self,
        content: ContentId,
        server: DistributionServerId,
        found: &FurtherDigests,
    ) -> Result<(), WishError> {
        let conflict = |why: &str| Err(WishError::Conflict(format!("{content}: {why}")));
        let named = self.files.values().find(|file| file.descriptor.content == content);
        let Some(named) = named else {
            return Err(WishError::NotFound { what: "content", name: content.to_string() });
        };
        let signed = &named.descriptor;
        if (signed.size, signed.sha256) != (found.size, found.sha256) {
            return conflict("other bytes are signed");
        }
        if found.check_chunks().is_err() {
            return conflict("there are not as many digests as parts");
        }
        if !self.holders(content).contains(&server) {
            return conflict("the server does not hold it");
        }
        match self.digests.get(&content) {
            Some(known) if known != found => conflict("other digests are known"),
            Some(_) => Ok(()),
            None => {
                self.digests.insert(content, found.clone());
                Ok(())
            }
        }
    }

    fn holders(&self, content: ContentId) -> Vec<DistributionServerId> {
        let present = |copy: &xylem_api::control::CopyReport| {
            copy.content == content && copy.state == PlacementState::Present
        };
        let copies = self.copies.iter().filter(|(_, copy)| present(copy));
        copies.map(|((server, _), _)| *server).collect()
    }
}
