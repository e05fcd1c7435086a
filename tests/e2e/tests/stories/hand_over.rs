//! The root and the principal move to other servers while everything goes on.

use xylem_testkit::{Stage, package_of};

#[tokio::test(flavor = "multi_thread")]
async fn another_server_becomes_root_and_principal_and_nothing_is_lost() {
    let mut stage = Stage::set().await;
    stage.tree(&[("root", None), ("north", Some("root")), ("hut", Some("north"))]).await;
    let xylem = async |words: &[&str]| stage.system.xylem(words).await.unwrap();
    xylem(&["ds", "select", "north", "--rule", "name=None*"]).await;
    xylem(&["ds", "select", "hut", "--rule", "name=A*"]).await;
    stage.publish(&package_of(stage.path(), "A.pkg", 1, 300_000)).await;
    stage.publish(&package_of(stage.path(), "B.pkg", 2, 3 << 20)).await;
    stage.present_on("A.pkg", &["root", "north", "hut"]).await;
    let told = stage.system.xylem(&["ds", "make-root", "north"]).await.unwrap_err();
    let told = told.into_error().to_string();
    assert!(told.contains("1 contents, 3.0 MiB") && told.contains("--fill"), "{told}");

    let told = xylem(&["ds", "make-root", "north", "--fill"]).await;
    assert!(told.contains("north is the root now"), "{told}");
    let listed = xylem(&["ds", "list"]).await;
    let roles: Vec<&str> = listed.lines().filter(|line| line.contains("root")).collect();
    assert!(
        roles.iter().any(|line| line.starts_with("north") && line.contains(" root ")),
        "{listed}"
    );
    stage.present_on("B.pkg", &["root", "north"]).await;

    // New files still enter at the former root, and reach the new one and what hangs below it.
    stage.publish(&package_of(stage.path(), "A2.pkg", 3, 200_000)).await;
    stage.present_on("A2.pkg", &["root", "north", "hut"]).await;
    let told = xylem(&["principal", "set", "north", "--fill"]).await;
    assert!(told.contains("enter at north"), "{told}");
    assert!(xylem(&["principal", "show"]).await.contains("north"));
    stage.publish(&package_of(stage.path(), "A3.pkg", 4, 200_000)).await;
    stage.present_on("A3.pkg", &["root", "north", "hut"]).await;

    // What was deleted under the former root can be brought back under the new one.
    xylem(&["package", "delete", "B.pkg"]).await;
    xylem(&["package", "restore", "B.pkg"]).await;
    stage.present_on("B.pkg", &["root", "north"]).await;
    xylem(&["ds", "remove", "root"]).await;
    stage.publish(&package_of(stage.path(), "A4.pkg", 5, 200_000)).await;
    stage.present_on("A4.pkg", &["north", "hut"]).await;
    stage.clear().await;
}
