//! Somebody who edits scripts, and two who edit one at once.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};
use std::time::Duration;

use anyhow::{Context as _, ensure};
use tokio::process::{Child, Command};
use tokio::time::timeout;
use xylem_bench::fleet::Fleet;
use xylem_bench::until;

use super::texts::Text;

/// How long an editor may take to open, and a command to end.
const LIMIT: Duration = Duration::from_secs(60);

/// An editor that keeps what it was opened with, writes a text, and stays open until it is let go.
/// Its words: the text, what it was opened with, what it waits for, the draft.
const SLOW: &str = "set -e\ncp \"$4\" \"$2.part\"\ncp \"$1\" \"$4\"\nmv \"$2.part\" \"$2\"\n\
                    while [ ! -e \"$3\" ]; do sleep 0.05; done\n";

/// Where scripts are edited.
pub(super) struct Desk<'a> {
    fleet: &'a Fleet,
    folder: PathBuf,
}

/// An editor that is open.
pub(super) struct Open {
    command: Child,
    seen: PathBuf,
    go: PathBuf,
}

impl<'a> Desk<'a> {
    pub(super) fn new(fleet: &'a Fleet, scratch: &Path) -> anyhow::Result<Self> {
        let folder = scratch.join("desk");
        fs::create_dir_all(folder.join("drafts"))?;
        fs::write(folder.join("slow.sh"), SLOW)?;
        Ok(Self { fleet, folder })
    }

    /// `xylem script edit` with an editor.
    fn edit(&self, name: &str, more: &[&str], editor: &str) -> Command {
        let mut command = self.fleet.command(&[&["script", "edit", name], more].concat());
        command.env("VISUAL", editor).env("TMPDIR", self.folder.join("drafts"));
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    /// Writes a text in an editor, and saves it.
    pub(super) async fn write(&self, name: &str, is_new: bool, text: &Text) -> anyhow::Result<()> {
        let file = self.folder.join("text");
        fs::write(&file, text.contents())?;
        let more: &[&str] = if is_new { &["--new"] } else { &[] };
        let edited = self.edit(name, more, &format!("cp '{}'", file.display())).output();
        let edited = timeout(LIMIT, edited).await.context("the editor does not end")??;
        ensure!(edited.status.success(), "the script is not saved: {edited:?}");
        Ok(())
    }

    /// Opens an editor that will save a text.
    pub(super) fn open(&self, name: &str, who: &str, text: &Text) -> anyhow::Result<Open> {
        let path = |what: &str| self.folder.join(format!("{who}-{what}"));
        let (file, seen, go) = (path("text"), path("seen"), path("go"));
        fs::write(&file, text.contents())?;
        let slow = self.folder.join("slow.sh");
        let words = [&slow, &file, &seen, &go].map(|path| format!("'{}'", path.display()));
        let command = self.edit(name, &[], &format!("sh {}", words.join(" "))).spawn()?;
        Ok(Open { command, seen, go })
    }

    /// The texts that were kept because they could not be saved.
    pub(super) fn drafts(&self) -> anyhow::Result<Vec<String>> {
        let mut kept = Vec::new();
        for folder in fs::read_dir(self.folder.join("drafts"))? {
            for file in fs::read_dir(folder?.path())? {
                kept.push(fs::read_to_string(file?.path())?);
            }
        }
        Ok(kept)
    }
}

impl Open {
    /// The text with which it was opened.
    pub(super) async fn opened(&self) -> anyhow::Result<String> {
        until("the editor is open", LIMIT, || self.seen.exists()).await?;
        Ok(fs::read_to_string(&self.seen)?)
    }

    /// Ends the editor; what the command says of it.
    pub(super) async fn save(self) -> anyhow::Result<Output> {
        fs::write(&self.go, "")?;
        let ended = timeout(LIMIT, self.command.wait_with_output());
        Ok(ended.await.context("the editor does not end")??)
    }
}
