//! Files, their versions, uploads and where copies are.

use std::fmt;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use xylem_model::{
    ContentId, DistributionServerId, FileId, FileKind, FileName, Priority, Sha256, Timestamp,
    UploadId,
};
use xylem_trust::Envelope;

use crate::cloud_files::CloudFile;
use crate::comparison::Comparison;
use crate::digests::WholeDigests;
use crate::index::IndexSummary;

/// A site or a category: a name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Named {
    /// Its name, unique without regard to case.
    pub name: String,
}

/// `POST /v1/uploads`: what is about to be sent.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct DeclareUpload {
    /// What kind of file.
    #[schema(value_type = String, example = "package")]
    pub kind: FileKind,
    /// The name to publish it under. Checked by the server, hence a plain text here.
    pub name: String,
    /// Its size in bytes.
    pub size: u64,
    /// How much of a hurry the version that it becomes is in; normal where left out.
    #[serde(default)]
    #[schema(value_type = String, example = "normal")]
    pub priority: Priority,
    /// BLAKE3 of the bytes; our own clients always declare it.
    #[schema(value_type = Option<String>)]
    pub blake3: Option<ContentId>,
    /// SHA-256 of the bytes; our own clients always declare it.
    #[schema(value_type = Option<String>)]
    pub sha256: Option<Sha256>,
    /// Whether a file of this name with other content may be replaced by a next version.
    #[serde(default)]
    pub replace: bool,
    /// Whether it is to wait to be promoted: the version in production stays what the name means.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub test: bool,
    /// Category by name.
    pub category: Option<String>,
    /// Owner site by name.
    pub site: Option<String>,
}

/// Where an upload stands. `GET /v1/uploads/{id}` gives it for 30 days.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct Upload {
    /// The upload.
    #[schema(value_type = String, format = Uuid)]
    pub id: UploadId,
    /// Where it stands.
    pub state: UploadState,
    /// Why it failed.
    pub reason: Option<String>,
    /// The name.
    pub name: String,
    /// Its size in bytes.
    pub size: u64,
    /// Where to send the bytes, while `state` is `declared`.
    pub ingest: Option<IngestAddress>,
    /// What came of it.
    pub version: Option<FileVersion>,
    /// What is to be said of that version, compared with the one that was in production as it came.
    /// Look at its warnings.
    #[serde(default)]
    pub comparison: Option<Comparison>,
}

/// An upload that has not ended: `GET /v1/uploads`.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct OpenUpload {
    /// The upload.
    #[schema(value_type = String, format = Uuid)]
    pub id: UploadId,
    /// What kind of file it will be.
    #[schema(value_type = String)]
    pub kind: FileKind,
    /// The name.
    pub name: String,
    /// Its size in bytes.
    pub size: u64,
    /// Where it stands.
    pub state: UploadState,
    /// Who announced it.
    pub actor: String,
    /// When.
    #[schema(value_type = String, format = DateTime)]
    pub created_at: Timestamp,
    /// When it counts as given up.
    #[schema(value_type = String, format = DateTime)]
    pub expires_at: Timestamp,
}

/// The stages of an upload.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum UploadState {
    /// The same content is there already under this name: nothing needs to be sent.
    AlreadyThere,
    /// Given up by the uploader.
    Cancelled,
    /// Signed and recorded; the ingest server is about to publish.
    Committed,
    /// Announced; bytes are awaited.
    Declared,
    /// Not finished in time.
    Expired,
    /// Refused; `reason` says why. Nothing was kept.
    Failed,
    /// There for everybody.
    Published,
}

/// Where the bytes of an upload go.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct IngestAddress {
    /// Base URL of the ingest server.
    pub url: String,
    /// The ticket to present: `Authorization: Xylem-Ticket TEXT`.
    pub ticket: String,
}

