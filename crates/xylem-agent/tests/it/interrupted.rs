//! Power cuts, kills, and a management server that is away.

use std::fs;
use std::sync::{Arc, Barrier};
use std::time::Duration;

use xylem_agent::{Agent, AgentError, FolderError, Target, silent};
use xylem_install::{InstallError, InstallReport, InstallRequest, Installer, RootInstaller};
use xylem_runtime::Shutdown;

use crate::distribution::{Distribution, Manner};
use crate::world::{Counting, Package, TOOL, World, names, order};

struct Ordered {
    world: World,
    agent: Agent,
    package: Package,
    server: Distribution,
    installer: Arc<Counting>,
}

async fn ordered() -> Ordered {
    let world = World::new().await;
    let agent = world.agent().await;
    let package = world.package("Depot-1.0.pkg");
    let server = world.distribution("library").await.with(&package);
    world.order(&agent, &[(1, &package)], &[&server]);
    Ordered { world, agent, package, server, installer: Arc::new(Counting::default()) }
}

impl Ordered {
    fn target(&self, repeatable: bool) -> Target {
        Target::with_installer(self.world.root(), self.installer.clone(), repeatable)
    }

    /// Puts a line of the ledger in place, as a killed agent left it.
    fn left_behind(&self, record: &serde_json::Value) {
        let path = self.world.data().join("state.json");
        let mut state: serde_json::Value =
            serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
        state["orders"][order(1).to_string()] = record.clone();
        fs::write(&path, state.to_string()).unwrap();
    }
}

#[tokio::test]
async fn a_report_is_kept_while_the_server_does_not_take_it() {
    let ordered = ordered().await;
    let (world, target) = (&ordered.world, ordered.target(true));
    world.management.refuse_reports(true);
    let outcome = ordered.agent.check_in(&target, &silent).await.unwrap();
    assert_eq!((outcome.orders[0].result.as_str(), outcome.reports_waiting), ("installed", 1));
    assert_eq!(names(&world.data().join("reports")), [format!("{}.json", order(1))]);

    // The server still lists the order, since it heard nothing; a restart changes nothing.
    let agent = world.open().await;
    let outcome = agent.check_in(&target, &silent).await.unwrap();
    assert!(outcome.orders.is_empty() && outcome.reports_waiting == 1, "{outcome:?}");

    world.management.refuse_reports(false);
    let outcome = agent.check_in(&target, &silent).await.unwrap();
    assert_eq!(outcome.reports_waiting, 0);
    assert_eq!(ordered.installer.count(), 1);
    let reports = world.management.reports();
    assert_eq!((reports[0].0, reports[0].1.result.as_str()), (order(1), "installed"));
    assert_eq!(reports[0].1.attempts.len(), 1);
    assert!(names(&world.data().join("reports")).is_empty());
}

#[tokio::test]
async fn a_finished_order_that_is_given_again_is_reported_and_not_repeated() {
    let ordered = ordered().await;
    let target = ordered.target(true);
    for _ in 0..3 {
        ordered.agent.check_in(&target, &silent).await.unwrap();
    }
    assert_eq!(ordered.installer.count(), 1);
    let reports = ordered.world.management.reports();
    assert_eq!(reports.len(), 3);
    assert!(reports.iter().all(|(id, report)| *id == order(1) && report.result == "installed"));
}

#[tokio::test]
async fn killed_after_the_install_and_before_the_ledger_knows_it_is_not_repeated() {
    let ordered = ordered().await;
    let (world, target) = (&ordered.world, ordered.target(false));
    world.management.refuse_reports(true);
    ordered.agent.check_in(&target, &silent).await.unwrap();
    // The report is on the disk, the line in the ledger is the one of before.
    ordered.left_behind(&serde_json::json!({
        "stage": "installing", "since": "2026-09-21T14:13:20Z"
    }));
    world.management.refuse_reports(false);
    world.open().await.check_in(&target, &silent).await.unwrap();
    assert_eq!(ordered.installer.count(), 1);
    // Once because it waited, once because the server still lists the order.
    let reports = world.management.reports();
    assert_eq!(reports.len(), 2);
    assert!(reports.iter().all(|(_, report)| report.result == "installed"), "{reports:?}");
}

#[tokio::test]
async fn killed_while_an_installer_ran_that_may_not_be_repeated_is_reported_as_unknown() {
    let ordered = ordered().await;
    ordered.left_behind(&serde_json::json!({
        "stage": "installing", "since": "2026-09-21T14:13:20Z"
    }));
    let target = ordered.target(false);
    for _ in 0..2 {
        ordered.agent.check_in(&target, &silent).await.unwrap();
    }
    assert_eq!(ordered.installer.count(), 0);
    let (_, report) = &ordered.world.management.reports()[0];
    assert_eq!(report.result, "unknown");
    assert!(report.message.contains("not known"), "{}", report.message);
}

