//! What a package puts on a Mac: how it comes, how it is asked for, and what it allows.

use serde_json::{Map, Value, json};
use xylem_api::error::ErrorCode;
use xylem_api::index::{IndexPage, IndexSummary};
use xylem_api::ingest::Ingested;
use xylem_api::records::ChangeRecord;
use xylem_client::{AdminClient, ClientError, IndexQuery};
use xylem_model::{FileKind, IndexedKind, IndexedPath, PackedIndex};

use crate::harness::{FakeServer, Harness, declaration, found, refusal};

const PACKAGE: FileKind = FileKind::Package;

fn folder_and_files(count: u32) -> PackedIndex {
    let entry = |kind, path| IndexedPath { kind, path };
    let top = entry(IndexedKind::Folder, "/Applications/Tool.app".to_owned());
    let files =
        (0..count).map(|n| entry(IndexedKind::File, format!("/Applications/Tool.app/Part {n:06}")));
    PackedIndex::pack(std::iter::once(top).chain(files)).unwrap()
}

/// Publishes the next version of a package, of which the inspection says this.
async fn publish(
    harness: &Harness,
    root: &FakeServer,
    name: &str,
    bytes: &[u8],
    inspection: Value,
) -> Result<(), ClientError> {
    let mut new = declaration(name, bytes);
    new.replace = true;
    let upload = harness.admin().declare_upload(&new).await.unwrap();
    let found = Ingested { inspection, ..found(bytes) };
    root.control.ingested(upload.id, &found).await?;
    root.control.published(upload.id).await
}

async fn allow_uninstall(admin: &AdminClient, name: &str) -> Result<bool, ClientError> {
    let revision = admin.record(PACKAGE, name, None).await?.revision.revision;
    let fields = Map::from_iter([("allow_uninstall".to_owned(), Value::Bool(true))]);
    let saved = admin.change_record(PACKAGE, name, &ChangeRecord { revision, fields }).await?;
    Ok(saved.changed)
}

async fn paths(admin: &AdminClient, asked: IndexQuery) -> (Vec<String>, IndexPage) {
    let page = admin.index(PACKAGE, "Tool.pkg", &asked).await.unwrap();
    (page.items.iter().map(|entry| entry.path.clone()).collect(), page)
}

#[tokio::test]
async fn an_index_comes_with_the_commit_and_is_read_in_pages() {
    let harness = Harness::start().await;
    let (root, admin) = (harness.server("root").await, harness.admin());
    let inspection = json!({ "version": "1", "index": folder_and_files(2_500) });
    publish(&harness, &root, "Tool.pkg", b"one", inspection).await.unwrap();

    let detail = admin.file(PACKAGE, "Tool.pkg").await.unwrap();
    assert_eq!(detail.index, Some(IndexSummary::Entries { entries: 2_501 }));
    let kept = json!({ "version": "1", "index": { "entries": 2_501 } });
    assert_eq!(detail.file.current.inspection, kept, "the entries are kept elsewhere");

    let (first, page) = paths(&admin, IndexQuery::default()).await;
    assert_eq!((page.version, page.entries, first.len()), (1, 2_501, 1_000));
    assert_eq!(page.items[0].kind, IndexedKind::Folder);
    assert_eq!(page.next.as_deref(), first.last().map(String::as_str));
    let (rest, page) =
        paths(&admin, IndexQuery { after: page.next, limit: Some(9_999), ..IndexQuery::default() })
            .await;
    assert_eq!((rest.len(), page.next), (1_501, None));
    assert!(first.last() < rest.first());

    let search = |text: &str| IndexQuery { search: Some(text.to_owned()), ..IndexQuery::default() };
    let (some, page) = paths(&admin, search("PART 00012")).await;
    assert_eq!((some.len(), page.next, page.entries), (10, None, 2_501));
    assert!(paths(&admin, search("nothing of it")).await.0.is_empty());
    for wrong in [0, 10_001] {
        let asked = IndexQuery { limit: Some(wrong), ..IndexQuery::default() };
        let (code, told) = refusal(admin.index(PACKAGE, "Tool.pkg", &asked).await);
        assert_eq!(code, ErrorCode::BadRequest, "{told}");
    }

    // Each version has its own.
    let inspection = json!({ "index": folder_and_files(1) });
    publish(&harness, &root, "Tool.pkg", b"two", inspection).await.unwrap();
    let of = |version| IndexQuery { version, ..IndexQuery::default() };
    let newest = paths(&admin, of(None)).await.1;
    assert_eq!((newest.version, newest.entries), (2, 2));
    assert_eq!(paths(&admin, of(Some(1))).await.1.entries, 2_501);
    let (code, told) = refusal(admin.index(PACKAGE, "Tool.pkg", &of(Some(3))).await);
    assert!(code == ErrorCode::NotFound && told.contains("no version 3"), "{told}");
}

