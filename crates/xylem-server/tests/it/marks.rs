//! Versions for testing, promotion and rollback, as the API, servers and computers see them.

use xylem_api::agent::{CheckIn, NewOrder};
use xylem_api::catalogue::{DeclareUpload, UploadState};
use xylem_api::control::{ControlState, DescriptorPage};
use xylem_api::error::ErrorCode;
use xylem_api::ingest::Ingested;
use xylem_model::{ContentId, FileKind, FileName, VersionMark};
use xylem_trust::{Descriptor, DescriptorId, Orders, set_root};

use crate::harness::{
    FakeServer, Harness, START, declaration, descriptor, found, present, refusal,
};

const NAME: &str = "Tool.pkg";
const KIND: FileKind = FileKind::Package;

/// Publishes a version that waits to be promoted.
async fn put_test(harness: &Harness, ingest: &FakeServer, bytes: &[u8]) -> Descriptor {
    let declared = DeclareUpload { test: true, ..declaration(NAME, bytes) };
    let upload = harness.admin().declare_upload(&declared).await.unwrap();
    let committed = ingest.control.ingested(upload.id, &found(bytes)).await.unwrap();
    ingest.control.published(upload.id).await.unwrap();
    descriptor(&committed)
}

/// What a server is to hold: numbers, each with its mark.
async fn held(server: &FakeServer) -> Vec<(u64, Option<VersionMark>)> {
    let set = server.checked_set().await;
    set.iter().map(|descriptor| (descriptor.version, descriptor.mark)).collect()
}

#[tokio::test]
async fn one_step_promotes_and_one_goes_back() {
    let harness = Harness::start().await;
    let (root, child) = (harness.server("root").await, harness.server("north").await);
    let admin = harness.admin();
    harness.publish(&root, NAME, b"one").await;
    let signed = put_test(&harness, &root, b"two").await;
    assert_eq!((signed.version, signed.mark), (2, Some(VersionMark::Test)));

    let file = admin.file(KIND, NAME).await.unwrap().file;
    assert_eq!((file.production, file.test, file.previous), (Some(1), Some(2), None));
    assert_eq!(file.current.content, ContentId::of(b"one"));
    assert_eq!(held(&child).await, [(1, None), (2, Some(VersionMark::Test))]);

    let before = admin.status().await.unwrap().stamp;
    let file = admin.promote(KIND, NAME, 2).await.unwrap();
    assert_eq!((file.production, file.test, file.previous), (Some(2), None, Some(1)));
    assert_eq!(file.current.content, ContentId::of(b"two"));
    let after = admin.status().await.unwrap().stamp;
    assert_eq!(after.generation.0, before.generation.0 + 1);
    assert_eq!(held(&child).await, [(2, None), (1, Some(VersionMark::Previous))]);

    let file = admin.roll_back(KIND, NAME, 2).await.unwrap();
    assert_eq!((file.production, file.previous), (Some(1), Some(2)));
    assert_eq!(held(&child).await, [(1, None), (2, Some(VersionMark::Previous))]);
    let pages = root.pages(after).await;
    let listed: Vec<Descriptor> = pages[0]
        .descriptors
        .iter()
        .map(|envelope| root.trust.open(envelope, START).unwrap())
        .collect();
    assert_eq!(listed.iter().map(|it| it.version).collect::<Vec<_>>(), [1, 2], "production first");

    let audit = admin.audit(None).await.unwrap().items;
    for action in ["version.promote", "version.rollback"] {
        assert!(audit.iter().any(|it| it.action == action && it.object == NAME), "{action}");
    }
}

#[tokio::test]
async fn a_step_that_was_decided_on_something_else_is_refused() {
    let harness = Harness::start().await;
    let root = harness.server("root").await;
    let admin = harness.admin();
    harness.publish(&root, NAME, b"one").await;
    let (code, told) = refusal(admin.promote(KIND, NAME, 2).await);
    assert_eq!(code, ErrorCode::Conflict);
    assert!(told.contains("no version for testing"), "{told}");
    let (code, told) = refusal(admin.roll_back(KIND, NAME, 1).await);
    assert_eq!(code, ErrorCode::Conflict);
    assert!(told.contains("cannot be rolled back"), "{told}");

    put_test(&harness, &root, b"two").await;
    put_test(&harness, &root, b"three").await;
    let (code, told) = refusal(admin.promote(KIND, NAME, 2).await);
    assert_eq!(code, ErrorCode::Conflict);
    assert!(told.contains("version 3 waits to be promoted, not version 2"), "{told}");
    let huge = refusal(admin.promote(KIND, NAME, u64::MAX).await).0;
    assert_eq!(huge, ErrorCode::BadRequest);
    assert_eq!(refusal(admin.promote(FileKind::App, NAME, 3).await).0, ErrorCode::NotFound);
}

