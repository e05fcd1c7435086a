//! What is to be there: by the catalogue, and by what was chosen for the point.
//!
//! What comes to be wanted is followed change by change. Whether something is wanted no longer shows
//! only when everything is walked through, since another file may have the same content: that is
//! done when the selection changed, and now and then after other changes.

use std::collections::BTreeSet;
use std::time::Duration;

use xylem_db::{CloudCopy, CloudCopyState, CloudWant};
use xylem_model::{CloudPointId, ContentId, Generation, Stamp, Timestamp};
use xylem_sync::Choice;
use xylem_trust::{Descriptor, Envelope};

use super::at::AtPoint;
use super::store::OpenPoint;
use crate::failure::Failure;
use crate::wish::{Changes, WantedFile, WishError};

/// How often everything is walked through at most, where the selection stays the same.
const BETWEEN_WALKS: Duration = Duration::from_secs(10 * 60);
/// Rows read at a time.
const PAGE: u64 = 500;

/// How often it is looked whether an upload is over that wanted something here.
const BETWEEN_LAPSES: Duration = Duration::from_secs(60);

/// What was walked through last in this life of the process.
#[derive(Debug, Default)]
pub(super) struct Following {
    walked: Option<Walked>,
    /// When it was last looked for uploads that are over.
    lapses_at: Timestamp,
}

#[derive(Debug)]
struct Walked {
    point: CloudPointId,
    selection: Choice,
    /// What led to it: the same selection and state lead to the same again.
    stamp: Stamp,
    at: Timestamp,
    may_remove: bool,
}

