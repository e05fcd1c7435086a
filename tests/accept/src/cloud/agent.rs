//! A Mac whose agent is asked to fetch and to install.

use std::path::{Path, PathBuf};

use xylem::Failure;
use xylem::system::run_to_end;
use xylem_bench::fleet::Fleet;

use super::ground::{Ground, path};
use super::store::Store;

/// The computer's name.
pub(super) const MAC: &str = "mac";

/// An enrolled computer. It borrows the ground for as long as it does something there.
pub(super) struct Mac<'a> {
    fleet: &'a Fleet,
    agent: &'a Path,
    /// Where it puts what it fetches.
    folder: &'a Path,
    data: PathBuf,
    /// What stands for its disk.
    pub(super) disk: PathBuf,
}

impl<'a> Mac<'a> {
    /// The one computer of a run.
    pub(super) fn of<S: Store>(ground: &'a Ground<S>) -> Self {
        let (data, disk) = (ground.written().join(MAC), ground.written().join("mac-disk"));
        let (agent, folder) = (ground.programs.agent.as_path(), ground.folder());
        Self { fleet: &ground.fleet, agent, folder, data, disk }
    }

    /// Enrols it.
    pub(super) async fn enroll(&self) -> anyhow::Result<()> {
        std::fs::create_dir_all(&self.disk)?;
        let fleet = self.fleet;
        let invitation = fleet.xylem(&["invite", "computer"]).await?;
        let ca = fleet.ca_file();
        let words = ["enroll", "--server", fleet.url(), "--invitation", &invitation];
        self.run(&[&words[..], &["--ca", path(&ca)?, "--name", MAC]].concat()).await?;
        Ok(())
    }

    /// Fetches a package into a file, which is not there before.
    pub(super) async fn fetch(&self, name: &str) -> anyhow::Result<PathBuf> {
        let file = self.folder.join("fetched");
        self.fetching(name, &file)?.await?;
        Ok(file)
    }

    /// The same, as something that goes on while other things are done on the ground.
    pub(super) fn fetching(
        &self,
        name: &str,
        file: &Path,
    ) -> anyhow::Result<impl Future<Output = anyhow::Result<()>> + Send + use<>> {
        if file.exists() {
            std::fs::remove_file(file)?;
        }
        let words = ["fetch", name, "--output", path(file)?, "--data", path(&self.data)?];
        let words = words.map(str::to_owned);
        let agent = self.agent.to_owned();
        Ok(async move {
            let words: Vec<&str> = words.iter().map(String::as_str).collect();
            run_to_end(&agent, &words, &[]).await.map(drop).map_err(Failure::into_error)
        })
    }

    /// Orders a package to be installed, learns of it and carries it out.
    pub(super) async fn install(&self, package: &str) -> anyhow::Result<()> {
        self.fleet.xylem(&["install", package, "--on", MAC]).await?;
        self.run(&["check-in", "--target", path(&self.disk)?]).await?;
        Ok(())
    }

    async fn run(&self, words: &[&str]) -> anyhow::Result<String> {
        let words = [words, &["--data", path(&self.data)?]].concat();
        run_to_end(self.agent, &words, &[]).await.map_err(Failure::into_error)
    }
}
