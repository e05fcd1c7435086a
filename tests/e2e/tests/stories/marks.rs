//! A new version that is tried out first.

use xylem_model::ContentId;
use xylem_testkit::{Stage, WebDav, eventually, package_of};

const NAME: &str = "Tool.pkg";

async fn xylem(stage: &Stage, arguments: &[&str]) -> String {
    stage.system.xylem(arguments).await.unwrap()
}

/// Waits until a mounted server gives these bytes under the name.
async fn served(reader: &WebDav, bytes: &[u8]) {
    eventually("the name means another version", || async {
        reader.ask("GET", "/Packages/Tool.pkg", &[], b"").await.body == bytes
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_version_is_tried_out_promoted_and_taken_back() {
    let mut stage = Stage::set().await;
    stage.tree(&[("root", None), ("child", Some("root"))]).await;
    stage.system.add_computer("mac", None).await.unwrap();
    let reader = WebDav::account(&stage, "child", "reader", "--read").await;
    let package = package_of(stage.path(), NAME, 1, 100_000);
    let first = std::fs::read(&package).unwrap();
    stage.publish(&package).await;
    stage.present_on(NAME, &["root", "child"]).await;

    package_of(stage.path(), NAME, 2, 100_000);
    let second = std::fs::read(&package).unwrap();
    let told = xylem(&stage, &["package", "upload", package.to_str().unwrap(), "--test"]).await;
    assert!(told.contains("waits to be promoted: version 2"), "{told}");
    let id = ContentId::of(&second).to_string();
    let held = stage.system.folder().join("child/repo/content").join(&id[..2]).join(&id);
    eventually("the child holds what waits", || async { held.exists() }).await;
    served(&reader, &first).await;
    let fetched = stage.path().join("fetched.pkg");
    let to = fetched.to_str().unwrap();
    xylem(&stage, &["package", "download", NAME, "--output", to]).await;
    assert_eq!(std::fs::read(&fetched).unwrap(), first);

    xylem(&stage, &["install", NAME, "--on", "mac", "--test"]).await;
    stage.system.check_in("mac").await.unwrap();
    let orders = stage.system.access().admin.orders("mac").await.unwrap();
    assert_eq!(orders[0].version, 2);
    eventually("the computer's report", || async {
        let order = stage.system.access().admin.order_info(orders[0].id).await.unwrap();
        order.report.is_some_and(|report| report.result == "installed")
    })
    .await;

    let told = xylem(&stage, &["package", "promote", NAME]).await;
    assert!(told.contains("version 2 is in production") && told.contains("rollback"), "{told}");
    served(&reader, &second).await;
    let again = stage.system.xylem(&["package", "promote", NAME]).await.unwrap_err();
    assert!(format!("{again:?}").contains("no version that waits"), "{again:?}");

    // The bytes are there: going back needs nobody but the management server.
    stage.system.kill("root").await.unwrap();
    let told = xylem(&stage, &["package", "rollback", NAME]).await;
    assert!(told.contains("version 1 is in production"), "{told}");
    served(&reader, &first).await;
    let shown = xylem(&stage, &["package", "show", NAME]).await;
    assert!(shown.contains("previous"), "{shown}");
    stage.clear().await;
}
