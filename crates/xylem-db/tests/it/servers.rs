//! Distribution servers, their tree, and placements.

use std::collections::HashMap;

use serde_json::json;
use xylem_db::{
    DbError, NewDistributionServer, PlacementReport, PlacementState, ServerChange, ServerReport,
};
use xylem_model::{
    ByteSize, ContentId, DistributionServerId, ParentPolicy, Party, ScrubFound, ScrubPass,
    ScrubReport, Stamp, Timestamp, Tree, TreeError,
};

use crate::bench::{Bench, admin, at, enroll, id, in_parallel, new_server};

pub(crate) async fn the_first_server_is_root_and_principal(bench: Bench) {
    let db = bench.open().await;
    let root = enroll(&db, "Root").await;
    let child = enroll(&db, "Child").await;
    let below = NewDistributionServer { parent: Some(child), ..new_server("Leaf") };
    db.enroll_distribution_server(&below, &admin(), at(1)).await.unwrap();

    let row = db.distribution_server(root).await.unwrap();
    assert!(row.is_root && row.is_principal && row.parent.is_none());
    let row = db.distribution_server_by_name("CHILD").await.unwrap();
    assert!(!row.is_root && !row.is_principal && row.parent == Some(root));
    assert_eq!(db.tree().await.unwrap().ancestors(below.id), [child, root]);

    let again = db.enroll_distribution_server(&new_server("rOOT"), &admin(), at(1)).await;
    assert!(matches!(again, Err(DbError::Conflict { .. })));
    let nowhere = NewDistributionServer {
        parent: Some(id(DistributionServerId::from_parts)),
        ..new_server("Lost")
    };
    let lost = db.enroll_distribution_server(&nowhere, &admin(), at(1)).await;
    assert!(matches!(lost, Err(DbError::Tree(TreeError::UnknownParent))));

    let report = ServerReport {
        believing: xylem_db::Believing::default(),
        shown_certificate: None,
        inventory: None,
        program_version: "0.1.0".into(),
        address: "192.0.2.7".into(),
        free: ByteSize(10),
        total: ByteSize(100),
        held: Stamp::new(1, 2),
        scrub: None,
        set: None,
    };
    let before = db.stamp().await.unwrap();
    db.touch_distribution_server(child, &report, at(50)).await.unwrap();
    assert_eq!(db.stamp().await.unwrap(), before, "a report is no change of the wish");
    let pass = ScrubPass {
        begun: at(40),
        asked: None,
        ended: Some(at(45)),
        thousandths: 1000,
        found: ScrubFound { files: 3, damaged: 1, ..ScrubFound::default() },
    };
    let scrub = Some(ScrubReport { current: None, last: Some(pass), heard: None });
    let told = ServerReport { scrub, ..report.clone() };
    db.touch_distribution_server(child, &told, at(50)).await.unwrap();
    db.touch_distribution_server(child, &report, at(50)).await.unwrap();
    assert_eq!(db.distribution_server(child).await.unwrap().scrub, scrub, "silence changes nothing");
    // After the first the clock is set back.
    for (now, expected) in [(50, 50), (9, 51), (9, 52)] {
        db.ask_for_scrub(child, &admin(), at(now)).await.unwrap();
        assert_eq!(db.distribution_server(child).await.unwrap().scrub_asked, Some(at(expected)));
    }
    let before = db.stamp().await.unwrap();
    let change = ServerChange { settings: Some(json!({"maintenance": true})), ..ServerChange::default() };
    let changed = db.update_distribution_server(child, &change, &admin(), at(60)).await.unwrap();
    assert!(changed.settings.maintenance && changed.stamp > before);
    assert_eq!((changed.last_seen, changed.free), (Some(at(50)), Some(ByteSize(10))));
    let change = ServerChange { name: Some("root".into()), ..ServerChange::default() };
    let taken = db.update_distribution_server(child, &change, &admin(), at(60)).await;
    assert!(matches!(taken, Err(DbError::Conflict { .. })));
}

