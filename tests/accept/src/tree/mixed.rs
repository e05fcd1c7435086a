//! Servers of the version before beside a management server of this one.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use xylem::Failure;
use xylem::system::Programs;
use xylem_bench::fleet::Fleet;
use xylem_bench::room::Host;
use xylem_model::Priority;
use xylem_testkit::small_package;

use crate::pair::stage;
use crate::run::{programs, project, run};

/// The state of the project whose distribution servers must go on working: the release before, once
/// there are releases.
const PREVIOUS: &str = "a48b7e7c9bac";

/// How long a file may take to the last server.
const LIMIT: Duration = Duration::from_secs(60);

/// The tree, and who is upgraded in which order.
const TREE: [(&str, Option<&str>); 3] =
    [("root", None), ("north", Some("root")), ("hut", Some("north"))];

/// All distribution servers are of the version before; then one after the other is not, from the top
/// down. After each step what is published arrives everywhere, and what was there can be fetched.
pub(crate) fn mixed() -> anyhow::Result<()> {
    let old = previous()?;
    let new = Programs::beside(&programs()?.join("xylem")).map_err(Failure::into_error)?;
    stage(async |scratch| {
        let (host, folder) = (Host::loopback(), scratch.path().join("fleet"));
        let mut fleet = Fleet::start(&new, &folder, &host).await?;
        fleet.use_for_servers(&old);
        for (name, parent) in TREE {
            fleet.add(name, &host, parent).await?;
        }
        let mut published = Vec::new();
        let mut steps = 0;
        for upgraded in std::iter::once(None).chain(TREE.map(|(name, _)| Some(name))) {
            if let Some(name) = upgraded {
                fleet.down(name).await?;
                fleet.use_for_servers(&new);
                fleet.up(name).await?;
                fleet.use_for_servers(&old);
            }
            // A package: the version before takes nothing else.
            let name = format!("{}.pkg", upgraded.unwrap_or("before"));
            let file = small_package(scratch.path(), &name);
            published.push(fleet.upload(&file, Priority::Normal).await?.content);
            for (server, _) in TREE {
                for content in &published {
                    let arrived = fleet.arrival(server, content, LIMIT).await;
                    arrived.with_context(|| format!("{name} at {server}, step {steps}"))?;
                }
            }
            // A change of settings, an account and a search through everything are older than both.
            fleet.xylem(&["ds", "set", "hut", &format!("check-in={}s", 60 + steps)]).await?;
            fleet.xylem(&["ds", "scrub", "hut", "--wait", "60s"]).await?;
            steps += 1;
        }
        // With the last old one the certificate authorities can change again.
        fleet.xylem(&["ca", "rotate"]).await?;
        let end = tokio::time::Instant::now() + LIMIT;
        while fleet.xylem(&["ca", "show"]).await?.contains("step") {
            ensure!(tokio::time::Instant::now() < end, "the change of authorities does not end");
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
        fleet.stop().await;
        println!("TREE mixed previous={PREVIOUS} steps={steps} files={}", published.len());
        Ok(())
    })
}

/// The programs of the version before, built beside ours.
fn previous() -> anyhow::Result<Programs> {
    let (project, scratch) = (project()?, tempfile::tempdir()?);
    let tree = scratch.path().join("previous");
    let target = project.join("target/previous");
    git(&project, &["worktree", "add", "--detach", "--force", path(&tree)?, PREVIOUS])?;
    let mut build = Command::new("cargo");
    build.args(["build", "--quiet", "--package", "xylem", "--package", "xylem-agent"]);
    build.current_dir(&tree).env("CARGO_TARGET_DIR", &target);
    let built = run(&mut build);
    git(&project, &["worktree", "remove", "--force", path(&tree)?])?;
    built?.require("building the version before")?;
    Programs::beside(&target.join("debug/xylem")).map_err(Failure::into_error)
}

fn git(project: &PathBuf, words: &[&str]) -> anyhow::Result<()> {
    run(Command::new("git").args(words).current_dir(project))?.require("git")?;
    Ok(())
}

fn path(path: &Path) -> anyhow::Result<&str> {
    path.to_str().context("the path is not Unicode")
}
