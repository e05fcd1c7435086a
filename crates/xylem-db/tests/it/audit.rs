//! The hash chain of audit records.

use serde_json::json;
use xylem_db::{AuditCheck, Database};
use xylem_model::SiteId;

use crate::bench::{Bench, admin, at, id};

async fn fill(db: &Database) {
    for n in 0..4 {
        let site = format!("Site {n}");
        db.add_site(id(SiteId::from_parts), &site, &admin(), at(n)).await.unwrap();
    }
    let detail = json!({ "path": "/v1/sites\u{0}" });
    db.append_audit(&admin(), "request.denied", "DELETE", &detail, at(9)).await.unwrap();
}

async fn broken_at(db: &Database) -> u64 {
    match db.verify_audit().await.unwrap() {
        AuditCheck::Broken { sequence } => sequence,
        intact @ AuditCheck::Intact { .. } => panic!("{intact:?}"),
    }
}

pub(crate) async fn every_change_leaves_a_record(bench: Bench) {
    let db = bench.open().await;
    fill(&db).await;
    let records = db.audit_records(None, 2).await.unwrap();
    assert_eq!(records.iter().map(|r| r.sequence).collect::<Vec<_>>(), [5, 4]);
    assert_eq!(records[0].action, "request.denied");
    assert_eq!(records[0].detail, json!({ "path": "/v1/sites\u{0}" }));
    let older = db.audit_records(Some(4), 100).await.unwrap();
    assert_eq!(older.len(), 3);
    let first = &older[2];
    assert_eq!((&*first.actor, &*first.action, &*first.object), ("token:admin", "site.add", "Site 0"));
    assert_eq!(first.at, at(0));
    let check = db.verify_audit().await.unwrap();
    assert_eq!(check, AuditCheck::Intact { records: 5, last_hash: records[0].hash });
}

pub(crate) async fn changed_records_are_found(bench: Bench) {
    let db = bench.open().await;
    fill(&db).await;
    for (column, value) in [("actor", "'nobody'"), ("at", "77"), ("detail", "'{}'")] {
        bench.tamper("CREATE TABLE kept AS SELECT * FROM audit WHERE sequence = 3").await;
        bench.tamper(&format!("UPDATE audit SET {column} = {value} WHERE sequence = 3")).await;
        assert_eq!(broken_at(&db).await, 3, "{column}");
        bench.tamper("DELETE FROM audit WHERE sequence = 3").await;
        bench.tamper("INSERT INTO audit SELECT * FROM kept").await;
        bench.tamper("DROP TABLE kept").await;
        assert!(matches!(db.verify_audit().await.unwrap(), AuditCheck::Intact { .. }));
    }
}

pub(crate) async fn removed_records_are_found(bench: Bench) {
    let db = bench.open().await;
    fill(&db).await;
    bench.tamper("DELETE FROM audit WHERE sequence = 2").await;
    assert_eq!(broken_at(&db).await, 2);
}

pub(crate) async fn records_cut_off_at_the_end_are_found(bench: Bench) {
    let db = bench.open().await;
    fill(&db).await;
    bench.tamper("DELETE FROM audit WHERE sequence >= 4").await;
    assert_eq!(broken_at(&db).await, 4);
}
