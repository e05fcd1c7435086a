//! Writing to a server that is not where new files enter.

use xylem_testkit::{Stage, WebDav, eventually, package_of};

use super::{names, package};

async fn family() -> (Stage, WebDav) {
    let mut stage = Stage::set().await;
    stage.tree(&[("root", None), ("child", Some("root"))]).await;
    let wendy = WebDav::account(&stage, "child", "wendy", "--write").await;
    (stage, wendy)
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_written_to_a_child_is_handed_on_while_it_comes() {
    let (stage, wendy) = family().await;
    let bytes = std::fs::read(package_of(stage.path(), "Long.pkg", 1, 16 << 20)).unwrap();
    let length = bytes.len().to_string();
    let staged_bytes = |server: &str| {
        let folder = stage.system.folder().join(server).join("repo/staged");
        let entries = std::fs::read_dir(folder).unwrap().flatten();
        entries.map(|entry| entry.metadata().map_or(0, |it| it.len())).sum::<u64>()
    };
    let sending = wendy.begin("/Packages/Long.pkg", &[("content-length", &length)]);
    let mut pieces = bytes.chunks(1 << 20);
    for piece in pieces.by_ref().take(10) {
        assert!(sending.piece(piece).await);
    }
    // Ten mebibytes were sent: most of them are at the root before the rest is.
    eventually("it streams through", || async { staged_bytes("root") > 5 << 20 }).await;
    assert_eq!(staged_bytes("child"), 0);
    for piece in pieces {
        assert!(sending.piece(piece).await);
    }
    assert_eq!(sending.end().await.status, 201);
    // Whoever wrote it sees it at once, and gets it as soon as it has come back.
    assert_eq!(names(&wendy, "/Packages/").await, ["Long.pkg"]);
    stage.present_on("Long.pkg", &["root", "child"]).await;
    assert_eq!(wendy.ask("GET", "/Packages/Long.pkg", &[], b"").await.body, bytes);
    assert_eq!(names(&wendy, "/").await, ["Apps", "Packages", "eBooks"], "Drop is elsewhere");

    // Its other changes reach everybody too, and so does a refusal.
    let to = [("destination", "/Packages/Renamed.pkg")];
    assert_eq!(wendy.ask("MOVE", "/Packages/Long.pkg", &to, b"").await.status, 201);
    assert_eq!(names(&wendy, "/Packages/").await, ["Renamed.pkg"]);
    assert_eq!(wendy.ask("DELETE", "/Packages/Renamed.pkg", &[], b"").await.status, 204);
    assert_eq!(stage.system.xylem(&["package", "list", "--json"]).await.unwrap(), "[]");
    let junk = wendy.ask("PUT", "/Packages/Junk.pkg", &[], b"this is no package").await;
    assert_eq!(junk.status, 422);
    assert!(junk.text().contains("not an installer package"), "{}", junk.text());
    let audit = stage.system.xylem(&["audit", "--json"]).await.unwrap();
    assert!(audit.contains("account wendy on child"), "{audit}");
    stage.clear().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_the_principal_a_child_says_when_to_come_back() {
    let (mut stage, wendy) = family().await;
    let one = package(&stage, "One.pkg");
    stage.system.kill("root").await.unwrap();
    let refused = wendy.ask("PUT", "/Packages/A.pkg", &[], &one).await;
    assert_eq!(refused.status, 503, "{}", refused.text());
    assert!(refused.retry_after.is_some_and(|seconds| seconds > 0));
    assert!(names(&wendy, "/Packages/").await.is_empty());

    // As soon as it is back, so are writers.
    stage.system.start_distribution_server("root").await.unwrap();
    eventually("it is taken", || async {
        matches!(wendy.ask("PUT", "/Packages/A.pkg", &[], &one).await.status, 201 | 204)
    })
    .await;

    // Broken off on its way through, nothing is left on either.
    let bytes = std::fs::read(package_of(stage.path(), "Long.pkg", 1, 8 << 20)).unwrap();
    let length = bytes.len().to_string();
    let sending = wendy.begin("/Packages/Long.pkg", &[("content-length", &length)]);
    for piece in bytes.chunks(1 << 20).take(5) {
        assert!(sending.piece(piece).await);
    }
    sending.break_off().await;
    for server in ["root", "child"] {
        let staged = stage.system.folder().join(server).join("repo/staged");
        eventually("nothing is left", || async {
            std::fs::read_dir(&staged).is_ok_and(|entries| entries.count() == 0)
        })
        .await;
    }
    assert_eq!(names(&wendy, "/Packages/").await, ["A.pkg"]);
    stage.clear().await;
}