pub(crate) async fn the_tree_refuses_cycles_and_depth(bench: Bench) {
    let db = bench.open().await;
    let mut chain = vec![enroll(&db, "server 0").await];
    for n in 1..=8 {
        let new = NewDistributionServer {
            parent: chain.last().copied(),
            ..new_server(&format!("server {n}"))
        };
        db.enroll_distribution_server(&new, &admin(), at(1)).await.unwrap();
        chain.push(new.id);
    }
    let before = db.stamp().await.unwrap();
    let ninth = NewDistributionServer { parent: Some(chain[8]), ..new_server("server 9") };
    let deep = db.enroll_distribution_server(&ninth, &admin(), at(1)).await;
    assert!(matches!(deep, Err(DbError::Tree(TreeError::TooDeep { depth: 9 }))));
    let cycle = db.set_parent(chain[2], chain[5], &admin(), at(1)).await;
    assert!(matches!(cycle, Err(DbError::Tree(TreeError::Cycle))));
    let root = db.set_parent(chain[0], chain[5], &admin(), at(1)).await;
    assert!(matches!(root, Err(DbError::Tree(TreeError::RootHasNoParent))));
    assert_eq!(db.stamp().await.unwrap(), before, "nothing was changed");

    let moved = db.set_parent(chain[5], chain[0], &admin(), at(1)).await.unwrap();
    assert_eq!(moved.parent, Some(chain[0]));
    assert_eq!(db.tree().await.unwrap().depth(chain[8]), 4);
}

pub(crate) async fn servers_have_several_parents_in_order(bench: Bench) {
    let db = bench.open().await;
    let root = enroll(&db, "root").await;
    let (a, b, c) = (enroll(&db, "a").await, enroll(&db, "b").await, enroll(&db, "c").await);
    let to = |parents: &[DistributionServerId]| ServerChange {
        parents: Some(parents.to_vec()),
        ..ServerChange::default()
    };
    let change = ServerChange { settings: Some(json!({"parent_policy": "sticky"})), ..to(&[b, a]) };
    let before = db.stamp().await.unwrap();
    let changed = db.update_distribution_server(c, &change, &admin(), at(2)).await.unwrap();
    assert_eq!((changed.parent, changed.settings.parent_policy), (Some(b), ParentPolicy::Sticky));
    assert_eq!(changed.stamp.generation.0, before.generation.0 + 1);
    assert_eq!(db.tree().await.unwrap().parents(c), [b, a]);

    // Every edge counts, and a refused change leaves the rest undone too.
    let renamed = ServerChange { name: Some("other".into()), ..to(&[root, c]) };
    let cycle = db.update_distribution_server(a, &renamed, &admin(), at(2)).await;
    assert!(matches!(cycle, Err(DbError::Tree(TreeError::Cycle))), "{cycle:?}");
    assert_eq!(db.distribution_server(a).await.unwrap().name, "a");
    let nobody = db.update_distribution_server(a, &to(&[]), &admin(), at(2)).await;
    assert!(matches!(nobody, Err(DbError::Tree(TreeError::SecondRoot))));
    let stranger = to(&[id(DistributionServerId::from_parts)]);
    let unknown = db.update_distribution_server(a, &stranger, &admin(), at(2)).await;
    assert!(matches!(unknown, Err(DbError::Tree(TreeError::UnknownParent))));

    // Another first parent leaves the further ones.
    db.set_parent(c, root, &admin(), at(3)).await.unwrap();
    assert_eq!(db.tree().await.unwrap().parents(c), [root, a]);
    db.set_parent(c, a, &admin(), at(3)).await.unwrap();
    assert_eq!(db.tree().await.unwrap().parents(c), [a]);
}

pub(crate) async fn a_removed_parent_is_followed_by_the_next(bench: Bench) {
    let db = bench.open().await;
    let root = enroll(&db, "root").await;
    let (a, b, c) = (enroll(&db, "a").await, enroll(&db, "b").await, enroll(&db, "c").await);
    let change = ServerChange { parents: Some(vec![a, b, root]), ..ServerChange::default() };
    db.update_distribution_server(c, &change, &admin(), at(2)).await.unwrap();
    let stamp = db.remove_distribution_server(a, &admin(), at(3)).await.unwrap();
    let row = db.distribution_server(c).await.unwrap();
    assert_eq!((row.parent, row.stamp), (Some(b), stamp));
    assert_eq!(db.tree().await.unwrap().parents(c), [b, root]);
    db.set_parent(c, b, &admin(), at(4)).await.unwrap();
    let change = ServerChange { parents: Some(vec![b]), ..ServerChange::default() };
    db.update_distribution_server(c, &change, &admin(), at(4)).await.unwrap();
    let last = db.remove_distribution_server(b, &admin(), at(5)).await;
    assert!(matches!(last, Err(DbError::Tree(TreeError::HasChildren { children: 1 }))));
    assert!(db.distribution_server(b).await.unwrap().removed.is_none(), "nothing was done");
    // A removed server is nobody's child either.
    db.remove_distribution_server(c, &admin(), at(6)).await.unwrap();
    db.remove_distribution_server(b, &admin(), at(7)).await.unwrap();
}

