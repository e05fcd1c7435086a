//! The wish beside reality.
//!
//! What is missing and what is held though unwanted is kept up to date with each change, so that
//! a server with a hundred thousand files does not count them all for each one that moves.
//! [`Catalogue::recount`] counts them all, at start and now and then.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use xylem_model::{ContentId, FileKind, FileName, SetCount, Timestamp, UploadId};
use xylem_sync::Wanted;
use xylem_trust::{Descriptor, DescriptorId, Envelope};

use super::set::{Change, Manifest, SignedHead};

/// Content that is held though no longer wanted.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Unwanted {
    /// Since when.
    pub(crate) since: Timestamp,
    /// The last descriptor that named it: what a management server that was restored from an old
    /// backup needs to take it up again. Content that never had one here has none.
    pub(crate) descriptor: Option<Envelope>,
    /// Whether this server was the root then: it stays as long as it would there, so that a
    /// deletion can be undone though another server is the root by now.
    #[serde(default)]
    pub(crate) as_root: bool,
}

/// What is wanted, missing and unwanted.
#[derive(Debug, Default)]
pub(crate) struct Catalogue {
    pub(crate) manifest: Manifest,
    /// Uploads that were committed here and are not yet in the manifest: a file is offered as
    /// soon as it is published, not when the next head has come.
    ahead: HashMap<UploadId, Arc<Descriptor>>,
    missing: BTreeMap<ContentId, Wanted>,
    unwanted: BTreeMap<ContentId, Unwanted>,
}

impl Catalogue {
    /// A catalogue with what was written down about unwanted content.
    pub(crate) fn new(manifest: Manifest, unwanted: BTreeMap<ContentId, Unwanted>) -> Self {
        Self { manifest, unwanted, ..Self::default() }
    }

    /// What a content means, where it is wanted.
    pub(crate) fn wanted(&self, content: &ContentId) -> Option<&Arc<Descriptor>> {
        let ahead = || self.ahead.values().find(|descriptor| descriptor.content == *content);
        self.manifest.by_content(content).or_else(ahead)
    }

    /// What a name means.
    pub(crate) fn named(&self, kind: FileKind, name: &FileName) -> Option<&Arc<Descriptor>> {
        let same = |d: &&Arc<Descriptor>| d.mark.is_none() && d.kind == kind && d.name == *name;
        let ahead = self.ahead.values().filter(same).max_by_key(|d| d.version);
        let listed = self.manifest.by_name(kind, name);
        match (ahead, listed) {
            (Some(ahead), Some(listed)) if ahead.version <= listed.version => Some(listed),
            (ahead, listed) => ahead.or(listed),
        }
    }

    /// What is published in a folder: of each name what it means now.
    pub(crate) fn of_kind(&self, kind: FileKind) -> Vec<Arc<Descriptor>> {
        let ahead = self.ahead.values().filter(|d| d.kind == kind);
        let listed = self.manifest.descriptors().filter(|d| d.kind == kind);
        let mut newest: BTreeMap<&FileName, &Arc<Descriptor>> = BTreeMap::new();
        for descriptor in listed.chain(ahead).filter(|d| d.mark.is_none()) {
            let known = newest.entry(&descriptor.name).or_insert(descriptor);
            if known.version < descriptor.version {
                *known = descriptor;
            }
        }
        newest.into_values().cloned().collect()
    }

    /// Whether content is kept although it is no longer wanted.
    pub(crate) fn is_in_grace(&self, content: &ContentId) -> bool {
        self.unwanted.contains_key(content)
    }

    /// Wanted content that is not here.
    pub(crate) const fn missing(&self) -> &BTreeMap<ContentId, Wanted> {
        &self.missing
    }

    /// Content that is here and not wanted.
    pub(crate) const fn unwanted(&self) -> &BTreeMap<ContentId, Unwanted> {
        &self.unwanted
    }

    /// What content a step would leave unwanted, with the descriptors it drops.
    pub(crate) fn orphaned_by(&self, change: &Change) -> Vec<(ContentId, DescriptorId)> {
        let added: HashSet<ContentId> =
            change.add.iter().map(|added| added.descriptor.content).collect();
        change
            .drop
            .iter()
            .filter_map(|id| Some((self.manifest.get(id)?.content, *id)))
            .filter(|(content, _)| !self.missing.contains_key(content) && !added.contains(content))
            .collect()
    }

    /// Takes a step that is durable. `held` says what is published here, `orphans` what is known
    /// of the content that the step leaves unwanted.
    pub(crate) fn apply(
        &mut self,
        change: &Change,
        head: SignedHead,
        orphans: BTreeMap<ContentId, Unwanted>,
        held: impl Fn(&ContentId) -> bool,
    ) {
        let dropped: Vec<ContentId> =
            change.drop.iter().filter_map(|id| Some(self.manifest.get(id)?.content)).collect();
        let stamp = head.head.stamp;
        self.manifest.apply(change, head);
        self.ahead.retain(|_, descriptor| descriptor.stamp > stamp);
        for added in &change.add {
            self.note(&added.descriptor.content, held(&added.descriptor.content), None);
        }
        for content in dropped {
            self.note(&content, held(&content), orphans.get(&content).cloned());
        }
    }

    /// Offers a committed upload before the manifest names it.
    pub(crate) fn offer(&mut self, upload: UploadId, descriptor: Descriptor) {
        if descriptor.stamp > self.manifest.stamp() {
            self.unwanted.remove(&descriptor.content);
            self.ahead.insert(upload, Arc::new(descriptor));
        }
    }

    /// Notes that content has appeared here or gone.
    pub(crate) fn note_held(&mut self, content: &ContentId, held: bool, now: Timestamp) {
        self.note(content, held, Some(Unwanted { since: now, descriptor: None, as_root: false }));
    }

