//! Moving the root and the principal.

use serde_json::json;
use xylem_db::{
    Commit, Database, DbError, IngestResult, Missing, NewDistributionServer, PlacementReport,
    PlacementState, ServerChange, ServerReport,
};
use xylem_model::{ByteSize, ContentId, DistributionServerId, FileId, SetCount, TreeError};
use xylem_sync::{Rule, Selection};

use crate::bench::{Bench, admin, at, declaration, declare, enroll, found, id, name, new_server};
use crate::bench::{publish, sign};

pub(crate) fn present(bytes: &[u8]) -> PlacementReport {
    PlacementReport {
        content: ContentId::of(bytes),
        state: PlacementState::Present,
        bytes: bytes.len() as u64,
        rate: None,
        verified: Some(at(1)),
        reason: None,
        next_try: None,
        stamp: xylem_model::Stamp::default(),
    }
}

/// A server says, having heard the newest state, how much it lacks.
pub(crate) async fn say(db: &Database, server: DistributionServerId, missing: u64) {
    let report = ServerReport {
        believing: xylem_db::Believing::default(),
        shown_certificate: None,
        inventory: None,
        program_version: "0.1.0".into(),
        address: "192.0.2.1".into(),
        free: ByteSize(1),
        total: ByteSize(2),
        held: db.stamp().await.unwrap(),
        scrub: None,
        set: Some(SetCount { wanted: 2, missing, missing_bytes: missing }),
    };
    db.touch_distribution_server(server, &report, at(4)).await.unwrap();
}

pub(crate) async fn the_root_goes_only_to_a_server_that_holds_everything(bench: Bench) {
    let db = bench.open().await;
    let (root, north) = (enroll(&db, "root").await, enroll(&db, "north").await);
    let south = enroll(&db, "south").await;
    let below = NewDistributionServer { parent: Some(north), ..new_server("hut") };
    db.enroll_distribution_server(&below, &admin(), at(1)).await.unwrap();
    for bytes in [&b"one"[..], b"twoo", b"threee"] {
        let file = format!("{}.pkg", bytes.len());
        publish(&db, &declaration(root, &file, bytes), bytes).await;
    }
    // What was replaced or deleted need not be there.
    db.delete_file(&name("6.pkg"), &admin(), at(2)).await.unwrap();
    db.report_placements(north, &[present(b"one")], false, at(2)).await.unwrap();
    assert_eq!(db.missing_on(north).await.unwrap(), Missing { contents: 1, bytes: 4 });
    let rule = Rule { names: vec!["3*".to_owned().try_into().unwrap()], ..Rule::default() };
    let selection = Some(Some(Selection { rules: vec![rule] }));
    let change = ServerChange { selection, ..ServerChange::default() };
    db.update_distribution_server(north, &change, &admin(), at(2)).await.unwrap();

    let before = (db.tree().await.unwrap(), db.root_epoch().await.unwrap());
    let told = db.hand_over_root(north, false, &admin(), at(3)).await.unwrap_err();
    assert!(matches!(told, DbError::Incomplete { contents: 1, bytes: 4, .. }), "{told}");
    assert!(told.to_string().contains("--fill"), "{told}");
    assert_eq!((db.tree().await.unwrap(), db.root_epoch().await.unwrap()), before);

    db.fill_distribution_server(north, &admin(), at(3)).await.unwrap();
    assert!(db.distribution_server(north).await.unwrap().filling);
    db.report_placements(north, &[present(b"twoo")], false, at(4)).await.unwrap();
    let told = db.hand_over_root(north, false, &admin(), at(5)).await.unwrap_err();
    assert!(matches!(told, DbError::Unproven { .. }), "what it holds may be from before: {told}");
    say(&db, north, 1).await;
    let told = db.hand_over_root(north, false, &admin(), at(5)).await.unwrap_err();
    assert!(matches!(told, DbError::Incomplete { contents: 1, .. }), "{told}");
    // What has gone again is missing again.
    say(&db, north, 0).await;
    db.forget_placements(north, &[ContentId::of(b"twoo")], ).await.unwrap();
    let told = db.hand_over_root(north, false, &admin(), at(5)).await.unwrap_err();
    assert!(matches!(told, DbError::Incomplete { contents: 1, bytes: 4, .. }), "{told}");
    db.report_placements(north, &[present(b"twoo")], false, at(4)).await.unwrap();
    assert_eq!(db.hand_over_root(north, false, &admin(), at(5)).await.unwrap(), before.1 + 1);
    let tree = db.tree().await.unwrap();
    assert_eq!((tree.root(), tree.parents(root)), (Some(north), &[north][..]));
    assert_eq!((tree.parents(south), tree.parents(below.id)), (&[north][..], &[north][..]));
    let servers = db.distribution_servers().await.unwrap();
    let roots: Vec<DistributionServerId> =
        servers.iter().filter(|it| it.is_root).map(|it| it.id).collect();
    assert_eq!(roots, [north]);
    let north = db.distribution_server(north).await.unwrap();
    assert!(north.selection.is_none() && !north.filling && !north.is_principal);
    let again = db.hand_over_root(north.id, false, &admin(), at(6)).await.unwrap();
    assert_eq!(again, before.1 + 1, "it is that already");
    let stranger = id(DistributionServerId::from_parts);
    let told = db.hand_over_root(stranger, false, &admin(), at(6)).await.unwrap_err();
    assert!(matches!(told, DbError::NotFound { .. }));
}

