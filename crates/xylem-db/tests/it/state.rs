//! Generations, epochs, settings, sites, and what happens around a change.

use std::time::Duration;

use xylem_db::{
    AuditCheck, Database, DbError, InvitationKind, NewDistributionServer, NewInvitation, Organization,
};
use xylem_model::{Epoch, InvitationId, SiteId, Stamp};

use crate::bench::{Bench, admin, at, declaration, enroll, id, in_parallel, new_server};

pub(crate) async fn generations_rise_by_one(bench: Bench) {
    let db = bench.open().await;
    assert_eq!(db.stamp().await.unwrap(), Stamp::new(1, 0));
    for n in 1..=3 {
        let name = format!("Site {n}");
        let site = db.add_site(id(SiteId::from_parts), &name, &admin(), at(1)).await.unwrap();
        assert_eq!(site.stamp, Stamp::new(1, n));
    }
    // A refused change costs no generation.
    let again = db.add_site(id(SiteId::from_parts), "site 1", &admin(), at(1)).await;
    assert!(matches!(again, Err(DbError::Conflict { .. })));
    assert_eq!(db.stamp().await.unwrap(), Stamp::new(1, 3));
}

pub(crate) async fn a_restore_starts_a_higher_epoch(bench: Bench) {
    let db = bench.open().await;
    assert!(!db.restore_unconfirmed().await.unwrap());
    let stamp = db.begin_epoch(Epoch(6), &admin(), at(1)).await.unwrap();
    assert_eq!(stamp, Stamp::new(7, 1));
    assert!(db.restore_unconfirmed().await.unwrap());
    // Peers that know less do not pull it down.
    assert_eq!(db.begin_epoch(Epoch(2), &admin(), at(1)).await.unwrap(), Stamp::new(8, 2));
    assert_eq!(db.confirm_restore(&admin(), at(2)).await.unwrap(), Stamp::new(8, 3));
    assert!(!db.restore_unconfirmed().await.unwrap());
    assert_eq!(db.confirm_restore(&admin(), at(2)).await.unwrap(), Stamp::new(8, 3));
}

pub(crate) async fn settings_are_kept(bench: Bench) {
    let db = bench.open().await;
    assert_eq!(db.setting("offline.days").await.unwrap(), None);
    for value in ["14", "7"] {
        db.set_setting("offline.days", Some(value), &admin(), at(1)).await.unwrap();
        assert_eq!(db.setting("offline.days").await.unwrap().as_deref(), Some(value));
    }
    db.set_setting("offline.days", None, &admin(), at(1)).await.unwrap();
    assert_eq!(db.setting("offline.days").await.unwrap(), None);
    let zero = db.set_setting("a", Some("x\0y"), &admin(), at(1)).await;
    assert!(matches!(zero, Err(DbError::Invalid { .. })));

    let first = Organization { id: uuid::Uuid::from_u128(1), name: "North High".into() };
    let second = Organization { id: uuid::Uuid::from_u128(2), name: "South High".into() };
    assert_eq!(db.organization().await.unwrap(), None);
    for organization in [&first, &second] {
        let stored = db.found_organization(organization, &admin(), at(1)).await.unwrap();
        assert_eq!(stored, first);
    }
    assert_eq!(db.organization().await.unwrap(), Some(first));
}

pub(crate) async fn sites_are_unique_without_regard_to_case(bench: Bench) {
    let db = bench.open().await;
    for site in ["Süd", "Nord"] {
        db.add_site(id(SiteId::from_parts), site, &admin(), at(1)).await.unwrap();
    }
    let again = db.add_site(id(SiteId::from_parts), "SU\u{308}D", &admin(), at(1)).await;
    let error = again.unwrap_err();
    assert!(matches!(&error, DbError::Conflict { name, .. } if name == "Süd"), "{error}");
    let taken = db.rename_site("nord", "süd", &admin(), at(1)).await;
    assert!(matches!(taken, Err(DbError::Conflict { .. })));
    db.rename_site("süd", "SÜD", &admin(), at(1)).await.unwrap();
    assert_eq!(db.site_by_name("süd").await.unwrap().name, "SÜD");
    let names: Vec<_> = db.sites().await.unwrap().into_iter().map(|site| site.name).collect();
    assert_eq!(names, ["Nord", "SÜD"]);
    assert!(matches!(db.site_by_name("West").await, Err(DbError::NotFound { .. })));
    for bad in ["", "a\0b"] {
        let refused = db.add_site(id(SiteId::from_parts), bad, &admin(), at(1)).await;
        assert!(matches!(refused, Err(DbError::Invalid { .. })), "{bad:?}");
    }
}

