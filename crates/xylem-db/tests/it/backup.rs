//! Backups, written and loaded.

use serde_json::json;
use xylem_db::{
    AuditCheck, BackupError, CloudUsage, CloudWork, Database, DbError, InvitationKind, Month, NewEdit, NewInvitation, NewOrder,
    NewToken, NewUpload, Organization, PlacementReport, PlacementState, ServerChange,
};
use xylem_sync::ServerSettings;
use xylem_model::{
    CategoryId, DistributionServerId, Generation, InvitationId, OrderId, Party, Priority, ScriptEditId, ScriptName, SiteId, TokenId,
};

use crate::accounts::account;
use crate::bench::{Bench, admin, at, declaration, declare, enroll, enroll_computer, id};
use crate::filled::{following, want};
use crate::cloud_points::cloud_point;
use crate::digests::{digests, hold};
use crate::indexes::{index, publish_indexed};
use crate::records::describe;
use crate::scripts::script;

/// At least one row in every table.
async fn fill(db: &Database) {
    let organization = Organization { id: uuid::Uuid::from_u128(5), name: "Nördlich".into() };
    db.found_organization(&organization, &admin(), at(1)).await.unwrap();
    db.set_setting("offline.days", Some("14\n\"days\""), &admin(), at(1)).await.unwrap();
    let site = db.add_site(id(SiteId::from_parts), "Süd", &admin(), at(1)).await.unwrap();
    let category = id(CategoryId::from_parts);
    db.add_category(category, "Tools", &admin(), at(1)).await.unwrap();
    let invitation = NewInvitation {
        id: id(InvitationId::from_parts),
        kind: InvitationKind::Distribution,
        site: Some(site.id),
        code_hash: [0xfe; 32],
        uses: 2,
        expires: at(100),
    };
    db.add_invitation(&invitation, &admin(), at(1)).await.unwrap();
    let token = NewToken {
        id: id(TokenId::from_parts),
        name: "CI".into(),
        token_hash: [0xfd; 32],
        scopes: vec!["all".into()],
        expires: None,
    };
    db.add_token(&token, &admin(), at(1)).await.unwrap();
    let root = enroll(db, "root").await;
    let mut children = Vec::new();
    for n in 0..3 {
        children.push(enroll(db, &format!("child {n}")).await);
    }
    let change = ServerChange {
        parents: Some(vec![children[1], children[2]]),
        ..ServerChange::default()
    };
    db.update_distribution_server(children[0], &change, &admin(), at(1)).await.unwrap();
    db.add_account(&account(root, "casper"), &admin(), at(1)).await.unwrap();
    db.record_certificate("0b", Party::DistributionServer(root), at(9), at(1)).await.unwrap();
    let computer = enroll_computer(db, "Mac").await;
    let tool = NewUpload {
        site: Some(site.id),
        category: Some(category),
        ..declaration(root, "Tool.pkg", b"tool")
    };
    let paths = index(&["/Applications/Tool.app", "/Library/Tool"]);
    let version = publish_indexed(db, &tool, b"tool", &paths).await;
    describe(db, version.file, 0, json!({ "notes": "n", "priority": 2 })).await.unwrap();
    let open = NewUpload { blake3: None, ..declaration(root, "Open.pkg", b"open") };
    declare(db, &open).await;
    let order = NewOrder {
        id: id(OrderId::from_parts),
        computer,
        file: version.file,
        version: 1,
        content: version.content,
        descriptor: version.descriptor,
    };
    db.add_order(&order, &admin(), at(40)).await.unwrap();
    db.finish_order(computer, order.id, true, &json!({ "exit": 0 }), at(41)).await.unwrap();
    db.add_script(&script("Map.sh", "map"), &admin(), at(42)).await.unwrap();
    let edit = NewEdit {
        id: id(ScriptEditId::from_parts),
        name: ScriptName::new("Map.sh").unwrap(),
        is_new: false,
    };
    db.open_script_edit(&edit, &admin(), at(43)).await.unwrap();
    fill_cloud(db, root).await;
    // More than one page and one batch.
    let reports: Vec<_> = (0..1_200_u32).map(|n| present(n, version.stamp)).collect();
    db.report_placements(root, &reports, false, at(50)).await.unwrap();
    hold(db, root, version.content).await;
    db.store_digests(version.content, root, &digests(b"tool", 4), at(51)).await.unwrap();
}

