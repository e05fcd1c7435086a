//! Certificate authorities change, and nobody notices.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use xylem_api::authorities::{AuthorityState, AuthorityStep};
use xylem_testkit::{Stage, WebDav, eventually, package_of};

async fn state(stage: &Stage) -> AuthorityState {
    stage.system.access().admin.authorities().await.unwrap()
}

async fn at_step(stage: &Stage, step: AuthorityStep) {
    eventually("the step", || async { state(stage).await.step == step }).await;
}

/// Asks on connections of its own until it is told to stop; counts what was answered.
fn keep_asking(client: WebDav, stop: Arc<AtomicBool>) -> tokio::task::JoinHandle<usize> {
    tokio::spawn(async move {
        let mut answered = 0;
        while !stop.load(Ordering::Relaxed) {
            let client = client.afresh();
            assert_eq!(client.ask("GET", "/Packages/A.pkg", &[], b"").await.status, 200);
            answered += 1;
        }
        answered
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_root_comes_in_while_everything_goes_on() {
    let mut stage = Stage::set().await;
    stage.tree(&[("root", None), ("campus", Some("root"))]).await;
    stage.system.add_computer("mac", None).await.unwrap();
    stage.system.add_computer("notebook", None).await.unwrap();
    stage.publish(&package_of(stage.path(), "A.pkg", 1, 1 << 20)).await;
    stage.present_on("A.pkg", &["root", "campus"]).await;
    let before = state(&stage).await.present.fingerprint;

    // Somebody who believes the first root alone, whatever comes.
    let reader = WebDav::account(&stage, "campus", "reader", "--read").await;
    let stop = Arc::new(AtomicBool::default());
    let asking = keep_asking(reader, Arc::clone(&stop));

    stage.system.xylem(&["ca", "rotate"]).await.unwrap();
    let refused = stage.system.xylem(&["ca", "rotate"]).await.unwrap_err();
    assert!(format!("{refused:?}").contains("brought in already"), "{refused:?}");
    // The notebook is away: over the bridge it will find back.
    at_step(&stage, AuthorityStep::Switched).await;
    let switched = state(&stage).await;
    assert_ne!(switched.present.fingerprint, before);
    assert_eq!(switched.former, [before]);
    stage.system.check_in("mac").await.unwrap();
    stage.publish(&package_of(stage.path(), "B.pkg", 2, 1 << 20)).await;
    stage.present_on("B.pkg", &["root", "campus"]).await;
    eventually("all but the notebook have followed", || async {
        let now = state(&stage).await;
        now.servers.followed == 2 && now.computers.followed == 1
    })
    .await;
    let early = stage.system.xylem(&["ca", "finish"]).await.unwrap_err();
    assert!(format!("{early:?}").contains("notebook"), "{early:?}");

    assert_eq!(stage.install("B.pkg", "notebook").await.result, "installed");
    at_step(&stage, AuthorityStep::Steady).await;
    stop.store(true, Ordering::Relaxed);
    assert!(asking.await.unwrap() > 10, "and nobody was turned away");

    // All of them are at home in the new authority, also after a restart.
    for part in ["campus", "root"] {
        stage.system.kill(part).await.unwrap();
    }
    for part in ["root", "campus"] {
        stage.system.start_distribution_server(part).await.unwrap();
    }
    stage.publish(&package_of(stage.path(), "C.pkg", 3, 1 << 20)).await;
    stage.present_on("C.pkg", &["root", "campus"]).await;
    assert_eq!(stage.install("C.pkg", "mac").await.result, "installed");
    stage.system.add_computer("newcomer", None).await.unwrap();
    assert_eq!(stage.install("C.pkg", "newcomer").await.result, "installed");
    let there = |name: &str| Path::new(stage.system.folder()).join(name).exists();
    assert!(!there("server/ca/root.key"), "the former root's key is destroyed");
    stage.clear().await;
}