pub(crate) async fn sites_in_use_are_not_removed(bench: Bench) {
    let db = bench.open().await;
    let site = db.add_site(id(SiteId::from_parts), "North", &admin(), at(1)).await.unwrap();
    let invitation = NewInvitation {
        id: id(InvitationId::from_parts),
        kind: InvitationKind::Computer,
        site: Some(site.id),
        code_hash: [1; 32],
        uses: 3,
        expires: at(100),
    };
    db.add_invitation(&invitation, &admin(), at(1)).await.unwrap();
    let server = enroll(&db, "root").await;
    let mut upload = declaration(server, "Tool.pkg", b"tool");
    upload.site = Some(site.id);
    db.declare_upload(&upload, &admin(), at(1)).await.unwrap();

    let error = db.remove_site("north", &admin(), at(2)).await.unwrap_err();
    let text = error.to_string();
    assert!(text.contains("1 open invitation") && text.contains("1 running upload"), "{text}");

    db.revoke_invitation(invitation.id, &admin(), at(2)).await.unwrap();
    db.cancel_upload(upload.id, &admin(), at(2)).await.unwrap();
    db.remove_site("north", &admin(), at(2)).await.unwrap();
    assert_eq!(db.upload(upload.id).await.unwrap().declared.site, None);

    let late = NewDistributionServer { site: Some(site.id), ..new_server("child") };
    let gone = db.enroll_distribution_server(&late, &admin(), at(3)).await;
    assert!(matches!(gone, Err(DbError::NotFound { what: "site", .. })));
}

pub(crate) async fn several_programs_may_start_at_once(bench: Bench) {
    let connect = |_| {
        let url = bench.url.clone();
        async move { Database::connect(&url).await }
    };
    for db in in_parallel(4, connect).await {
        assert_eq!(db.unwrap().stamp().await.unwrap(), Stamp::new(1, 0));
    }
}

pub(crate) async fn a_dropped_change_leaves_nothing_and_blocks_nobody(bench: Bench) {
    let db = bench.open().await;
    // Callers that go away at every stage of a change, from before it begins to after it ends.
    for patience in 0..40_u64 {
        let add = {
            let (db, site) = (db.clone(), format!("Site {patience}"));
            async move { db.add_site(id(SiteId::from_parts), &site, &admin(), at(1)).await }
        };
        let patience = Duration::from_micros(patience * 50);
        if let Ok(done) = tokio::time::timeout(patience, add).await {
            done.unwrap();
        }
        // A commit that was under way when its caller left may still land: look at one snapshot.
        let mut snapshot = Vec::new();
        let stamp = db.dump(&mut snapshot).await.unwrap().stamp;
        let snapshot = String::from_utf8(snapshot).unwrap();
        let sites = snapshot.matches("{\"table\":\"sites\"").count() as u64;
        let records = snapshot.matches("{\"table\":\"audit\"").count() as u64;
        assert_eq!((stamp.generation.0, records), (sites, sites), "after {patience:?}");
    }
    db.add_site(id(SiteId::from_parts), "Last", &admin(), at(1)).await.unwrap();
    let sites = db.sites().await.unwrap().len() as u64;
    let audit = db.verify_audit().await.unwrap();
    assert!(matches!(audit, AuditCheck::Intact { records, .. } if records == sites), "{audit:?}");
}

pub(crate) async fn newer_tables_are_refused(bench: Bench) {
    bench.open().await.close().await.unwrap();
    bench.tamper("INSERT INTO seaql_migrations VALUES ('m0999_tomorrow', 0)").await;
    let error = Database::connect(&bench.url).await.unwrap_err();
    let DbError::NewerSchema { change } = &error else { panic!("{error:?}") };
    assert_eq!(change, "m0999_tomorrow");
    assert!(error.to_string().contains("upgrade this program"));
}