/// A file in the catalogue.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct File {
    /// Its id, kept across versions and names.
    #[schema(value_type = String, format = Uuid)]
    pub id: FileId,
    /// What kind of file.
    #[schema(value_type = String)]
    pub kind: FileKind,
    /// The published name.
    #[schema(value_type = String)]
    pub name: FileName,
    /// Category by name.
    pub category: Option<String>,
    /// Owner site by name.
    pub site: Option<String>,
    /// Other sites it is marked for, by name: what is chosen by site goes to them too.
    #[serde(default)]
    pub marked_sites: Vec<String>,
    /// When it was deleted; it can be restored for 30 days.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub deleted_at: Option<Timestamp>,
    /// The version that is served; before any is in production, the one that waits to be promoted.
    pub current: FileVersion,
    /// The number of the version that is served.
    #[serde(default)]
    pub production: Option<u64>,
    /// The number of the version that waits to be promoted.
    #[serde(default)]
    pub test: Option<u64>,
    /// The number of the version that a rollback would bring back.
    #[serde(default)]
    pub previous: Option<u64>,
    /// On how many distribution servers the current version is present, verified.
    pub copies: u64,
    /// How many should have it.
    pub wanted_copies: u64,
}

/// One version of a file.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct FileVersion {
    /// The file.
    #[schema(value_type = String, format = Uuid)]
    pub file: FileId,
    /// Its name.
    #[schema(value_type = String)]
    pub name: FileName,
    /// 1, 2, …
    pub version: u64,
    /// BLAKE3.
    #[schema(value_type = String)]
    pub content: ContentId,
    /// SHA-256.
    #[schema(value_type = String)]
    pub sha256: Sha256,
    /// Size in bytes.
    pub size: u64,
    /// How much of a hurry it is in: `urgent`, `normal` or `bulk`.
    #[serde(default)]
    #[schema(value_type = String, example = "normal")]
    pub priority: Priority,
    /// `declared` or `computed-by-ingest`.
    pub digest_source: String,
    /// When it was committed.
    #[schema(value_type = String, format = DateTime)]
    pub created_at: Timestamp,
    /// What the inspection of the file found.
    #[schema(value_type = Object)]
    pub inspection: serde_json::Value,
}

/// `GET /v1/files`: a page, in the order of names.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct FilePage {
    /// The files.
    pub items: Vec<File>,
    /// Pass as `after` to get the next page.
    pub next: Option<String>,
}

/// `GET /v1/files/{kind}/{name}`.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct FileDetail {
    /// The file.
    pub file: File,
    /// Further digests of the version that is served; none while they are not computed.
    #[serde(default)]
    pub digests: Option<WholeDigests>,
    /// How many files, folders and links the version that is shown puts on a Mac, or why that is not
    /// known. None for apps and books, and from a server that keeps no indexes.
    #[serde(default)]
    pub index: Option<IndexSummary>,
    /// What is to be said of the version that waits to be promoted, or else of the one that is shown,
    /// compared with the one that was in production as it came. None from a server that compares
    /// nothing.
    #[serde(default)]
    pub comparison: Option<Comparison>,
    /// All its versions, newest first.
    pub versions: Vec<FileVersion>,
}

/// `POST /v1/files/{kind}/{name}/promote` and `/rollback`: a step between the versions of a file.
#[derive(Debug, Clone, Copy, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct VersionStep {
    /// The version that it was decided on: to promote, the one that waits; to roll back, the one in
    /// production. Where it is another by now, nothing changes and the answer is 409.
    pub version: u64,
}

/// Where one file is.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct Placement {
    /// The file.
    #[schema(value_type = String)]
    pub name: FileName,
    /// The version asked about.
    pub version: u64,
    /// Its size in bytes.
    #[serde(default)]
    pub size: u64,
    /// On how many servers it is present.
    pub present: u64,
    /// On how many it should be.
    pub wanted: u64,
    /// One row for each server that should hold it.
    pub servers: Vec<ServerPlacement>,
    /// How it is at the cloud distribution point, where it was chosen for one. It is not among
    /// `present` and `wanted`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cloud: Option<CloudFile>,
}

