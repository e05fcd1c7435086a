//! Uploads: declared, committed, published; and what stands in the way.

use std::time::Duration;

use xylem_api::catalogue::{DeclareUpload, PlacementState, UploadState};
use xylem_api::error::ErrorCode;
use xylem_api::ingest::RefusedUpload;
use xylem_model::{ContentId, FileKind, FileName, Priority};
use xylem_trust::{DigestSource, Envelope, Operation, Ticket};

use crate::harness::{Harness, START, declaration, descriptor, found, refusal, report};

const NAME: &str = "Depot-1.0.pkg";
const KIND: FileKind = FileKind::Package;

#[tokio::test]
async fn an_upload_is_committed_signed_and_published() {
    let harness = Harness::start().await;
    let root = harness.server("root").await;
    let admin = harness.admin();
    let upload = harness.declare(NAME, b"bytes").await;
    assert_eq!(upload.state, UploadState::Declared);
    let ingest = upload.ingest.unwrap();
    assert_eq!(ingest.url, "https://root.example.org:443");
    let ticket: Ticket =
        root.trust.open(&Envelope::from_header(&ingest.ticket).unwrap(), START).unwrap();
    assert!(ticket.expires <= START.plus(Duration::from_secs(600)));
    let Operation::Ingest { upload: id, size, content, name, .. } = ticket.operation else {
        panic!("another ticket");
    };
    assert_eq!((id, size, content), (upload.id, 5, Some(ContentId::of(b"bytes"))));
    assert_eq!(name.as_str(), NAME);

    let committed = root.control.ingested(upload.id, &found(b"bytes")).await.unwrap();
    let signed = descriptor(&committed);
    root.trust.open::<xylem_trust::Descriptor>(&committed.descriptor, START).unwrap();
    assert_eq!((signed.version, signed.size), (1, 5));
    assert_eq!(signed.digest_source, DigestSource::Declared);
    assert_eq!(admin.upload(upload.id).await.unwrap().state, UploadState::Committed);

    root.control.published(upload.id).await.unwrap();
    root.control.published(upload.id).await.unwrap();
    let again = root.control.ingested(upload.id, &found(b"bytes")).await.unwrap();
    assert_eq!(again.descriptor, committed.descriptor);
    let done = admin.upload(upload.id).await.unwrap();
    assert_eq!(done.state, UploadState::Published);
    assert_eq!(done.version.unwrap().content, ContentId::of(b"bytes"));
    assert_eq!(root.checked_set().await, [signed]);
}

#[tokio::test]
async fn a_priority_is_signed_shown_and_kept_over_a_deletion() {
    let harness = Harness::start().await;
    let root = harness.server("root").await;
    let admin = harness.admin();
    let urgent = DeclareUpload { priority: Priority::Urgent, ..declaration(NAME, b"one") };
    let upload = admin.declare_upload(&urgent).await.unwrap();
    let committed = root.control.ingested(upload.id, &found(b"one")).await.unwrap();
    root.control.published(upload.id).await.unwrap();
    let signed = descriptor(&committed);
    assert_eq!(signed.priority, Priority::Urgent);
    assert_eq!(admin.upload(upload.id).await.unwrap().version.unwrap().priority, Priority::Urgent);

    admin.delete_file(KIND, NAME).await.unwrap();
    assert_eq!(root.checked_set().await, []);
    let restored = admin.restore_file(KIND, NAME).await.unwrap().current;
    assert_eq!((restored.version, restored.priority), (1, Priority::Urgent));
    assert_eq!(root.checked_set().await, [signed], "the very descriptor");

    let next = DeclareUpload { replace: true, ..declaration(NAME, b"two") };
    let upload = admin.declare_upload(&next).await.unwrap();
    let committed = root.control.ingested(upload.id, &found(b"two")).await.unwrap();
    assert_eq!(descriptor(&committed).priority, Priority::Normal);
    let listed = admin.files(KIND, None).await.unwrap().items;
    assert_eq!(listed[0].current.priority, Priority::Normal);
    let versions = admin.file(KIND, NAME).await.unwrap().versions;
    let priorities: Vec<_> = versions.iter().map(|version| version.priority).collect();
    assert_eq!(priorities, [Priority::Normal, Priority::Urgent], "newest first");
}

