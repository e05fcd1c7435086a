//! Bytes that are not the published ones go nowhere.

use std::os::unix::fs::FileExt as _;

use xylem_testkit::{Stage, package_of, snapshot};

#[tokio::test(flavor = "multi_thread")]
async fn a_byte_flipped_on_a_servers_disk_reaches_no_agents_installer() {
    let mut stage = Stage::set().await;
    stage.tree(&[("root", None)]).await;
    stage.system.add_computer("mac", None).await.unwrap();
    stage.publish(&package_of(stage.path(), "A.pkg", 1, 3 << 20)).await;
    stage.present_on("A.pkg", &["root"]).await;

    let content = stage.content_file("root", "A.pkg").await;
    let file = std::fs::File::options().read(true).write(true).open(content).unwrap();
    let mut byte = [0];
    file.read_exact_at(&mut byte, 2 << 20).unwrap();
    file.write_all_at(&[byte[0] ^ 1], 2 << 20).unwrap();

    let before = snapshot(&stage.system.disk_of("mac"));
    let report = stage.install("A.pkg", "mac").await;
    assert_ne!(report.result, "installed");
    assert_eq!(snapshot(&stage.system.disk_of("mac")), before, "nothing was touched");
    stage.clear().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_child_with_a_flipped_byte_mends_itself_from_its_parent() {
    let mut stage = Stage::set().await;
    stage.tree(&[("root", None)]).await;
    stage.system.xylem(&["site", "add", "Campus"]).await.unwrap();
    stage
        .system
        .add_distribution_server("campus", Some("root"), Some("Campus"), None)
        .await
        .unwrap();
    stage.system.add_computer("mac", Some("Campus")).await.unwrap();
    stage.publish(&package_of(stage.path(), "A.pkg", 1, 3 << 20)).await;
    stage.present_on("A.pkg", &["root", "campus"]).await;

    let content = stage.content_file("campus", "A.pkg").await;
    let good = std::fs::read(&content).unwrap();
    let file = std::fs::File::options().write(true).open(&content).unwrap();
    file.write_all_at(&[good[1_000_000] ^ 0x80], 1_000_000).unwrap();
    drop(file);

    let report = stage.install("A.pkg", "mac").await;
    assert_eq!(report.result, "installed", "{}", report.message);
    assert_eq!(report.attempts[0].source, "campus");
    assert!(report.attempts[0].failure.is_some(), "the bad copy was noticed");
    xylem_testkit::eventually("the copy is whole again", || async {
        std::fs::read(&content).is_ok_and(|bytes| bytes == good)
    })
    .await;
    stage.clear().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_administrator_has_a_server_look_through_what_it_holds() {
    let mut stage = Stage::set().await;
    stage.tree(&[("root", None), ("child", Some("root"))]).await;
    stage.publish(&package_of(stage.path(), "A.pkg", 1, 9 << 20)).await;
    stage.publish(&package_of(stage.path(), "B.pkg", 2, 1 << 10)).await;
    stage.present_on("A.pkg", &["root", "child"]).await;
    stage.present_on("B.pkg", &["root", "child"]).await;
    let content = stage.content_file("child", "A.pkg").await;
    let good = std::fs::read(&content).unwrap();
    let file = std::fs::File::options().write(true).open(&content).unwrap();
    file.write_all_at(&[good[8 << 20] ^ 4], 8 << 20).unwrap();
    drop(file);

    let said = stage.system.xylem(&["ds", "scrub", "child", "--wait", "60s"]).await.unwrap();
    assert!(said.contains("1 file is sound") && said.contains("1 damaged"), "{said}");
    xylem_testkit::eventually("the copy is whole again", || async {
        std::fs::read(&content).is_ok_and(|bytes| bytes == good)
    })
    .await;
    stage.present_on("A.pkg", &["root", "child"]).await;
    let said = stage.system.xylem(&["ds", "scrub", "child", "--wait", "60s"]).await.unwrap();
    assert!(said.contains("2 files are sound") && !said.contains("damaged"), "{said}");
    let shown = stage.system.xylem(&["ds", "show", "child"]).await.unwrap();
    assert!(shown.contains("Last scrub") && shown.contains("2 files are sound"), "{shown}");
    let told = stage.system.xylem(&["ds", "scrub", "nobody"]).await.unwrap_err();
    let told = told.into_error().to_string();
    assert!(told.contains("nobody"), "{told}");
    stage.clear().await;
}
