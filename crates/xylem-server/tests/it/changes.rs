//! What WebDAV accounts write, rename, copy and delete, as distribution servers hand it on.

use xylem_api::catalogue::UploadState;
use xylem_api::control::{Author, ChangeFile, DeclareReceived, FileChange};
use xylem_api::error::ErrorCode;
use xylem_api::ingest::RefusedUpload;
use xylem_client::AdminClient;
use xylem_model::{AccountAccess, ContentId, DistributionServerId, FileKind, FileName, UploadId};
use xylem_trust::DigestSource;

use crate::accounts::{name, new};
use crate::harness::{FakeServer, Harness, descriptor, found, refusal};

fn file_name(text: &str) -> FileName {
    FileName::new(text).unwrap()
}

fn author(server: &FakeServer, account: &str) -> Author {
    Author { account: name(account), server: server.id }
}

fn received(n: u8, file: &str, bytes: &[u8], author: Author) -> DeclareReceived {
    DeclareReceived {
        upload: UploadId::from_parts(u64::from(n), &[n; 10]),
        kind: FileKind::Package,
        name: file_name(file),
        size: bytes.len() as u64,
        author,
    }
}

fn rename(to: &str, replace: bool) -> FileChange {
    FileChange::Rename { to: file_name(to), replace }
}

fn copy(to: &str, replace: bool) -> FileChange {
    FileChange::Copy { to: file_name(to), replace }
}

fn asked(file: &str, change: FileChange, author: Author) -> ChangeFile {
    ChangeFile { kind: FileKind::Package, name: file_name(file), change, author }
}

/// Root, which takes new files, and north below it; each with an account that may write and one
/// that may read.
async fn two_servers(harness: &Harness) -> (FakeServer, FakeServer) {
    let servers = (harness.server("root").await, harness.server("north").await);
    for server in ["root", "north"] {
        for (account, access) in [("writer", AccountAccess::Write), ("reader", AccountAccess::Read)]
        {
            harness.admin().add_account(server, &new(account, access)).await.unwrap();
        }
    }
    servers
}

async fn content_of(admin: &AdminClient, file: &str) -> Option<(u64, ContentId)> {
    let detail = admin.file(FileKind::Package, file).await.ok()?;
    Some((detail.file.current.version, detail.file.current.content))
}

#[tokio::test]
async fn what_an_account_sent_becomes_a_version_like_any_other() {
    let harness = Harness::start().await;
    let (root, north) = two_servers(&harness).await;
    harness.publish(&root, "a.pkg", b"old").await;
    let sent = received(1, "a.pkg", b"newer", author(&north, "writer"));
    for _ in 0..2 {
        root.control.declare_received(&sent).await.unwrap();
    }
    let committed = root.control.ingested(sent.upload, &found(b"newer")).await.unwrap();
    let told = descriptor(&committed);
    assert_eq!((told.version, told.digest_source), (2, DigestSource::ComputedByIngest));
    root.control.published(sent.upload).await.unwrap();
    root.control.declare_received(&sent).await.unwrap();
    let admin = harness.admin();
    assert_eq!(admin.upload(sent.upload).await.unwrap().state, UploadState::Published);
    let audit = admin.audit(None).await.unwrap().items;
    let commit = audit.iter().find(|it| it.action == "upload.commit").unwrap();
    assert_eq!((&*commit.actor, &*commit.object), ("account writer on north", "a.pkg"));

    let other = DeclareReceived { size: 9, ..sent.clone() };
    assert_eq!(refusal(root.control.declare_received(&other).await).0, ErrorCode::Conflict);
    let later = received(2, "b.pkg", b"bad", author(&root, "writer"));
    root.control.declare_received(&later).await.unwrap();
    let foreign = north.control.ingested(later.upload, &found(b"bad")).await;
    assert_eq!(refusal(foreign).0, ErrorCode::Forbidden);
    let why = RefusedUpload { reason: "no package".into() };
    root.control.refused(later.upload, &why).await.unwrap();
    assert_eq!(admin.upload(later.upload).await.unwrap().state, UploadState::Failed);
}

#[tokio::test]
async fn only_the_ingest_server_announces_and_only_for_accounts_that_write() {
    let harness = Harness::start().await;
    let (root, north) = two_servers(&harness).await;
    harness.publish(&root, "Tool.pkg", b"tool").await;
    let writer = author(&north, "writer");
    let announce = async |by: &FakeServer, sent: DeclareReceived| {
        refusal(by.control.declare_received(&sent).await)
    };
    let (code, told) = announce(&north, received(1, "a.pkg", b"a", writer.clone())).await;
    assert_eq!(code, ErrorCode::Forbidden);
    assert!(told.contains("new files enter at `root`"), "{told}");
    let stranger = DistributionServerId::from_parts(9, &[9; 10]);
    for (by, words) in [
        (author(&north, "reader"), "may only read"),
        (author(&north, "nobody"), "there is no WebDAV account `nobody` on `north`"),
        (Author { account: name("writer"), server: stranger }, "is not enrolled"),
    ] {
        let (code, told) = announce(&root, received(1, "a.pkg", b"a", by)).await;
        assert_eq!(code, ErrorCode::Forbidden);
        assert!(told.contains(words), "{told}");
    }
    let told = announce(&root, received(1, "a.pkg", b"", writer.clone())).await;
    assert_eq!(told.0, ErrorCode::Refused);
    let huge = DeclareReceived { size: 2 << 40, ..received(1, "a.pkg", b"", writer.clone()) };
    assert_eq!(announce(&root, huge).await.0, ErrorCode::TooLarge);
    let (code, told) = announce(&root, received(1, "TOOL.pkg", b"a", writer.clone())).await;
    assert_eq!(code, ErrorCode::Conflict);
    assert!(told.contains("cannot be told apart from the package `Tool.pkg`"), "{told}");
    let app = DeclareReceived { kind: FileKind::App, ..received(1, "Tool.pkg", b"a", writer) };
    assert_eq!(announce(&root, app).await.0, ErrorCode::Conflict);
}

