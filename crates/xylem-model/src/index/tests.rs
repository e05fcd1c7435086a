use super::*;

fn entry(kind: IndexedKind, path: &str) -> IndexedPath {
    IndexedPath { kind, path: path.to_owned() }
}

fn files(paths: &[&str]) -> Vec<IndexedPath> {
    paths.iter().map(|path| entry(IndexedKind::File, path)).collect()
}

/// These bytes as a zlib stream.
fn deflated(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = ZlibEncoder::new(Vec::new(), Compression::new(LEVEL));
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn of_stream(entries: u32, stream: &[u8]) -> PackedIndex {
    PackedIndex { entries, packed: STANDARD.encode(stream) }
}

fn of_bytes(entries: u32, bytes: &[u8]) -> PackedIndex {
    of_stream(entries, &deflated(bytes))
}

#[test]
fn what_was_packed_comes_out_again() {
    let entries = [
        entry(IndexedKind::Folder, "/Applications"),
        entry(IndexedKind::Folder, "/Applications/Ä.app"),
        entry(IndexedKind::File, "/Applications/Ä.app/Icon\r"),
        entry(IndexedKind::Link, "/usr/local/bin/ä"),
    ];
    let packed = PackedIndex::pack(entries.clone()).unwrap();
    assert_eq!(packed.entries, 4);
    let unpacked: Vec<_> = packed.unpack().unwrap().map(Result::unwrap).collect();
    assert_eq!(unpacked, entries);
    let checked = packed.check().unwrap();
    assert_eq!(checked.entries(), 4);
    let stored = CheckedIndex::stored(4, checked.packed().to_vec());
    assert_eq!(stored.unpack().map(Result::unwrap).collect::<Vec<_>>(), entries);
    let text = serde_json::to_string(&FoundIndex::Packed(packed.clone())).unwrap();
    assert!(text.starts_with(r#"{"entries":4,"packed":""#), "{text}");
    assert_eq!(serde_json::from_str::<FoundIndex>(&text).unwrap(), FoundIndex::Packed(packed));
}

#[test]
fn an_index_of_many_pieces_comes_out_whole() {
    let paths = (0..20_000).map(|n| entry(IndexedKind::File, &format!("/Library/{n:08}/file")));
    let packed = PackedIndex::pack(paths.clone()).unwrap();
    assert!(packed.unpack().unwrap().map(Result::unwrap).eq(paths));
    assert_eq!(packed.check().unwrap().entries(), 20_000);
}

#[test]
fn paths_that_cannot_be_are_neither_packed_nor_believed() {
    let long = format!("/{}", "x".repeat(MAX_INDEXED_PATH_BYTES));
    for path in ["", "/", "a", "/a/", "//a", "/a//b", "/.", "/a/../b", "/a/.", &long] {
        let refused = PackedIndex::pack(files(&[path])).unwrap_err();
        assert!(matches!(refused, IndexError::Path { .. }), "{path}: {refused}");
        let refused = of_bytes(1, format!("f{path}\0").as_bytes()).check().unwrap_err();
        assert!(matches!(refused, IndexError::Path { .. }), "{path}: {refused}");
        assert!(refused.to_string().len() < 500, "{refused}");
    }
    assert!(PackedIndex::pack(files(&["/a\0b"])).is_err());
    let longest = format!("/{}", "x".repeat(MAX_INDEXED_PATH_BYTES - 1));
    assert!(PackedIndex::pack(files(&[&longest])).unwrap().check().is_ok());
}

#[test]
fn order_and_doubles_are_looked_at() {
    for paths in [["/b", "/a"], ["/a", "/a"]] {
        let refused = PackedIndex::pack(files(&paths)).unwrap_err();
        assert!(refused.to_string().contains("behind a later one"), "{refused}");
        let bytes = paths.map(|path| format!("f{path}\0")).concat();
        assert_eq!(of_bytes(2, bytes.as_bytes()).check().unwrap_err(), refused);
    }
    // By bytes: a dash comes before a slash, and folders are not kept together.
    assert!(PackedIndex::pack(files(&["/a", "/a-b", "/a/b"])).is_ok());
}

#[test]
fn what_is_damaged_is_told_and_nothing_follows_an_error() {
    let good = deflated(b"f/a\0f/b\0");
    let short = &good[..good.len() - 1];
    let shorter = &good[..good.len() - 5];
    let longer = [&good[..], b"x"].concat();
    let mut flipped = good.clone();
    *flipped.last_mut().unwrap() ^= 1;
    for stream in [short, shorter, &longer, &flipped, b"", b"f/a\0"] {
        let refused = of_stream(2, stream).check().unwrap_err();
        assert!(matches!(refused, IndexError::Damaged(_)), "{refused}");
    }
    for bytes in [&b"x/a\0"[..], b"f/a", b"f", b"f/\xff\0", b"f/a\0\0"] {
        let index = of_bytes(1, bytes);
        assert!(matches!(index.check(), Err(IndexError::Damaged(_))), "{bytes:?}");
        let mut unpacked = index.unpack().unwrap();
        assert!(unpacked.by_ref().any(|entry| entry.is_err()));
        assert_eq!(unpacked.next(), None);
    }
    let no_base64 = PackedIndex { entries: 1, packed: "*".to_owned() };
    assert_eq!(no_base64.check(), Err(IndexError::Base64));
    assert_eq!(of_bytes(0, b"").check(), Err(IndexError::Empty));
    assert_eq!(PackedIndex::pack([]), Err(IndexError::Empty));
    let miscounted = of_bytes(3, b"f/a\0").check();
    assert_eq!(miscounted, Err(IndexError::Count { found: 1, said: 3 }));
}

#[test]
fn limits_end_the_work_before_it_is_done() {
    let paths = (0..=MAX_INDEX_ENTRIES).map(|n| entry(IndexedKind::File, &format!("/{n:08}")));
    assert_eq!(PackedIndex::pack(paths.clone()), Err(IndexError::TooMany));
    let bytes: Vec<u8> = paths.flat_map(|it| format!("f{}\0", it.path).into_bytes()).collect();
    assert_eq!(of_bytes(1, &bytes).check(), Err(IndexError::TooMany));

    let long = "x".repeat(MAX_INDEXED_PATH_BYTES - 9);
    let paths = (0..).map(|n| entry(IndexedKind::File, &format!("/{n:08}{long}")));
    assert_eq!(PackedIndex::pack(paths), Err(IndexError::UNPACKED), "it never ends");
    // Far more than an index, of a single path.
    let bomb = deflated(&vec![b'f'; 8 << 20]);
    assert!(matches!(of_stream(1, &bomb).check(), Err(IndexError::Path { .. })));

    // What does not repeat cannot be packed below the limit.
    let mut hash = crate::ContentId::of(b"");
    let mut random = Vec::new();
    while random.len() * 32 <= 2 * MAX_PACKED_INDEX_BYTES {
        hash = crate::ContentId::of(hash.as_bytes());
        random.push(entry(IndexedKind::File, &format!("/{hash}")));
    }
    random.sort();
    assert_eq!(PackedIndex::pack(random), Err(IndexError::PACKED));
    let large = PackedIndex { entries: 1, packed: "A".repeat(MAX_PACKED_INDEX_BYTES * 2) };
    assert_eq!(large.check(), Err(IndexError::PACKED));
    assert_eq!(large.unpack().map(|_| ()), Err(IndexError::PACKED));
}

#[test]
fn an_inspection_keeps_how_much_or_why_not() {
    let packed = PackedIndex::pack(files(&["/a", "/b"])).unwrap();
    let mut inspection = json!({ "version": "1", "index": packed });
    let index = take_index(&mut inspection).unwrap().unwrap();
    assert_eq!(index.entries(), 2);
    assert_eq!(inspection, json!({ "version": "1", "index": { "entries": 2 } }));
    assert_eq!(missing_index(&inspection), None);

    let mut without = json!({ "index": { "missing": "It is\n encrypted." } });
    assert_eq!(take_index(&mut without), Ok(None));
    assert_eq!(missing_index(&without), Some("It is encrypted."));
    for mut nothing in [json!({ "version": "1" }), Value::Null, json!([1])] {
        let before = nothing.clone();
        assert_eq!(take_index(&mut nothing), Ok(None));
        assert_eq!(nothing, before);
    }
    for wrong in [json!(null), json!({ "entries": 2 }), json!({ "packed": "" }), json!("x")] {
        assert_eq!(take_index(&mut json!({ "index": wrong })), Err(IndexError::Form));
    }
}
