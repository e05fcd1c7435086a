//! Between the words of the API and of signed documents and those of the database.

use xylem_api::catalogue::PlacementState as ApiPlacementState;
use xylem_api::control::{ChangeFile, CopyReport, DeclareReceived, FileChange};
use xylem_db::{LiveFile, NewUpload, PlacementReport, PlacementState, Version, VersionFacts};
use xylem_model::{DistributionServerId, FileId, Priority, Stamp, Timestamp};
use xylem_trust::{Descriptor, DigestSource};

use super::{WantedFile, WantedVersion};
use crate::uploading::UPLOAD_LIFETIME;

/// What an ingest server has received, as an upload: its digests are known when it is inspected.
pub(super) fn new_upload(
    received: &DeclareReceived,
    server: DistributionServerId,
    now: Timestamp,
) -> NewUpload {
    NewUpload {
        id: received.upload,
        kind: received.kind,
        name: received.name.clone(),
        size: received.size,
        priority: Priority::Normal,
        blake3: None,
        sha256: None,
        replace: true,
        test: false,
        site: None,
        category: None,
        server,
        expires: now.plus(UPLOAD_LIFETIME),
    }
}

pub(super) fn file_change(asked: &ChangeFile, new_file: FileId) -> xylem_db::ChangeFile {
    let change = match asked.change.clone() {
        FileChange::Rename { to, replace } => xylem_db::FileChange::Rename { to, replace },
        FileChange::Copy { to, replace } => xylem_db::FileChange::Copy { to, replace },
        FileChange::Delete => xylem_db::FileChange::Delete,
    };
    xylem_db::ChangeFile { kind: asked.kind, name: asked.name.clone(), change, new_file }
}

/// A live file with its marked versions.
pub(super) fn wanted(live: LiveFile, marked: Vec<Version>) -> WantedFile {
    let LiveFile { file, version: shown } = live;
    let number = shown.number;
    let others = marked
        .into_iter()
        .filter(|version| version.number != number && file.mark_of(version.number).is_some());
    let versions = std::iter::once(shown).chain(others).map(|version| WantedVersion {
        content: version.content,
        mark: file.mark_of(version.number),
        descriptor: version.descriptor,
    });
    WantedFile {
        facts: file.facts(),
        newest: u64::from(file.latest),
        generation: file.stamp.generation,
        versions: versions.collect(),
    }
}

/// What is signed of a version.
pub(crate) fn descriptor(facts: &VersionFacts) -> Descriptor {
    Descriptor {
        file: facts.file,
        kind: facts.kind,
        name: facts.name.clone(),
        version: u64::from(facts.number),
        content: facts.content,
        sha256: facts.sha256,
        size: facts.size,
        digest_source: digest_source(facts.content_source, facts.sha256_source),
        priority: facts.priority,
        mark: facts.mark,
        stamp: facts.stamp,
        issued: facts.created,
    }
}

/// The word of the uploader stands for a version only where they declared both digests.
pub(crate) const fn digest_source(
    content: xylem_db::DigestSource,
    sha256: xylem_db::DigestSource,
) -> DigestSource {
    match (content, sha256) {
        (xylem_db::DigestSource::Declared, xylem_db::DigestSource::Declared) => {
            DigestSource::Declared
        }
        _ => DigestSource::ComputedByIngest,
    }
}

pub(super) fn placement(copy: &CopyReport, stamp: Stamp) -> PlacementReport {
    let state = match copy.state {
        ApiPlacementState::Failed => PlacementState::Failed,
        ApiPlacementState::Present => PlacementState::Present,
        ApiPlacementState::Queued => PlacementState::Queued,
        ApiPlacementState::Transferring => PlacementState::Transferring,
        ApiPlacementState::Verifying => PlacementState::Verifying,
        ApiPlacementState::Wanted => PlacementState::Wanted,
    };
    PlacementReport {
        content: copy.content,
        state,
        bytes: copy.bytes,
        rate: copy.rate,
        verified: copy.verified_at,
        reason: copy.reason.clone(),
        next_try: copy.next_try,
        stamp,
    }
}

/// A state of a copy as the API names it.
pub(crate) const fn api_placement(state: PlacementState) -> ApiPlacementState {
    match state {
        PlacementState::Failed => ApiPlacementState::Failed,
        PlacementState::Present => ApiPlacementState::Present,
        PlacementState::Queued => ApiPlacementState::Queued,
        PlacementState::Transferring => ApiPlacementState::Transferring,
        PlacementState::Verifying => ApiPlacementState::Verifying,
        PlacementState::Wanted => ApiPlacementState::Wanted,
    }
}

/// What a party says of the certificate authorities, as the database keeps it.
pub(crate) fn believing(said: &xylem_api::authorities::Believing) -> xylem_db::Believing {
    xylem_db::Believing { roots: said.roots.clone(), certified_by: said.certified_by.clone() }
}