pub(crate) async fn opposite_moves_at_once_never_make_a_cycle(bench: Bench) {
    let db = bench.open().await;
    let other_program = bench.open().await;
    let root = enroll(&db, "root").await;
    let (a, b) = (enroll(&db, "a").await, enroll(&db, "b").await);
    for round in 0..6 {
        let under = |n| {
            let db = if n % 2 == 0 { db.clone() } else { other_program.clone() };
            let (id, parent) = if n % 2 == 0 { (a, b) } else { (b, a) };
            async move { db.set_parent(id, parent, &admin(), at(1)).await }
        };
        let results = in_parallel(2, under).await;
        let done = results.iter().filter(|result| result.is_ok()).count();
        assert_eq!(done, 1, "round {round}: {results:?}");
        let tree: Tree = db.tree().await.unwrap();
        assert_eq!(tree.root(), Some(root));
        for id in [a, b] {
            db.set_parent(id, root, &admin(), at(1)).await.unwrap();
        }
    }
}

pub(crate) async fn servers_in_use_are_not_removed(bench: Bench) {
    let db = bench.open().await;
    let root = enroll(&db, "root").await;
    let child = enroll(&db, "child").await;
    let below = NewDistributionServer { parent: Some(child), ..new_server("leaf") };
    db.enroll_distribution_server(&below, &admin(), at(1)).await.unwrap();

    let refused = db.remove_distribution_server(root, &admin(), at(2)).await;
    assert!(matches!(refused, Err(DbError::InUse { .. })));
    let refused = db.remove_distribution_server(child, &admin(), at(2)).await;
    assert!(matches!(refused, Err(DbError::Tree(TreeError::HasChildren { children: 1 }))));
    super::hand_over::say(&db, below.id, 0).await;
    assert_eq!(db.set_principal(below.id, &admin(), at(2)).await.unwrap(), 2);
    assert!(db.distribution_server(below.id).await.unwrap().is_principal);
    let refused = db.remove_distribution_server(below.id, &admin(), at(2)).await;
    assert!(matches!(refused, Err(DbError::InUse { .. })));
    super::hand_over::say(&db, root, 0).await;
    db.set_principal(root, &admin(), at(2)).await.unwrap();
    let servers = db.distribution_servers().await.unwrap();
    let principals: Vec<_> = servers.iter().filter(|s| s.is_principal).map(|s| s.id).collect();
    assert_eq!(principals, [root], "there is one");
    let itself = db.move_children(child, below.id, &admin(), at(2)).await;
    assert!(matches!(itself, Err(DbError::Tree(TreeError::Cycle))));
    let moved = db.move_children(child, root, &admin(), at(2)).await.unwrap();
    assert_eq!(moved, [below.id]);
    let leaf = db.distribution_server(below.id).await.unwrap();
    assert_eq!((leaf.parent, leaf.stamp), (Some(root), db.stamp().await.unwrap()));
    for server in [child, below.id] {
        db.remove_distribution_server(server, &admin(), at(2)).await.unwrap();
    }
    assert_eq!(db.distribution_servers().await.unwrap().len(), 1);
}