#[tokio::test]
async fn the_same_again_is_nothing_other_content_is_a_conflict_and_replacing_makes_a_version() {
    let harness = Harness::start().await;
    let root = harness.server("root").await;
    let admin = harness.admin();
    harness.publish(&root, NAME, b"one").await;

    let same = harness.declare(NAME, b"one").await;
    assert_eq!((same.state, same.ingest.is_none()), (UploadState::AlreadyThere, true));
    let (code, told) = refusal(admin.declare_upload(&declaration(NAME, b"two")).await);
    assert_eq!(code, ErrorCode::Conflict);
    assert!(told.contains("--replace"), "{told}");
    let (code, told) = refusal(admin.declare_upload(&declaration("DEPOT-1.0.pkg", b"x")).await);
    assert_eq!(code, ErrorCode::Conflict);
    assert!(told.contains(NAME), "{told}");

    harness.publish(&root, NAME, b"two").await;
    let detail = admin.file(KIND, NAME).await.unwrap();
    let versions: Vec<u64> = detail.versions.iter().map(|version| version.version).collect();
    assert_eq!((versions, detail.file.current.version), (vec![2, 1], 2));
    assert_eq!(root.checked_set().await.len(), 1);
}

#[tokio::test]
async fn what_arrived_must_be_what_was_declared() {
    let harness = Harness::start().await;
    let root = harness.server("root").await;
    let upload = harness.declare(NAME, b"bytes").await;
    let (code, told) = refusal(root.control.ingested(upload.id, &found(b"bytez")).await);
    assert_eq!(code, ErrorCode::Refused, "{told}");
    let after = harness.admin().upload(upload.id).await.unwrap();
    assert_eq!((after.state, after.reason), (UploadState::Failed, Some(told)));
    assert!(root.checked_set().await.is_empty());
}

#[tokio::test]
async fn an_upload_without_digests_is_signed_on_the_ingest_servers_word_and_says_so() {
    let harness = Harness::start().await;
    let root = harness.server("root").await;
    let mut unknown = declaration(NAME, b"bytes");
    (unknown.blake3, unknown.sha256) = (None, None);
    let upload = harness.admin().declare_upload(&unknown).await.unwrap();
    let committed = root.control.ingested(upload.id, &found(b"bytes")).await.unwrap();
    assert_eq!(descriptor(&committed).digest_source, DigestSource::ComputedByIngest);
}

#[tokio::test]
async fn a_refusal_by_the_ingest_server_reaches_the_uploader() {
    let harness = Harness::start().await;
    let root = harness.server("root").await;
    let upload = harness.declare(NAME, b"bytes").await;
    let why = RefusedUpload { reason: "it is a shell script, not a package".into() };
    root.control.refused(upload.id, &why).await.unwrap();
    root.control.refused(upload.id, &why).await.unwrap();
    let after = harness.admin().upload(upload.id).await.unwrap();
    assert_eq!((after.state, after.reason), (UploadState::Failed, Some(why.reason)));
    let (code, _) = refusal(root.control.ingested(upload.id, &found(b"bytes")).await);
    assert_eq!(code, ErrorCode::Refused);
}

#[tokio::test]
async fn only_the_ingest_server_speaks_of_an_upload() {
    let harness = Harness::start().await;
    let root = harness.server("root").await;
    let child = harness.server("north").await;
    let upload = harness.declare(NAME, b"bytes").await;
    let (code, _) = refusal(child.control.ingested(upload.id, &found(b"bytes")).await);
    assert_eq!(code, ErrorCode::Forbidden);
    assert_eq!(refusal(child.control.published(upload.id).await).0, ErrorCode::Forbidden);
    let why = RefusedUpload { reason: "no".into() };
    assert_eq!(refusal(child.control.refused(upload.id, &why).await).0, ErrorCode::Forbidden);
    let (code, _) = refusal(root.control.published(upload.id).await);
    assert_eq!(code, ErrorCode::Conflict);
}