pub(crate) async fn a_hand_over_that_the_tree_forbids_changes_nothing(bench: Bench) {
    let db = bench.open().await;
    enroll(&db, "root").await;
    let beside = enroll(&db, "beside").await;
    let mut parent = enroll(&db, "below").await;
    for depth in 2..=8 {
        let new = NewDistributionServer { parent: Some(parent), ..new_server(&format!("d{depth}")) };
        db.enroll_distribution_server(&new, &admin(), at(1)).await.unwrap();
        parent = new.id;
    }
    let before = db.tree().await.unwrap();
    say(&db, beside, 0).await;
    let told = db.hand_over_root(beside, true, &admin(), at(3)).await.unwrap_err();
    assert!(matches!(told, DbError::Tree(TreeError::TooDeep { depth: 9 })), "{told}");
    assert_eq!(db.tree().await.unwrap(), before);
    assert!(db.distribution_servers().await.unwrap().iter().any(|it| it.is_root && it.name == "root"));
}

pub(crate) async fn an_upload_is_committed_only_where_new_files_enter(bench: Bench) {
    let db = bench.open().await;
    let (root, north) = (enroll(&db, "root").await, enroll(&db, "north").await);
    let old = declare(&db, &declaration(root, "Old.pkg", b"old")).await;
    let commit = async |upload, said: Option<u64>| {
        let found = IngestResult { root_epoch: said, ..found(b"old") };
        db.commit_upload(upload, &found, id(FileId::from_parts), at(5), sign).await
    };
    let told = db.set_principal(north, &admin(), at(2)).await.unwrap_err();
    assert!(matches!(told, DbError::Unproven { .. }), "it has not said anything yet: {told}");
    say(&db, north, 0).await;
    assert_eq!(db.set_principal(north, &admin(), at(2)).await.unwrap(), 2);
    // Who has not heard of it hears that, and may come again.
    let told = commit(old.declared.id, Some(1)).await.unwrap_err();
    assert!(matches!(told, DbError::Behind { now: 2, .. }), "{told}");
    let moved = db.upload(old.declared.id).await.unwrap();
    assert_eq!(moved.declared.server, north, "it goes on at the new one");
    let stray = declaration(root, "Stray.pkg", b"old");
    let told = db.declare_upload(&stray, &admin(), at(3)).await.unwrap_err();
    assert!(matches!(told, DbError::Behind { now: 2, .. }), "{told}");
    let former = IngestResult { server: Some(root), root_epoch: Some(2), ..found(b"old") };
    let new_file = id(FileId::from_parts);
    let told = db.commit_upload(old.declared.id, &former, new_file, at(5), sign).await.unwrap_err();
    assert!(matches!(told, DbError::Behind { .. }), "only by the server that it is for: {told}");
    assert!(matches!(commit(old.declared.id, Some(2)).await.unwrap(), Commit::Committed(_)));
    // Programs that do not say which epoch they know are looked at by their role alone.
    let next = declare(&db, &declaration(north, "Next.pkg", b"old")).await;
    assert!(matches!(commit(next.declared.id, None).await.unwrap(), Commit::Committed(_)));
    say(&db, root, 0).await;
    let told = db.set_principal(root, &admin(), at(6)).await.unwrap_err();
    assert!(matches!(told, DbError::Incomplete { contents: 1, bytes: 3, .. }), "{told}");
    let change = ServerChange { settings: Some(json!({})), ..ServerChange::default() };
    db.update_distribution_server(root, &change, &admin(), at(7)).await.unwrap();
    assert_eq!(db.root_epoch().await.unwrap(), 2);
}
