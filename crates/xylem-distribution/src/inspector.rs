//! Looking into an upload before it is published.

use std::fmt;
use std::fs::File;
use std::path::PathBuf;
use std::sync::Arc;

use async_trait::async_trait;
use xylem_artifact::child::{Limits, run_inspector};
use xylem_artifact::inspect::Refusal;
use xylem_artifact::{Form, RefusalCode};
use xylem_model::{FileKind, FileName};

/// An upload whose bytes are here and have the declared digests.
#[derive(Debug)]
pub struct Candidate {
    /// What it claims to be.
    pub kind: FileKind,
    /// The name it is to be published under.
    pub name: FileName,
    /// Its size in bytes.
    pub size: u64,
    /// The operating system's file; simulated files have none.
    pub file: Option<File>,
}

/// Decides whether an upload may be published.
#[async_trait]
pub trait Inspector: Send + Sync + fmt::Debug {
    /// What is in the file, for the catalogue.
    ///
    /// # Errors
    /// The reason why it may not be published, for the uploader.
    async fn inspect(&self, candidate: Candidate) -> Result<serde_json::Value, Refusal>;
}

/// Inspects files in a child process with hard limits; see [`xylem_artifact::child`].
#[derive(Debug, Clone)]
pub struct ChildInspector {
    /// The program to start: normally this very binary.
    pub program: PathBuf,
    /// Its arguments, which must lead to [`xylem_artifact::child::serve_stdin`].
    pub args: Arc<[String]>,
}

#[async_trait]
impl Inspector for ChildInspector {
    async fn inspect(&self, candidate: Candidate) -> Result<serde_json::Value, Refusal> {
        let form = require_form(candidate.kind, &candidate.name)?;
        let Some(file) = candidate.file else {
            return Err(failed("the file cannot be handed to another process"));
        };
        let (program, args) = (self.program.clone(), Arc::clone(&self.args));
        // The one place where work leaves the seams: a simulated disk has no processes.
        let inspecting = tokio::task::spawn_blocking(move || {
            let args: Vec<&str> = args.iter().map(String::as_str).collect();
            run_inspector(&program, &args, form, file, &Limits::for_file_bytes(candidate.size))
        });
        let inspection =
            inspecting.await.unwrap_or_else(|_| Err(failed("the server is shutting down")))?;
        serde_json::to_value(inspection).map_err(|error| failed(&error.to_string()))
    }
}

/// Accepts everything: for simulation, where there are no processes.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoInspector;

#[async_trait]
impl Inspector for NoInspector {
    async fn inspect(&self, _: Candidate) -> Result<serde_json::Value, Refusal> {
        Ok(serde_json::Value::Null)
    }
}

/// The form that a name promises.
///
/// # Errors
/// Where files of the kind have no such ending.
pub(crate) fn require_form(kind: FileKind, name: &FileName) -> Result<Form, Refusal> {
    let refused = |message| Refusal { code: RefusalCode::OtherForm, message };
    kind.require_ending(name).map_err(|error| refused(error.to_string()))?;
    Form::of_name(kind, name.as_str()).ok_or_else(|| refused(format!("`{name}` has no reader")))
}

fn failed(reason: &str) -> Refusal {
    Refusal {
        code: RefusalCode::InspectionFailed,
        message: format!("the file could not be inspected: {reason}; send it again"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn candidate(kind: FileKind, name: &str) -> Candidate {
        let file = tempfile::tempfile().unwrap();
        Candidate { kind, name: FileName::new(name).unwrap(), size: 0, file: Some(file) }
    }

    #[tokio::test]
    async fn files_go_to_the_child_and_a_child_that_does_not_start_refuses_them() {
        let inspector =
            ChildInspector { program: "/nowhere/xylem".into(), args: Arc::from(["x".to_owned()]) };
        for (kind, name) in [(FileKind::Package, "A.pkg"), (FileKind::Ebook, "A.epub")] {
            let refusal = inspector.inspect(candidate(kind, name)).await.unwrap_err();
            assert_eq!(refusal.code, RefusalCode::InspectionFailed);
        }
        let refusal = inspector.inspect(candidate(FileKind::App, "A.pkg")).await.unwrap_err();
        assert_eq!(refusal.code, RefusalCode::OtherForm);
        let simulated = Candidate { file: None, ..candidate(FileKind::Package, "A.pkg") };
        assert!(inspector.inspect(simulated).await.is_err());
    }
}
