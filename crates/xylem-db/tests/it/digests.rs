//! Digests that come after an upload.

use xylem_db::{Commit, Database, DbError, IngestResult, NewUpload, PlacementReport, PlacementState};
use xylem_model::{
    CHUNK_BYTES, ChunkDigests, ContentId, DistributionServerId, FileId, FurtherDigests, Generation,
    Md5, Sha3_512, Sha256, Sha512, chunks_of,
};

use crate::bench::{
    Bench, admin, at, declaration, declare, enroll, found, id, name, publish, sha256_of, sign,
};

/// Stands in for the digests of a file of `size` bytes; each part has others.
pub(crate) fn digests(bytes: &[u8], size: u64) -> FurtherDigests {
    let of = |n: u64| sha256_of(&n.to_be_bytes());
    let chunks = chunks_of(size);
    FurtherDigests {
        size,
        sha256: sha256_of(bytes),
        md5: Md5::from_bytes([1; 16]),
        sha512: Sha512::from_bytes([2; 64]),
        sha3_512: Sha3_512::from_bytes([3; 64]),
        chunks: ChunkDigests {
            sha256: (0..chunks).map(of).collect(),
            md5: (0..chunks).map(|n| Md5::from_bytes(u128::from(n).to_be_bytes())).collect(),
        },
    }
}

/// Has a server report that it holds a content.
pub(crate) async fn hold(db: &Database, server: DistributionServerId, content: ContentId) {
    let report = PlacementReport {
        content,
        state: PlacementState::Present,
        bytes: 1,
        rate: None,
        verified: Some(at(30)),
        reason: None,
        next_try: None,
        stamp: db.stamp().await.unwrap(),
    };
    db.report_placements(server, &[report], false, at(30)).await.unwrap();
}

async fn lacking(db: &Database) -> Vec<ContentId> {
    let lacking = db.lacking_digests(None, 99).await.unwrap();
    lacking.into_iter().map(|(content, _)| content).collect()
}

/// Of a size that no test could send: its digests of parts take more than one row.
async fn commit_large(db: &Database, server: DistributionServerId, size: u64) -> ContentId {
    let new = NewUpload { size, ..declaration(server, "Large.pkg", b"large") };
    declare(db, &new).await;
    let found = IngestResult { size, ..found(b"large") };
    let file = id(FileId::from_parts);
    let committed = db.commit_upload(new.id, &found, file, at(20), sign).await.unwrap();
    assert!(matches!(committed, Commit::Committed(_)), "{committed:?}");
    ContentId::of(b"large")
}

pub(crate) async fn digests_come_back_as_they_were_told(bench: Bench) {
    let db = bench.open().await;
    let server = enroll(&db, "root").await;
    let size = 2_001 * CHUNK_BYTES - 5;
    let content = commit_large(&db, server, size).await;
    assert_eq!(db.content_digests(content).await.unwrap(), None);
    assert_eq!(db.chunk_digests(content).await.unwrap(), ChunkDigests::default());

    hold(&db, server, content).await;
    let told = digests(b"large", size);
    db.store_digests(content, server, &told, at(40)).await.unwrap();
    db.store_digests(content, server, &told, at(50)).await.unwrap();
    let known = db.content_digests(content).await.unwrap().unwrap();
    assert_eq!((known.md5, known.sha512, known.sha3_512), (told.md5, told.sha512, told.sha3_512));
    assert_eq!((known.server, known.computed), (server, at(40)), "what came first");
    assert_eq!(db.chunk_digests(content).await.unwrap(), told.chunks);
}

