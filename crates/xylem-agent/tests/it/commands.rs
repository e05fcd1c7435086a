//! The program itself, as an administrator calls it.

use std::path::Path;
use std::process::{Output, Stdio};
use std::time::Duration;

use tokio::process::Command;
use xylem_runtime::{Clock, SystemClock};

use crate::world::{INVITATION, TOOL, World, order};

async fn agent(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_xylem-agent")).args(arguments).output().await.unwrap()
}

fn error(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

fn json(output: &Output) -> serde_json::Value {
    assert_eq!(output.status.code(), Some(0), "{}", error(output));
    serde_json::from_slice(&output.stdout).unwrap()
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_program_enrols_installs_fetches_and_tells() {
    let world = World::at(SystemClock.now()).await;
    let (data, root, server) = (world.data(), world.root(), world.server.to_string());
    let (data, root) = (text(&data), text(&root));
    let fingerprint = world.authority.root_fingerprint().to_string();
    let output = agent(&[
        "enroll",
        "--server",
        &server,
        "--invitation",
        INVITATION,
        "--data",
        data,
        "--fingerprint",
        &fingerprint,
        "--name",
        "lab-3",
        "--json",
    ])
    .await;
    assert_eq!(json(&output)["name"], "lab-3");

    let opened = world.open().await;
    let package = world.package("Depot-1.0.pkg");
    let near = world.distribution("near").await.with(&package);
    world.order(&opened, &[(1, &package)], &[&near]);
    drop(opened);
    let output = agent(&["check-in", "--data", data, "--target", root]).await;
    let said = String::from_utf8(output.stdout.clone()).unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", error(&output));
    assert!(said.contains("Depot-1.0.pkg: installed, 2 files, 1."), "{said}");
    assert!(said.contains("from near") && said.contains("scripts not run: postinstall"), "{said}");
    assert_eq!(world.installed("usr/local/bin/tool").unwrap(), TOOL);

    let inventory = json(&agent(&["inventory", "--data", data, "--target", root, "--json"]).await);
    assert_eq!(inventory["receipts"][0]["version"], "1.0");

    world.management.set_sources("Depot-1.0.pkg", world.sources(&package, &[&near]));
    let file = world.folder.path().join("fetched.pkg");
    let fetched = json(
        &agent(&["fetch", "Depot-1.0.pkg", "-o", text(&file), "--data", data, "--json"]).await,
    );
    assert_eq!(fetched["content"], package.content().to_hex());
    assert_eq!(std::fs::read(&file).unwrap(), package.bytes);

    let lost = world.package("Lost-1.0.pkg");
    let agent_again = world.open().await;
    world.order(&agent_again, &[(2, &lost)], &[]);
    drop(agent_again);
    let output = agent(&["check-in", "--data", data, "--target", root, "--json"]).await;
    assert_eq!(output.status.code(), Some(1));
    let outcome: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(outcome["orders"][0]["result"], "download-failed");
    assert_eq!(error(&output), "error: 1 of 1 orders could not be carried out\n");
}

/// Not a measure of anything: the kills only have to strike at different moments.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_at_any_moment_the_program_ends_up_with_what_was_ordered() {
    let world = World::at(SystemClock.now()).await;
    let opened = world.agent().await;
    let near = world.distribution("near").await;
    let (data, root) = (world.data(), world.root());
    let arguments = ["check-in", "--data", text(&data), "--target", text(&root)];
    for number in 1..=8_u64 {
        let package = world.package(&format!("Depot-{number}.pkg"));
        let near = near.clone().with(&package);
        world.order(&opened, &[(number, &package)], &[&near]);
        let mut killed = Command::new(env!("CARGO_BIN_EXE_xylem-agent"))
            .args(arguments)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        tokio::time::sleep(Duration::from_millis(25 * number)).await;
        killed.kill().await.unwrap();
        let before = world.installed("usr/local/bin/tool");
        assert!(before.is_none_or(|tool| tool == TOOL));

        let output = agent(&arguments).await;
        assert_eq!(output.status.code(), Some(0), "{}", error(&output));
        assert_eq!(world.installed("usr/local/bin/tool").unwrap(), TOOL);
        let filling = format!("usr/local/share/Depot-{number}.pkg.bin");
        assert_eq!(world.installed(&filling).unwrap().len(), 1_500_000);
        let reports = world.management.reports();
        let mine: Vec<_> = reports.iter().filter(|(id, _)| *id == order(number)).collect();
        assert!(!mine.is_empty());
        assert!(mine.iter().all(|(_, report)| report.result == "installed"), "{mine:?}");
    }
}

#[tokio::test]
async fn wrong_configuration_is_told_apart_from_failure() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let (data, here) = (text(&data), text(folder.path()));
    let missing = folder.path().join("missing");
    for arguments in [
        vec!["check-in", "--data", data, "--target", here],
        vec!["run", "--data", data, "--target", text(&missing)],
        vec!["inventory", "--data", data],
        vec![
            "enroll",
            "--server",
            "https://127.0.0.1:1",
            "--invitation",
            "X",
            "--data",
            data,
            "--ca",
            text(&missing),
        ],
    ] {
        let output = agent(&arguments).await;
        assert_eq!(output.status.code(), Some(64), "{arguments:?}: {}", error(&output));
        let said = error(&output);
        assert!(said.starts_with("error: ") && said.lines().count() == 1, "{said}");
    }
    if !cfg!(target_os = "macos") {
        let output = agent(&["run", "--data", data]).await;
        assert_eq!(output.status.code(), Some(64));
        assert!(error(&output).contains("--target"), "{}", error(&output));
    }
    assert_eq!(agent(&["fly"]).await.status.code(), Some(2));
    assert_eq!(agent(&["--help"]).await.status.code(), Some(0));
}

#[tokio::test]
async fn a_server_that_is_not_there_is_a_failure() {
    let world = World::at(SystemClock.now()).await;
    let ca = world.folder.path().join("ca.pem");
    std::fs::write(&ca, world.authority.root_pem()).unwrap();
    let data = world.data();
    let output = agent(&[
        "enroll",
        "--server",
        "https://127.0.0.1:1",
        "--invitation",
        "X",
        "--data",
        text(&data),
        "--ca",
        text(&ca),
    ])
    .await;
    assert_eq!(output.status.code(), Some(1));
    assert!(error(&output).contains("cannot connect to https://127.0.0.1:1"), "{}", error(&output));
}
