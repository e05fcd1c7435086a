//! Joining and starting, and what stands in the way.

use std::error::Error;
use std::os::unix::fs::PermissionsExt;
use std::sync::Arc;

use xylem_blobs::VerifyOnRead;
use xylem_client::enroll::Anchor;
use xylem_distribution::{
    DistributionServer, EnrollError, EnrollOptions, NoInspector, OpenError, Options, enroll, status,
};
use xylem_telemetry::chain;

use crate::fleet::{Fleet, free_address, noise};

fn options() -> Options {
    Options {
        verify_on_read: VerifyOnRead::Always,
        inspector: Arc::new(NoInspector),
        take_over: false,
        access_log: None,
    }
}

fn told(error: &(dyn Error + 'static)) -> String {
    chain(error).to_string()
}

#[tokio::test]
async fn keys_are_for_their_owner_alone() {
    let mut fleet = Fleet::new().await;
    fleet.add("ds").await;
    let identity = fleet.server(0).data.join("identity/identity.pem");
    assert_eq!(identity.metadata().unwrap().permissions().mode() & 0o777, 0o600);
}

#[tokio::test]
async fn a_folder_is_enrolled_once() {
    let mut fleet = Fleet::new().await;
    fleet.add("ds").await;
    let again = enroll(&fleet.environment, fleet.options("ds", free_address())).await.unwrap_err();
    assert!(matches!(again, EnrollError::AlreadyEnrolled { .. }));
    assert!(told(&again).contains("enrolled already"), "{}", told(&again));
}

#[tokio::test]
async fn a_bad_invitation_leaves_a_folder_that_can_still_be_enrolled() {
    let fleet = Fleet::new().await;
    let good = fleet.options("ds", free_address());
    let bad = EnrollOptions { invitation: "bad".to_owned(), ..good.clone() };
    let error = enroll(&fleet.environment, bad).await.unwrap_err();
    assert!(told(&error).contains("no such invitation"), "{}", told(&error));
    enroll(&fleet.environment, good).await.unwrap();
}

#[tokio::test]
async fn another_installation_is_not_believed() {
    let (fleet, other) = (Fleet::new().await, Fleet::new().await);
    let anchor = Anchor::Certificates(other.management.anchors.clone());
    let options = EnrollOptions { anchor, ..fleet.options("ds", free_address()) };
    let error = enroll(&fleet.environment, options).await.unwrap_err();
    assert!(matches!(error, EnrollError::Server { .. }), "{error:?}");
    assert!(fleet.management.world().servers.is_empty());
}

#[tokio::test]
async fn a_folder_that_cannot_be_made_is_named_before_the_invitation_is_used() {
    let fleet = Fleet::new().await;
    let mut options = fleet.options("file", free_address());
    // A file where the folder should be: nobody can write below it, not even root.
    std::fs::write(&options.data, "a file").unwrap();
    options.data.push("ds");
    let error = enroll(&fleet.environment, options).await.unwrap_err();
    assert!(matches!(error, EnrollError::Data(_)), "{error:?}");
    assert!(told(&error).contains("file/ds"), "{}", told(&error));
    assert!(fleet.management.world().servers.is_empty());
}

#[tokio::test]
async fn folders_that_are_not_ours_or_newer_are_refused() {
    let mut fleet = Fleet::new().await;
    fleet.add("ds").await;
    let nowhere = fleet.server(0).data.with_file_name("nowhere");
    let open = async |path| {
        DistributionServer::open(fleet.environment.clone(), path, options()).await.unwrap_err()
    };
    let error = open(&nowhere).await;
    assert!(told(&error).contains("xylem distribution enroll"), "{}", told(&error));
    let data = &fleet.server(0).data;
    std::fs::write(data.join("format"), "xylem-distribution 2\n").unwrap();
    let error = open(data).await;
    assert!(told(&error).contains("newer release"), "{}", told(&error));
}

#[tokio::test]
async fn a_port_in_use_is_named() {
    let mut fleet = Fleet::new().await;
    fleet.add("ds").await;
    let address = (fleet.server(0).url.host().to_owned(), fleet.server(0).url.port());
    let _other = std::net::TcpListener::bind(address).unwrap();
    let data = &fleet.server(0).data;
    let opened = DistributionServer::open(fleet.environment.clone(), data, options()).await;
    let error = opened.unwrap_err();
    assert!(matches!(error, OpenError::Listen(_)), "{error:?}");
    assert!(told(&error).contains("another program uses this port"), "{}", told(&error));
}

#[tokio::test]
async fn a_status_is_read_from_the_folder_alone() {
    let mut fleet = Fleet::chain(1).await;
    let bytes = noise(1, 100_000);
    fleet.upload("One.pkg", &bytes).await;
    fleet.caught_up(0).await;
    fleet.management.publish("Two.pkg", b"nobody has it");
    fleet.caught_up(0).await;
    let data = fleet.server(0).data.clone();
    let running = status(&fleet.environment, &data).await.unwrap();
    assert_eq!((running.wanted, running.present), (2, 1));
    assert_eq!(running.used_bytes, 100_000);
    assert_eq!(running.name, "ds0");
    assert_eq!(running.stamp.unwrap().generation.0, fleet.management.world().generation);
    fleet.stop(0).await;
    assert_eq!(status(&fleet.environment, &data).await.unwrap().present, 1);
}
