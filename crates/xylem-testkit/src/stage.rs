//! A system to tell a story with.

use std::path::{Path, PathBuf};

use tempfile::TempDir;
use xylem::system::{Programs, System};
use xylem_model::FileKind;

use crate::eventually;

/// A management server that really runs, and what a story adds to it.
pub struct Stage {
    /// The system.
    pub system: System,
    folder: Option<TempDir>,
}

impl Stage {
    /// Starts a management server in a new folder.
    pub async fn set() -> Self {
        let folder = tempfile::Builder::new().prefix("xylem-story-").tempdir().unwrap();
        let system = System::start(programs(), folder.path().join("system")).await.unwrap();
        Self { system, folder: Some(folder) }
    }

    /// Adds distribution servers, each with its parent; the first is the root.
    pub async fn tree(&mut self, servers: &[(&str, Option<&str>)]) {
        for (name, parent) in servers {
            self.system.add_distribution_server(name, *parent, None, None).await.unwrap();
        }
    }

    /// A folder for the story's own files.
    pub fn path(&self) -> &Path {
        self.folder.as_ref().map_or(Path::new("."), TempDir::path)
    }

    /// Publishes a package with the command line.
    pub async fn publish(&self, package: &Path) {
        self.system.xylem(&["package", "upload", package.to_str().unwrap()]).await.unwrap();
    }

    /// Waits until a package is present, verified, on all of these servers.
    pub async fn present_on(&self, package: &str, servers: &[&str]) {
        let mut arguments = vec!["package", "wait", package, "--timeout", "60s", "--on"];
        arguments.extend(servers);
        self.system.xylem(&arguments).await.unwrap();
    }

    /// Orders a computer to install a package and lets it check in; gives the report.
    pub async fn install(&self, package: &str, computer: &str) -> xylem_api::agent::OrderReport {
        let admin = &self.system.access().admin;
        let order = admin.order(computer, package).await.unwrap();
        // An order that fails makes the check-in fail too; the report tells which.
        let _ = self.system.check_in(computer).await;
        let mut report = None;
        eventually("the computer's report", || {
            let order = order.id;
            async move { admin.order_info(order).await.unwrap().report.is_some() }
        })
        .await;
        if let Some(found) = admin.order_info(order.id).await.unwrap().report {
            report = Some(found);
        }
        report.unwrap()
    }

    /// The file in which a distribution server keeps a package's bytes.
    pub async fn content_file(&self, server: &str, package: &str) -> PathBuf {
        let admin = &self.system.access().admin;
        let file = admin.file(FileKind::Package, package).await.unwrap().file;
        let id = file.current.content.to_string();
        self.system.folder().join(server).join("repo/content").join(&id[..2]).join(&id)
    }

    /// Ends the story: stops every part and removes the folder. A story that fails before does
    /// not get here, and its folder stays.
    pub async fn clear(mut self) {
        let folder = self.folder.take();
        self.system.stop().await;
        drop(folder);
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        self.system.strike_all();
        if let Some(folder) = self.folder.take() {
            let kept = folder.keep();
            eprintln!("the story failed; its folder and logs are kept in {}", kept.display());
        }
    }
}

/// The built programs, beside the running test's folder: `target/debug/deps/TEST` → `target/debug`.
pub fn programs() -> Programs {
    let test = std::env::current_exe().unwrap();
    let folder = test.parent().and_then(Path::parent).unwrap();
    Programs::beside(&folder.join("xylem")).unwrap_or_else(|error| {
        panic!("{error:?}: run `cargo build -p xylem -p xylem-agent` first, or `cargo xtask test`")
    })
}