impl AtPoint<'_> {
    /// Catches up with the catalogue.
    pub(super) async fn follow(&self) -> Result<(), Failure> {
        // One at a time: others would only read the same.
        let mut following = self.service.following().lock().await;
        let stamp = self.service.control().store().stamp().await?;
        let may_remove = self.may_remove().await?;
        // What an upload wanted and the catalogue did not come to name is wanted no longer.
        let is_lapsed = may_remove && self.is_upload_over(&mut following).await?;
        let is_due = match &following.walked {
            _ if is_lapsed => true,
            Some(walked) if walked.is_of(self.point.id, &self.point.selection, stamp) => {
                let is_same = (walked.stamp, walked.may_remove) == (stamp, may_remove);
                !is_same && self.now().since(walked.at) >= BETWEEN_WALKS
            }
            _ => true,
        };
        if is_due {
            let at = self.now();
            if self.walk(may_remove).await? {
                let (point, selection) = (self.point.id, self.point.selection.clone());
                following.walked = Some(Walked { point, selection, stamp, at, may_remove });
            }
            return Ok(());
        }
        if self.point.followed < stamp.generation {
            self.follow_changes().await?;
        }
        Ok(())
    }

    async fn is_upload_over(&self, following: &mut Following) -> Result<bool, Failure> {
        let now = self.now();
        if now.since(following.lapses_at) < BETWEEN_LAPSES && now >= following.lapses_at {
            return Ok(false);
        }
        following.lapses_at = now;
        Ok(self.store().has_lapsed_uploads(self.point.id, now).await?)
    }

    /// Wants what was chosen of what changed since the last time.
    async fn follow_changes(&self) -> Result<(), Failure> {
        let mut point = self.point.clone();
        loop {
            let page = self.service.control().store().changes(point.followed, PAGE).await?;
            let (wants, reached) = (self.wants(&page)?, page.next.unwrap_or(page.stamp.generation));
            let is_followed = self.store().want(&point, &wants, reached, self.now()).await?;
            // Where somebody else was faster, the next call sees how far.
            if !is_followed || page.next.is_none() {
                return Ok(());
            }
            point.followed = reached;
        }
    }

    /// Walks through everything: wants what was chosen, and wants what was not no longer. Says whether
    /// it came to an end: not where somebody else followed meanwhile.
    async fn walk(&self, may_remove: bool) -> Result<bool, Failure> {
        // Of two walks at once neither sees what the other found to be wanted since: the one that began
        // first is of the past.
        let Some(walks) = self.store().begin_walk(&self.point).await? else { return Ok(false) };
        let point = &OpenPoint { walks, ..self.point.clone() };
        let (mut wanted, mut since) = (BTreeSet::new(), Generation(0));
        let reached = loop {
            let page = self.service.control().store().changes(since, PAGE).await?;
            let wants = self.wants(&page)?;
            wanted.extend(wants.iter().map(|want| want.content));
            // How far it was followed stays: whoever follows changes meanwhile is noticed by that.
            if !self.store().want(point, &wants, point.followed, self.now()).await? {
                return Ok(false);
            }
            match page.next {
                Some(next) => since = next,
                None => break page.stamp.generation,
            }
        };
        // What a restore brought back may lack what is wanted: nothing goes before it is confirmed,
        // and then everything is walked through once more.
        if may_remove && !self.unwant_others(point, &wanted).await? {
            return Ok(false);
        }
        Ok(self.store().want(point, &[], reached, self.now()).await?)
    }

    /// Wants everything no longer that has a row and is not among these, nor wanted by an upload.
    async fn unwant_others(
        &self,
        point: &OpenPoint,
        wanted: &BTreeSet<ContentId>,
    ) -> Result<bool, Failure> {
        let now = self.now();
        let is_other = |copy: &CloudCopy| {
            copy.unwanted.is_none()
                && !copy.is_wanted_by_upload(now)
                && !wanted.contains(&copy.content)
        };
        let mut after = None;
        loop {
            let page = self.store().copies(self.point.id, None, after, PAGE).await?;
            let is_last = (page.len() as u64) < PAGE;
            after = page.last().map(|copy| copy.content);
            let unwanted = page.into_iter().filter(is_other).map(|copy| (copy.content, copy.state));
            let unwanted: Vec<_> = unwanted.collect();
            if !self.unwant(point, &unwanted).await? {
                return Ok(false);
            }
            if is_last {
                return Ok(true);
            }
        }
    }

    /// What is wanted no longer; what of it is on its way is given up at once.
    async fn unwant(
        &self,
        point: &OpenPoint,
        unwanted: &[(ContentId, CloudCopyState)],
    ) -> Result<bool, Failure> {
        if unwanted.is_empty() {
            return Ok(true);
        }
        let contents: Vec<ContentId> = unwanted.iter().map(|(content, _)| *content).collect();
        if !self.store().unwant(point, &contents, self.now()).await? {
            return Ok(false);
        }
        for (content, state) in unwanted {
            if !matches!(state, CloudCopyState::Sending | CloudCopyState::Proving) {
                continue;
            }
            // Not where an upload came to want it at this very moment.
            let copy = self.store().copy(self.point.id, *content).await?;
            if copy.is_none_or(|copy| copy.state == CloudCopyState::Removing) {
                self.abandon(*content).await;
            }
        }
        Ok(true)
    }

    /// What was chosen of a page of changes.
    fn wants(&self, page: &Changes) -> Result<Vec<CloudWant>, Failure> {
        let mut wants = Vec::new();
        for file in page.wanted.iter().filter(|file| is_chosen(&self.point.selection, file)) {
            for version in &file.versions {
                wants.push(want_of(&version.descriptor)?);
            }
        }
        Ok(wants)
    }
}

impl Walked {
    fn is_of(&self, point: CloudPointId, selection: &Choice, stamp: Stamp) -> bool {
        self.point == point && self.selection == *selection && self.stamp.epoch == stamp.epoch
    }
}

fn is_chosen(selection: &Choice, file: &WantedFile) -> bool {
    selection.as_ref().is_none_or(|selection| selection.chooses(&file.facts))
}

/// What is wanted of a version, as its signed descriptor has it.
fn want_of(signed: &[u8]) -> Result<CloudWant, Failure> {
    let envelope = Envelope::from_bytes(signed)?;
    let descriptor: Descriptor = serde_json::from_slice(&envelope.payload)
        .map_err(|error| WishError::Store(Box::new(error)))?;
    Ok(CloudWant {
        content: descriptor.content,
        size: descriptor.size,
        sha256: descriptor.sha256,
        name: descriptor.name,
        priority: descriptor.priority,
    })
}
