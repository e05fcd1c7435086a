//! A management server that comes back from an old backup.

use xylem_testkit::{Stage, eventually, small_package};

#[tokio::test(flavor = "multi_thread")]
async fn a_backup_older_than_two_uploads_loses_neither_of_them() {
    let mut stage = Stage::set().await;
    stage.tree(&[("root", None), ("child", Some("root"))]).await;
    stage.publish(&small_package(stage.path(), "Before.pkg")).await;
    stage.present_on("Before.pkg", &["root", "child"]).await;
    let config = stage.system.folder().join("server.toml");
    let backup = stage.path().join("backup");
    let (config, backup) = (config.to_str().unwrap(), backup.to_str().unwrap());
    stage.system.xylem(&["server", "backup", "--config", config, backup]).await.unwrap();

    for name in ["First.pkg", "Second.pkg"] {
        stage.publish(&small_package(stage.path(), name)).await;
        stage.present_on(name, &["root", "child"]).await;
    }
    stage.system.stop_part("server").await.unwrap();
    let data = stage.system.folder().join("server");
    let token = std::fs::read(data.join("admin.token")).unwrap();
    let ca = std::fs::read(data.join("ca.pem")).unwrap();
    std::fs::remove_dir_all(&data).unwrap();
    stage.system.xylem(&["server", "restore", "--config", config, backup]).await.unwrap();
    // The token lives on as a hash; its text was the administrator's to keep.
    std::fs::write(data.join("admin.token"), token).unwrap();
    std::fs::write(data.join("ca.pem"), ca).unwrap();
    stage.system.start_server().await.unwrap();

    eventually("both uploads are adopted", || async {
        let listed = stage.system.xylem(&["package", "list", "--json"]).await.unwrap();
        ["Before.pkg", "First.pkg", "Second.pkg"].iter().all(|name| listed.contains(name))
    })
    .await;
    stage.system.xylem(&["confirm-restore"]).await.unwrap();
    stage.publish(&small_package(stage.path(), "After.pkg")).await;
    for name in ["First.pkg", "Second.pkg", "After.pkg"] {
        stage.present_on(name, &["root", "child"]).await;
    }
    stage.clear().await;
}
