//! WebDAV accounts: made by the administrator, told to their server, and nobody else.

use xylem_api::error::ErrorCode;
use xylem_api::server::Scope;
use xylem_api::tree::{AddAccount, ChangeDistributionServer};
use xylem_model::{AccountAccess, AccountName};
use xylem_pki::PasswordHash;
use xylem_trust::Grants;

use crate::harness::{FakeServer, Harness, START, refusal};

pub(crate) fn name(text: &str) -> AccountName {
    AccountName::new(text).unwrap()
}

pub(crate) fn new(text: &str, access: AccountAccess) -> AddAccount {
    AddAccount { name: name(text), access }
}

async fn grants(server: &FakeServer) -> Grants {
    let state = server.control.state().await.unwrap();
    server.trust.open(&state.grants, START).unwrap()
}

/// Which of the passwords count for the first account of a server.
async fn counting(server: &FakeServer, passwords: &[&str]) -> Vec<bool> {
    let account = grants(server).await.accounts.remove(0);
    let hashes: Vec<PasswordHash> =
        account.passwords.iter().map(|text| PasswordHash::parse(text).unwrap()).collect();
    let counts = |password: &&str| hashes.iter().any(|hash| hash.matches(password));
    passwords.iter().map(counts).collect()
}

#[tokio::test]
async fn accounts_are_told_to_their_server_alone_and_in_order() {
    let harness = Harness::start().await;
    let root = harness.server("root").await;
    let north = harness.server("north").await;
    let admin = harness.admin();
    assert!(grants(&north).await.accounts.is_empty());
    let before = admin.status().await.unwrap().stamp;
    admin.add_account("NORTH", &new("upload", AccountAccess::Write)).await.unwrap();
    let made = admin.add_account("north", &new("casper", AccountAccess::Read)).await.unwrap();
    assert!(admin.status().await.unwrap().stamp > before);
    assert_eq!((made.account.access, made.account.passwords), (AccountAccess::Read, 1));

    let told = grants(&north).await.accounts;
    let told: Vec<_> = told.iter().map(|it| (it.name.as_str(), it.access)).collect();
    assert_eq!(told, [("casper", AccountAccess::Read), ("upload", AccountAccess::Write)]);
    assert_eq!(counting(&north, &[&made.password, "guessed"]).await, [true, false]);
    assert!(grants(&root).await.accounts.is_empty());

    let listed = admin.accounts("north").await.unwrap();
    assert_eq!((listed.len(), listed[0].created_at), (2, START));
    let (code, told) =
        refusal(admin.add_account("north", &new("casper", AccountAccess::Write)).await);
    assert_eq!(code, ErrorCode::Conflict);
    assert!(told.contains("there is already a WebDAV account named `casper`"), "{told}");
    let nowhere = admin.add_account("south", &new("casper", AccountAccess::Read)).await;
    assert_eq!(refusal(nowhere).0, ErrorCode::NotFound);

    admin.remove_account("north", &name("casper")).await.unwrap();
    assert_eq!(grants(&north).await.accounts.len(), 1);
    let (code, told) = refusal(admin.remove_account("north", &name("casper")).await);
    assert_eq!(code, ErrorCode::NotFound);
    assert!(told.contains("`casper on north`"), "{told}");
    let audit = admin.audit(None).await.unwrap().items;
    assert_eq!((&*audit[0].action, &*audit[0].object), ("account.remove", "casper on north"));
    let audit = serde_json::to_string(&audit).unwrap();
    assert!(!audit.contains("argon2") && !audit.contains(&made.password), "{audit}");
}

#[tokio::test]
async fn a_password_is_rotated_while_the_old_one_counts() {
    let harness = Harness::start().await;
    let root = harness.server("root").await;
    let (admin, casper) = (harness.admin(), name("casper"));
    let first = admin.add_account("root", &new("casper", AccountAccess::Read)).await.unwrap();
    let second = admin.renew_password("root", &casper).await.unwrap();
    assert_eq!(second.account.passwords, 2);
    let third = admin.renew_password("root", &casper).await.unwrap();
    let all = [&*first.password, &*second.password, &*third.password];
    assert_eq!(counting(&root, &all).await, [false, true, true]);
    let newest = &grants(&root).await.accounts[0].passwords[0];
    assert!(PasswordHash::parse(newest).unwrap().matches(&third.password), "newest first");
    for _ in 0..2 {
        admin.drop_previous_password("root", &casper).await.unwrap();
        assert_eq!(counting(&root, &all).await, [false, false, true]);
    }
    let nobody = admin.renew_password("root", &name("nobody")).await;
    assert_eq!(refusal(nobody).0, ErrorCode::NotFound);
}

#[tokio::test]
async fn accounts_are_seen_by_readers_and_changed_by_administrators() {
    let harness = Harness::start().await;
    harness.server("root").await;
    let casper = new("casper", AccountAccess::Read);
    let read = harness.with_token(&harness.token_for(&[Scope::Read]).await);
    assert!(read.accounts("root").await.unwrap().is_empty());
    assert_eq!(refusal(read.add_account("root", &casper).await).0, ErrorCode::Forbidden);
    let renewed = read.renew_password("root", &casper.name).await;
    assert_eq!(refusal(renewed).0, ErrorCode::Forbidden);
    let files = harness.with_token(&harness.token_for(&[Scope::Files]).await);
    assert_eq!(refusal(files.accounts("root").await).0, ErrorCode::Forbidden);
}

#[tokio::test]
async fn a_server_is_opened_to_all_and_the_others_learn_the_principal() {
    let harness = Harness::start().await;
    let root = harness.server("root").await;
    let north = harness.server("north").await;
    let admin = harness.admin();
    for open in [true, false] {
        let change = ChangeDistributionServer {
            settings: Some(serde_json::json!({ "open_to_all": open })),
            ..ChangeDistributionServer::default()
        };
        admin.change_distribution_server("north", &change).await.unwrap();
        assert_eq!(admin.distribution_server("north").await.unwrap().settings.open_to_all, open);
        assert_eq!(grants(&north).await.open_to_all, open);
        assert!(!grants(&root).await.open_to_all);
    }
    assert_eq!(root.control.state().await.unwrap().principal, None);
    let principal = north.control.state().await.unwrap().principal.unwrap();
    assert_eq!((principal.id, &*principal.name, principal.fallback), (root.id, "root", false));
}
