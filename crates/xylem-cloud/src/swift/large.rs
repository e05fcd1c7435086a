//! Static large objects ("Static Large Objects" in Swift's documentation): segments, and a
//! manifest that names each by its path, MD5 and size.

use http::Method;
use serde::Serialize;

use super::{NO_CONTAINER, Swift};
use crate::answer::{Attempt, CloudAnswer};
use crate::digest::md5;
use crate::fault::{Fault, FaultKind};
use crate::layout::ObjectKey;
use crate::named::Named;
use crate::request::{Body, CloudRequest};
use crate::settings::KeyScope;
use crate::upload::{StoredPiece, Upload};

#[derive(Serialize)]
struct Segment<'a> {
    path: String,
    etag: &'a str,
    size_bytes: u64,
}

impl Swift<'_> {
    pub(super) fn segments_container(&self) -> String {
        match self.key_scope {
            KeyScope::Account => format!("{}_segments", self.container),
            KeyScope::Container => self.container.to_owned(),
        }
    }

    /// The name of a segment in its container.
    pub(super) fn segment(&self, upload: &Upload, number: u32) -> ObjectKey {
        let key = upload.key.segment(upload.plan.part_bytes(), number);
        match self.key_scope {
            KeyScope::Account => key,
            KeyScope::Container => self.prefix.in_segments(&key),
        }
    }

    /// What the names of segments begin with: of one object, or of all of ours.
    pub(super) fn segments_below(&self, of: Option<&ObjectKey>) -> ObjectKey {
        let below = of.map_or_else(|| self.prefix.everything(), ObjectKey::folder);
        match self.key_scope {
            KeyScope::Account => below,
            KeyScope::Container => self.prefix.in_segments(&below),
        }
    }

    /// Whether a name in the container of segments is one that we give.
    pub(super) fn is_segment(&self, key: &ObjectKey) -> bool {
        let named = match self.key_scope {
            KeyScope::Account => self.prefix.read_apart(key.as_str()),
            KeyScope::Container => self.prefix.read(key.as_str()),
        };
        matches!(named, Named::Segment { .. } | Named::ProbeSegment)
    }

    /// The manifest is written with the token: a TempURL drops every other parameter of a query.
    pub(super) fn manifest(&self, upload: &Upload, pieces: &[StoredPiece]) -> CloudRequest {
        let container = self.segments_container();
        let segments: Vec<_> = pieces
            .iter()
            .map(|stored| Segment {
                path: format!("/{container}/{}", self.segment(upload, stored.piece.part.number)),
                etag: stored.tag.as_str(),
                size_bytes: stored.piece.part.bytes,
            })
            .collect();
        // Strings and numbers always have a form in JSON.
        let body = serde_json::to_vec(&segments).unwrap_or_default();
        let request = self
            .authorised(Method::PUT, self.path(self.container, &upload.key))
            .with_query("multipart-manifest=put");
        Swift::described(request, upload).with_body(Body::Bytes(body))
    }

    pub(super) fn manifest_answered(
        &self,
        upload: &Upload,
        answer: &CloudAnswer,
    ) -> Result<(), Fault> {
        if answer.is_success() {
            return Ok(());
        }
        let attempt = Attempt { doing: "writing the manifest of", on: upload.key.as_str() };
        let mut fault = self.fault(answer, attempt);
        match answer.status {
            // It lists the segments that are not there or are others.
            400 => fault.kind = FaultKind::UploadLost,
            // Of the object nothing is asked: it is the container that is not there.
            404 => return Err(answer.fault(FaultKind::Place, attempt, NO_CONTAINER)),
            _ => {}
        }
        Err(fault)
    }
}

/// The ETag of a static large object: MD5 of its segments' MD5s in hexadecimal.
pub(super) fn manifest_etag(pieces: &[StoredPiece]) -> String {
    let digests: String = pieces.iter().map(|stored| stored.piece.md5.to_hex()).collect();
    md5(digests.as_bytes()).to_hex()
}
