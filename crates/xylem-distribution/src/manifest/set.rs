//! The set of descriptors in force.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::hash::Hash;
use std::sync::Arc;

use xylem_api::control::RemovedVersion;
use xylem_model::{ContentId, FileId, FileKind, FileName, Stamp, VersionMark};
use xylem_trust::{Descriptor, DescriptorId, Envelope, Head, set_root};

/// A descriptor whose signature has been checked.
#[derive(Debug, Clone)]
pub(crate) struct SignedDescriptor {
    pub(crate) id: DescriptorId,
    pub(crate) envelope: Envelope,
    pub(crate) descriptor: Arc<Descriptor>,
}

/// A head whose signature has been checked.
#[derive(Debug, Clone)]
pub(crate) struct SignedHead {
    pub(crate) head: Head,
    pub(crate) envelope: Envelope,
}

/// What the management server listed, over all pages.
#[derive(Debug, Clone, Default)]
pub(crate) struct Listing {
    /// Whether it is the whole set and not a difference.
    pub(crate) full: bool,
    /// In the order they came in.
    pub(crate) added: Vec<SignedDescriptor>,
    pub(crate) removed: Vec<RemovedVersion>,
    /// The state it leads to.
    pub(crate) stamp: Stamp,
}

/// A step from one manifest to the next.
#[derive(Debug, Clone, Default)]
pub(crate) struct Change {
    pub(crate) add: Vec<SignedDescriptor>,
    pub(crate) drop: Vec<DescriptorId>,
}

/// The descriptors in force, found by file, content and name.
#[derive(Debug, Default)]
pub(crate) struct Manifest {
    head: Option<SignedHead>,
    entries: BTreeMap<DescriptorId, Arc<Descriptor>>,
    by_file: HashMap<FileId, Vec<DescriptorId>>,
    by_content: HashMap<ContentId, Vec<DescriptorId>>,
    by_name: HashMap<(FileKind, FileName), Vec<DescriptorId>>,
}

impl Manifest {
    /// The head in force.
    pub(crate) const fn head(&self) -> Option<&SignedHead> {
        self.head.as_ref()
    }

    /// The state in force; the lowest of all where there is none.
    pub(crate) fn stamp(&self) -> Stamp {
        self.head.as_ref().map(|signed| signed.head.stamp).unwrap_or_default()
    }

    /// All descriptors.
    pub(crate) fn descriptors(&self) -> impl Iterator<Item = &Arc<Descriptor>> {
        self.entries.values()
    }

    /// How many descriptors there are.
    pub(crate) fn len(&self) -> usize {
        self.entries.len()
    }

    /// One descriptor.
    pub(crate) fn get(&self, id: &DescriptorId) -> Option<&Arc<Descriptor>> {
        self.entries.get(id)
    }

    /// The newest version that has this content.
    pub(crate) fn by_content(&self, content: &ContentId) -> Option<&Arc<Descriptor>> {
        self.newest(self.by_content.get(content)?)
    }

    /// The version published under this name: none that has a mark.
    pub(crate) fn by_name(&self, kind: FileKind, name: &FileName) -> Option<&Arc<Descriptor>> {
        self.newest(self.by_name.get(&(kind, name.clone()))?)
    }

    fn newest(&self, ids: &[DescriptorId]) -> Option<&Arc<Descriptor>> {
        ids.iter().filter_map(|id| self.entries.get(id)).max_by_key(|d| (d.version, d.stamp))
    }

    /// Whether a head describes exactly the set that a change leads to.
    pub(crate) fn agrees_after(&self, change: &Change, head: &Head) -> bool {
        if let (true, Some(SignedHead { head: now, .. })) = (change.is_empty(), &self.head) {
            return (now.count, now.set_root) == (head.count, head.set_root);
        }
        let dropped: BTreeSet<&DescriptorId> = change.drop.iter().collect();
        let kept = self.entries.keys().filter(|id| !dropped.contains(id)).copied();
        let ids: BTreeSet<DescriptorId> =
            kept.chain(change.add.iter().map(|added| added.id)).collect();
        ids.len() as u64 == head.count && set_root(ids) == head.set_root
    }

    /// Takes a step that was checked, and the head it leads to.
    pub(crate) fn apply(&mut self, change: &Change, head: SignedHead) {
        for id in &change.drop {
            self.remove(id);
        }
        for added in &change.add {
            self.insert(added.id, Arc::clone(&added.descriptor));
        }
        self.head = Some(head);
    }

    fn insert(&mut self, id: DescriptorId, descriptor: Arc<Descriptor>) {
        if self.entries.contains_key(&id) {
            return;
        }
        self.by_file.entry(descriptor.file).or_default().push(id);
        self.by_content.entry(descriptor.content).or_default().push(id);
        if descriptor.mark.is_none() {
            let name = (descriptor.kind, descriptor.name.clone());
            self.by_name.entry(name).or_default().push(id);
        }
        self.entries.insert(id, descriptor);
    }

