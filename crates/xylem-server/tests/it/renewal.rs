//! Staying joined: renewal, and its end.

use std::time::Duration;

use xylem_api::enrollment::{Renew, RenewRequest, Renewed};
use xylem_api::error::ErrorCode;
use xylem_client::ControlClient;
use xylem_client::enroll::{self, EnrollError};
use xylem_model::Timestamp;
use xylem_pki::{Credentials, Identity, KeyPair, certificate_request};

use crate::harness::{FakeServer, Harness, refusal};

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

async fn renew(harness: &Harness, server: &FakeServer) -> Result<Credentials, EnrollError> {
    let old = server.identity.current();
    enroll::renew(&harness.environment, &harness.url, &harness.anchors, &old).await
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A renewal as an attacker or a broken program might send it.
fn body(old: &Credentials, signer: &KeyPair, now: Timestamp) -> Renew {
    let csr_pem = certificate_request(&KeyPair::generate().unwrap(), "x").unwrap();
    let request = serde_json::to_string(&RenewRequest { csr_pem, now }).unwrap();
    let signature = hex(&signer.sign(request.as_bytes()).unwrap());
    Renew { chain_pem: old.chain_pem(), signature, request }
}

async fn post(harness: &Harness, body: &Renew) -> (ErrorCode, String) {
    let request = http::Request::post("/v1/renew");
    let transport = harness.transport(None);
    refusal(transport.json::<Renewed>(&harness.url, request, Some(body)).await)
}

#[tokio::test]
async fn a_renewed_certificate_is_for_the_same_party_and_works() {
    let harness = Harness::start().await;
    let server = harness.server("root").await;
    harness.clock.advance(DAY * 11);
    let renewed = renew(&harness, &server).await.unwrap();
    assert_eq!(renewed.certificate().party, server.identity.party());
    assert_ne!(renewed.certificate().serial_hex, server.identity.serial());
    let identity = Identity::new(renewed);
    let control = ControlClient::new(harness.transport(Some(&identity)), harness.url.clone());
    control.state().await.unwrap();
}

#[tokio::test]
async fn a_certificate_that_has_expired_can_still_be_renewed() {
    let harness = Harness::start().await;
    let server = harness.server("root").await;
    harness.clock.advance(DAY * 31);
    assert!(server.identity.not_after() < harness.environment.clock.now());
    // The server's own certificate has expired too: started again, it makes a new one.
    let harness = harness.stop().await.start().await;
    let renewed = renew(&harness, &server).await.unwrap();
    assert!(renewed.certificate().not_after > harness.environment.clock.now());
}

#[tokio::test]
async fn renewals_that_prove_nothing_are_refused() {
    let harness = Harness::start().await;
    let server = harness.server("root").await;
    let (old, now) = (server.identity.current(), harness.environment.clock.now());

    let other_key = body(&old, &KeyPair::generate().unwrap(), now);
    assert_eq!(post(&harness, &other_key).await.0, ErrorCode::Unauthorized);
    let mut altered = body(&old, old.key(), now);
    altered.request = altered.request.replace('}', " }");
    assert_eq!(post(&harness, &altered).await.0, ErrorCode::Unauthorized);
    let stale = body(&old, old.key(), now.minus(Duration::from_secs(601)));
    assert_eq!(post(&harness, &stale).await.0, ErrorCode::ClockSkew);
    for (chain_pem, signature) in [("", "00"), ("garbage", "zz")] {
        let (chain_pem, signature) = (chain_pem.into(), signature.into());
        let broken = Renew { chain_pem, signature, ..body(&old, old.key(), now) };
        assert_eq!(post(&harness, &broken).await.0, ErrorCode::Unauthorized);
    }
    let elsewhere = Harness::start().await;
    let stranger = elsewhere.server("root").await.identity.current();
    let foreign = body(&stranger, stranger.key(), now);
    assert_eq!(post(&harness, &foreign).await.0, ErrorCode::Unauthorized);
    post(&harness, &Renew { request: "{}".into(), ..body(&old, old.key(), now) }).await;
}

#[tokio::test]
async fn a_removed_server_is_cut_off_at_once_and_cannot_renew() {
    let harness = Harness::start().await;
    harness.server("root").await;
    let gone = harness.server("north").await;
    let mut events = gone.control.events().await.unwrap();
    events.next::<serde_json::Value>().await.unwrap().unwrap();
    harness.admin().remove_distribution_server("north").await.unwrap();

    assert_eq!(events.next::<serde_json::Value>().await.unwrap(), None);
    assert_eq!(refusal(gone.control.state().await).0, ErrorCode::Revoked);
    match renew(&harness, &gone).await {
        Err(EnrollError::Client(error)) => assert_eq!(error.code(), Some(ErrorCode::Revoked)),
        _ => panic!("a removed server renewed its certificate"),
    }
}

#[tokio::test]
async fn peers_hear_who_was_removed() {
    let harness = Harness::start().await;
    let root = harness.server("root").await;
    let gone = harness.server("north").await;
    let before = root.control.state().await.unwrap();
    harness.admin().remove_distribution_server("north").await.unwrap();
    let after = root.control.state().await.unwrap();
    let now = harness.environment.clock.now();
    let parties = |state: &xylem_api::control::ControlState| {
        let document: xylem_trust::Revocations = root.trust.open(&state.revocations, now).unwrap();
        document.parties
    };
    assert_eq!(parties(&before), []);
    assert_eq!(parties(&after), [gone.identity.party()]);
    let grants: xylem_trust::Grants = root.trust.open(&after.grants, now).unwrap();
    assert_eq!(grants.peers, []);
}
