//! Backup and restore, and how what a restore forgot comes back.

use xylem_api::control::{Author, ChangeFile, FileChange, ServerReport};
use xylem_api::error::ErrorCode;
use xylem_model::{AccountAccess, ContentId, FileKind, FileName, Stamp};
use xylem_runtime::Environment;
use xylem_server::{ServerError, backup, restore};
use xylem_trust::{Descriptor, Envelope};

use crate::accounts::{name, new};
use crate::harness::{FakeServer, Harness, START, Stopped, refusal, report};

/// Replaces a stopped server by what a backup of it held.
async fn restored(stopped: Stopped) -> Harness {
    let path = stopped.folder.path().join("backup");
    std::fs::remove_dir_all(&stopped.config.data).unwrap();
    restore(&stopped.environment, &stopped.config, &path).await.unwrap();
    stopped.start().await
}

async fn back_up(harness: &Harness) {
    let path = harness.folder.path().join("backup");
    let done = backup(&harness.environment, &harness.config, &path).await.unwrap();
    assert_eq!(done.stamp, harness.admin().status().await.unwrap().stamp);
}

fn with_unlisted(applied: Stamp, unlisted: &[Envelope]) -> ServerReport {
    ServerReport { unlisted: unlisted.to_vec(), ..report(applied, Vec::new()) }
}

/// The same machine, towards the server that took the old one's place.
fn again(harness: &Harness, old: FakeServer) -> FakeServer {
    let transport = harness.transport(Some(&old.identity));
    let control = xylem_client::ControlClient::new(transport, harness.url.clone());
    FakeServer { control, ..old }
}

async fn names(harness: &Harness) -> Vec<String> {
    let page = harness.admin().files(FileKind::Package, None).await.unwrap();
    page.items.into_iter().map(|file| file.name.to_string()).collect()
}

/// How the restore stands.
async fn standing(harness: &Harness) -> serde_json::Value {
    let transport = harness.transport(None);
    let request = http::Request::get("/v1/restore")
        .header("authorization", format!("Bearer {}", harness.token));
    transport.json(&harness.url, request, None::<&()>).await.unwrap()
}

#[tokio::test]
async fn uploads_that_a_restore_forgot_are_adopted_from_the_servers_that_hold_them() {
    let harness = Harness::start().await;
    let root = harness.server("root").await;
    harness.publish(&root, "old.pkg", b"old").await;
    back_up(&harness).await;
    let one = harness.publish(&root, "one.pkg", b"one").await;
    let two = harness.publish(&root, "old.pkg", b"newer").await;
    let before = harness.admin().status().await.unwrap().stamp;
    let root_sees = root.control.state().await.unwrap();
    let seen = root.trust.open_head(&root_sees.head, None, START).unwrap().stamp;

    let harness = restored(harness.stop().await).await;
    let root = again(&harness, root);
    let status = harness.admin().status().await.unwrap();
    assert!(status.restore_unconfirmed && status.stamp > before, "{}", status.stamp);
    let state = root.control.state().await.unwrap();
    assert!(!state.may_remove);
    root.trust.open_head(&state.head, Some(seen), START).unwrap();
    assert_eq!(names(&harness).await, ["old.pkg"]);

    let reported = with_unlisted(before, &[one, two]);
    root.control.report(&reported).await.unwrap();
    root.control.report(&reported).await.unwrap();
    assert_eq!(names(&harness).await, ["old.pkg", "one.pkg"]);
    let detail = harness.admin().file(FileKind::Package, "old.pkg").await.unwrap();
    assert_eq!(detail.file.current.content, ContentId::of(b"newer"));
    assert_eq!((detail.file.current.version, detail.versions.len()), (2, 2));
    assert_eq!(root.checked_set().await.len(), 2);

    harness.admin().confirm_restore().await.unwrap();
    assert!(root.control.state().await.unwrap().may_remove);
    assert!(!harness.admin().status().await.unwrap().restore_unconfirmed);
}

#[tokio::test]
async fn what_is_not_ours_or_was_deleted_before_the_backup_is_not_adopted() {
    let harness = Harness::start().await;
    let root = harness.server("root").await;
    let deleted = harness.publish(&root, "deleted.pkg", b"deleted").await;
    harness.admin().delete_file(FileKind::Package, "deleted.pkg").await.unwrap();
    // Forgotten by the catalogue: only its stamp tells that the backup knew of it.
    let later = START.plus(std::time::Duration::from_secs(1));
    let system = xylem_db::Actor::system();
    assert_eq!(harness.database.purge_deleted(later, &system, later).await.unwrap().len(), 1);
    back_up(&harness).await;
    let mut forged = harness.publish(&root, "forged.pkg", b"forged").await;
    let last = forged.payload.len() - 2;
    forged.payload[last] ^= 1;
    let stamp = harness.admin().status().await.unwrap().stamp;
    let elsewhere = Harness::start().await;
    let other = elsewhere.server("root").await;
    let foreign = elsewhere.publish(&other, "foreign.pkg", b"foreign").await;

    let harness = restored(harness.stop().await).await;
    let root = again(&harness, root);
    root.control.report(&with_unlisted(stamp, &[deleted, forged, foreign])).await.unwrap();
    assert!(names(&harness).await.is_empty());
}