    fn remove(&mut self, id: &DescriptorId) {
        let Some(descriptor) = self.entries.remove(id) else { return };
        forget(&mut self.by_file, &descriptor.file, id);
        forget(&mut self.by_content, &descriptor.content, id);
        forget(&mut self.by_name, &(descriptor.kind, descriptor.name.clone()), id);
    }
}

fn forget<K: Hash + Eq>(index: &mut HashMap<K, Vec<DescriptorId>>, key: &K, id: &DescriptorId) {
    if let Some(ids) = index.get_mut(key) {
        ids.retain(|other| other != id);
        if ids.is_empty() {
            index.remove(key);
        }
    }
}

impl Change {
    /// The step from a manifest to what was listed.
    ///
    /// A difference names what is new and what is gone. What it lists of a file takes the place of
    /// all that was there of it: the version in production comes first, then those with a mark.
    /// Whether that is what the management server meant, the head tells.
    pub(crate) fn to(manifest: &Manifest, listing: &Listing) -> Self {
        let mut listed: BTreeMap<DescriptorId, &SignedDescriptor> = BTreeMap::new();
        // Of each file what was listed last; each mark is on one version at most.
        let mut latest: HashMap<FileId, Vec<(DescriptorId, Option<VersionMark>)>> = HashMap::new();
        for added in &listing.added {
            let (of_file, mark) =
                (latest.entry(added.descriptor.file).or_default(), added.descriptor.mark);
            let begins_anew = mark.is_none() || of_file.iter().any(|(_, other)| *other == mark);
            if !listing.full && begins_anew {
                // The file changed again while pages were asked for.
                for (before, _) in of_file.drain(..) {
                    listed.remove(&before);
                }
            }
            of_file.push((added.id, mark));
            listed.insert(added.id, added);
        }
        let mut drop: BTreeSet<DescriptorId> = BTreeSet::new();
        if listing.full {
            drop.extend(manifest.entries.keys());
        } else {
            let of_file = |file: &FileId| manifest.by_file.get(file).into_iter().flatten();
            for removed in &listing.removed {
                let older = |id: &&DescriptorId| {
                    manifest.entries.get(*id).is_some_and(|d| d.version <= removed.version)
                };
                drop.extend(of_file(&removed.file).filter(older));
            }
            drop.extend(latest.keys().flat_map(of_file));
        }
        drop.retain(|id| !listed.contains_key(id));
        let add = listed
            .into_values()
            .filter(|added| !manifest.entries.contains_key(&added.id))
            .cloned()
            .collect();
        Self { add, drop: drop.into_iter().collect() }
    }

