//! Digests that come after an upload: who is asked for them, what is taken, what is shown.

use std::time::Duration;

use xylem_api::digests::ReportedDigests;
use xylem_api::error::ErrorCode;
use xylem_model::{
    ChunkDigests, ContentId, FileKind, FurtherDigests, Md5, Sha3_512, Sha512, Stamp,
};

use crate::harness::{FakeServer, Harness, present, refusal, sha256};

/// Stands in for what a server computes.
pub(crate) fn computed(bytes: &[u8]) -> FurtherDigests {
    FurtherDigests {
        size: bytes.len() as u64,
        sha256: sha256(bytes),
        md5: Md5::from_bytes([1; 16]),
        sha512: Sha512::from_bytes([2; 64]),
        sha3_512: Sha3_512::from_bytes([3; 64]),
        chunks: ChunkDigests { sha256: vec![sha256(bytes)], md5: vec![Md5::from_bytes([1; 16])] },
    }
}

async fn wanted(server: &FakeServer) -> Vec<ContentId> {
    server.control.digests_wanted(None).await.unwrap().contents
}

async fn holds(server: &FakeServer, all: &[&[u8]]) {
    server.report(Stamp::default(), all.iter().map(|bytes| present(bytes)).collect()).await;
}

#[tokio::test]
async fn the_ingest_server_is_asked_and_what_it_tells_is_shown() {
    let harness = Harness::start().await;
    let (root, child) = (harness.server("root").await, harness.server("child").await);
    harness.publish(&root, "A.pkg", b"one").await;
    for server in [&root, &child] {
        holds(server, &[b"one"]).await;
    }
    let content = ContentId::of(b"one");
    assert_eq!((wanted(&root).await, wanted(&child).await), (vec![content], vec![]));

    let admin = harness.admin();
    assert_eq!(admin.file(FileKind::Package, "A.pkg").await.unwrap().digests, None);
    let (code, told) = refusal(admin.digests(FileKind::Package, "A.pkg").await);
    assert_eq!(code, ErrorCode::NotFound);
    assert!(told.contains("`A.pkg` are not computed yet"), "{told}");

    let found = computed(b"one");
    for _ in 0..2 {
        root.control.tell_digests(&content, &ReportedDigests::from(&found)).await.unwrap();
    }
    assert!(wanted(&root).await.is_empty());
    let shown = admin.file(FileKind::Package, "A.pkg").await.unwrap().digests.unwrap();
    assert_eq!(
        (shown.md5, shown.sha512, shown.sha3_512),
        (found.md5, found.sha512, found.sha3_512)
    );
    let all = admin.digests(FileKind::Package, "A.pkg").await.unwrap();
    assert_eq!((all.whole, all.content, all.sha256), (shown, content, found.sha256));
    assert_eq!((all.chunk_bytes, all.version, all.size), (10_485_760, 1, 3));
    assert_eq!((all.chunk_sha256, all.chunk_md5), (found.chunks.sha256, found.chunks.md5));

    // The next version has digests of its own.
    harness.publish(&root, "A.pkg", b"two").await;
    assert_eq!(admin.file(FileKind::Package, "A.pkg").await.unwrap().digests, None);
    assert_eq!(wanted(&root).await, [ContentId::of(b"two")]);
}

#[tokio::test]
async fn another_holder_is_asked_where_the_ingest_server_is_gone() {
    let harness = Harness::start().await;
    let (root, child) = (harness.server("root").await, harness.server("child").await);
    harness.publish(&root, "A.pkg", b"one").await;
    holds(&root, &[b"one"]).await;
    holds(&child, &[b"one"]).await;
    harness.clock.advance(Duration::from_secs(3_601));
    holds(&child, &[]).await;
    let content = ContentId::of(b"one");
    assert_eq!(wanted(&child).await, [content], "the root was not heard of for an hour");
    child.control.tell_digests(&content, &ReportedDigests::from(&computed(b"one"))).await.unwrap();
    holds(&root, &[]).await;
    assert!(wanted(&root).await.is_empty(), "nobody computes twice");
}

#[tokio::test]
async fn digests_that_cannot_be_are_refused() {
    let harness = Harness::start().await;
    let (root, child) = (harness.server("root").await, harness.server("child").await);
    harness.publish(&root, "A.pkg", b"one").await;
    holds(&root, &[b"one"]).await;
    let content = ContentId::of(b"one");
    let tell = async |server: &FakeServer, content: ContentId, told: &ReportedDigests| {
        refusal(server.control.tell_digests(&content, told).await)
    };
    let good = ReportedDigests::from(&computed(b"one"));
    let (code, told) = tell(&child, content, &good).await;
    assert_eq!(code, ErrorCode::Conflict);
    assert!(told.contains("not held by the server"), "{told}");
    assert_eq!(tell(&root, ContentId::of(b"nothing"), &good).await.0, ErrorCode::NotFound);
    let (code, told) = tell(&root, content, &ReportedDigests::from(&computed(b"two"))).await;
    assert_eq!(code, ErrorCode::Conflict);
    assert!(told.contains("other bytes are signed"), "{told}");
    let cut = ReportedDigests { chunk_md5: String::new(), ..good.clone() };
    assert_eq!(tell(&root, content, &cut).await.0, ErrorCode::BadRequest);

    root.control.tell_digests(&content, &good).await.unwrap();
    let other = ReportedDigests { md5: Md5::from_bytes([9; 16]), ..good };
    let (code, told) = tell(&root, content, &other).await;
    assert_eq!(code, ErrorCode::Conflict);
    assert!(told.contains("other digests"), "{told}");
}