#[tokio::test]
async fn where_there_is_none_the_answer_says_why() {
    let harness = Harness::start().await;
    let (root, admin) = (harness.server("root").await, harness.admin());
    let said = json!({ "index": { "missing": "its list of files is damaged" } });
    publish(&harness, &root, "Damaged.pkg", b"damaged", said.clone()).await.unwrap();
    publish(&harness, &root, "Old.pkg", b"old", json!({})).await.unwrap();
    for (name, told) in [("Damaged.pkg", "is damaged"), ("Old.pkg", "none was made")] {
        let (code, message) = refusal(admin.index(PACKAGE, name, &IndexQuery::default()).await);
        assert_eq!(code, ErrorCode::NotFound);
        assert!(message.contains(told) && message.contains(name), "{message}");
        let detail = admin.file(PACKAGE, name).await.unwrap();
        let Some(IndexSummary::Missing { missing }) = detail.index else { panic!("{detail:?}") };
        assert!(missing.contains(told), "{missing}");
        let (code, why) = refusal(allow_uninstall(&admin, name).await);
        assert!(code == ErrorCode::BadRequest && why.contains("no index"), "{why}");
    }
    let kept = admin.file(PACKAGE, "Damaged.pkg").await.unwrap().file.current.inspection;
    assert_eq!(kept, said);

    publish(&harness, &root, "Old.pkg", b"new", json!({ "index": folder_and_files(3) }))
        .await
        .unwrap();
    assert!(allow_uninstall(&admin, "Old.pkg").await.unwrap());
}

#[tokio::test]
async fn an_index_that_cannot_be_is_refused_and_nothing_is_committed() {
    let harness = Harness::start().await;
    let (root, admin) = (harness.server("root").await, harness.admin());
    let good = folder_and_files(3);
    let counted_wrongly = PackedIndex { entries: 9, ..good.clone() };
    let cut = PackedIndex { packed: good.packed[..16].to_owned(), ..good };
    for (wrong, told) in [
        (json!(counted_wrongly), "4 entries"),
        (json!(cut), "its end is missing"),
        (json!({ "entries": 1 }), "neither"),
        (json!({ "entries": 1, "packed": "no base64" }), "no base64"),
        (json!({ "entries": 1, "packed": "A".repeat(4 << 20) }), "more than 1500000 bytes packed"),
    ] {
        let inspection = json!({ "index": wrong });
        let (code, message) =
            refusal(publish(&harness, &root, "Tool.pkg", b"one", inspection).await);
        assert_eq!(code, ErrorCode::BadRequest);
        assert!(message.contains(told) && message.contains("not committed"), "{message}");
    }
    let (code, _) = refusal(admin.file(PACKAGE, "Tool.pkg").await);
    assert_eq!(code, ErrorCode::NotFound, "nothing was committed");
    let inspection = json!({ "index": folder_and_files(3) });
    publish(&harness, &root, "Tool.pkg", b"one", inspection).await.unwrap();
    assert_eq!(paths(&admin, IndexQuery::default()).await.0.len(), 4);
}

#[tokio::test]
async fn the_largest_index_passes() {
    let harness = Harness::start().await;
    let (root, admin) = (harness.server("root").await, harness.admin());
    // What does not repeat packs badly: more than a megabyte of it.
    let mut digest = xylem_model::ContentId::of(b"");
    let mut paths = Vec::new();
    for _ in 0..38_000 {
        digest = xylem_model::ContentId::of(digest.as_bytes());
        let path = format!("/Library/{digest}");
        paths.push(IndexedPath { kind: IndexedKind::File, path });
    }
    paths.sort();
    let index = PackedIndex::pack(paths).unwrap();
    assert!(index.packed.len() > 1_600_000, "{}", index.packed.len());
    // With as much again of what else an inspection says, below what is kept of that.
    let inspection = json!({ "notes": "n".repeat(900_000), "index": index });
    publish(&harness, &root, "Tool.pkg", b"one", inspection).await.unwrap();
    let detail = admin.file(PACKAGE, "Tool.pkg").await.unwrap();
    assert_eq!(detail.index, Some(IndexSummary::Entries { entries: 38_000 }));
}
