//! What all components of a package put on a Mac, by their bills of materials.

use std::io::Read;

use xylem_model::{FoundIndex, IndexedKind};

use super::bom::Bom;
use super::component::Component;
use crate::index::{Listing, NoIndex, Top, check_name, missing};
use crate::text::shown;
use crate::xar::{Entry, XarArchive};

/// Most bytes of all bills of materials of one package. One of 200,000 files, which are the most
/// that an index holds, has 20 MiB, and it is looked through in memory.
pub const MAX_BOM_BYTES: u64 = 32 << 20;

/// The index of a package, or why there is none. It has to be whole: of a package of which one
/// component does not say what it installs, nothing is listed.
pub(super) fn index(archive: &XarArchive, components: &[Component]) -> FoundIndex {
    let mut listing = Listing::default();
    let mut left_bytes = MAX_BOM_BYTES;
    for component in components {
        if let Err(reason) = list(archive, component, &mut left_bytes, &mut listing) {
            let id = shown(&component.facts.identifier);
            return missing(format!("of its component {id}: {reason}"));
        }
    }
    listing.finish()
}

/// Adds what one component installs.
fn list(
    archive: &XarArchive,
    component: &Component,
    left_bytes: &mut u64,
    listing: &mut Listing,
) -> Result<(), NoIndex> {
    let Some(entry) = &component.bom else {
        return match component.payload {
            Some(_) => Err(NoIndex::new("it carries no list of the files that it installs (Bom)")),
            None => Ok(()),
        };
    };
    if component.is_sent_elsewhere {
        return Err(NoIndex::new(
            "the Distribution puts it elsewhere than it says itself (customLocation)",
        ));
    }
    let location = location(component.facts.install_location.as_deref().unwrap_or_default())?;
    let bom = Bom::read(&content(archive, entry, left_bytes)?)?;
    if bom.top.is_some() && !location.is_empty() {
        listing.add(IndexedKind::Folder, location.iter().map(String::as_str))?;
    }
    let numbers = bom.top_numbers();
    let top = Top { numbers: &numbers, first_number: 0, path: &location, left_out: &[] };
    bom.names.place(&top, listing)
}

/// A whole Bom. It grows as it is read: the size that it declares is only a claim.
fn content(archive: &XarArchive, entry: &Entry, left_bytes: &mut u64) -> Result<Vec<u8>, NoIndex> {
    *left_bytes = left_bytes.checked_sub(entry.size_bytes()).ok_or_else(|| {
        NoIndex::new(format!("the lists of its files (Bom) take more than {MAX_BOM_BYTES} bytes"))
    })?;
    let unread = |error: &dyn std::fmt::Display| {
        NoIndex::new(format!("the list of its files (Bom) cannot be read: {error}"))
    };
    let mut bytes = Vec::new();
    archive
        .reader(entry)
        .map_err(|error| unread(&error))?
        .read_to_end(&mut bytes)
        .map_err(|error| unread(&error))?;
    Ok(bytes)
}

/// The names of the folders that an install location leads through, as they are written there.
pub(super) fn folders_of(location: &str) -> impl Iterator<Item = &str> {
    location.split('/').filter(|name| !matches!(*name, "" | "."))
}

/// The names of the folders that an install location consists of; none is the top of the volume.
fn location(path: &str) -> Result<Vec<String>, NoIndex> {
    let names = folders_of(path).map(|name| check_name(name).map(|()| name.to_owned()));
    names.collect::<Result<_, _>>().map_err(|reason: NoIndex| {
        NoIndex::new(format!("its install location cannot be used, since {reason}"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn install_locations_are_told_apart_by_their_names_alone() {
        for (path, expected) in [
            ("", &[][..]),
            ("/", &[]),
            ("/usr/local", &["usr", "local"]),
            ("./Applications//", &["Applications"]),
        ] {
            assert_eq!(location(path).unwrap(), expected, "{path}");
        }
        for path in ["/tmp/../etc", "..", "/a\nb"] {
            assert!(location(path).is_err(), "{path:?}");
        }
    }
}
