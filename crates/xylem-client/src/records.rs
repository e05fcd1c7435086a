//! The records of files.

use http::Method;
use xylem_api::records::{
    ChangeRecord, FileRecord, RecordDiff, RecordRevisionPage, RecordSaved, RestoreRecord,
};
use xylem_model::FileKind;

use crate::admin::{AdminClient, segment};
use crate::error::ClientError;

impl AdminClient {
    /// What is said of a file, now or in a revision.
    pub async fn record(
        &self,
        kind: FileKind,
        name: &str,
        revision: Option<u64>,
    ) -> Result<FileRecord, ClientError> {
        let path = match revision {
            None => record_path(kind, name),
            Some(revision) => format!("{}/revisions/{revision}", record_path(kind, name)),
        };
        self.call(Method::GET, &path, None::<&()>).await
    }

    /// Changes what is said of a file.
    pub async fn change_record(
        &self,
        kind: FileKind,
        name: &str,
        change: &ChangeRecord,
    ) -> Result<RecordSaved, ClientError> {
        self.call(Method::PATCH, &record_path(kind, name), Some(change)).await
    }

    /// A page of the revisions of a record, newest first.
    pub async fn record_revisions(
        &self,
        kind: FileKind,
        name: &str,
        before: Option<u64>,
    ) -> Result<RecordRevisionPage, ClientError> {
        let path = match before {
            None => format!("{}/revisions", record_path(kind, name)),
            Some(before) => format!("{}/revisions?before={before}", record_path(kind, name)),
        };
        self.call(Method::GET, &path, None::<&()>).await
    }

    /// What differs between two revisions of a record: by default between the newest and the one
    /// before.
    pub async fn diff_record(
        &self,
        kind: FileKind,
        name: &str,
        from: Option<u64>,
        to: Option<u64>,
    ) -> Result<RecordDiff, ClientError> {
        let path = format!("{}/diff?{}", record_path(kind, name), between(from, to));
        self.call(Method::GET, &path, None::<&()>).await
    }

    /// Makes an earlier revision of a record the newest.
    pub async fn restore_record(
        &self,
        kind: FileKind,
        name: &str,
        asked: &RestoreRecord,
    ) -> Result<RecordSaved, ClientError> {
        let path = format!("{}/restore", record_path(kind, name));
        self.call(Method::POST, &path, Some(asked)).await
    }
}

fn record_path(kind: FileKind, name: &str) -> String {
    format!("/v1/files/{kind}/{}/record", segment(name))
}

/// The query of a comparison: what is left out the server chooses.
pub(crate) fn between(from: Option<u64>, to: Option<u64>) -> String {
    let asked = [("from", from), ("to", to)];
    let asked = asked.into_iter().filter_map(|(key, number)| Some(format!("{key}={}", number?)));
    asked.collect::<Vec<_>>().join("&")
}
