//! Files found by their names and by what is in them.

use serde_json::{Map, Value, json};
use xylem_db::{
    ChangeFile, Commit, DbError, Database, FileChange, FileSearch, IngestResult, NewUpload, Version,
};
use xylem_model::{DistributionServerId, FileId, FileKind, SearchText};

use crate::bench::{Bench, admin, at, declaration, declare, enroll, found, id, name, sign};

/// Publishes the next version of a file, in which an inspection found this.
async fn put(db: &Database, server: DistributionServerId, file: &str, content: Value) -> Version {
    let bytes = format!("{file} {content}");
    let kind = FileKind::of_name(file).unwrap();
    let new = NewUpload { kind, replace: true, ..declaration(server, file, bytes.as_bytes()) };
    commit(db, &new, bytes.as_bytes(), content).await
}

async fn commit(db: &Database, new: &NewUpload, bytes: &[u8], content: Value) -> Version {
    declare(db, new).await;
    let inspection = json!({ "content": content });
    let result = IngestResult { inspection, ..found(bytes) };
    let new_file = id(FileId::from_parts);
    match db.commit_upload(new.id, &result, new_file, at(20), sign).await.unwrap() {
        Commit::Committed(version) => *version,
        Commit::Failed(upload) => panic!("{upload:?}"),
    }
}

fn package(identifier: &str, team: &str) -> Value {
    json!({ "format": "flat_package", "identifier": identifier,
        "signature": { "team": team, "signer": "Developer ID Installer: Müller 100%" } })
}

async fn names(db: &Database, search: FileSearch) -> Vec<String> {
    let found = db.find_files(&search, None, 100).await.unwrap();
    found.into_iter().map(|live| live.file.name.to_string()).collect()
}

/// The names of files of which something contains a text.
async fn with(db: &Database, text: &str) -> Vec<String> {
    let text = Some(SearchText::new(text).unwrap());
    names(db, FileSearch { text, ..FileSearch::default() }).await
}

/// Three files: two packages and a book.
async fn filled(bench: &Bench) -> (Database, DistributionServerId) {
    let db = bench.open().await;
    let server = enroll(&db, "root").await;
    put(&db, server, "Firefox_128.pkg", package("org.mozilla.Firefox", "ABCDE12345")).await;
    put(&db, server, "Tool.pkg", package("org.example.tool", "OTHER00000")).await;
    let book = json!({ "format": "book", "title": "Карта", "creators": ["Émile Zola"] });
    put(&db, server, "Map.pdf", book).await;
    (db, server)
}

pub(crate) async fn files_are_found_by_any_part_whatever_the_case(bench: Bench) {
    let (db, _) = filled(&bench).await;
    for (text, expected) in [
        ("fireFOX", vec!["Firefox_128.pkg"]),
        ("MOZILLA", vec!["Firefox_128.pkg"]),
        ("abcde1", vec!["Firefox_128.pkg"]),
        (" MÜLLER", vec!["Firefox_128.pkg", "Tool.pkg"]),
        ("E\u{301}MILE", vec!["Map.pdf"]),
        ("каРТ", vec!["Map.pdf"]),
        // Nothing in a text stands for other things.
        ("100%", vec!["Firefox_128.pkg", "Tool.pkg"]),
        ("x_1", vec!["Firefox_128.pkg"]),
        ("o_l", vec![]),
        ("%", vec!["Firefox_128.pkg", "Tool.pkg"]),
        ("!", vec![]),
        ("\\", vec![]),
        ("'", vec![]),
        // How it is stored is not what it says.
        ("flat_package", vec![]),
        ("signature", vec![]),
    ] {
        assert_eq!(with(&db, text).await, expected, "{text}");
    }
}

