//! A folder at the root in the place of a cloud, by the real programs.

use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use xylem_testkit::{Stage, eventually, small_package};

/// A root whose own configuration names a folder.
async fn with_a_folder(folder: &Path) -> Stage {
    let mut stage = Stage::set().await;
    stage.tree(&[("root", None)]).await;
    stage.system.stop_part("root").await.unwrap();
    let settings = stage.system.folder().join("root/server.json");
    let mut root: Value = serde_json::from_slice(&std::fs::read(&settings).unwrap()).unwrap();
    root.as_object_mut().unwrap().insert("cloud_folder".to_owned(), json!(folder));
    std::fs::write(&settings, root.to_string()).unwrap();
    stage.system.start_distribution_server("root").await.unwrap();
    stage
}

/// Where a package's content is to lie in the folder.
async fn copy_of(stage: &Stage, folder: &Path, package: &str) -> PathBuf {
    let file = stage.content_file("root", package).await;
    let content = file.file_name().unwrap().to_str().unwrap().to_owned();
    folder.join("macs/content").join(&content[..2]).join(content)
}

/// Waits until a package lies there as it was uploaded.
async fn comes(copy: &Path, package: &Path) {
    let bytes = std::fs::read(package).unwrap();
    let is_there = || async { std::fs::read(copy).is_ok_and(|found| found == bytes) };
    eventually("the package lies in the folder", is_there).await;
}

/// Waits until so many files are told as present.
async fn are_present(stage: &Stage, count: usize) {
    let are_present = || async {
        let told = stage.system.xylem(&["cloud", "files", "--state", "present"]).await;
        told.is_ok_and(|told| told.matches(".pkg").count() == count)
    };
    eventually("the files are told as present", are_present).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_folder_is_filled_by_the_root_looked_after_and_given_out_to_nobody() {
    let place = tempfile::tempdir().unwrap();
    let folder = place.path().join("copies");
    std::fs::create_dir(&folder).unwrap();
    let mut stage = with_a_folder(&folder).await;
    let set = ["cloud", "set", "folder", "--prefix", "macs"];
    let told = stage.system.xylem(&set).await.unwrap();
    assert!(told.contains("passed") && told.contains("folder"), "{told}");
    assert!(folder.join("macs/xylem.json").exists());
    assert_eq!(std::fs::read_dir(folder.join("macs/probe")).unwrap().count(), 0);

    let (a, b) = (small_package(stage.path(), "A.pkg"), small_package(stage.path(), "B.pkg"));
    stage.publish(&a).await;
    let copy = copy_of(&stage, &folder, "A.pkg").await;
    comes(&copy, &a).await;
    are_present(&stage, 1).await;
    assert_eq!(std::fs::read_dir(folder.join("macs/staging")).unwrap().count(), 0);

    // What is lost comes back, by a root that was killed meanwhile; what is another's stays.
    std::fs::remove_file(&copy).unwrap();
    let others = copy.parent().unwrap();
    std::fs::write(others.join("notes"), b"mine").unwrap();
    symlink(&a, others.join("link")).unwrap();
    let told = stage.system.xylem(&["cloud", "inventory"]).await.unwrap();
    assert!(told.contains("1, sent again"), "{told}");
    stage.system.kill("root").await.unwrap();
    stage.system.start_distribution_server("root").await.unwrap();
    stage.publish(&b).await;
    comes(&copy, &a).await;
    comes(&copy_of(&stage, &folder, "B.pkg").await, &b).await;
    are_present(&stage, 2).await;
    assert_eq!(std::fs::read(others.join("notes")).unwrap(), b"mine");
    assert!(others.join("link").is_symlink());

    let told = stage.system.xylem(&["cloud", "make-principal"]).await.unwrap_err();
    assert!(format!("{told:?}").contains("given out to nobody"), "{told:?}");

    // Its disk is gone: nothing is made in its place.
    let away = place.path().join("away");
    std::fs::rename(&folder, &away).unwrap();
    stage.system.xylem(&["cloud", "test"]).await.unwrap_err();
    let told = stage.system.xylem(&["cloud", "show"]).await.unwrap();
    assert!(told.contains("mounted"), "{told}");
    assert!(!folder.exists());
    // Its mount point is there, and is not taken for it.
    std::fs::create_dir(&folder).unwrap();
    let told = stage.system.xylem(&["cloud", "change", "verify=all"]).await.unwrap_err();
    assert!(format!("{told:?}").contains("--adopt"), "{told:?}");
    assert_eq!(std::fs::read_dir(&folder).unwrap().count(), 0);
    std::fs::remove_dir(&folder).unwrap();
    std::fs::rename(&away, &folder).unwrap();
    stage.system.xylem(&["cloud", "test"]).await.unwrap();
    stage.clear().await;
}