#[tokio::test]
async fn what_cannot_be_adopted_is_listed_for_a_person() {
    let harness = Harness::start().await;
    let root = harness.server("root").await;
    back_up(&harness).await;
    let lost = harness.publish(&root, "same.pkg", b"before").await;
    let stamp = harness.admin().status().await.unwrap().stamp;
    let harness = restored(harness.stop().await).await;
    let root = again(&harness, root);
    harness.publish(&root, "same.pkg", b"after").await;
    root.control.report(&with_unlisted(stamp, &[lost])).await.unwrap();

    let shown = standing(&harness).await;
    assert_eq!(shown["unconfirmed"], true);
    assert_eq!(shown["unlisted"][0]["name"], "same.pkg");
    assert_eq!(names(&harness).await, ["same.pkg"]);
    let current = harness.admin().file(FileKind::Package, "same.pkg").await.unwrap().file.current;
    assert_eq!(current.content, ContentId::of(b"after"));
}

#[tokio::test]
async fn a_name_that_was_given_on_is_adopted_with_both_files_in_whatever_order_they_come() {
    let mut harness = Harness::start().await;
    let mut root = harness.server("root").await;
    harness.admin().add_account("root", &new("writer", AccountAccess::Write)).await.unwrap();
    harness.publish(&root, "a.pkg", b"first").await;
    back_up(&harness).await;
    let file_name = |text: &str| FileName::new(text).unwrap();
    let asked = ChangeFile {
        kind: FileKind::Package,
        name: file_name("a.pkg"),
        change: FileChange::Rename { to: file_name("b.pkg"), replace: false },
        author: Author { account: name("writer"), server: root.id },
    };
    root.control.change_file(&asked).await.unwrap();
    let pages = root.pages(Stamp::default()).await;
    let renamed = pages[0].descriptors[0].clone();
    assert_eq!(root.trust.open::<Descriptor>(&renamed, START).unwrap().name.as_str(), "b.pkg");
    let second = harness.publish(&root, "a.pkg", b"second").await;
    let stamp = harness.admin().status().await.unwrap().stamp;

    let at_once = vec![vec![second.clone(), renamed.clone()]];
    let one_by_one = vec![vec![second], vec![renamed]];
    for reports in [at_once, one_by_one] {
        harness = restored(harness.stop().await).await;
        root = again(&harness, root);
        for unlisted in reports {
            root.control.report(&with_unlisted(stamp, &unlisted)).await.unwrap();
        }
        assert_eq!(names(&harness).await, ["a.pkg", "b.pkg"]);
        let current = harness.admin().file(FileKind::Package, "a.pkg").await.unwrap().file.current;
        assert_eq!(current.content, ContentId::of(b"second"));
        assert_eq!(standing(&harness).await["unlisted"], serde_json::json!([]));
    }
}

#[tokio::test]
async fn outside_of_a_restore_unlisted_content_stays_deleted() {
    let harness = Harness::start().await;
    let root = harness.server("root").await;
    let signed = harness.publish(&root, "a.pkg", b"a").await;
    harness.admin().delete_file(FileKind::Package, "a.pkg").await.unwrap();
    let stamp = harness.admin().status().await.unwrap().stamp;
    root.control.report(&with_unlisted(stamp, &[signed])).await.unwrap();
    assert!(names(&harness).await.is_empty());
    assert_eq!(harness.admin().status().await.unwrap().stamp, stamp);
}

#[tokio::test]
async fn a_state_that_was_never_issued_here_begins_a_higher_epoch() {
    let harness = Harness::start().await;
    let root = harness.server("root").await;
    let ours = harness.admin().status().await.unwrap().stamp;
    for seen in [Stamp::new(ours.epoch.0, ours.generation.0 + 5), Stamp::new(ours.epoch.0 + 3, 1)] {
        root.report(seen, Vec::new()).await;
        let now = harness.admin().status().await.unwrap();
        assert!(now.stamp.epoch > seen.epoch && now.restore_unconfirmed, "{}", now.stamp);
    }
    let before = harness.admin().status().await.unwrap().stamp;
    root.report(before, Vec::new()).await;
    root.report(Stamp::new(u64::MAX >> 1, 1), Vec::new()).await;
    assert_eq!(harness.admin().status().await.unwrap().stamp, before);
}

#[tokio::test]
async fn a_restore_needs_an_empty_folder_and_a_whole_backup() {
    let harness = Harness::start().await;
    back_up(&harness).await;
    let path = harness.folder.path().join("backup");
    let environment = Environment::real();
    let into_used = restore(&environment, &harness.config, &path).await.unwrap_err();
    assert!(matches!(into_used, ServerError::NotEmpty { .. }), "{into_used}");

    let whole = std::fs::read(&path).unwrap();
    use std::os::unix::fs::PermissionsExt;
    assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    let mut flipped = whole.clone();
    flipped[200] ^= 1;
    let mut late_flip = whole.clone();
    let near_end = whole.len() - 300;
    late_flip[near_end] ^= 1;
    let cut = whole[..whole.len() - 100].to_vec();
    for (what, bytes) in
        [("flipped", flipped), ("late", late_flip), ("cut", cut), ("none", b"hello\n".to_vec())]
    {
        let damaged = harness.folder.path().join(what);
        std::fs::write(&damaged, bytes).unwrap();
        let config = crate::harness::config(&harness.folder.path().join(format!("{what}-data")));
        assert!(restore(&environment, &config, &damaged).await.is_err(), "{what}");
        assert!(!config.data.join("format").exists(), "{what} looks like a server");
    }
}

#[tokio::test]
async fn tokens_and_machines_of_the_backup_work_after_the_restore() {
    let harness = Harness::start().await;
    let root = harness.server("root").await;
    back_up(&harness).await;
    let late = harness.server("late").await;
    let harness = restored(harness.stop().await).await;
    assert!(again(&harness, root).control.state().await.is_ok());
    let (code, told) = refusal(again(&harness, late).control.state().await);
    assert_eq!(code, ErrorCode::Forbidden);
    assert!(told.contains("restore"), "{told}");
}
