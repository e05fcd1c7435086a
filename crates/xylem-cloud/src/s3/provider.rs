//! S3 behind the interface of all providers.

use std::time::Duration;

use http::Method;

use super::{
    META_SHA256, S3, error, etag_is_digest, list, md5_tag, multipart, multipart_etag, object_tag,
    presign,
};
use crate::answer::{Attempt, CloudAnswer};
use crate::cloudfront::CloudFront;
use crate::cursor::{Below, Cursor};
use crate::disposition::disposition;
use crate::fault::{Fault, FaultKind};
use crate::layout::ObjectKey;
use crate::named::Named;
use crate::parts::PartRules;
use crate::provider::{Provider, UrlFor};
use crate::request::{CloudRequest, SecretUrl};
use crate::upload::{
    Found, Leftover, Listed, Moment, Page, Piece, StoredPiece, Upload, UploadRef, unquoted,
};

/// How far our clock may be off ("RequestTimeTooSkewed" in Amazon's list of error codes).
const MAX_SKEW: Duration = Duration::from_secs(15 * 60);

impl Provider for S3<'_> {
    fn part_rules(&self) -> PartRules {
        PartRules::S3
    }

    fn max_skew(&self) -> Option<Duration> {
        Some(MAX_SKEW)
    }

    fn begin(&self, upload: &Upload, at: Moment) -> Option<CloudRequest> {
        (!upload.plan.is_whole()).then(|| self.create_multipart(upload, at.now))
    }

    fn begun(&self, upload: &Upload, answer: &CloudAnswer) -> Result<UploadRef, Fault> {
        multipart::created(upload, answer)
    }

    fn piece(&self, upload: &Upload, piece: &Piece, at: Moment) -> Result<CloudRequest, Fault> {
        if upload.plan.is_whole() {
            return Ok(self.put(upload, piece, at.now));
        }
        self.upload_part(upload, piece, at.now)
    }

    fn piece_answered(
        &self,
        upload: &Upload,
        piece: &Piece,
        answer: &CloudAnswer,
    ) -> Result<UploadRef, Fault> {
        let attempt = Attempt { doing: "sending a part of", on: upload.key.as_str() };
        if !answer.is_success() {
            return Err(error::fault(answer, attempt, "s3:PutObject"));
        }
        let tag = answer.header("etag").map(unquoted).and_then(UploadRef::new);
        let tag = tag.ok_or_else(|| {
            answer.fault(FaultKind::Unexpected, attempt, "the answer has no usable ETag")
        })?;
        let is_other = md5_tag(tag.as_str()).is_some_and(|md5| md5 != piece.md5);
        if etag_is_digest(answer) && is_other {
            let why = format!("part {} arrived with other bytes", piece.part.number);
            return Err(answer.fault(FaultKind::Line, attempt, why));
        }
        Ok(tag)
    }

    fn finish(&self, upload: &Upload, pieces: &[StoredPiece], at: Moment) -> Option<CloudRequest> {
        let reference = upload.reference.as_ref().filter(|_| !upload.plan.is_whole())?;
        Some(self.complete_multipart(upload, reference, pieces, at.now))
    }

    fn finished(&self, upload: &Upload, answer: &CloudAnswer) -> Result<(), Fault> {
        multipart::completed(upload, answer)
    }

    fn ask(&self, key: &ObjectKey, at: Moment) -> CloudRequest {
        self.signed(self.object(Method::HEAD, key), at.now)
    }

    fn found(&self, key: &ObjectKey, answer: &CloudAnswer) -> Result<Option<Found>, Fault> {
        let attempt = Attempt { doing: "asking after", on: key.as_str() };
        match answer.status {
            404 => return Ok(None),
            200 => {}
            // Without the second right what is not there is answered 403.
            _ => return Err(error::fault(answer, attempt, "s3:GetObject, s3:ListBucket")),
        }
        let size = answer.number("content-length").ok_or_else(|| {
            answer.fault(FaultKind::Unexpected, attempt, "the answer has no Content-Length")
        })?;
        let etag = answer.header("etag").filter(|_| etag_is_digest(answer));
        Ok(Some(Found {
            size,
            etag: etag.and_then(object_tag),
            sha256: answer.header(META_SHA256).and_then(|text| text.parse().ok()),
            segmented: false,
        }))
    }

    fn expected_etag(&self, upload: &Upload, pieces: &[StoredPiece]) -> Option<String> {
        // A server whose tags of parts are no digests makes none of the whole either.
        let is_md5 = |stored: &StoredPiece| md5_tag(stored.tag.as_str()) == Some(stored.piece.md5);
        if !pieces.iter().all(is_md5) {
            return None;
        }
        if upload.plan.is_whole() {
            return pieces.first().map(|stored| stored.piece.md5.to_hex());
        }
        Some(multipart_etag(pieces.iter().map(|stored| &stored.piece.md5)))
    }

    fn read(&self, key: &ObjectKey, at: Moment) -> CloudRequest {
        self.signed(self.object(Method::GET, key), at.now)
    }

    fn read_answered<'a>(
        &self,
        key: &ObjectKey,
        answer: &'a CloudAnswer,
    ) -> Result<Option<&'a [u8]>, Fault> {
        if answer.is_success() {
            return Ok(Some(&answer.body));
        }
        let attempt = Attempt { doing: "reading", on: key.as_str() };
        let fault = error::fault(answer, attempt, "s3:GetObject");
        match fault.kind {
            FaultKind::Gone => Ok(None),
            _ => Err(fault),
        }
    }

    fn list(&self, below: Below, cursor: &Cursor, at: Moment) -> Result<CloudRequest, Fault> {
        self.list_objects(&self.settings.prefix.below(below), cursor, at.now)
    }

    fn listed(
        &self,
        _: Below,
        cursor: &Cursor,
        answer: &CloudAnswer,
    ) -> Result<Page<Listed>, Fault> {
        list::objects(cursor, answer, &self.settings.bucket)
    }

    fn leftovers(
        &self,
        of: Option<&ObjectKey>,
        cursor: &Cursor,
        at: Moment,
    ) -> Result<Option<CloudRequest>, Fault> {
        let all = self.settings.prefix.everything();
        self.list_uploads(of.unwrap_or(&all), cursor, at.now).map(Some)
    }

    fn leftovers_listed(
        &self,
        of: Option<&ObjectKey>,
        cursor: &Cursor,
        answer: &CloudAnswer,
    ) -> Result<Page<Leftover>, Fault> {
        let mut page = list::uploads(cursor, answer, &self.settings.bucket)?;
        let is_ours = |key: &ObjectKey| match self.settings.prefix.read(key.as_str()) {
            Named::Content(_) | Named::Probe => true,
            // The marker goes as a whole, and there are no segments here.
            _ => false,
        };
        page.items.retain(|leftover| of.map_or(is_ours(leftover.key()), |of| of == leftover.key()));
        Ok(page)
    }

    fn discard(&self, leftover: &Leftover, at: Moment) -> Option<CloudRequest> {
        match leftover {
            Leftover::Upload { key, id, .. } => Some(self.abort_multipart(key, id, at.now)),
            Leftover::Segment { .. } => None,
        }
    }

    fn remove(&self, key: &ObjectKey, at: Moment) -> CloudRequest {
        self.signed(self.object(Method::DELETE, key), at.now)
    }

    fn removed(&self, key: &ObjectKey, answer: &CloudAnswer) -> Result<(), Fault> {
        if answer.is_success() {
            return Ok(());
        }
        let attempt = Attempt { doing: "deleting", on: key.as_str() };
        let fault = error::fault(answer, attempt, "s3:DeleteObject, s3:AbortMultipartUpload");
        match fault.kind {
            FaultKind::Gone | FaultKind::UploadLost => Ok(()),
            _ => Err(fault),
        }
    }

    fn purge(
        &self,
        keys: &[ObjectKey],
        reference: &str,
        at: Moment,
    ) -> Result<Vec<CloudRequest>, Fault> {
        let Some(settings) = &self.settings.cloudfront else { return Ok(Vec::new()) };
        CloudFront::new(settings, self.keys)
            .invalidate(keys, reference, self.settings.partition(), at.now)
            .map_err(Fault::aside)
    }

    fn purged(&self, answer: &CloudAnswer) -> Result<(), Fault> {
        crate::cloudfront::invalidated(answer).map_err(Fault::aside)
    }

    fn url(&self, wanted: &UrlFor<'_>) -> Result<SecretUrl, Fault> {
        if let Some(settings) = &self.settings.cloudfront {
            return CloudFront::new(settings, self.keys).url(wanted);
        }
        let disposition = disposition(wanted.name);
        let parameters = [("response-content-disposition", disposition.as_str())];
        let path = self.path(wanted.key.as_str());
        let now = wanted.at.now;
        Ok(presign(&self.endpoint, &path, &parameters, self.keys, self.scope(), now, wanted.life))
    }
}