pub(crate) async fn whole_teams_and_identifiers_are_told_from_parts(bench: Bench) {
    let (db, _) = filled(&bench).await;
    let text = |text: &str| Some(SearchText::new(text).unwrap());
    let team = |it: &str| FileSearch { team: text(it), ..FileSearch::default() };
    let identifier = |it: &str| FileSearch { identifier: text(it), ..FileSearch::default() };
    assert_eq!(names(&db, team("abcde12345")).await, ["Firefox_128.pkg"]);
    assert!(names(&db, team("ABCDE1234")).await.is_empty());
    assert_eq!(names(&db, identifier("ORG.mozilla.firefox")).await, ["Firefox_128.pkg"]);
    assert!(names(&db, identifier("org.mozilla")).await.is_empty());
    assert!(names(&db, identifier("ABCDE12345")).await.is_empty(), "a team is no identifier");

    // All of what is asked for has to be so.
    let both = FileSearch { identifier: text("org.example.tool"), ..team("OTHER00000") };
    assert_eq!(names(&db, both.clone()).await, ["Tool.pkg"]);
    assert!(names(&db, FileSearch { team: text("ABCDE12345"), ..both.clone() }).await.is_empty());
    assert!(names(&db, FileSearch { text: text("firefox"), ..both.clone() }).await.is_empty());
    let of_kind = |kind| FileSearch { kind: Some(kind), ..both.clone() };
    assert_eq!(names(&db, of_kind(FileKind::Package)).await, ["Tool.pkg"]);
    assert!(names(&db, of_kind(FileKind::App)).await.is_empty());
}

pub(crate) async fn what_is_found_comes_in_pages(bench: Bench) {
    let db = bench.open().await;
    let server = enroll(&db, "root").await;
    for file in ["d.pkg", "A.pkg", "c.pkg", "B.pkg"] {
        put(&db, server, file, package("org.example.tool", "ABCDE12345")).await;
    }
    put(&db, server, "Other.pkg", package("org.example.other", "ABCDE12345")).await;
    let text = Some(SearchText::new("example.tool").unwrap());
    let search = FileSearch { text, ..FileSearch::default() };
    let (mut names, mut after) = (Vec::new(), None);
    loop {
        let page = db.find_files(&search, after.as_ref(), 3).await.unwrap();
        let Some(last) = page.last() else { break };
        after = Some(last.file.name.clone());
        names.extend(page.iter().map(|live| live.file.name.to_string()));
    }
    assert_eq!(names, ["A.pkg", "B.pkg", "c.pkg", "d.pkg"]);
}

pub(crate) async fn files_are_found_by_what_they_are_now(bench: Bench) {
    let (db, server) = filled(&bench).await;
    let tool = put(&db, server, "Tool.pkg", package("org.example.newer", "OTHER00000")).await;
    assert!(with(&db, "example.tool").await.is_empty(), "the version before");
    assert_eq!(with(&db, "example.newer").await, ["Tool.pkg"]);

    let display_name = |text: &str| Map::from_iter([("display_name".to_owned(), json!(text))]);
    let shown_as = display_name("Hammer");
    db.change_record(tool.file, 0, &shown_as, &admin(), at(30)).await.unwrap();
    assert_eq!(with(&db, "hammer").await, ["Tool.pkg"]);
    put(&db, server, "Tool.pkg", package("org.example.newest", "OTHER00000")).await;
    assert_eq!(with(&db, "hammer").await, ["Tool.pkg"], "the record stays");
    db.change_record(tool.file, 1, &display_name("Saw"), &admin(), at(30)).await.unwrap();
    assert!(with(&db, "hammer").await.is_empty());

    let renamed = FileChange::Rename { to: name("Anvil.pkg"), replace: false };
    change(&db, "Tool.pkg", renamed).await;
    assert!(with(&db, "tool").await.is_empty(), "the old name");
    assert_eq!(with(&db, "saw").await, ["Anvil.pkg"]);
    assert_eq!(with(&db, "example.newest").await, ["Anvil.pkg"]);
    change(&db, "Anvil.pkg", FileChange::Copy { to: name("Copy.pkg"), replace: false }).await;
    assert_eq!(with(&db, "example.newest").await, ["Anvil.pkg", "Copy.pkg"]);
    assert_eq!(with(&db, "saw").await, ["Anvil.pkg"], "a copy has a record of its own");

    change(&db, "Anvil.pkg", FileChange::Delete).await;
    assert!(with(&db, "anvil").await.is_empty());
    db.restore_file(&name("Anvil.pkg"), &admin(), at(110)).await.unwrap();
    assert_eq!(with(&db, "saw").await, ["Anvil.pkg"]);
    change(&db, "Anvil.pkg", FileChange::Delete).await;
    assert_eq!(db.purge_deleted(at(900), &admin(), at(901)).await.unwrap(), [tool.file]);
    assert_eq!(with(&db, "example.newest").await, ["Copy.pkg"]);
}