#[tokio::test]
async fn a_first_version_for_testing_goes_to_those_alone_who_ask_for_it() {
    let harness = Harness::start().await;
    let root = harness.server("root").await;
    let (_, agent) = harness.computer("mac").await;
    let admin = harness.admin();
    let signed = put_test(&harness, &root, b"one").await;
    let stamp = admin.status().await.unwrap().stamp;
    root.report(stamp, vec![present(b"one")]).await;

    for told in [
        refusal(admin.sources(KIND, NAME).await),
        refusal(agent.sources(&FileName::new(NAME).unwrap()).await),
        refusal(admin.order("mac", NAME).await),
    ] {
        assert_eq!(told.0, ErrorCode::NotFound);
        assert!(told.1.contains("version 1 waits to be promoted"), "{}", told.1);
    }
    let listed = admin.files(KIND, None).await.unwrap().items;
    assert_eq!((listed[0].production, listed[0].test), (None, Some(1)), "it is shown");

    let order = admin.order_test("mac", NAME).await.unwrap();
    assert_eq!(order.version, 1);
    let answer = agent.check_in(&CheckIn::default()).await.unwrap();
    let orders: Orders = root.trust.open(&answer.orders, START).unwrap();
    let sources = &answer.sources[0];
    assert_eq!(orders.orders[0].descriptor, DescriptorId::of(&sources.descriptor));
    assert_eq!(root.trust.open::<Descriptor>(&sources.descriptor, START).unwrap(), signed);
    assert_eq!(sources.candidates.len(), 1, "a server that holds it gives it");

    admin.promote(KIND, NAME, 1).await.unwrap();
    admin.sources(KIND, NAME).await.unwrap();
    let none = refusal(admin.order_test("mac", NAME).await);
    assert_eq!(none.0, ErrorCode::Conflict);
    let plain = NewOrder { package: NAME.into(), test: false };
    let text = serde_json::to_string(&plain).unwrap();
    assert!(!text.contains("test"), "an older server takes it: {text}");
}

#[tokio::test]
async fn a_server_of_an_earlier_program_is_told_of_no_marks() {
    let harness = Harness::start().await;
    let root = harness.server("root").await;
    harness.publish(&root, NAME, b"one").await;
    put_test(&harness, &root, b"two").await;
    assert_eq!(held(&root).await.len(), 2);
    let counted = async || harness.admin().distribution_server("root").await.unwrap().files_wanted;
    assert_eq!(counted().await, 2);

    let transport = harness.transport(Some(&root.identity));
    let state: ControlState = transport
        .json(&harness.url, http::Request::get("/v1/control/state"), None::<&()>)
        .await
        .unwrap();
    let page: DescriptorPage = transport
        .json(
            &harness.url,
            http::Request::get("/v1/control/descriptors?epoch=0&since=0"),
            None::<&()>,
        )
        .await
        .unwrap();
    assert!(!state.marks);
    assert_eq!(counted().await, 1, "it is to hold what it is told of");
    root.control.state().await.unwrap();
    assert_eq!(counted().await, 2, "once it was upgraded");
    let head = root.trust.open_head(&state.head, None, START).unwrap();
    assert_eq!((head.count, page.descriptors.len()), (1, 1));
    assert_eq!(head.set_root, set_root(page.descriptors.iter().map(DescriptorId::of)));
    let only: Descriptor = root.trust.open(&page.descriptors[0], START).unwrap();
    assert_eq!((only.version, only.mark), (1, None));

    // Nor is one given a version for testing to publish.
    let declared = DeclareUpload { test: true, ..declaration(NAME, b"three") };
    let upload = harness.admin().declare_upload(&declared).await.unwrap();
    let old = Ingested { knows_marks: false, ..found(b"three") };
    let (code, told) = refusal(root.control.ingested(upload.id, &old).await);
    assert_eq!(code, ErrorCode::Refused);
    assert!(told.contains("too old"), "{told}");
    let ended = harness.admin().upload(upload.id).await.unwrap();
    assert_eq!(ended.state, UploadState::Failed);
}
