//! What is done at the provider, judged in the moment in which it is done.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use xylem_cloud::{Named, Prefix};
use xylem_db::{CloudCopy, CloudCopyState};
use xylem_model::{ContentId, Generation};
use xylem_server::{MemoryWishStore, WishStore as _};
use xylem_sync::Choice;
use xylem_testkit::S3Event;

use super::{MANY, PREFIX, at_once};
use crate::history::{History, Record};

/// What was seen of the provider.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    proofs: BTreeMap<ContentId, Proof>,
    /// Everything that was ever chosen for the point, beside everything.
    selections: Vec<Choice>,
    /// Contents that files are to have.
    announced: BTreeSet<ContentId>,
}

/// What was seen of one object since it was written last.
#[derive(Debug, Clone, Copy, Default)]
struct Proof {
    /// It was written, as it was sent.
    sound: bool,
    /// Then it was asked after.
    asked: bool,
    /// Then its beginning was read, and its end.
    read_first: bool,
    read_last: bool,
    /// Somebody else had a hand in it.
    meddled: bool,
}

impl Seen {
    /// Notes that the point has another selection from now on.
    pub(crate) fn selected(&mut self, selection: Choice) {
        self.selections.push(selection);
    }

    /// Notes that a file is about to be uploaded.
    pub(crate) fn announce(&mut self, content: ContentId) {
        self.announced.insert(content);
    }

    /// Notes that somebody else writes or deletes an object.
    pub(crate) fn meddle(&mut self, content: ContentId) {
        self.proofs.entry(content).or_default().meddled = true;
    }

    /// Invariant 3, of a content that is offered from now on.
    pub(super) fn check_proof(&self, content: ContentId, history: &History) {
        let proof = self.proofs.get(&content).copied().unwrap_or_default();
        let mut record = history.lock();
        if proof.meddled {
            return;
        }
        record.figures.cloud_proved += 1;
        let Proof { sound, asked, read_first, read_last, .. } = proof;
        let read = read_first && read_last;
        if !(sound && asked && read) {
            record.violations.push(format!(
                "cloud 3: {content} is offered; as it was sent: {sound}, asked after: {asked}, \
                 read at both ends: {read}"
            ));
        }
    }

    /// Judges what is done. `row` gives what is remembered of a content.
    pub(super) fn note(
        &mut self,
        event: &S3Event,
        wishes: &Arc<MemoryWishStore>,
        row: impl Fn(&ContentId) -> Option<CloudCopy>,
        history: &History,
    ) {
        let mut record = history.lock();
        match event {
            S3Event::Written { name, sent, stored, over } => {
                record.figures.cloud_written += 1;
                let content = self.written(name, sent, &mut record);
                let again = over.as_ref() == Some(sent) && stored == sent;
                // Between asking what is there and writing, nobody keeps others from it.
                let is_ours = content.is_some_and(|it| !self.is_meddled(&it));
                if is_ours && over.as_ref().is_some_and(|over| over != sent) {
                    record.violations.push(format!("cloud 2: {name} was overwritten"));
                }
                // The same bytes once more prove no less.
                if let Some(content) = content.filter(|_| !again) {
                    let sound = stored == sent;
                    self.proofs.insert(content, Proof { sound, ..Proof::default() });
                }
            }
            S3Event::PartTaken { .. } => record.figures.cloud_parts += 1,
            S3Event::Asked { name } => {
                if let Some(proof) = self.proof_of(name) {
                    proof.asked = true;
                }
            }
            S3Event::Given { name, range, size } => {
                if let Some(proof) = self.proof_of(name).filter(|proof| proof.asked) {
                    proof.read_first |= range.start == 0;
                    proof.read_last |= range.end == *size;
                }
            }
            S3Event::Deleted { name, was } => {
                let Some(was) = was else { return };
                record.figures.cloud_deleted += 1;
                let why = match named(name) {
                    Named::Content(content) => {
                        let is_sound = ContentId::of(was) == content;
                        let row = row(&content);
                        self.proofs.remove(&content);
                        self.why_not(content, is_sound, row.as_ref(), wishes)
                    }
                    Named::Probe | Named::ProbeSegment | Named::Segment { .. } => None,
                    Named::Marker | Named::Foreign => Some("and is not ours".to_owned()),
                };
                if let Some(why) = why {
                    record.violations.push(format!("cloud 4: {name} is deleted, {why}"));
                }
            }
        }
    }

    /// Invariants 2 and 9: under a name of ours lies what the name says, and that is a file of the
    /// catalogue.
    fn written(&self, name: &str, sent: &[u8], record: &mut Record) -> Option<ContentId> {
        let Named::Content(content) = named(name) else {
            record
                .violations
                .push(format!("cloud 2: {name} was written, which is not of our form"));
            return None;
        };
        if ContentId::of(sent) != content {
            record.violations.push(format!("cloud 2: other bytes were sent to {name}"));
        }
        if !self.announced.contains(&content) {
            record.violations.push(format!("cloud 9: {content} is there, and no file has it"));
        }
        Some(content)
    }

    /// Invariant 4: why a content must not be deleted, if so. One that is wrong, or on its way and
    /// not proved, may be, and is sent anew.
    fn why_not(
        &self,
        content: ContentId,
        is_sound: bool,
        row: Option<&CloudCopy>,
        wishes: &Arc<MemoryWishStore>,
    ) -> Option<String> {
        let row = row?;
        match row.state {
            CloudCopyState::Present => Some("and is offered".to_owned()),
            CloudCopyState::Removing if is_sound && self.is_wanted_always(&content, wishes) => {
                Some("and was wanted all the time".to_owned())
            }
            _ => None,
        }
    }

    /// Whether a file means it, which every selection that there ever was chose. Contents come but
    /// once, so what a file means now it always meant.
    fn is_wanted_always(&self, content: &ContentId, wishes: &Arc<MemoryWishStore>) -> bool {
        let Some(Ok(all)) = at_once(wishes.changes(Generation(0), MANY)) else { return false };
        let mut files = all.wanted.iter();
        let meant = files.find(|file| file.versions.iter().any(|it| it.content == *content));
        meant.is_some_and(|file| {
            let mut selections = self.selections.iter().flatten();
            selections.all(|selection| selection.chooses(&file.facts))
        })
    }

    fn is_meddled(&self, content: &ContentId) -> bool {
        self.proofs.get(content).is_some_and(|proof| proof.meddled)
    }

    fn proof_of(&mut self, name: &str) -> Option<&mut Proof> {
        match named(name) {
            Named::Content(content) => self.proofs.get_mut(&content),
            _ => None,
        }
    }
}

/// What a name stands for at the point.
pub(super) fn named(name: &str) -> Named {
    Prefix::new(PREFIX).map_or(Named::Foreign, |prefix| prefix.read(name))
}

#[cfg(test)]
mod tests;