#[tokio::test]
async fn names_sizes_and_room_are_checked_before_anything_is_sent() {
    let harness = Harness::start().await;
    let admin = harness.admin();
    let nobody = admin.declare_upload(&declaration(NAME, b"x")).await;
    assert_eq!(nobody.as_ref().unwrap_err().code(), Some(ErrorCode::Unavailable));
    let root = harness.server("root").await;
    for name in ["a/b.pkg", "../x.pkg", "", ".hidden", "CON.pkg"] {
        let (code, told) = refusal(admin.declare_upload(&declaration(name, b"x")).await);
        assert_eq!(code, ErrorCode::NameRefused, "{name}");
        assert_eq!(told, FileName::new(name).unwrap_err().to_string());
    }
    let sized = |size| xylem_api::catalogue::DeclareUpload { size, ..declaration(NAME, b"x") };
    assert_eq!(refusal(admin.declare_upload(&sized(0)).await).0, ErrorCode::Refused);
    let huge = (1 << 40) + 1;
    assert_eq!(refusal(admin.declare_upload(&sized(huge)).await).0, ErrorCode::TooLarge);
    let mut tight = report(Default::default(), Vec::new());
    tight.free_bytes = 100 << 20;
    root.control.report(&tight).await.unwrap();
    let (code, told) = refusal(admin.declare_upload(&sized(100 << 20)).await);
    assert_eq!(code, ErrorCode::NoSpace);
    assert!(told.contains("root") && told.contains("100.0 MiB"), "{told}");

    harness.clock.advance(Duration::from_secs(121));
    let (code, told) = refusal(admin.declare_upload(&declaration(NAME, b"x")).await);
    assert_eq!(code, ErrorCode::Unavailable);
    assert!(told.contains("root"), "{told}");
}

#[tokio::test]
async fn a_cancelled_upload_is_over() {
    let harness = Harness::start().await;
    let root = harness.server("root").await;
    let upload = harness.declare(NAME, b"bytes").await;
    harness.admin().cancel_upload(upload.id).await.unwrap();
    let after = harness.admin().upload(upload.id).await.unwrap();
    assert_eq!((after.state, after.ingest.is_none()), (UploadState::Cancelled, true));
    let late = refusal(root.control.ingested(upload.id, &found(b"bytes")).await);
    assert_eq!(late.0, ErrorCode::Conflict);
}

#[tokio::test]
async fn a_deleted_file_is_wanted_nowhere_and_can_be_restored() {
    let harness = Harness::start().await;
    let root = harness.server("root").await;
    let admin = harness.admin();
    harness.publish(&root, NAME, b"bytes").await;
    admin.delete_file(KIND, NAME).await.unwrap();
    assert!(root.checked_set().await.is_empty());
    assert_eq!(refusal(admin.file(KIND, NAME).await).0, ErrorCode::NotFound);
    let back = admin.restore_file(KIND, NAME).await.unwrap();
    assert_eq!(back.current.content, ContentId::of(b"bytes"));
    assert_eq!(root.checked_set().await.len(), 1);
    assert_eq!(refusal(admin.delete_file(FileKind::App, NAME).await).0, ErrorCode::NotFound);
}

#[tokio::test]
async fn placement_shows_what_each_server_says() {
    let harness = Harness::start().await;
    let (root, _child) = (harness.server("root").await, harness.server("north").await);
    harness.publish(&root, NAME, b"bytes").await;
    let stamp = harness.admin().status().await.unwrap().stamp;
    root.report(stamp, vec![crate::harness::present(b"bytes")]).await;
    let placement = harness.admin().placement(KIND, NAME).await.unwrap();
    let rows: Vec<_> =
        placement.servers.iter().map(|row| (row.server.as_str(), row.state)).collect();
    assert_eq!((placement.present, placement.wanted), (1, 2));
    assert!(rows.contains(&("root", PlacementState::Present)), "{rows:?}");
    assert!(rows.contains(&("north", PlacementState::Wanted)), "{rows:?}");
    let file = harness.admin().file(KIND, NAME).await.unwrap().file;
    assert_eq!((file.copies, file.wanted_copies), (1, 2));
    let server = harness.admin().distribution_server("root").await.unwrap();
    assert_eq!((server.files_present, server.files_wanted), (1, 1));
    assert_eq!((server.applied, server.free_bytes), (Some(stamp), Some(1 << 40)));
}