pub(crate) async fn digests_that_cannot_be_are_refused(bench: Bench) {
    let db = bench.open().await;
    let (root, child) = (enroll(&db, "root").await, enroll(&db, "child").await);
    let size = 4;
    let content = publish(&db, &declaration(root, "Tool.pkg", b"tool"), b"tool").await.content;
    let good = digests(b"tool", size);
    let store = async |server, content, told: &FurtherDigests| {
        db.store_digests(content, server, told, at(40)).await
    };
    let not_held = store(root, content, &good).await;
    assert!(matches!(not_held, Err(DbError::WrongState { .. })), "{not_held:?}");
    hold(&db, root, content).await;
    let by_another = store(child, content, &good).await;
    assert!(matches!(by_another, Err(DbError::WrongState { .. })), "{by_another:?}");
    let unknown = store(root, ContentId::of(b"unknown"), &good).await;
    assert!(matches!(unknown, Err(DbError::NotFound { what: "content", .. })), "{unknown:?}");
    let of_other_bytes = FurtherDigests { sha256: Sha256::from_bytes([9; 32]), ..good.clone() };
    let of_another_size = FurtherDigests { size: 5, ..good.clone() };
    let of_no_parts = FurtherDigests { chunks: ChunkDigests::default(), ..good.clone() };
    for wrong in [of_other_bytes, of_another_size, of_no_parts] {
        let refused = store(root, content, &wrong).await;
        assert!(matches!(refused, Err(DbError::Invalid { .. })), "{refused:?}");
    }
    assert_eq!(db.content_digests(content).await.unwrap(), None, "nothing was stored");

    store(root, content, &good).await.unwrap();
    let other = FurtherDigests { md5: Md5::from_bytes([8; 16]), ..good.clone() };
    let contradicted = store(root, content, &other).await.unwrap_err().to_string();
    assert!(contradicted.contains("known by other digests already"), "{contradicted}");
    assert_eq!(db.content_digests(content).await.unwrap().unwrap().md5, good.md5);
}

pub(crate) async fn what_lacks_digests_is_what_is_served(bench: Bench) {
    let db = bench.open().await;
    let server = enroll(&db, "root").await;
    let put = async |file: &str, text: &'static str| {
        let new = NewUpload { replace: true, ..declaration(server, file, text.as_bytes()) };
        publish(&db, &new, text.as_bytes()).await.content
    };
    let (replaced, deleted) = (put("A.pkg", "one").await, put("B.pkg", "two").await);
    let (newest, last) = (put("A.pkg", "three").await, put("C.pkg", "four").await);
    db.delete_file(&name("B.pkg"), &admin(), at(90)).await.unwrap();
    assert_eq!(lacking(&db).await, [last, newest], "the latest change first");
    let (first, generation) = db.lacking_digests(None, 1).await.unwrap()[0];
    let next = db.lacking_digests(Some((generation, first)), 9).await.unwrap();
    assert_eq!((first, next[0].0, next.len()), (last, newest, 1));
    assert!(db.lacking_digests(Some((Generation(0), last)), 9).await.unwrap().is_empty());

    hold(&db, server, last).await;
    db.store_digests(last, server, &digests(b"four", 4), at(95)).await.unwrap();
    assert_eq!(lacking(&db).await, [newest]);
    db.restore_file(&name("B.pkg"), &admin(), at(96)).await.unwrap();
    assert_eq!(lacking(&db).await, [deleted, newest]);
    assert!(!lacking(&db).await.contains(&replaced));
}

pub(crate) async fn digests_are_forgotten_with_the_last_version(bench: Bench) {
    let db = bench.open().await;
    let server = enroll(&db, "root").await;
    let content = publish(&db, &declaration(server, "A.pkg", b"same"), b"same").await.content;
    publish(&db, &declaration(server, "B.pkg", b"same"), b"same").await;
    hold(&db, server, content).await;
    db.store_digests(content, server, &digests(b"same", 4), at(40)).await.unwrap();
    for (file, is_known) in [("A.pkg", true), ("B.pkg", false)] {
        db.delete_file(&name(file), &admin(), at(50)).await.unwrap();
        assert!(db.content_digests(content).await.unwrap().is_some(), "it may be restored");
        db.purge_deleted(at(51), &admin(), at(60)).await.unwrap();
        assert_eq!(db.content_digests(content).await.unwrap().is_some(), is_known, "{file}");
        assert_eq!(db.chunk_digests(content).await.unwrap().md5.is_empty(), !is_known, "{file}");
    }
}
