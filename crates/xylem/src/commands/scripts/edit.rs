//! A script in the user's editor.
//!
//! The text lies in a folder of its own that nobody else can open. What was written is never lost:
//! when it cannot be saved, the file stays and the message says where.

use std::collections::BTreeMap;
use std::fs::DirBuilder;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use anyhow::Context as _;
use tokio::process::Command;
use xylem_api::error::ErrorCode;
use xylem_api::scripts::{EditScript, NewScript, OpenedEdit, SetContents};
use xylem_client::ClientError;
use xylem_model::{MAX_SCRIPT_BYTES, ScriptEditId, ScriptPriority};
use xylem_runtime::{RealFs, read_bounded, replace_private_file};

use super::upload::{as_given, uploaded};
use crate::Failure;
use crate::access::Access;
use crate::output::Output;

/// What a new script begins with.
const TEMPLATE: &str = "#!/bin/sh\n";

/// Longest name that the file of a text takes over from its script.
const MAX_DRAFT_NAME_BYTES: usize = 200;

/// Names that people have given their editor, in the order in which they count.
const EDITORS: [&str; 2] = ["VISUAL", "EDITOR"];

pub(super) async fn edit(
    name: &str,
    asked: EditScript,
    comment: String,
    access: &Access,
    output: &Output,
) -> Result<(), Failure> {
    let opened = access.admin.edit_script(name, asked).await?;
    let before = if asked.new { TEMPLATE } else { &opened.contents };
    let draft = Draft::begin(name, opened.edit, before)?;
    let edited = draft.edit().await;
    let bytes = match edited.and_then(|()| draft.read()) {
        Ok(bytes) if bytes == before.as_bytes() => {
            draft.remove()?;
            return Err(Failure::new(match asked.new {
                true => format!("nothing was written: {name} was not made"),
                false => format!("nothing was changed: {name} stays at version {}", opened.version),
            }));
        }
        Ok(bytes) => bytes,
        Err(failure) => return Err(draft.kept(failure.into_error())),
    };
    let saved = match asked.new {
        true => access.admin.add_script(&new(name, &bytes, comment, opened.edit)).await,
        false => {
            let new = SetContents {
                contents: as_given(&bytes),
                based_on: opened.version,
                comment,
                edit: Some(opened.edit),
            };
            access.admin.set_script_contents(name, &new).await
        }
    };
    match saved {
        Ok(saved) => {
            draft.remove()?;
            output.value(&saved, uploaded)
        }
        Err(error) => {
            if !asked.new && error.code() == Some(ErrorCode::Conflict) {
                show_others(name, &opened, access, output).await?;
            }
            Err(draft.unsaved(error))
        }
    }
}

fn new(name: &str, bytes: &[u8], comment: String, edit: ScriptEditId) -> NewScript {
    NewScript {
        name: name.to_owned(),
        category: None,
        info: String::new(),
        notes: String::new(),
        priority: ScriptPriority::default(),
        labels: BTreeMap::new(),
        os_requirement: String::new(),
        contents: as_given(bytes),
        comment,
        edit: Some(edit),
    }
}

/// Shows what others changed since the script was opened. What cannot be shown is left out: the
/// text in the editor matters more.
async fn show_others(
    name: &str,
    opened: &OpenedEdit,
    access: &Access,
    output: &Output,
) -> Result<(), Failure> {
    match access.admin.diff_script(name, Some(opened.version), None).await {
        Ok(diff) => {
            output.say(&format!("This was changed meanwhile:\n\n{}", diff.unified.trim_end()))
        }
        Err(_) => Ok(()),
    }
}

/// The text in a file, as long as it is being edited.
struct Draft {
    folder: PathBuf,
    file: PathBuf,
}

impl Draft {
    /// Writes the text into a new folder. Editors put copies beside a file, so the folder is what
    /// keeps others out; the file has the script's name, by which editors know what it is.
    fn begin(name: &str, edit: ScriptEditId, text: &str) -> Result<Self, Failure> {
        let folder = std::env::temp_dir().join(format!("xylem-script-{edit}"));
        let made = DirBuilder::new().mode(0o700).create(&folder);
        made.with_context(|| format!("cannot make the folder {}", folder.display()))?;
        // Room for what editors put behind a name.
        let is_short = name.len() <= MAX_DRAFT_NAME_BYTES;
        let file = folder.join(if is_short { name } else { "script" });
        replace_private_file(&RealFs, &file, text.as_bytes())
            .with_context(|| format!("cannot write {}", file.display()))?;
        Ok(Self { folder, file })
    }

    /// Runs the editor until it ends.
    async fn edit(&self) -> Result<(), Failure> {
        let mut named = EDITORS.into_iter().filter_map(|name| std::env::var(name).ok());
        let editor = named.find(|it| !it.trim().is_empty());
        let editor = editor.unwrap_or_else(|| "vi".to_owned());
        // By a shell, because people put options there: EDITOR='code --wait'.
        let status = Command::new("/bin/sh")
            .args(["-c", &format!("{editor} \"$1\""), "sh"])
            .arg(&self.file)
            .stdin(Stdio::inherit())
            .status()
            .await
            .with_context(|| format!("cannot start the editor `{editor}`"))?;
        match status.success() {
            true => Ok(()),
            false => Err(Failure::new(format!("the editor `{editor}` ended with {status}"))),
        }
    }

    fn read(&self) -> Result<Vec<u8>, Failure> {
        read_bounded(&RealFs, &self.file, MAX_SCRIPT_BYTES as u64)
            .with_context(|| format!("cannot read {}", self.file.display()))
            .map_err(Failure::from)
    }

    fn remove(&self) -> Result<(), Failure> {
        std::fs::remove_dir_all(&self.folder)
            .with_context(|| format!("cannot remove {}", self.folder.display()))
            .map_err(Failure::from)
    }

    fn unsaved(&self, error: ClientError) -> Failure {
        self.kept(anyhow::Error::new(error))
    }

    /// The failure, and where the text is.
    fn kept(&self, error: anyhow::Error) -> Failure {
        let place = quoted(&self.file);
        Failure::Failed(error.context(format!("not saved; your text is kept in {place}")))
    }
}

fn quoted(path: &Path) -> String {
    format!("`{}`", path.display())
}
