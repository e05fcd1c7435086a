use super::*;

const TOP: Top<'static> = Top { numbers: &[2], first_number: 16, path: &[], left_out: &["own"] };

/// Names as (number, parent, name); those that end in a slash are folders.
fn names(all: &[(u64, u64, &str)]) -> Names {
    let mut names = Names::default();
    for (number, parent, name) in all {
        let (kind, name) = match name.strip_suffix('/') {
            Some(name) => (IndexedKind::Folder, name),
            None => (IndexedKind::File, *name),
        };
        names.add(*number, *parent, kind, name).unwrap();
    }
    names
}

fn placed(all: &[(u64, u64, &str)], top: &Top<'_>) -> Result<Vec<String>, String> {
    let mut listing = Listing::default();
    names(all).place(top, &mut listing).map_err(|reason| reason.to_string())?;
    unpacked(listing)
}

fn unpacked(listing: Listing) -> Result<Vec<String>, String> {
    match listing.finish() {
        FoundIndex::Packed(index) => Ok(index
            .unpack()
            .unwrap()
            .map(|entry| entry.unwrap())
            .map(|entry| format!("{} {}", entry.kind.as_str(), entry.path))
            .collect()),
        FoundIndex::Missing { missing } => Err(missing),
    }
}

#[test]
fn names_become_paths_in_any_order() {
    let all = [(20, 18, "deep"), (18, 17, "b/"), (17, 2, "a/"), (19, 2, "a-b")];
    let expected = ["folder /a", "file /a-b", "folder /a/b", "file /a/b/deep"];
    assert_eq!(placed(&all, &TOP).unwrap(), expected);
    let path = ["usr".to_owned(), "local".to_owned()];
    let below = placed(&all[2..], &Top { path: &path, ..TOP }).unwrap();
    assert_eq!(below, ["folder /usr/local/a", "file /usr/local/a-b"]);
}

#[test]
fn what_is_the_file_systems_own_is_left_out_whatever_it_is_called() {
    let all = [
        (2, 1, "Volume/"),
        (3, 1, "private/"),
        (17, 3, "\0private"),
        (18, 2, "own/"),
        (19, 18, "a\nb"),
        (20, 2, "shared/"),
        (21, 20, "own"),
    ];
    assert_eq!(placed(&all, &TOP).unwrap(), ["folder /shared", "file /shared/own"]);
    assert_eq!(placed(&all[..5], &TOP).unwrap_err(), "it installs no files");
}

#[test]
fn folders_that_lead_nowhere_are_told() {
    for (name, all, expected) in [
        ("a folder in itself", &[(17, 17, "a/")][..], "without an end"),
        ("two in one another", &[(17, 18, "a/"), (18, 17, "b/")], "without an end"),
        ("a folder that is missing", &[(17, 99, "a")], "number 99 is missing"),
        ("a file that something lies in", &[(17, 2, "a"), (18, 17, "b")], "17 is missing"),
    ] {
        let reason = placed(all, &TOP).unwrap_err();
        assert!(reason.contains(expected), "{name}: {reason}");
    }
    let deep: Vec<(u64, u64, &str)> = (17..3000).map(|number| (number, number - 1, "a/")).collect();
    let top = Top { numbers: &[16], ..TOP };
    assert!(placed(&deep, &top).unwrap_err().contains("without an end"));
}

#[test]
fn names_that_are_no_part_of_a_path_are_told() {
    for name in ["", ".", "..", "a/b", "a\u{1b}[2J", "a\0", "Icon\r\r"] {
        let mut names = Names::default();
        names.add(17, 2, IndexedKind::File, name).unwrap();
        assert!(names.place(&TOP, &mut Listing::default()).is_err(), "{name:?}");
    }
    assert_eq!(placed(&[(17, 2, "Icon\r"), (18, 2, "ä")], &TOP).unwrap().len(), 2);
}

#[test]
fn doubles_are_merged_and_folders_kept_where_kinds_differ() {
    let mut listing = Listing::default();
    for kind in [IndexedKind::Link, IndexedKind::Folder, IndexedKind::File, IndexedKind::Folder] {
        listing.add(kind, ["etc"].into_iter()).unwrap();
    }
    listing.add(IndexedKind::File, ["etc", "a"].into_iter()).unwrap();
    assert_eq!(unpacked(listing).unwrap(), ["folder /etc", "file /etc/a"]);
}

#[test]
fn more_than_an_index_holds_is_told() {
    let mut names = Names::default();
    let mut add = || names.add(17, 2, IndexedKind::File, "a");
    assert!((0..MAX_INDEX_ENTRIES).all(|_| add().is_ok()));
    assert!(add().unwrap_err().to_string().contains("more than 200000"));

    let mut listing = Listing::default();
    let name = "x".repeat(MAX_INDEXED_PATH_BYTES - 1);
    let error = listing.add(IndexedKind::File, [name.as_str(), "a"].into_iter()).unwrap_err();
    assert!(error.to_string().contains("more than 4096 bytes"), "{error}");
    assert!(Names::default().add(17, 2, IndexedKind::File, &name.repeat(2)).is_err());

    let mut listing = Listing::default();
    let error = loop {
        if let Err(error) = listing.add(IndexedKind::File, [name.as_str()].into_iter()) {
            break error;
        }
    };
    assert!(error.to_string().contains("bytes"), "{error}");
    assert!(listing.text.capacity() <= 2 * MAX_UNPACKED_INDEX_BYTES);
}