#[tokio::test]
async fn an_account_renames_copies_and_deletes_and_every_head_follows() {
    let harness = Harness::start().await;
    let (root, north) = two_servers(&harness).await;
    harness.publish(&root, "a.pkg", b"a").await;
    harness.publish(&root, "b.pkg", b"b").await;
    let (admin, writer) = (harness.admin(), author(&north, "writer"));
    let change = async |file: &str, change: FileChange| {
        let asked = asked(file, change, writer.clone());
        north.control.change_file(&asked).await.unwrap().stamp
    };
    let (a, b) = (ContentId::of(b"a"), ContentId::of(b"b"));

    let stamp = change("a.pkg", rename("c.PKG", false)).await;
    assert_eq!(stamp, admin.status().await.unwrap().stamp);
    assert_eq!(content_of(&admin, "a.pkg").await, None);
    assert_eq!(content_of(&admin, "c.PKG").await, Some((2, a)));
    let set = root.checked_set().await;
    let names: Vec<_> = set.iter().map(|it| (it.name.as_str(), it.version, it.content)).collect();
    assert_eq!(names, [("b.pkg", 1, b), ("c.PKG", 2, a)]);
    assert_eq!(set[1].digest_source, DigestSource::Declared);

    assert_eq!(change("c.PKG", rename("c.PKG", false)).await, stamp, "nothing to do");
    change("c.PKG", rename("c.pkg", false)).await;
    change("c.pkg", copy("d.pkg", false)).await;
    assert_eq!(content_of(&admin, "d.pkg").await, Some((1, a)));
    let stamp = change("b.pkg", copy("d.pkg", true)).await;
    assert_eq!(content_of(&admin, "d.pkg").await, Some((2, b)));
    assert_eq!(change("b.pkg", copy("d.pkg", true)).await, stamp, "it has the content");
    change("c.pkg", rename("b.pkg", true)).await;
    assert_eq!(content_of(&admin, "b.pkg").await, Some((2, a)));
    assert_eq!(content_of(&admin, "c.pkg").await, None);
    change("d.pkg", FileChange::Delete).await;
    for server in [&root, &north] {
        assert_eq!(server.checked_set().await.len(), 1);
    }
    admin.restore_file(FileKind::Package, "d.pkg").await.unwrap();
    admin.restore_file(FileKind::Package, "c.pkg").await.unwrap();
    assert_eq!(content_of(&admin, "c.pkg").await, Some((3, a)));
    let audit = admin.audit(None).await.unwrap().items;
    let by_account = |action: &str| {
        audit
            .iter()
            .filter(|it| it.action == action && it.actor == "account writer on north")
            .count()
    };
    assert_eq!((by_account("file.rename"), by_account("file.copy")), (3, 2));
    assert_eq!(by_account("file.delete"), 2);
}

#[tokio::test]
async fn changes_that_may_not_be_say_why() {
    let harness = Harness::start().await;
    let (root, north) = two_servers(&harness).await;
    harness.publish(&root, "a.pkg", b"a").await;
    harness.publish(&root, "b.pkg", b"b").await;
    let before = harness.admin().status().await.unwrap().stamp;
    let (writer, free) = (author(&north, "writer"), || rename("c.pkg", false));
    for (ask, code, words) in [
        (asked("a.pkg", free(), author(&root, "writer")), ErrorCode::Forbidden, "its own accounts"),
        (asked("a.pkg", free(), author(&north, "reader")), ErrorCode::Forbidden, "may only read"),
        (asked("a.pkg", FileChange::Delete, author(&north, "no")), ErrorCode::Forbidden, "`no`"),
        (
            asked("x.pkg", free(), writer.clone()),
            ErrorCode::NotFound,
            "there is no package `x.pkg`",
        ),
        (
            ChangeFile { kind: FileKind::App, ..asked("a.pkg", free(), writer.clone()) },
            ErrorCode::NotFound,
            "there is no app `a.pkg`",
        ),
        (
            asked("a.pkg", rename("a.pkg.zip", false), writer.clone()),
            ErrorCode::Refused,
            "a file that is not what its name says",
        ),
        (asked("a.pkg", copy("a", true), writer.clone()), ErrorCode::Refused, "ending `.pkg`"),
        (asked("a.pkg", rename("b.pkg", false), writer.clone()), ErrorCode::Conflict, "version 1"),
        (asked("a.pkg", copy("b.pkg", false), writer.clone()), ErrorCode::Conflict, "`b.pkg`"),
        (asked("a.pkg", copy("B.pkg", true), writer), ErrorCode::Conflict, "cannot be told apart"),
    ] {
        let (given, told) = refusal(north.control.change_file(&ask).await);
        assert_eq!(given, code, "{ask:?}: {told}");
        assert!(told.contains(words), "{told}");
    }
    assert_eq!(harness.admin().status().await.unwrap().stamp, before);
    harness.admin().remove_account("north", &name("writer")).await.unwrap();
    let late = asked("a.pkg", free(), author(&north, "writer"));
    assert_eq!(refusal(north.control.change_file(&late).await).0, ErrorCode::Forbidden);
}
