//! Renewal: in the running program and on disk.

use std::os::unix::fs::PermissionsExt;
use std::sync::Arc;

use xylem_pki::{
    ClientAuth, IdentityStore, KeyPair, PeerCertificate, RenewalRule, StoreError, verify_signature,
};
use xylem_runtime::RealFs;

use crate::support::{
    DAY, HOST, NOW, World, anchors, authority, computer, computer_leaf, connect, enrol, issue,
    server_leaf,
};

#[tokio::test]
async fn renewed_certificates_are_used_by_settings_made_before() {
    let world = World::new();
    let (server, client) = (world.server_config(ClientAuth::Required), world.client_config());
    connect(Arc::clone(&server), Arc::clone(&client), HOST).await.client.unwrap();

    world.clock.set(NOW.plus(DAY * 29));
    let later = NOW.plus(DAY * 29);
    world.server.replace(enrol(&world.authority, &server_leaf(1), later)).unwrap();
    world.client.replace(enrol(&world.authority, &computer_leaf(2), later)).unwrap();
    // The first certificate of the server has run out by now.
    world.clock.set(NOW.plus(DAY * 40));

    let outcome = connect(server, client, HOST).await;
    let seen = PeerCertificate::from_chain(&outcome.client.unwrap().chain).unwrap();
    assert_eq!(seen.serial_hex, world.server.serial());
    let seen = PeerCertificate::from_chain(&outcome.server.unwrap().chain).unwrap();
    assert_eq!(seen.serial_hex, world.client.serial());
}

#[test]
fn certificates_are_due_at_a_third_or_after_thirty_days() {
    let world = World::new();
    let due = |identity: &xylem_pki::Identity, days: u32| {
        identity.should_renew(NOW.plus(DAY * days), RenewalRule::for_party(&identity.party()))
    };
    assert!(!due(&world.server, 9) && due(&world.server, 10));
    assert!(!due(&world.client, 29) && due(&world.client, 30));
}

#[test]
fn an_identity_survives_a_restart_and_its_renewal_too() {
    let world = World::new();
    let folder = tempfile::tempdir().unwrap();
    let store = IdentityStore::new(folder.path().join("identity"));
    assert!(!store.exists(&RealFs).unwrap());
    assert!(matches!(store.load(&RealFs), Err(StoreError::NotEnrolled { .. })));
    store.save(&RealFs, &world.client.current(), &world.anchors).unwrap();
    assert!(store.exists(&RealFs).unwrap());

    let (identity, anchors) = store.load(&RealFs).unwrap();
    assert_eq!(identity.serial(), world.client.serial());
    assert_eq!(anchors.to_pem(), world.authority.root_pem());

    // Both ways of renewing: with the old key, and with a new one.
    for key in [identity.current().key().clone(), KeyPair::generate().unwrap()] {
        let issued = issue(&world.authority, &key, &computer_leaf(2), NOW.plus(DAY * 30));
        let renewed = xylem_pki::Credentials::new(key, issued.chain_pem.as_bytes()).unwrap();
        store.renew(&RealFs, &identity, renewed, &anchors).unwrap();
        assert_eq!(identity.serial(), issued.serial_hex);
        assert_eq!(store.load(&RealFs).unwrap().0.serial(), issued.serial_hex);
    }
    let mode = std::fs::metadata(store.identity_path()).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
}

#[test]
fn wrong_certificates_replace_nothing() {
    let world = World::new();
    let folder = tempfile::tempdir().unwrap();
    let store = IdentityStore::new(folder.path());
    store.save(&RealFs, &world.client.current(), &world.anchors).unwrap();
    let (identity, anchors_kept) = store.load(&RealFs).unwrap();
    let before = identity.serial();

    let somebody_else = enrol(&world.authority, &computer_leaf(3), NOW);
    let error = store.renew(&RealFs, &identity, somebody_else, &anchors_kept).unwrap_err();
    assert!(matches!(error, StoreError::OtherParty(_)), "{error}");

    let foreign = enrol(&authority(), &computer_leaf(2), NOW);
    let error = store.renew(&RealFs, &identity, foreign, &anchors_kept).unwrap_err();
    assert!(matches!(error, StoreError::ForeignAuthority(_)), "{error}");

    assert_eq!(identity.serial(), before);
    assert_eq!(store.load(&RealFs).unwrap().0.serial(), before);
    let elsewhere = IdentityStore::new(folder.path().join("new"));
    let other_anchors = anchors(&authority());
    let error = elsewhere.save(&RealFs, &world.client.current(), &other_anchors).unwrap_err();
    assert!(matches!(error, StoreError::ForeignAuthority(_)), "{error}");
    assert!(!elsewhere.exists(&RealFs).unwrap());
}

#[test]
fn certificates_for_another_key_are_refused() {
    let world = World::new();
    let issued = issue(&world.authority, &KeyPair::generate().unwrap(), &computer_leaf(2), NOW);
    let other = KeyPair::generate().unwrap();
    let error = xylem_pki::Credentials::new(other, issued.chain_pem.as_bytes()).unwrap_err();
    assert!(error.to_string().contains("another key"), "{error}");
}

#[test]
fn damaged_and_forbidden_files_are_named() {
    let world = World::new();
    let folder = tempfile::tempdir().unwrap();
    let store = IdentityStore::new(folder.path());
    store.save(&RealFs, &world.client.current(), &world.anchors).unwrap();
    let path = store.identity_path();
    let whole = std::fs::read_to_string(&path).unwrap();
    let (key, chain) = whole.split_at(whole.find("-----BEGIN CERT").unwrap());
    let bent = whole.replace("PRIVATE KEY-----\nM", "PRIVATE KEY-----\nN");
    for content in [key, chain, &bent, &whole[..whole.len() - 40], ""] {
        std::fs::write(&path, content).unwrap();
        let error = store.load(&RealFs).unwrap_err();
        assert!(matches!(error, StoreError::Damaged { .. }), "{content}\n{error}");
        assert!(error.to_string().contains(path.to_str().unwrap()), "{error}");
    }
    std::fs::write(&path, &whole).unwrap();
    std::fs::remove_file(store.ca_path()).unwrap();
    let error = std::error::Error::source(&store.load(&RealFs).unwrap_err()).unwrap().to_string();
    assert!(error.contains("ca.pem is missing"), "{error}");
}

#[test]
fn an_expired_certificate_still_proves_who_asks_for_the_next() {
    let world = World::new();
    let old = world.client.current();
    let request = b"xylem renewal: any bytes";
    let signature = old.key().sign(request).unwrap();
    let ran_out = old.certificate().not_after;
    world.anchors.verify_client_chain(old.chain(), ran_out).unwrap();
    verify_signature(&old.chain()[0], request, &signature).unwrap();
    assert_eq!(PeerCertificate::from_chain(old.chain()).unwrap().party, computer(2));
    let other = enrol(&world.authority, &computer_leaf(5), NOW);
    assert!(verify_signature(&other.chain()[0], request, &signature).is_err());
}
