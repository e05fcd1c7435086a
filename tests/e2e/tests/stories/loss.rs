//! A part that is away costs nobody else anything.

use xylem_testkit::{CutProxy, Direction, Stage, package_of, small_package};

#[tokio::test(flavor = "multi_thread")]
async fn a_child_keeps_serving_while_its_parent_is_down() {
    let mut stage = Stage::set().await;
    stage.tree(&[("root", None), ("child", Some("root"))]).await;
    stage.system.add_computer("mac", None).await.unwrap();
    stage.publish(&small_package(stage.path(), "A.pkg")).await;
    stage.present_on("A.pkg", &["root", "child"]).await;

    stage.system.kill("root").await.unwrap();

    let report = stage.install("A.pkg", "mac").await;
    assert_eq!(report.result, "installed", "{}", report.message);
    assert_eq!(report.attempts.last().unwrap().source, "child");
    assert!(stage.system.disk_of("mac").join("Library/Example/bin/tool").exists());
    stage.clear().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_child_that_was_down_catches_up() {
    let mut stage = Stage::set().await;
    stage.tree(&[("root", None), ("child", Some("root"))]).await;
    stage.publish(&small_package(stage.path(), "Before.pkg")).await;
    stage.present_on("Before.pkg", &["root", "child"]).await;

    stage.system.kill("child").await.unwrap();
    stage.publish(&small_package(stage.path(), "Meanwhile.pkg")).await;
    stage.system.xylem(&["package", "delete", "Before.pkg"]).await.unwrap();
    stage.system.start_distribution_server("child").await.unwrap();

    stage.present_on("Meanwhile.pkg", &["root", "child"]).await;
    stage.clear().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_distribution_server_works_on_while_the_management_server_is_away() {
    let mut stage = Stage::set().await;
    stage.tree(&[("root", None), ("child", Some("root"))]).await;
    stage.publish(&small_package(stage.path(), "A.pkg")).await;
    stage.present_on("A.pkg", &["root", "child"]).await;

    stage.system.kill("server").await.unwrap();
    stage.system.start_server().await.unwrap();

    stage.publish(&small_package(stage.path(), "B.pkg")).await;
    stage.present_on("B.pkg", &["root", "child"]).await;
    stage.clear().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_agent_finishes_on_a_second_server_what_it_began_on_the_first() {
    const SIZE: u64 = 24 << 20;
    let mut stage = Stage::set().await;
    stage.tree(&[("root", None)]).await;
    stage.system.xylem(&["site", "add", "Campus"]).await.unwrap();
    let behind = stage.system.reserve_address("campus").unwrap();
    let wire = CutProxy::to(behind).await;
    stage
        .system
        .add_distribution_server("campus", Some("root"), Some("Campus"), Some(&wire.url()))
        .await
        .unwrap();
    stage.system.add_computer("mac", Some("Campus")).await.unwrap();
    stage.publish(&package_of(stage.path(), "Large.pkg", 1, SIZE)).await;
    stage.present_on("Large.pkg", &["root", "campus"]).await;

    wire.cut_after(Direction::Down, SIZE / 2);
    let admin = stage.system.access().admin.clone();
    let order = admin.order("mac", "Large.pkg").await.unwrap();
    let cut = async {
        wire.was_cut().await;
        // Gone for good: nobody can finish there.
        stage.system.strike("campus").unwrap();
    };
    let (checked_in, ()) = tokio::join!(stage.system.check_in("mac"), cut);
    checked_in.unwrap();

    let report = admin.order_info(order.id).await.unwrap().report.unwrap();
    assert_eq!(report.result, "installed", "{}", report.message);
    let (first, last) = (&report.attempts[0], report.attempts.last().unwrap());
    assert_eq!((first.source.as_str(), last.source.as_str()), ("campus", "root"));
    assert!(first.bytes > 0 && last.from == first.bytes, "{:?}", report.attempts);
    assert_eq!(last.from + last.bytes, SIZE + header_bytes(&stage, SIZE).await);
    stage.clear().await;
}

/// What the package is larger than its payload file.
async fn header_bytes(stage: &Stage, payload: u64) -> u64 {
    std::fs::metadata(stage.path().join("Large.pkg")).unwrap().len() - payload
}
