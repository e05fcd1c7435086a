//! The fixtures, and what the real child process makes of one.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::Context as _;
use xylem_artifact::Form;
use xylem_artifact::child::{Limits, run_inspector};
use xylem_artifact::inspect::{Inspection, Refusal};
use xylem_model::FileKind;

use crate::run::{name_of, programs};

/// Where files lie.
const FOLDERS: [&str; 3] = ["real", "generated", "generated/bad"];

/// A file that was made to be read, or to be refused.
pub(super) struct Fixture {
    pub(super) path: PathBuf,
    pub(super) name: String,
    /// What its name promises; none where no kind of file has that ending.
    pub(super) form: Option<Form>,
}

/// All of them, by name.
pub(super) fn all(fixtures: &Path) -> anyhow::Result<Vec<Fixture>> {
    let mut found = Vec::new();
    for folder in FOLDERS {
        let folder = fixtures.join(folder);
        let listed = std::fs::read_dir(&folder).with_context(|| folder.display().to_string())?;
        for entry in listed {
            let entry = entry?;
            if entry.file_type()?.is_file() {
                found.push(Fixture::at(entry.path()));
            }
        }
    }
    found.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(found)
}

impl Fixture {
    pub(super) fn at(path: PathBuf) -> Self {
        let name = name_of(&path);
        let form = FileKind::ALL.iter().find_map(|kind| Form::of_name(*kind, &name));
        Self { path, name, form }
    }
}

/// What came of an inspection, and how long it took.
pub(super) struct Inspected {
    pub(super) answer: Result<Inspection, Refusal>,
    pub(super) took: Duration,
}

/// Inspects a file as the ingest server does.
pub(super) fn inspect(form: Form, file: File) -> anyhow::Result<Inspected> {
    let limits = Limits::for_file_bytes(file.metadata()?.len());
    let program = programs()?.join("xylem");
    let begun = Instant::now();
    let answer = run_inspector(&program, &[xylem::INSPECT], form, file, &limits);
    Ok(Inspected { answer, took: begun.elapsed() })
}
