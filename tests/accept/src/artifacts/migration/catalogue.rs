//! What a server has, to be compared with what it should have.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use anyhow::{Context as _, ensure};
use serde::de::DeserializeOwned;
use xylem_api::catalogue::File;
use xylem_api::scripts::Script;
use xylem_bench::fleet::Fleet;
use xylem_migration::testing::Expected;
use xylem_migration::{ItemKind, Outcome};
use xylem_model::{ContentId, FileKind, Sha256, Timestamp};

use super::compared::none_differs;
use crate::pair::ROOT;
use crate::run::name_of;

/// A name, and what kind of thing has it.
type Key = (ItemKind, String);

/// Everything that was published, and when.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Catalogue {
    entries: BTreeMap<Key, Entry>,
    written: BTreeMap<Key, Timestamp>,
}

/// One thing that is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Entry {
    version: u64,
    size: u64,
    blake3: ContentId,
    /// Scripts have none on the server.
    sha256: Option<Sha256>,
}

/// What has to be there: each name once, in its first version.
pub(super) fn wanted(expected: &[Expected]) -> BTreeMap<Key, Entry> {
    let published =
        expected.iter().filter(|it| matches!(it.outcome, Outcome::Taken | Outcome::Renamed));
    published
        .filter_map(|it| {
            let (kind, content) = (it.kind?, it.content?);
            let sha256 = kind.file_kind().map(|_| content.digests.sha256);
            let blake3 = content.digests.blake3;
            let entry = Entry { version: 1, size: content.size, blake3, sha256 };
            Some(((kind, it.name.clone()?), entry))
        })
        .collect()
}

impl Catalogue {
    /// Asks the server by the command line.
    pub(super) async fn of(fleet: &Fleet) -> anyhow::Result<Self> {
        let mut all = Self { entries: BTreeMap::new(), written: BTreeMap::new() };
        for kind in FileKind::ALL {
            for file in listed::<File>(fleet, kind.as_str()).await? {
                let current = file.current;
                let entry = Entry {
                    version: current.version,
                    size: current.size,
                    blake3: current.content,
                    sha256: Some(current.sha256),
                };
                all.add((*kind).into(), file.name.to_string(), entry, current.created_at)?;
            }
        }
        for script in listed::<Script>(fleet, "script").await? {
            let current = script.current;
            let (version, size, blake3) = (current.version, current.size, current.blake3);
            let entry = Entry { version, size, blake3, sha256: None };
            all.add(ItemKind::Script, script.name.to_string(), entry, current.created_at)?;
        }
        Ok(all)
    }

    fn add(
        &mut self,
        kind: ItemKind,
        name: String,
        entry: Entry,
        written: Timestamp,
    ) -> anyhow::Result<()> {
        let key = (kind, name);
        ensure!(!self.entries.contains_key(&key), "{key:?} is listed twice");
        self.written.insert(key.clone(), written);
        self.entries.insert(key, entry);
        Ok(())
    }

    pub(super) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    /// Fails unless exactly what is expected is there, in the catalogue and on the disk.
    pub(super) fn check(&self, fleet: &Fleet, expected: &[Expected]) -> anyhow::Result<()> {
        let wanted = wanted(expected);
        none_differs("the catalogue", &differences(&wanted, &self.entries))?;
        let files = wanted.iter().filter(|((kind, _), _)| *kind != ItemKind::Script);
        let contents: BTreeSet<String> = files.map(|(_, it)| it.blake3.to_string()).collect();
        let held = contents_below(&fleet.repository(ROOT).join("content"))?;
        let gone = contents.difference(&held).count();
        let more = held.difference(&contents).count();
        ensure!(gone + more == 0, "of the contents {gone} are missing, and {more} are too many");
        // A comparison that agrees with anything would not be one.
        let mut planted = wanted.clone();
        planted.values_mut().next().context("nothing is expected")?.version = 2;
        let found = differences(&planted, &self.entries).len();
        ensure!(found == 1, "of one planted difference {found} were found");
        Ok(())
    }
}

fn differences(wanted: &BTreeMap<Key, Entry>, there: &BTreeMap<Key, Entry>) -> Vec<String> {
    let keys: BTreeSet<&Key> = wanted.keys().chain(there.keys()).collect();
    let differing = keys.into_iter().filter(|key| wanted.get(key) != there.get(key));
    differing
        .map(|key| format!("{key:?}: {:?}, and expected was {:?}", there.get(key), wanted.get(key)))
        .collect()
}

async fn listed<T: DeserializeOwned>(fleet: &Fleet, command: &str) -> anyhow::Result<Vec<T>> {
    Ok(serde_json::from_str(&fleet.xylem(&[command, "list", "--json"]).await?)?)
}

/// The digests that the files of a repository have, each its name.
fn contents_below(folder: &Path) -> anyhow::Result<BTreeSet<String>> {
    let mut names = BTreeSet::new();
    let mut waiting = vec![folder.to_owned()];
    while let Some(folder) = waiting.pop() {
        let listed = std::fs::read_dir(&folder).with_context(|| folder.display().to_string())?;
        for entry in listed {
            let path = entry?.path();
            if path.is_dir() {
                waiting.push(path);
            } else {
                let name = name_of(&path);
                if name.ends_with(".tree") {
                    continue;
                }
                let is = blake3::hash(&std::fs::read(&path)?).to_string();
                ensure!(is == name, "what lies under {name} is {is}");
                names.insert(name);
            }
        }
    }
    Ok(names)
}