    /// Whether it changes nothing.
    pub(crate) fn is_empty(&self) -> bool {
        self.add.is_empty() && self.drop.is_empty()
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use xylem_model::{DistributionServerId, Priority, Sha256, Timestamp};
    use xylem_trust::{DigestSource, SigningKey};

    use super::*;

    pub(crate) fn signed(file: u8, version: u64, name: &str) -> SignedDescriptor {
        with_mark(file, version, name, None)
    }

    pub(crate) fn marked(
        file: u8,
        version: u64,
        name: &str,
        mark: VersionMark,
    ) -> SignedDescriptor {
        with_mark(file, version, name, Some(mark))
    }

    fn with_mark(
        file: u8,
        version: u64,
        name: &str,
        mark: Option<VersionMark>,
    ) -> SignedDescriptor {
        let descriptor = Descriptor {
            file: FileId::from_parts(1, &[file; 10]),
            kind: FileKind::Package,
            name: FileName::new(name).unwrap(),
            version,
            content: ContentId::of(format!("{file} {version}").as_bytes()),
            sha256: Sha256::from_bytes([file; 32]),
            size: 10,
            digest_source: DigestSource::Declared,
            priority: Priority::Normal,
            mark,
            stamp: Stamp::new(1, u64::from(file) * 10 + version),
            issued: Timestamp::default(),
        };
        let key = SigningKey::from_seed(&[2; 32]).unwrap();
        let envelope = Envelope::sign(&descriptor, &[&key]).unwrap();
        let id = DescriptorId::of(&envelope);
        SignedDescriptor { id, envelope, descriptor: Arc::new(descriptor) }
    }

    pub(crate) fn head_over(set: &[&SignedDescriptor], generation: u64) -> SignedHead {
        let head = Head {
            server: DistributionServerId::from_parts(1, &[1; 10]),
            stamp: Stamp::new(1, generation),
            issued: Timestamp::default(),
            expires: Timestamp::from_unix_ms(4_000_000_000_000),
            count: set.len() as u64,
            set_root: set_root(set.iter().map(|one| one.id)),
        };
        let key = SigningKey::from_seed(&[2; 32]).unwrap();
        let envelope = Envelope::sign(&head, &[&key]).unwrap();
        SignedHead { head, envelope }
    }

    fn listing(full: bool, added: &[&SignedDescriptor], removed: &[RemovedVersion]) -> Listing {
        let added = added.iter().map(|one| (*one).clone()).collect();
        Listing { full, added, removed: removed.to_vec(), stamp: Stamp::new(1, 1) }
    }

    fn manifest_of(set: &[&SignedDescriptor]) -> Manifest {
        let mut manifest = Manifest::default();
        let change = Change::to(&manifest, &listing(true, set, &[]));
        manifest.apply(&change, head_over(set, 1));
        manifest
    }

    #[test]
    fn a_new_version_takes_the_place_of_the_old_one() {
        let (old, other, new) = (signed(1, 1, "a"), signed(2, 1, "b"), signed(1, 2, "a"));
        let manifest = manifest_of(&[&old, &other]);
        let change = Change::to(&manifest, &listing(false, &[&new], &[]));
        assert_eq!(change.drop, [old.id]);
        assert!(manifest.agrees_after(&change, &head_over(&[&other, &new], 2).head));
        assert!(!manifest.agrees_after(&change, &head_over(&[&old, &other, &new], 2).head));
    }

    #[test]
    fn marked_versions_are_held_by_content_and_have_no_name() {
        let (served, test) = (signed(1, 1, "a"), marked(1, 2, "a", VersionMark::Test));
        let mut manifest = manifest_of(&[&served, &test]);
        let name = &served.descriptor.name;
        assert_eq!(manifest.by_name(FileKind::Package, name).unwrap().version, 1);
        assert!(manifest.by_content(&test.descriptor.content).is_some());

        let promoted = signed(1, 2, "a");
        let previous = marked(1, 1, "a", VersionMark::Previous);
        let change = Change::to(&manifest, &listing(false, &[&promoted, &previous], &[]));
        let head = head_over(&[&promoted, &previous], 2);
        assert!(manifest.agrees_after(&change, &head.head));
        manifest.apply(&change, head);
        assert_eq!(manifest.by_name(FileKind::Package, name).unwrap().version, 2);
        assert!(manifest.by_content(&served.descriptor.content).is_some());

        // Back: the lower number is in production again.
        let test = marked(1, 2, "a", VersionMark::Previous);
        let change = Change::to(&manifest, &listing(false, &[&served, &test], &[]));
        manifest.apply(&change, head_over(&[&served, &test], 3));
        assert_eq!(manifest.by_name(FileKind::Package, name).unwrap().version, 1);
        assert_eq!(manifest.len(), 2);
    }

    #[test]
    fn of_a_file_that_is_listed_twice_the_later_listing_counts() {
        let (served, test) = (signed(1, 1, "a"), marked(1, 2, "a", VersionMark::Test));
        let manifest = manifest_of(&[&served]);
        let promoted = signed(1, 2, "a");
        let previous = marked(1, 1, "a", VersionMark::Previous);
        let pages = listing(false, &[&served, &test, &promoted, &previous], &[]);
        let change = Change::to(&manifest, &pages);
        assert!(manifest.agrees_after(&change, &head_over(&[&promoted, &previous], 2).head));
    }

    #[test]
    fn removal_takes_the_named_version_and_all_lower_ones() {
        let (first, second) = (signed(1, 1, "a"), signed(1, 2, "a"));
        let mut manifest = manifest_of(&[&first, &second]);
        let file = first.descriptor.file;
        let gone = |version| RemovedVersion { file, version };
        let one = Change::to(&manifest, &listing(false, &[], &[gone(1)]));
        assert_eq!(one.drop, [first.id]);
        let both = Change::to(&manifest, &listing(false, &[], &[gone(2)]));
        manifest.apply(&both, head_over(&[], 2));
        assert!(manifest.by_content(&first.descriptor.content).is_none());
        assert!(manifest.by_name(FileKind::Package, &first.descriptor.name).is_none());
    }

    #[test]
    fn a_file_deleted_and_restored_in_one_listing_stays() {
        let file = signed(1, 1, "a");
        let manifest = manifest_of(&[&file]);
        let removed = RemovedVersion { file: file.descriptor.file, version: 1 };
        assert!(Change::to(&manifest, &listing(false, &[&file], &[removed])).is_empty());
    }

    #[test]
    fn a_full_listing_drops_what_it_does_not_name() {
        let (a, b, c) = (signed(1, 1, "a"), signed(2, 1, "b"), signed(3, 1, "c"));
        let manifest = manifest_of(&[&a, &b]);
        let change = Change::to(&manifest, &listing(true, &[&b, &c], &[]));
        assert_eq!(change.drop, [a.id]);
        assert_eq!(change.add.len(), 1);
        assert!(manifest.agrees_after(&change, &head_over(&[&c, &b], 2).head));
    }

    #[test]
    fn a_name_means_its_newest_version() {
        let (first, second) = (signed(1, 1, "a"), signed(1, 2, "a"));
        let manifest = manifest_of(&[&second, &first]);
        let found = manifest.by_name(FileKind::Package, &first.descriptor.name).unwrap();
        assert_eq!(found.version, 2);
        assert!(manifest.by_name(FileKind::App, &first.descriptor.name).is_none());
    }
}
