//! Restarts without a gap.

use std::io::{Read as _, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::UnixStream;
use std::time::Duration;

use http::{Method, StatusCode};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use xylem_distribution::{DataError, OpenError};

use crate::fleet::{Fleet, noise};
use crate::hostile::Attacker;

const LEN: usize = 20 << 20;

#[tokio::test]
async fn a_folder_has_one_program_at_a_time() {
    let fleet = Fleet::chain(1).await;
    let second = fleet.try_open(0, false).await.unwrap_err();
    assert!(matches!(second, OpenError::Data(DataError::Busy { .. })), "{second}");
    assert!(second.to_string().contains("--take-over"), "{second}");
}

#[tokio::test]
async fn a_download_that_runs_during_a_restart_ends_whole() {
    let mut fleet = Fleet::chain(1).await;
    let bytes = noise(1, LEN);
    let content = fleet.upload("Large.pkg", &bytes).await;
    let path = format!("/v1/blob/{content}");
    let computer = fleet.computer();
    let (slow, other) = (fleet.asker(Some(computer)), fleet.asker(Some(computer)));
    let url = fleet.server(0).url.clone();
    let mut begun = slow.begin(&url, Method::GET, &path).await.unwrap().into_body();
    let mut taken = begun.next().await.unwrap().unwrap().to_vec();

    let before = fleet.take_over(0).await;
    assert_eq!(other.ask(&url, Method::GET, &path).await.bytes(), bytes, "by the new program");
    assert!(!before.is_finished(), "the old one still has somebody to serve");
    while let Some(frame) = begun.next().await.unwrap() {
        taken.extend_from_slice(&frame);
    }
    assert!(taken == bytes);
    before.await.unwrap();

    // The new program works as the old one did, and can hand over in its turn.
    let next = fleet.upload("Next.pkg", b"next").await;
    let before = fleet.take_over(0).await;
    assert_eq!(other.ask(&url, Method::GET, &format!("/v1/blob/{next}")).await.bytes(), b"next");
    before.await.unwrap();
}

#[tokio::test]
async fn who_connects_during_a_restart_waits() {
    let mut fleet = Fleet::chain(1).await;
    let content = fleet.upload("Small.pkg", b"small").await;
    let (url, path) = (fleet.server(0).url.clone(), format!("/v1/blob/{content}"));
    let asker = fleet.asker(Some(fleet.computer()));
    let asking = tokio::spawn(async move {
        for _ in 0..300 {
            // A connection of its own each time.
            asker.transport.forget_connections();
            let answer = asker.ask(&url, Method::GET, &path).await;
            assert_eq!((answer.status, answer.bytes()), (StatusCode::OK, &b"small"[..]));
        }
    });
    let mut restarts = 0;
    while !asking.is_finished() {
        fleet.take_over(0).await.await.unwrap();
        restarts += 1;
    }
    asking.await.unwrap();
    assert!(restarts > 1, "{restarts} restarts");
}

#[tokio::test]
async fn a_file_that_is_being_written_does_not_hold_up_a_restart() {
    let mut attacker = Attacker::new().await;
    for path in ["/Drop/Long", "/Drop/._Long", "/Packages/Long.pkg", "/Packages/._Long.pkg"] {
        let mut sending = attacker.connect().await;
        let head = format!(
            "PUT {path} HTTP/1.1\r\nHost: x\r\nAuthorization: {}\r\nContent-Length: {LEN}\r\n\r\n",
            attacker.login
        );
        sending.write_all(head.as_bytes()).await.unwrap();
        sending.write_all(&noise(1, LEN / 4)).await.unwrap();
        // Some of it has been taken: the answer is under way.
        tokio::time::sleep(Duration::from_millis(300)).await;
        let taking_over = attacker.fleet.take_over(0);
        let before = tokio::time::timeout(Duration::from_secs(10), taking_over).await;
        let before = before.unwrap_or_else(|_| panic!("{path} holds it up"));
        let mut answer = Vec::new();
        let _ = sending.read_to_end(&mut answer).await;
        let answer = String::from_utf8_lossy(&answer).into_owned();
        assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 503 "), "{path}: {answer}");
        before.await.unwrap();
    }
    let listing = format!(
        "PROPFIND /Drop/ HTTP/1.1\r\nHost: x\r\nDepth: 1\r\nConnection: close\r\n\
         Authorization: {}\r\n\r\n",
        attacker.login
    );
    let left = attacker.send(listing.as_bytes()).await;
    assert_eq!(left.matches("<D:href>").count(), 1, "{left}");
}

#[tokio::test]
async fn the_port_is_given_to_nobody_else() {
    let fleet = Fleet::chain(1).await;
    let path = fleet.server(0).data.join("handover");
    assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, 0o600);
    let asked = tokio::task::spawn_blocking(move || {
        let mut stream = UnixStream::connect(path).unwrap();
        stream.write_all(b"give me a\n").unwrap();
        let mut heard = Vec::new();
        stream.read_to_end(&mut heard).unwrap();
        heard
    });
    assert!(asked.await.unwrap().is_empty());
    let nobody = fleet.asker(None);
    assert_eq!(fleet.get(0, &nobody, "/health/live").await.status, StatusCode::OK);
}