    fn note(&mut self, content: &ContentId, held: bool, orphan: Option<Unwanted>) {
        let listed = self.manifest.by_content(content).map(|d| Wanted {
            content: d.content,
            size: d.size,
            priority: d.priority,
            stamp: d.stamp,
        });
        let wanted = listed.is_some() || self.wanted(content).is_some();
        match listed {
            Some(listed) if !held => self.missing.insert(*content, listed),
            _ => self.missing.remove(content),
        };
        if wanted || !held {
            self.unwanted.remove(content);
        } else if let Some(orphan) = orphan {
            self.unwanted.entry(*content).or_insert(orphan);
        }
    }

    /// How much of what is wanted is here.
    pub(crate) fn count(&self) -> SetCount {
        SetCount {
            wanted: self.manifest.len() as u64,
            missing: self.missing.len() as u64,
            missing_bytes: self.missing.values().map(|missing| missing.size).sum(),
        }
    }

    /// Compares everything wanted with everything held.
    pub(crate) fn recount(&mut self, held: &[(ContentId, u64)], now: Timestamp) {
        let sizes: HashMap<ContentId, u64> = held.iter().copied().collect();
        self.unwanted.retain(|content, _| sizes.contains_key(content));
        self.missing.clear();
        let wanted: Vec<ContentId> = self.manifest.descriptors().map(|d| d.content).collect();
        for content in wanted {
            self.note(&content, sizes.contains_key(&content), None);
        }
        if self.manifest.head().is_some() {
            for content in sizes.keys() {
                self.note_held(content, true, now);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use xylem_model::{Stamp, VersionMark};

    use super::super::set::tests::{head_over, marked, signed};
    use super::*;

    fn orphan(since: i64) -> Unwanted {
        Unwanted { since: Timestamp::from_unix_ms(since), descriptor: None, as_root: false }
    }

    #[test]
    fn content_is_missing_until_held_and_unwanted_once_dropped() {
        let one = signed(1, 1, "a");
        let content = one.descriptor.content;
        let mut catalogue = Catalogue::default();
        let add = Change { add: vec![one.clone()], drop: Vec::new() };
        catalogue.apply(&add, head_over(&[&one], 1), BTreeMap::new(), |_| false);
        assert!(catalogue.missing().contains_key(&content));
        catalogue.note_held(&content, true, Timestamp::default());
        assert!(catalogue.missing().is_empty() && catalogue.unwanted().is_empty());

        let drop = Change { add: Vec::new(), drop: vec![one.id] };
        assert_eq!(catalogue.orphaned_by(&drop), [(content, one.id)]);
        let orphans = BTreeMap::from([(content, orphan(5))]);
        catalogue.apply(&drop, head_over(&[], 2), orphans, |_| true);
        assert!(catalogue.wanted(&content).is_none() && catalogue.is_in_grace(&content));
        assert_eq!(catalogue.unwanted()[&content].since.unix_ms(), 5);

        catalogue.apply(&add, head_over(&[&one], 3), BTreeMap::new(), |_| true);
        assert!(!catalogue.is_in_grace(&content), "wanted again");
    }

    #[test]
    fn a_committed_upload_is_offered_until_the_manifest_names_it() {
        let one = signed(1, 1, "a");
        let mut catalogue = Catalogue::default();
        let upload = UploadId::from_parts(1, &[1; 10]);
        catalogue.offer(upload, (*one.descriptor).clone());
        assert!(catalogue.named(one.descriptor.kind, &one.descriptor.name).is_some());
        assert!(catalogue.missing().is_empty(), "nobody else has it yet");
        let add = Change { add: vec![one.clone()], drop: Vec::new() };
        catalogue.apply(&add, head_over(&[&one], 900), BTreeMap::new(), |_| true);
        assert!(catalogue.ahead.is_empty());
        assert!(catalogue.wanted(&one.descriptor.content).is_some());
    }

    #[test]
    fn a_version_for_testing_is_wanted_and_has_no_name() {
        let (served, test) = (signed(1, 1, "a"), marked(1, 2, "a", VersionMark::Test));
        let mut catalogue = Catalogue::default();
        let add = Change { add: vec![served.clone()], drop: Vec::new() };
        catalogue.apply(&add, head_over(&[&served], 15), BTreeMap::new(), |_| true);
        let (kind, name) = (served.descriptor.kind, &served.descriptor.name);
        let is_served = |catalogue: &Catalogue| {
            assert_eq!(catalogue.named(kind, name).unwrap().version, 1);
            let listed = catalogue.of_kind(kind);
            assert_eq!(listed.iter().map(|d| d.version).collect::<Vec<_>>(), [1]);
            let content = test.descriptor.content;
            assert!(catalogue.wanted(&content).is_some() && !catalogue.is_in_grace(&content));
        };
        // First as it was committed here, before the manifest names it.
        let upload = UploadId::from_parts(1, &[1; 10]);
        catalogue
            .offer(upload, Descriptor { stamp: Stamp::new(1, 16), ..(*test.descriptor).clone() });
        is_served(&catalogue);
        let add = Change { add: vec![test.clone()], drop: Vec::new() };
        catalogue.apply(&add, head_over(&[&served, &test], 17), BTreeMap::new(), |_| false);
        is_served(&catalogue);
        assert!(catalogue.missing().contains_key(&test.descriptor.content));
    }

    #[test]
    fn without_a_head_nothing_counts_as_unwanted() {
        let mut catalogue = Catalogue::default();
        let content = ContentId::of(b"x");
        catalogue.recount(&[(content, 1)], Timestamp::default());
        assert!(catalogue.unwanted().is_empty());
    }
}
