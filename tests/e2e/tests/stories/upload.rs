//! An upload that is broken off goes on, or leaves nothing.

use xylem_testkit::{CutProxy, Direction, Stage, eventually, package_of};

const SIZE: u64 = 8 << 20;

/// A root behind a wire that can be cut.
async fn root_behind_a_wire() -> (Stage, CutProxy) {
    let mut stage = Stage::set().await;
    let behind = stage.system.reserve_address("root").unwrap();
    let wire = CutProxy::to(behind).await;
    let url = wire.url();
    stage.system.add_distribution_server("root", None, None, Some(&url)).await.unwrap();
    (stage, wire)
}

/// Ten points on the way of an upload, the last ones after all its bytes have passed.
fn points() -> [u64; 10] {
    [
        1,
        2_000,
        SIZE / 8,
        SIZE / 4,
        SIZE / 3,
        SIZE / 2,
        SIZE * 2 / 3,
        SIZE * 7 / 8,
        SIZE,
        SIZE + 9_000,
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upload_whose_client_is_killed_at_ten_points_goes_on_where_it_was() {
    let (stage, wire) = root_behind_a_wire().await;
    for (number, point) in points().into_iter().enumerate() {
        let name = format!("Client-{number}.pkg");
        let package = package_of(stage.path(), &name, number as u64, SIZE);
        let path = package.to_str().unwrap();
        let upload = ["package", "upload", path];
        wire.cut_after(Direction::Up, point);
        tokio::select! {
            // Dropping the command kills it.
            _ = stage.system.xylem(&upload) => {}
            () = wire.was_cut() => {}
        }
        stage.system.xylem(&upload).await.unwrap();
        stage.present_on(&name, &["root"]).await;
        let copy = stage.path().join("copy.pkg");
        let copy = copy.to_str().unwrap();
        stage.system.xylem(&["package", "download", &name, "-o", copy]).await.unwrap();
        assert!(std::fs::read(copy).unwrap() == std::fs::read(path).unwrap(), "point {point}");
        std::fs::remove_file(copy).unwrap();
    }
    stage.clear().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upload_whose_server_is_killed_at_ten_points_goes_on_by_itself() {
    let (mut stage, wire) = root_behind_a_wire().await;
    for (number, point) in points().into_iter().enumerate() {
        let name = format!("Server-{number}.pkg");
        let package = package_of(stage.path(), &name, number as u64, SIZE);
        wire.cut_after(Direction::Up, point);
        let uploading = tokio::process::Command::new(&stage.system.programs().xylem)
            .args(["package", "upload", package.to_str().unwrap()])
            .envs(stage.system.environment())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        tokio::select! {
            () = wire.was_cut() => {}
            // The last points lie behind the end where an upload needs fewer bytes.
            () = tokio::time::sleep(std::time::Duration::from_secs(5)) => {}
        }
        stage.system.kill("root").await.unwrap();
        stage.system.start_distribution_server("root").await.unwrap();
        let done = uploading.wait_with_output().await.unwrap();
        assert!(done.status.success(), "point {point}");
        stage.present_on(&name, &["root"]).await;
    }
    stage.clear().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upload_that_nobody_finishes_leaves_nothing_to_be_seen() {
    let (stage, wire) = root_behind_a_wire().await;
    let package = package_of(stage.path(), "Given up.pkg", 3, SIZE);
    let upload = ["package", "upload", package.to_str().unwrap()];
    wire.cut_after(Direction::Up, SIZE / 2);
    tokio::select! {
        _ = stage.system.xylem(&upload) => {}
        () = wire.was_cut() => {}
    }
    assert_eq!(stage.system.xylem(&["package", "list", "--json"]).await.unwrap(), "[]");
    let content = stage.system.folder().join("root/repo/content");
    eventually("nothing is published", || async {
        std::fs::read_dir(&content).is_ok_and(|entries| entries.count() == 0)
    })
    .await;
    stage.clear().await;
}