pub(crate) async fn removed_servers_lose_certificates_and_placements(bench: Bench) {
    let db = bench.open().await;
    enroll(&db, "root").await;
    let child = enroll(&db, "child").await;
    let party = Party::DistributionServer(child);
    db.record_certificate("0a", party, at(100), at(1)).await.unwrap();
    let content = ContentId::of(b"tool");
    let present = placement(content, PlacementState::Present);
    db.report_placements(child, std::slice::from_ref(&present), false, at(2)).await.unwrap();
    let before = db.stamp().await.unwrap();

    let stamp = db.remove_distribution_server(child, &admin(), at(3)).await.unwrap();
    assert!(stamp > before);
    assert!(!db.is_current("0a", party).await.unwrap());
    assert_eq!(db.servers_holding(content).await.unwrap(), []);
    let late = db.report_placements(child, &[present], false, at(4)).await;
    assert!(matches!(late, Err(DbError::NotFound { .. })), "a removed server reports no more");
    let row = db.distribution_server(child).await.unwrap();
    assert_eq!((row.removed, row.stamp), (Some(at(3)), stamp));
    assert!(db.remove_distribution_server(child, &admin(), at(4)).await.is_err());
    // The name is free again.
    assert_ne!(enroll(&db, "child").await, child);
}

fn placement(content: ContentId, state: PlacementState) -> PlacementReport {
    PlacementReport {
        content,
        state,
        bytes: 4,
        rate: None,
        verified: Some(at(7)),
        reason: None,
        next_try: None,
        stamp: Stamp::new(1, 1),
    }
}

pub(crate) async fn placements_follow_the_reports(bench: Bench) {
    let db = bench.open().await;
    let (a, b) = (enroll(&db, "a").await, enroll(&db, "b").await);
    let [one, two] = [ContentId::of(b"one"), ContentId::of(b"two")];
    let failed = PlacementReport {
        reason: Some("no space\0 left".into()),
        next_try: Some(at(500)),
        ..placement(two, PlacementState::Failed)
    };
    let arriving =
        PlacementReport { rate: Some(1 << 40), ..placement(one, PlacementState::Transferring) };
    let report = [arriving.clone(), failed];
    db.report_placements(a, &report, false, at(10)).await.unwrap();
    db.report_placements(b, &[placement(one, PlacementState::Present)], false, at(10))
        .await
        .unwrap();
    assert_eq!(db.servers_holding(one).await.unwrap(), [b]);
    let of_one = db.placements_of_content(one).await.unwrap();
    assert!(of_one.iter().any(|known| known.report == arriving), "{of_one:?}");

    let present = placement(one, PlacementState::Present);
    db.report_placements(a, &[present], false, at(20)).await.unwrap();
    assert_eq!(db.servers_holding(one).await.unwrap(), [a, b]);
    let of_two = db.placements_of_content(two).await.unwrap();
    assert_eq!(of_two.len(), 1);
    assert_eq!(of_two[0].report.reason.as_deref(), Some("no space left"));
    assert_eq!(of_two[0].report.next_try, Some::<Timestamp>(at(500)));
    let counts = db.present_counts().await.unwrap();
    assert_eq!(counts, HashMap::from([(a, 1), (b, 1)]), "what failed is not counted");
    let holders = db.holders(&[one, two]).await.unwrap();
    assert_eq!(holders, HashMap::from([(one, vec![a, b])]));

    // A full report drops what it does not name, of that server only.
    db.report_placements(a, &[placement(two, PlacementState::Present)], true, at(30))
        .await
        .unwrap();
    assert_eq!(db.servers_holding(one).await.unwrap(), [b]);
    assert_eq!(db.servers_holding(two).await.unwrap(), [a]);
}

pub(crate) async fn large_reports_are_stored_whole(bench: Bench) {
    let db = bench.open().await;
    let server = enroll(&db, "root").await;
    let reports: Vec<_> = (0..1_300_u32)
        .map(|n| placement(ContentId::of(&n.to_be_bytes()), PlacementState::Present))
        .collect();
    db.report_placements(server, &reports, true, at(1)).await.unwrap();
    let (mut after, mut seen) = (None, 0);
    loop {
        let page = db.placements_of_server(server, after, 400).await.unwrap();
        let Some(last) = page.last() else { break };
        after = Some(last.report.content);
        seen += page.len();
    }
    assert_eq!(seen, reports.len());
    db.report_placements(server, &reports[..1], true, at(2)).await.unwrap();
    assert_eq!(db.placements_of_server(server, None, 9).await.unwrap().len(), 1);
}
