//! WebDAV accounts of distribution servers.

use xylem_db::{DbError, MAX_ACCOUNTS, NewAccount, ServerChange};
use xylem_model::{AccountAccess, AccountName, DistributionServerId};

use crate::bench::{Bench, admin, at, enroll};

pub(crate) fn account(server: DistributionServerId, name: &str) -> NewAccount {
    let name = AccountName::new(name).unwrap();
    NewAccount { server, name, access: AccountAccess::Read, password: "hash 1".into() }
}

pub(crate) async fn accounts_belong_to_one_server(bench: Bench) {
    let db = bench.open().await;
    let (root, north) = (enroll(&db, "Root").await, enroll(&db, "North").await);
    let before = db.distribution_server(root).await.unwrap().stamp;
    let writer = NewAccount { access: AccountAccess::Write, ..account(root, "upload@example") };
    let made = db.add_account(&writer, &admin(), at(5)).await.unwrap();
    assert_eq!((made.access, made.created, made.password_at), (AccountAccess::Write, at(5), at(5)));
    assert!(db.distribution_server(root).await.unwrap().stamp > before, "its server changed");
    db.add_account(&account(root, "casper"), &admin(), at(6)).await.unwrap();
    db.add_account(&account(north, "casper"), &admin(), at(7)).await.unwrap();

    let again = db.add_account(&account(root, "casper"), &admin(), at(8)).await.err().unwrap();
    assert!(again.to_string().contains("there is already a WebDAV account named `casper`"));
    let names = async |server| -> Vec<String> {
        let all = db.accounts(server).await.unwrap();
        all.into_iter().map(|account| account.name.to_string()).collect()
    };
    assert_eq!(names(root).await, ["casper", "upload@example"]);
    assert_eq!(db.all_accounts().await.unwrap().len(), 3);

    let before = db.stamp().await.unwrap();
    let stamp = db.remove_account(root, &writer.name, &admin(), at(9)).await.unwrap();
    assert!(stamp > before && stamp == db.stamp().await.unwrap());
    let gone = db.remove_account(root, &writer.name, &admin(), at(9)).await.unwrap_err();
    assert_eq!(gone.to_string(), "there is no WebDAV account `upload@example on Root`");

    db.remove_distribution_server(north, &admin(), at(10)).await.unwrap();
    assert!(names(north).await.is_empty(), "gone with their server");
    let nowhere = db.add_account(&account(north, "casper"), &admin(), at(11)).await;
    assert!(matches!(nowhere, Err(DbError::NotFound { .. })));
}

pub(crate) async fn two_passwords_count_during_a_rotation(bench: Bench) {
    let db = bench.open().await;
    let root = enroll(&db, "Root").await;
    let new = account(root, "casper");
    db.add_account(&new, &admin(), at(5)).await.unwrap();
    let mut stamp = db.stamp().await.unwrap();
    for (hash, at_ms, expected) in [
        ("hash 2", 6, &["hash 2", "hash 1"][..]),
        ("hash 3", 7, &["hash 3", "hash 2"]),
    ] {
        let changed =
            db.renew_password(root, &new.name, hash, &admin(), at(at_ms)).await.unwrap();
        assert_eq!(changed.passwords, expected);
        assert_eq!(changed.password_at, at(at_ms));
        assert!(db.stamp().await.unwrap() > stamp);
        stamp = db.stamp().await.unwrap();
    }
    for _ in 0..2 {
        let changed = db.drop_previous_password(root, &new.name, &admin(), at(8)).await.unwrap();
        assert_eq!(changed.passwords, ["hash 3"]);
        assert_eq!(changed.password_at, at(7));
    }
    assert_eq!(db.stamp().await.unwrap().generation.0, stamp.generation.0 + 1, "the first time");
    let told: Vec<String> = db
        .audit_records(None, 9)
        .await
        .unwrap()
        .into_iter()
        .map(|it| format!("{} {} {}", it.action, it.object, it.detail))
        .collect();
    assert_eq!(told[0], "account.drop-password casper on Root {}");
    assert_eq!(told[3], r#"account.add casper on Root {"access":"read"}"#);
    assert!(told.iter().all(|record| !record.contains("hash")), "{told:?}");
}

pub(crate) async fn a_server_has_a_limited_number_of_accounts(bench: Bench) {
    let db = bench.open().await;
    let root = enroll(&db, "Root").await;
    for n in 0..MAX_ACCOUNTS {
        db.add_account(&account(root, &format!("a{n}")), &admin(), at(5)).await.unwrap();
    }
    let full = db.add_account(&account(root, "b"), &admin(), at(5)).await.err().unwrap();
    assert_eq!(
        full.to_string(),
        "`Root` has 100 WebDAV accounts already, the most there can be: remove one first"
    );
    db.remove_account(root, &AccountName::new("a7").unwrap(), &admin(), at(6)).await.unwrap();
    db.add_account(&account(root, "b"), &admin(), at(7)).await.unwrap();
}

pub(crate) async fn a_server_is_opened_to_all_and_closed_again(bench: Bench) {
    let db = bench.open().await;
    let root = enroll(&db, "Root").await;
    assert!(!db.distribution_server(root).await.unwrap().settings.open_to_all);
    for open in [true, false] {
        let before = db.stamp().await.unwrap();
        let change = ServerChange {
            settings: Some(serde_json::json!({ "open_to_all": open })),
            ..ServerChange::default()
        };
        db.update_distribution_server(root, &change, &admin(), at(5)).await.unwrap();
        let server = db.distribution_server(root).await.unwrap();
        assert!(server.settings.open_to_all == open && server.stamp > before);
    }
}