/// What one server says of one file.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct ServerPlacement {
    /// The server's name.
    pub server: String,
    /// Where it stands.
    pub state: PlacementState,
    /// Bytes it has.
    pub bytes: u64,
    /// Bytes per second at which it is arriving, while it is.
    pub rate: Option<u64>,
    /// Seconds until all bytes are there, at that rate.
    pub seconds_left: Option<u64>,
    /// When it was verified there.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub verified_at: Option<Timestamp>,
    /// Why it failed.
    pub reason: Option<String>,
    /// When it is tried again.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub next_try: Option<Timestamp>,
}

/// The states of a copy.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum PlacementState {
    /// The last try failed; `reason` and `next_try` say more.
    Failed,
    /// Whole, verified, served.
    Present,
    /// Next in line on that server.
    Queued,
    /// Bytes are coming in.
    Transferring,
    /// All bytes are there and are being checked.
    Verifying,
    /// The server is to hold it and has not said anything yet.
    Wanted,
}

/// Where a file can be fetched, best first.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct Sources {
    /// The signed descriptor.
    #[schema(value_type = Object)]
    pub descriptor: Envelope,
    /// The candidates.
    pub candidates: Vec<Candidate>,
    /// Its object at the cloud distribution point, where it is there and offered: one more candidate.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cloud: Option<CloudCandidate>,
}

/// One place to fetch from.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct Candidate {
    /// The distribution server.
    #[schema(value_type = String, format = Uuid)]
    pub server: DistributionServerId,
    /// Its name, for reports.
    pub name: String,
    /// The URL of the content.
    pub url: String,
    /// The ticket to present.
    pub ticket: String,
}

/// One object at the cloud distribution point, for whoever asked and nobody else. It is no server of
/// ours: nobody shows it a ticket or a certificate.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct CloudCandidate {
    /// The address: `https://…`, signed. It is a secret for as long as it lives.
    pub url: String,
    /// Until when a request by it may begin.
    #[schema(value_type = String, format = DateTime)]
    pub until: Timestamp,
    /// By which authority the provider is believed, in PEM; none: by those that the machine believes.
    #[serde(default)]
    pub ca_pem: Option<String>,
    /// Which of the candidates it comes before; none, or none of them: it is the last.
    #[serde(default)]
    #[schema(value_type = Option<String>, format = Uuid)]
    pub before: Option<DistributionServerId>,
}

impl fmt::Debug for CloudCandidate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Whoever has the query has the object.
        let place = self.url.split('?').next().unwrap_or_default();
        f.debug_struct("CloudCandidate")
            .field("url", &format_args!("{place}?…"))
            .field("until", &self.until)
            .field("before", &self.before)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a server says that knows no cloud.
    const OLD: &str = r#"{
        "descriptor": { "type": "descriptor", "payload": "", "signatures": [] },
        "candidates": []
    }"#;

    fn cloud() -> CloudCandidate {
        CloudCandidate {
            url: "https://s3.example.org/b/k?X-Amz-Signature=planted".into(),
            until: Timestamp::from_unix_ms(1_790_000_000_000),
            ca_pem: None,
            before: None,
        }
    }

    #[test]
    fn a_server_that_knows_no_cloud_is_understood() {
        let mut sources: Sources = serde_json::from_str(OLD).unwrap();
        assert_eq!(sources.cloud, None);
        let told = serde_json::to_value(&sources).unwrap();
        assert!(told.get("cloud").is_none(), "nor is an agent told that knows none: {told}");
        sources.cloud = Some(cloud());
        let again: Sources =
            serde_json::from_value(serde_json::to_value(&sources).unwrap()).unwrap();
        assert_eq!(again.cloud, Some(cloud()));
    }

    #[test]
    fn an_address_is_printed_without_what_signs_it() {
        let mut sources: Sources = serde_json::from_str(OLD).unwrap();
        sources.cloud = Some(cloud());
        let printed = format!("{sources:?}");
        assert!(
            printed.contains("s3.example.org/b/k?…") && !printed.contains("planted"),
            "{printed}"
        );
    }
}