pub(crate) async fn files_are_found_by_the_version_that_they_are_shown_with(bench: Bench) {
    let (db, server) = filled(&bench).await;
    let tested = |file: &str, bytes: &[u8]| NewUpload {
        test: true,
        kind: FileKind::of_name(file).unwrap(),
        ..declaration(server, file, bytes)
    };
    let waits = tested("Tool.pkg", b"newer");
    let newer = commit(&db, &waits, b"newer", package("org.example.newer", "OTHER00000")).await;
    assert_eq!(newer.replaces, Some(1));
    assert_eq!(with(&db, "example.tool").await, ["Tool.pkg"]);
    assert!(with(&db, "example.newer").await.is_empty(), "what waits is not what it is");
    let promote =
        async || db.promote_version(&name("Tool.pkg"), 2, &admin(), at(30), sign).await;
    let early = promote().await;
    assert!(matches!(early, Err(DbError::WrongState { .. })), "nobody has its bytes: {early:?}");
    db.mark_published(waits.id, at(25)).await.unwrap();
    promote().await.unwrap();
    assert!(with(&db, "example.tool").await.is_empty());
    assert_eq!(with(&db, "example.newer").await, ["Tool.pkg"]);
    db.roll_back(&name("Tool.pkg"), 2, &admin(), at(40), sign).await.unwrap();
    assert_eq!(with(&db, "example.tool").await, ["Tool.pkg"]);
    // While none is in production, the one that waits is all there is.
    let first = tested("First.pkg", b"first");
    let first = commit(&db, &first, b"first", package("org.example.first", "OTHER00000")).await;
    assert_eq!(first.replaces, None);
    assert_eq!(with(&db, "example.first").await, ["First.pkg"]);
}

async fn change(db: &Database, file: &str, change: FileChange) {
    let new_file = id(FileId::from_parts);
    let asked = ChangeFile { kind: FileKind::Package, name: name(file), change, new_file };
    db.change_file(&asked, &admin(), at(100), sign).await.unwrap();
}

/// What every file is found by, asked one by one.
async fn all_found(db: &Database) -> Vec<Vec<String>> {
    let mut found = Vec::new();
    for text in ["firefox", "mozilla", "other0", "zola", "hammer", "map"] {
        found.push(with(db, text).await);
    }
    found
}

pub(crate) async fn a_backup_and_an_older_database_get_their_terms(bench: Bench) {
    let (db, _) = filled(&bench).await;
    let tool = db.file_by_name(&name("Tool.pkg")).await.unwrap().file.id;
    let shown_as = Map::from_iter([("display_name".to_owned(), json!("Hammer"))]);
    db.change_record(tool, 0, &shown_as, &admin(), at(30)).await.unwrap();
    db.delete_file(&name("Map.pdf"), &admin(), at(100)).await.unwrap();
    let expected = all_found(&db).await;
    assert_eq!(expected[4], ["Tool.pkg"]);

    let mut bytes = Vec::new();
    db.dump(&mut bytes).await.unwrap();
    assert!(!String::from_utf8(bytes.clone()).unwrap().contains("search_terms"));
    let other = bench.open_beside("other.db").await;
    other.load(&mut &*bytes).await.unwrap();
    assert_eq!(all_found(&other).await, expected);
    other.restore_file(&name("Map.pdf"), &admin(), at(120)).await.unwrap();
    assert_eq!(with(&other, "zola").await, ["Map.pdf"], "deleted files have terms too");

    // An older program wrote files and no terms.
    bench.tamper("DELETE FROM search_terms").await;
    assert!(with(&db, "firefox").await.is_empty());
    let again = bench.open().await;
    assert_eq!(all_found(&again).await, expected);
}
