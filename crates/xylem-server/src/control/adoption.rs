//! Taking back what a restore forgot, from the servers that hold it.
//!
//! A server names what it holds and nobody wants, in the order of contents and a page at a time. What
//! belongs together comes in any order, so what could not be adopted is tried again once more is there.

use xylem_model::{Stamp, Timestamp};
use xylem_trust::{Descriptor, Envelope};

use super::{ControlService, Unlisted};
use crate::failure::Failure;
use crate::wish::WishError;

/// Unlisted descriptors looked at in one report, and tried again after it; a server names the rest in
/// the next one.
const MAX_UNLISTED: usize = 1_000;

/// Unlisted versions remembered for a person to decide on.
const MAX_REMEMBERED: usize = 10_000;

/// A version that a restore may have forgotten; our own key has signed it.
struct Lost {
    descriptor: Descriptor,
    envelope: Envelope,
}

impl ControlService {
    /// Adopts what a restore forgot. Outside of a restore an unlisted version is one that was
    /// deleted, and stays so.
    pub(super) async fn take_unlisted(
        &self,
        unlisted: &[Envelope],
        now: Timestamp,
    ) -> Result<(), Failure> {
        if unlisted.is_empty() {
            return Ok(());
        }
        let Some(restored) = self.store().restored_from().await? else { return Ok(()) };
        let lost = self.lost(unlisted, restored, now);
        if self.adopt_all(lost, restored, now).await? {
            // Their names may be free by now, and their files there.
            self.adopt_all(self.remembered(), restored, now).await?;
        }
        self.refresh().await?;
        Ok(())
    }

    /// What of it is ours, and later than what the restore went back to.
    fn lost(&self, unlisted: &[Envelope], restored: Stamp, now: Timestamp) -> Vec<Lost> {
        let trust = self.trust();
        let mut lost = Vec::new();
        for envelope in unlisted.iter().take(MAX_UNLISTED) {
            match trust.open::<Descriptor>(envelope, now) {
                // What was signed up to the backup is in it, or was deleted before.
                Ok(descriptor) if descriptor.stamp <= restored => {}
                Ok(descriptor) => lost.push(Lost { descriptor, envelope: envelope.clone() }),
                Err(error) => {
                    tracing::warn!(%error, "a descriptor that a server holds is not ours");
                }
            }
        }
        lost
    }

    /// What could not be adopted so far.
    fn remembered(&self) -> Vec<Lost> {
        let remembered = self.lock_unlisted();
        let lost = remembered.values().map(|known| Lost {
            descriptor: known.descriptor.clone(),
            envelope: known.envelope.clone(),
        });
        lost.take(MAX_UNLISTED).collect()
    }

    /// Adopts versions in the order in which they can follow each other. Says whether any was.
    ///
    /// What was in production comes as it was signed: a name is free once the file that had it was
    /// renamed. A mark says something beside the version in production, which has to be there first. Of
    /// two that say they were in production before, the one that was signed last is right.
    async fn adopt_all(
        &self,
        mut lost: Vec<Lost>,
        restored: Stamp,
        now: Timestamp,
    ) -> Result<bool, Failure> {
        lost.sort_by(|a, b| {
            let (a, b) = (&a.descriptor, &b.descriptor);
            let (is_mark, by_stamp) = (a.mark.is_some(), a.stamp.cmp(&b.stamp));
            let within = if is_mark { by_stamp.reverse() } else { by_stamp };
            is_mark.cmp(&b.mark.is_some()).then(within)
        });
        let mut any = false;
        for one in lost {
            any |= self.adopt(one, restored, now).await?;
        }
        Ok(any)
    }

    /// Adopts a version, or remembers it for a person. Says whether it is there.
    async fn adopt(&self, lost: Lost, restored: Stamp, now: Timestamp) -> Result<bool, Failure> {
        let Lost { descriptor, envelope } = lost;
        let key = (descriptor.file, descriptor.version);
        match self.store().adopt(&descriptor, &envelope.to_bytes(), restored, now).await {
            Ok(()) => {
                self.lock_unlisted().remove(&key);
                Ok(true)
            }
            Err(WishError::Conflict(reason)) => {
                let mut remembered = self.lock_unlisted();
                if remembered.len() < MAX_REMEMBERED {
                    remembered.insert(key, Unlisted { descriptor, envelope, reason });
                }
                Ok(false)
            }
            Err(error) => Err(error.into()),
        }
    }
}
