//! Setting up, starting, and what stands in the way.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use xylem_runtime::{Environment, Shutdown};
use xylem_server::{Server, ServerError, init, is_initialized};
use xylem_telemetry::chain;

use crate::harness::{Harness, config};

async fn told(config: &xylem_server::ServerConfig) -> String {
    match Server::open(Environment::real(), config.clone()).await {
        Err(error) => chain(&error).to_string(),
        Ok(_) => panic!("a server that should not start did"),
    }
}

fn mode(path: &Path) -> u32 {
    std::fs::metadata(path).unwrap().permissions().mode() & 0o777
}

#[tokio::test]
async fn secrets_are_readable_for_their_owner_only() {
    let folder = tempfile::tempdir().unwrap();
    let config = config(&folder.path().join("data"));
    let environment = Environment::real();
    assert!(!is_initialized(&environment, &config).await.unwrap());
    let made = init(&environment, &config).await.unwrap();
    made.save(&environment, folder.path()).await.unwrap();
    assert!(is_initialized(&environment, &config).await.unwrap());
    assert_eq!(mode(&config.data), 0o700);
    for name in ["keys/root.seed", "keys/online.seed", "ca/root.key", "xylem.db"] {
        assert_eq!(mode(&config.data.join(name)), 0o600, "{name}");
    }
    assert_eq!(mode(&folder.path().join("admin.token")), 0o600);
    assert!(made.admin_token.starts_with("xyl_"));
}

#[tokio::test]
async fn a_second_set_up_is_refused_and_changes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let config = config(&folder.path().join("data"));
    let environment = Environment::real();
    init(&environment, &config).await.unwrap();
    let seed = std::fs::read(config.data.join("keys/root.seed")).unwrap();
    let error = init(&environment, &config).await.unwrap_err();
    assert!(matches!(error, ServerError::AlreadyThere { .. }), "{error}");
    assert_eq!(std::fs::read(config.data.join("keys/root.seed")).unwrap(), seed);
}

#[tokio::test]
async fn a_folder_without_a_server_says_how_to_make_one() {
    let folder = tempfile::tempdir().unwrap();
    let told = told(&config(&folder.path().join("data"))).await;
    assert!(told.contains("xylem server init"), "{told}");
}

#[tokio::test]
async fn a_folder_of_a_newer_version_is_left_alone() {
    let stopped = Harness::start().await.stop().await;
    std::fs::write(stopped.config.data.join("format"), "2\n").unwrap();
    let told = told(&stopped.config).await;
    assert!(told.contains("newer version") && told.contains("upgrade"), "{told}");
    std::fs::write(stopped.config.data.join("format"), "what\n").unwrap();
    let told = self::told(&stopped.config).await;
    assert!(told.contains("format") && told.contains("damaged"), "{told}");
}

#[tokio::test]
async fn damaged_keys_and_trust_are_named() {
    for name in ["keys/online.seed", "trust.json", "ca/root.pem"] {
        let stopped = Harness::start().await.stop().await;
        std::fs::write(stopped.config.data.join(name), "x").unwrap();
        let told = told(&stopped.config).await;
        assert!(told.contains(name.rsplit('/').next().unwrap()), "{name}: {told}");
    }
}

#[tokio::test]
async fn a_port_in_use_is_named_with_what_to_do() {
    let harness = Harness::start().await;
    let mut config = harness.config.clone();
    config.listen = format!("127.0.0.1:{}", harness.url.port()).parse().unwrap();
    let told = told(&config).await;
    assert!(told.contains(&harness.url.port().to_string()), "{told}");
    assert!(told.contains("another program uses this port"), "{told}");
}

#[tokio::test]
async fn a_folder_that_cannot_be_written_is_named() {
    let folder = tempfile::tempdir().unwrap();
    // A file in the way fails for every user, root included.
    std::fs::write(folder.path().join("file"), "").unwrap();
    let config = config(&folder.path().join("file/data"));
    let error = init(&Environment::real(), &config).await.unwrap_err();
    assert!(chain(&error).to_string().contains("file/data"), "{error}");
}

#[tokio::test]
async fn a_server_starts_again_with_what_it_had() {
    let harness = Harness::start().await;
    let root = harness.server("root").await;
    harness.publish(&root, "a.pkg", b"a").await;
    let before = root.control.state().await.unwrap();
    let harness = harness.stop().await.start().await;
    let control = xylem_client::ControlClient::new(
        harness.transport(Some(&root.identity)),
        harness.url.clone(),
    );
    let after = control.state().await.unwrap();
    let head = |state: &xylem_api::control::ControlState| {
        root.trust.open_head(&state.head, None, crate::harness::START).unwrap()
    };
    assert_eq!(head(&after).set_root, head(&before).set_root);
    assert_eq!(after.trust, before.trust);
}

#[tokio::test]
async fn stopping_ends_open_event_streams_at_once() {
    let harness = Harness::start().await;
    let mut events = harness.admin().events(None).await.unwrap();
    events.next::<serde_json::Value>().await.unwrap().unwrap();
    let stopped = tokio::spawn(harness.stop());
    assert_eq!(events.next::<serde_json::Value>().await.unwrap(), None);
    stopped.await.unwrap();
}

#[tokio::test]
async fn a_program_in_the_same_process_can_invite_a_distribution_server() {
    let stopped = Harness::start().await.stop().await;
    let server = Server::open(stopped.environment.clone(), stopped.config.clone()).await.unwrap();
    let new = xylem_api::enrollment::NewInvitation {
        kind: xylem_api::enrollment::InvitationKind::Distribution,
        site: None,
        uses: None,
        expires_in_seconds: None,
    };
    let code = server.create_invitation(&new).await.unwrap();
    assert!(code.len() >= 20, "{code}");
    let shutdown = Shutdown::new();
    shutdown.begin();
    Box::pin(server.run(shutdown)).await;
}