#[tokio::test]
async fn killed_while_an_installer_ran_that_changes_all_or_nothing_goes_on() {
    let ordered = ordered().await;
    ordered.left_behind(&serde_json::json!({
        "stage": "installing", "since": "2026-09-21T14:13:20Z"
    }));
    let outcome = ordered.agent.check_in(&ordered.target(true), &silent).await.unwrap();
    assert_eq!(outcome.orders[0].result, "installed");
    assert_eq!(ordered.world.installed("usr/local/bin/tool").unwrap(), TOOL);
    assert_eq!(ordered.world.management.reports().len(), 1);
}

/// Lets a test in while it installs.
struct Waiting {
    begun: Barrier,
    go_on: Barrier,
    counting: Counting,
}

impl Installer for Waiting {
    fn install(&self, request: &InstallRequest) -> Result<InstallReport, InstallError> {
        self.begun.wait();
        self.go_on.wait();
        self.counting.install(request)
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_installation_that_nobody_waits_for_any_more_is_still_written_down() {
    let ordered = ordered().await;
    let world = &ordered.world;
    let installer = Arc::new(Waiting {
        begun: Barrier::new(2),
        go_on: Barrier::new(2),
        counting: Counting::default(),
    });
    let target = Target::with_installer(world.root(), installer.clone(), false);
    let checking_in = tokio::spawn({
        let (agent, target) = (world.open().await, target.clone());
        async move { agent.check_in(&target, &silent).await.map(|_| ()) }
    });
    let at_barrier = installer.clone();
    tokio::task::spawn_blocking(move || at_barrier.begun.wait()).await.unwrap();
    checking_in.abort();
    assert!(checking_in.await.unwrap_err().is_cancelled());

    // Nobody else may begin while it goes on.
    let error = ordered.agent.check_in(&target, &silent).await.unwrap_err();
    assert!(matches!(error, AgentError::Folder(FolderError::Busy { .. })), "{error}");
    let at_barrier = installer.clone();
    tokio::task::spawn_blocking(move || at_barrier.go_on.wait()).await.unwrap();
    let outcome = loop {
        match ordered.agent.check_in(&target, &silent).await {
            Err(AgentError::Folder(FolderError::Busy { .. })) => tokio::task::yield_now().await,
            other => break other.unwrap(),
        }
    };
    assert!(outcome.orders.is_empty(), "{outcome:?}");
    assert_eq!(installer.counting.count(), 1);
    assert_eq!(world.management.reports()[0].1.result, "installed");
}

#[tokio::test]
async fn dropped_in_the_middle_of_a_file_it_goes_on_from_there() {
    let ordered = ordered().await;
    let Ordered { world, agent, package, server, .. } = &ordered;
    let cut = package.bytes.len() * 7 / 10;
    server.behaves(Manner::CutAt(cut));
    // The first whole piece is on the disk once progress is told of what lies beyond it.
    let (told, mut heard) = tokio::sync::mpsc::unbounded_channel();
    let sink = move |progress| drop(told.send(progress));
    let target = world.target();
    tokio::select! {
        outcome = agent.check_in(&target, &sink) => panic!("{outcome:?}"),
        () = async {
            while let Some(progress) = heard.recv().await {
                if matches!(progress, xylem_agent::Progress::Fetching { bytes, .. } if bytes > 1 << 20) {
                    break;
                }
            }
        } => {}
    }
    let partial = world.data().join("cache").join(format!("{}.part", package.content()));
    let have = fs::metadata(&partial).unwrap().len();
    assert!(have >= 1 << 20 && have <= cut as u64, "{have}");
    server.behaves(Manner::Good);
    assert_eq!(world.result(agent).await, "installed");
    assert_eq!(server.asked()[1].range, Some(format!("bytes={have}-")));
}

#[tokio::test]
async fn running_checks_in_at_once_and_stops_when_told() {
    let ordered = ordered().await;
    let world = &ordered.world;
    let shutdown = Shutdown::new();
    let target =
        Target::with_installer(world.root(), Arc::new(RootInstaller::without_sync()), true);
    let watching = async {
        while world.management.reports().is_empty() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        shutdown.begin();
    };
    tokio::join!(ordered.agent.run(&target, &shutdown), watching);
    assert_eq!(world.management.reports()[0].1.result, "installed");
    assert_eq!(world.management.check_ins().len(), 1);
}