async fn fill_cloud(db: &Database, root: DistributionServerId) {
    let set = db.set_cloud_point(&cloud_point("s3", None), &admin(), at(44)).await.unwrap();
    let (point, tool) = (set.id, want("Tool.pkg", 4, Priority::Normal));
    let seen = following(db, point).await;
    assert!(db.want_in_cloud(&seen, std::slice::from_ref(&tool), Generation(1), at(44)).await.unwrap());
    let work = CloudWork { point, content: tool.content, server: root };
    db.take_from_cloud_wants(point, root, &[], at(45), at(99)).await.unwrap().unwrap();
    assert!(db.note_cloud_proving(work).await.unwrap());
    assert!(db.note_cloud_present(work, None, at(46)).await.unwrap());
    db.count_cloud_use(point, Month(24_000), &CloudUsage::default()).await.unwrap();
}

fn present(n: u32, stamp: xylem_model::Stamp) -> PlacementReport {
    PlacementReport {
        content: xylem_model::ContentId::of(&n.to_be_bytes()),
        state: PlacementState::Present,
        bytes: u64::from(n),
        rate: None,
        verified: Some(at(-1)),
        reason: None,
        next_try: None,
        stamp,
    }
}

pub(crate) async fn dump(db: &Database) -> Vec<u8> {
    let mut bytes = Vec::new();
    db.dump(&mut bytes).await.unwrap();
    bytes
}

async fn refusal(db: &Database, mut bytes: &[u8]) -> BackupError {
    match db.load(&mut bytes).await {
        Err(DbError::Backup(error)) => error,
        other => panic!("{other:?}"),
    }
}

async fn moves(from: &Database, to: &Database) {
    fill(from).await;
    let bytes = dump(from).await;
    let text = String::from_utf8(bytes.clone()).unwrap();
    for table in [
        "state", "settings", "sites", "categories", "invitations", "tokens", "certificates",
        "distribution_servers", "further_parents", "accounts", "computers", "files", "versions", "record_revisions",
        "content_digests", "chunk_digests", "content_indexes", "uploads", "placements",
        "orders", "scripts", "script_versions", "script_edits", "cloud_points",
        "cloud_copies", "cloud_usage", "audit",
    ] {
        assert!(text.contains(&format!("{{\"table\":\"{table}\"")), "no row of {table}");
    }
    let summary = to.load(&mut &*bytes).await.unwrap();
    assert_eq!(summary.stamp, from.stamp().await.unwrap());
    assert_eq!(summary.rows, text.lines().count() as u64 - 2);
    assert!(dump(to).await == bytes, "the backup of the restored database is the same");
    let check = to.verify_audit().await.unwrap();
    assert!(matches!(check, AuditCheck::Intact { .. }), "{check:?}");
    let live = from.live_versions(None, 9).await.unwrap().remove(0);
    let (file, content) = (live.file.id, live.version.content);
    let paths = to.index(content).await.unwrap();
    assert!(paths.is_some() && paths == from.index(content).await.unwrap());
    let record = to.record(file).await.unwrap();
    assert_eq!((record.revision.number, record.record.notes.as_str()), (1, "n"));
    assert_eq!(record, from.record(file).await.unwrap());
    assert_eq!(
        to.live_versions(None, 9).await.unwrap(),
        from.live_versions(None, 9).await.unwrap()
    );
    // And it goes on from there.
    let stamp = to.begin_epoch(summary.stamp.epoch, &admin(), at(99)).await.unwrap();
    assert!(stamp > summary.stamp);
    enroll(to, "after the restore").await;
}

pub(crate) async fn a_backup_holds_everything_and_loads_elsewhere(bench: Bench) {
    moves(&bench.open().await, &bench.open_beside("other.db").await).await;
}

pub(crate) async fn a_backup_from_sqlite_loads_here(bench: Bench) {
    moves(&bench.open_beside("other.db").await, &bench.open().await).await;
}

