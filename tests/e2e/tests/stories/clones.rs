//! One key on two machines.

use std::path::Path;
use std::process::{Child, Command, Stdio};

use xylem_testkit::{Stage, eventually, package_of, programs};

/// A program that is killed at the end.
struct Twin(Child);

impl Drop for Twin {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Copies a data folder, and runs what is in it at another port.
fn clone_of(data: &Path, to: &Path) -> Twin {
    let copied = Command::new("cp").arg("-a").arg(data).arg(to).status().unwrap();
    assert!(copied.success());
    let settings = to.join("server.json");
    let text = std::fs::read_to_string(&settings).unwrap();
    let listen = text.split("\"listen\":").nth(1).unwrap().split('"').nth(1).unwrap();
    let free = xylem::system::free_address().unwrap();
    let there = format!("\"listen\":{}", text.split("\"listen\":").nth(1).unwrap());
    let other = there.replacen(listen, &free, 1);
    std::fs::write(&settings, text.replace(&there, &other)).unwrap();
    let mut run = Command::new(programs().xylem);
    run.args(["distribution", "run", "--data"]).arg(to);
    Twin(run.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_copied_disk_is_noticed_and_neither_machine_is_let_in() {
    let mut stage = Stage::set().await;
    stage.tree(&[("root", None), ("campus", Some("root"))]).await;
    stage.publish(&package_of(stage.path(), "A.pkg", 1, 100_000)).await;
    stage.present_on("A.pkg", &["root", "campus"]).await;
    // Restarts are none of this.
    for _ in 0..3 {
        stage.system.kill("campus").await.unwrap();
        stage.system.start_distribution_server("campus").await.unwrap();
    }
    let data = stage.system.folder().join("campus");
    let twin = clone_of(&data, &stage.system.folder().join("twin"));

    // Whatever changes has both of them report.
    let mut seconds = 60;
    let mut is_found = false;
    for _ in 0..120 {
        seconds = if seconds == 60 { 61 } else { 60 };
        let check_in = format!("check-in={seconds}s");
        stage.system.xylem(&["ds", "set", "root", &check_in]).await.unwrap();
        if stage.system.xylem(&["status"]).await.unwrap().contains("campus is set aside") {
            is_found = true;
            break;
        }
        tokio::time::sleep(std::time::Duration::from_secs(1)).await;
    }
    assert!(is_found, "the twin is never noticed");
    let shown = stage.system.xylem(&["ds", "show", "campus"]).await.unwrap();
    assert!(shown.contains("set aside: its key is on two machines"), "{shown}");
    let others = stage.system.xylem(&["ds", "show", "root"]).await.unwrap();
    assert!(!others.contains("set aside"), "{others}");
    stage.publish(&package_of(stage.path(), "B.pkg", 2, 100_000)).await;
    stage.present_on("B.pkg", &["root"]).await;
    for data in [&data, &stage.system.folder().join("twin")] {
        let held = std::fs::read_dir(data.join("repo/content")).unwrap().count();
        assert_eq!(held, 1, "nothing more comes to {}", data.display());
    }

    drop(twin);
    stage.system.xylem(&["ds", "reinstate", "campus"]).await.unwrap();
    stage.present_on("B.pkg", &["campus"]).await;
    assert!(stage.system.xylem(&["ds", "reinstate", "campus"]).await.is_err(), "it is in already");

    let inventory = stage.system.xylem(&["ds", "inventory"]).await.unwrap();
    assert!(inventory.contains(" on 2 of 2 servers"), "{inventory}");
    eventually("the machine is described", || async {
        let shown = stage.system.xylem(&["ds", "show", "campus"]).await.unwrap();
        ["Host", "Memory", "Clock"].iter().all(|word| shown.contains(word))
    })
    .await;
    stage.clear().await;
}
