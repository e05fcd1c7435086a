//! Joining: whom the invitation is shown to.

use serde_json::json;
use xylem_client::enroll::{Anchor, EnrollError, computer, distribution_server};
use xylem_client::{BaseUrl, ClientError};
use xylem_model::ComputerId;
use xylem_pki::{AnchorError, ClientAuth, Fingerprint};

use crate::support::{Asked, FakeServer, Reply, World};

const INVITATION: &str = "invitation-that-must-stay-secret";

/// What a management server says at `/v1/ca`: here any root certificate, also another's.
fn shows_root(world: &World, root_pem: String) -> impl FnMut(&Asked) -> Reply + Send + 'static {
    let now = world.environment.clock.now();
    let info = json!({"organization": "Example School", "root_pem": root_pem, "now": now});
    move |asked| match asked.head.split(' ').nth(1) {
        Some("/v1/ca") => Reply::json(&info.to_string()),
        _ => Reply::with("404 Not Found", "", ""),
    }
}

async fn join(world: &World, server: &BaseUrl, anchor: Anchor) -> EnrollError {
    let environment = &world.environment;
    let joined = computer(environment, server, anchor, INVITATION, "lab-3", None).await;
    let Err(error) = joined else { panic!("joined with a server that gives no certificate") };
    error
}

fn heard_the_invitation(server: &FakeServer) -> bool {
    server.asked().iter().any(|asked| {
        asked.method() != "GET"
            || format!("{}{}", asked.head, String::from_utf8_lossy(&asked.body)).contains("secret")
    })
}

#[tokio::test]
async fn a_server_with_another_fingerprint_never_hears_the_invitation() {
    let world = World::new();
    let server = world.fake(shows_root(&world, world.authority.root_pem())).await;
    let expected = Fingerprint::of(b"the root certificate of another");
    let error = join(&world, &server.url, Anchor::Fingerprint(expected)).await;
    let EnrollError::Anchor(AnchorError::OtherFingerprint { found, .. }) = error else {
        panic!("{error:?}")
    };
    assert_eq!(found, world.authority.root_fingerprint());
    assert_eq!(server.asked().len(), 1, "it is asked for its root, and nothing else");
    assert!(!heard_the_invitation(&server));
}

#[tokio::test]
async fn a_server_that_shows_the_right_root_but_is_not_of_it_never_hears_the_invitation() {
    let (world, attacker) = (World::new(), World::new());
    // The root certificate is public: anybody can show it.
    let server = attacker.fake(shows_root(&world, world.authority.root_pem())).await;
    let expected = world.authority.root_fingerprint();
    let error = join(&world, &server.url, Anchor::Fingerprint(expected)).await;
    assert!(matches!(error, EnrollError::Client(ClientError::Tls { .. })), "{error:?}");
    assert!(!heard_the_invitation(&server));
}

#[tokio::test]
async fn a_root_of_ones_own_behind_the_right_one_is_not_believed() {
    let (world, attacker) = (World::new(), World::new());
    for roots in [
        [world.authority.root_pem(), attacker.authority.root_pem()].concat(),
        [attacker.authority.root_pem(), world.authority.root_pem()].concat(),
    ] {
        let server = attacker.fake(shows_root(&world, roots)).await;
        let expected = world.authority.root_fingerprint();
        join(&world, &server.url, Anchor::Fingerprint(expected)).await;
        assert!(!heard_the_invitation(&server));
    }
}

#[tokio::test]
async fn a_server_of_another_authority_than_that_in_the_file_never_hears_the_invitation() {
    let (world, attacker) = (World::new(), World::new());
    let server = attacker.fake(shows_root(&world, world.authority.root_pem())).await;
    let anchor = Anchor::Certificates(world.anchors.clone());
    let error = join(&world, &server.url, anchor).await;
    assert!(matches!(error, EnrollError::Client(ClientError::Tls { .. })), "{error:?}");
    assert_eq!((server.asked().len(), server.handshakes()), (0, 0));
}

#[tokio::test]
async fn the_right_server_hears_the_invitation_and_its_refusal_is_passed_on() {
    let world = World::new();
    let mut show_root = shows_root(&world, world.authority.root_pem());
    let server = world
        .fake(move |asked| match asked.method() {
            "POST" => Reply::with(
                "403 Forbidden",
                "",
                r#"{"code":"invitation-expired","message":"it expired","request_id":"r3"}"#,
            ),
            _ => show_root(asked),
        })
        .await;
    let expected = world.authority.root_fingerprint();
    let error = join(&world, &server.url, Anchor::Fingerprint(expected)).await;
    assert_eq!(error.to_string(), "it expired");
    let asked = server.asked();
    assert!(asked[1].head.starts_with("POST /v1/enroll/computer "));
    let body: serde_json::Value = serde_json::from_slice(&asked[1].body).unwrap();
    assert_eq!((&body["invitation"], &body["name"]), (&json!(INVITATION), &json!("lab-3")));
    assert!(!body.to_string().contains("PRIVATE KEY"));
    assert_eq!(server.handshakes(), 2, "the connection that was not believed is not used again");
}

#[tokio::test]
async fn a_certificate_for_another_key_is_not_accepted() {
    let world = World::new();
    let chain_pem = world.computer(9).current().chain_pem();
    let enrolled = json!({
        "party": format!("xylem://computer/{}", ComputerId::from_uuid(uuid::Uuid::from_u128(9))),
        "chain_pem": chain_pem,
        "root_pem": world.authority.root_pem(),
        "trust": {"type": "trust", "payload": "", "signatures": []},
    });
    let server = FakeServer::start(world.server_config(ClientAuth::None), move |_| {
        Reply::json(&enrolled.to_string())
    })
    .await;
    let anchor = Anchor::Certificates(world.anchors.clone());
    let environment = &world.environment;
    let url = "https://files.example.org";
    let joined =
        distribution_server(environment, &server.url, anchor, INVITATION, "Library", url).await;
    let Err(error) = joined else { panic!("joined with the certificate of another") };
    assert!(matches!(error, EnrollError::Credentials(_)), "{error:?}");
}