pub(crate) async fn a_damaged_backup_leaves_nothing_behind(bench: Bench) {
    let source = bench.open_beside("source.db").await;
    fill(&source).await;
    let good = dump(&source).await;
    let lines: Vec<&[u8]> = good.split_inclusive(|byte| *byte == b'\n').collect();
    let db = bench.open().await;

    let without_trailer = lines[..lines.len() - 1].concat();
    let half_a_line = &good[..good.len() - 90];
    for bytes in [&*without_trailer, half_a_line] {
        let error = refusal(&db, bytes).await;
        assert!(matches!(error, BackupError::Truncated { rows } if rows > 1_000), "{error}");
    }
    let mut changed = good.clone();
    let place = good.windows(4).position(|window| window == b"tool").unwrap();
    changed[place] = b'T';
    let row_lost = [lines[..9].concat(), lines[10..].concat()].concat();
    let row_twice = [&good[..], lines[9]].concat();
    let garbage = b"{\"table\":".to_vec();
    let foreign = b"{\"format\":\"other\",\"version\":1,\"schema\":1,\"stamp\":{\"epoch\":1,\"generation\":1}}\n".to_vec();
    let unknown_table = [lines[0], b"{\"table\":\"pets\",\"row\":{}}\n", lines[1]].concat();
    for bytes in [changed, row_lost, row_twice, foreign, unknown_table] {
        let error = refusal(&db, &bytes).await;
        assert!(matches!(error, BackupError::Damaged { .. }), "{error}");
    }
    for bytes in [garbage, Vec::new()] {
        refusal(&db, &bytes).await;
    }
    assert!(db.sites().await.unwrap().is_empty());
    assert_eq!(db.stamp().await.unwrap(), xylem_model::Stamp::new(1, 0));
    db.load(&mut &*good).await.unwrap();
}

pub(crate) async fn a_filled_database_takes_no_backup(bench: Bench) {
    let db = bench.open().await;
    db.add_site(id(SiteId::from_parts), "North", &admin(), at(1)).await.unwrap();
    let bytes = dump(&db).await;
    let error = refusal(&db, &bytes).await;
    assert!(matches!(error, BackupError::NotEmpty { table: "sites" }), "{error}");
    assert_eq!(db.sites().await.unwrap().len(), 1);
    let before = dump(&db).await;
    assert!(before == bytes);
}

pub(crate) async fn a_newer_backup_is_refused(bench: Bench) {
    let db = bench.open().await;
    let text = String::from_utf8(dump(&db).await).unwrap();
    for (from, to) in [("\"version\":", "\"version\":9"), ("\"schema\":", "\"schema\":9")] {
        let error = refusal(&db, text.replacen(from, to, 1).as_bytes()).await;
        assert!(matches!(error, BackupError::Newer { .. }), "{error}");
        assert!(error.to_string().contains("upgrade this program"), "{error}");
    }
}

pub(crate) async fn a_backup_of_an_older_program_loads(bench: Bench) {
    let source = bench.open_beside("source.db").await;
    fill(&source).await;
    let text = String::from_utf8(dump(&source).await).unwrap();
    let older = as_an_older_program_wrote_it(&text);
    assert_ne!(older, text);
    let db = bench.open().await;
    db.load(&mut older.as_bytes()).await.unwrap();
    let live = db.live_versions(None, 9).await.unwrap();
    assert_eq!(live.len(), 1);
    assert_eq!(live[0].version.priority, Priority::Normal);
    assert_eq!(live[0].file.production, Some(live[0].file.latest));
    let settings = db.distribution_servers().await.unwrap()[0].settings.clone();
    let expected = ServerSettings { maintenance: true, ..ServerSettings::default() };
    assert_eq!(settings, expected, "what was there is kept, what was added later has its first value");
}

/// Leaves out the tables and columns that were added since the first release, and sums up anew.
fn as_an_older_program_wrote_it(text: &str) -> String {
    let (mut older, mut left_out) = (String::new(), 0);
    let mut lines = text.lines().peekable();
    while let Some(line) = lines.next() {
        let mut value: serde_json::Value = serde_json::from_str(line).unwrap();
        let added = |table: &str| {
            let beginnings = ["script", "cloud_"];
            beginnings.iter().any(|it| table.starts_with(it)) || ["record_revisions", "content_indexes"].contains(&table)
        };
        if value["table"].as_str().is_some_and(added) {
            left_out += 1;
            continue;
        }
        if let Some(row) = value.get_mut("row").and_then(|row| row.as_object_mut()) {
            let marks = ["production", "production_since", "test", "previous", "previous_since"];
            for added in ["priority", "rate", "scrub_asked_at"].iter().chain(&marks) {
                row.remove(*added);
            }
            if row.remove("settings").is_some() {
                row.insert("maintenance".to_owned(), true.into());
            }
        }
        if let Some(schema) = value.get_mut("schema") {
            *schema = 1.into();
        }
        if lines.peek().is_none() {
            let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, older.as_bytes());
            value["sha256"] = hex::encode(digest).into();
            value["rows"] = (value["rows"].as_u64().unwrap() - left_out).into();
        }
        older += &format!("{value}\n");
    }
    older
}
