//! Swift behind the interface of all providers.

use std::time::Duration;

use http::Method;

use super::{META_SHA256, NO_CONTAINER, Swift, large};
use crate::answer::{Attempt, CloudAnswer};
use crate::cursor::{Below, Cursor};
use crate::encode;
use crate::fault::{Fault, FaultKind};
use crate::layout::ObjectKey;
use crate::parts::PartRules;
use crate::provider::{Provider, UrlFor};
use crate::request::{Body, CloudRequest, SecretUrl};
use crate::upload::{
    Found, Leftover, Listed, Moment, Page, Piece, StoredPiece, Upload, UploadRef, unquoted,
};

/// How long the root may begin to send a piece: by then it has asked for the next one, and a
/// clock that is a few minutes off does no harm.
const PIECE_LIFE: Duration = Duration::from_secs(15 * 60);

impl Provider for Swift<'_> {
    fn part_rules(&self) -> PartRules {
        self.info.part_rules()
    }

    /// By a clock that is behind by that much no piece is taken; by one that is ahead pieces live for
    /// twice as long.
    fn max_skew(&self) -> Option<Duration> {
        Some(PIECE_LIFE)
    }

    /// A TempURL signs method, path and end; `If-None-Match` and `ETag` are the sender's to leave
    /// out.
    fn unbound_for(&self) -> Option<Duration> {
        Some(PIECE_LIFE)
    }

    fn piece(&self, upload: &Upload, piece: &Piece, at: Moment) -> Result<CloudRequest, Fault> {
        let whole = upload.plan.is_whole();
        let (container, key) = match whole {
            true => (self.container.to_owned(), upload.key.clone()),
            false => (self.segments_container(), self.segment(upload, piece.part.number)),
        };
        let ends = at.now.plus(PIECE_LIFE).unix_seconds();
        let query = self.temp_url(&Method::PUT, &container, &key, ends, None)?;
        let path = self.path(&container, &key);
        let request = CloudRequest::new(Method::PUT, self.session.storage.0.clone(), path)
            .with_query(query)
            .with_header("etag", piece.md5.to_hex())
            .with_body(Body::Piece { size: piece.part.bytes });
        Ok(if whole { Swift::described(request, upload) } else { request })
    }

    fn piece_answered(
        &self,
        upload: &Upload,
        piece: &Piece,
        answer: &CloudAnswer,
    ) -> Result<UploadRef, Fault> {
        let attempt = Attempt { doing: "sending a part of", on: upload.key.as_str() };
        if answer.status == 404 {
            return Err(answer.fault(FaultKind::Place, attempt, NO_CONTAINER));
        }
        if !answer.is_success() {
            let mut fault = self.fault(answer, attempt);
            if answer.status == 401 {
                fault.why = "the TempURL has ended, or is signed with another key than the one \
                             that is set there"
                    .to_owned();
            }
            return Err(fault);
        }
        let etag = answer.header("etag").map(unquoted).unwrap_or_default();
        if etag != piece.md5.to_hex() {
            let why = format!("part {} arrived with other bytes", piece.part.number);
            return Err(answer.fault(FaultKind::Line, attempt, why));
        }
        Ok(UploadRef::from(piece.md5))
    }

    fn finish(&self, upload: &Upload, pieces: &[StoredPiece], _: Moment) -> Option<CloudRequest> {
        (!upload.plan.is_whole()).then(|| self.manifest(upload, pieces))
    }

    fn finished(&self, upload: &Upload, answer: &CloudAnswer) -> Result<(), Fault> {
        self.manifest_answered(upload, answer)
    }

    fn describe(&self, upload: &Upload, _: Moment) -> Option<CloudRequest> {
        let request = self.authorised(Method::POST, self.path(self.container, &upload.key));
        // A POST changes what is there.
        let plain = Upload { create_only: false, ..upload.clone() };
        Some(Swift::described(request, &plain))
    }

    fn described(&self, upload: &Upload, answer: &CloudAnswer) -> Result<(), Fault> {
        match answer.is_success() {
            true => Ok(()),
            false => {
                let attempt = Attempt { doing: "describing", on: upload.key.as_str() };
                Err(self.fault(answer, attempt))
            }
        }
    }

    fn ask(&self, key: &ObjectKey, _: Moment) -> CloudRequest {
        self.authorised(Method::HEAD, self.path(self.container, key))
    }

    fn found(&self, key: &ObjectKey, answer: &CloudAnswer) -> Result<Option<Found>, Fault> {
        let attempt = Attempt { doing: "asking after", on: key.as_str() };
        match answer.status {
            404 => return Ok(None),
            200 | 204 => {}
            _ => return Err(self.fault(answer, attempt)),
        }
        let size = answer.number("content-length").ok_or_else(|| {
            answer.fault(FaultKind::Unexpected, attempt, "the answer has no Content-Length")
        })?;
        let large = answer.header("x-static-large-object").unwrap_or_default();
        Ok(Some(Found {
            size,
            etag: answer.header("etag").map(|etag| unquoted(etag).to_owned()),
            sha256: answer.header(META_SHA256).and_then(|text| text.parse().ok()),
            segmented: large.eq_ignore_ascii_case("true"),
        }))
    }

    fn ask_segment(&self, upload: &Upload, number: u32, _: Moment) -> Option<CloudRequest> {
        let path = self.path(&self.segments_container(), &self.segment(upload, number));
        Some(self.authorised(Method::HEAD, path))
    }

    fn expected_etag(&self, upload: &Upload, pieces: &[StoredPiece]) -> Option<String> {
        match upload.plan.is_whole() {
            true => pieces.first().map(|stored| stored.piece.md5.to_hex()),
            false => Some(large::manifest_etag(pieces)),
        }
    }

    fn read(&self, key: &ObjectKey, _: Moment) -> CloudRequest {
        self.authorised(Method::GET, self.path(self.container, key))
    }

    fn read_answered<'a>(
        &self,
        key: &ObjectKey,
        answer: &'a CloudAnswer,
    ) -> Result<Option<&'a [u8]>, Fault> {
        match answer.status {
            200..=299 => Ok(Some(&answer.body)),
            404 => Ok(None),
            _ => Err(self.fault(answer, Attempt { doing: "reading", on: key.as_str() })),
        }
    }

    fn list(&self, below: Below, cursor: &Cursor, _: Moment) -> Result<CloudRequest, Fault> {
        self.list_names(self.container, &self.prefix.below(below), cursor)
    }

    fn listed(
        &self,
        _: Below,
        cursor: &Cursor,
        answer: &CloudAnswer,
    ) -> Result<Page<Listed>, Fault> {
        self.objects(cursor, answer)
    }

    fn leftovers(
        &self,
        of: Option<&ObjectKey>,
        cursor: &Cursor,
        _: Moment,
    ) -> Result<Option<CloudRequest>, Fault> {
        let below = self.segments_below(of);
        self.list_names(&self.segments_container(), &below, cursor).map(Some)
    }

    fn leftovers_listed(
        &self,
        of: Option<&ObjectKey>,
        cursor: &Cursor,
        answer: &CloudAnswer,
    ) -> Result<Page<Leftover>, Fault> {
        let mut page = self.segments(cursor, answer)?;
        let below = self.segments_below(of);
        let is_there = |key: &ObjectKey| key.as_str().starts_with(below.as_str());
        page.items.retain(|leftover| is_there(leftover.key()) && self.is_segment(leftover.key()));
        Ok(page)
    }

    fn discard(&self, leftover: &Leftover, _: Moment) -> Option<CloudRequest> {
        match leftover {
            Leftover::Segment { key, .. } if self.is_segment(key) => {
                let path = self.path(&self.segments_container(), key);
                Some(self.authorised(Method::DELETE, path))
            }
            Leftover::Segment { .. } | Leftover::Upload { .. } => None,
        }
    }

    /// The manifest alone: `multipart-manifest=delete` would delete whatever it names, in any
    /// container of the account, and who could write it need not have been allowed to.
    fn remove(&self, key: &ObjectKey, _: Moment) -> CloudRequest {
        self.authorised(Method::DELETE, self.path(self.container, key))
    }

    fn removed(&self, key: &ObjectKey, answer: &CloudAnswer) -> Result<(), Fault> {
        match answer.status {
            200..=299 | 404 => Ok(()),
            _ => Err(self.fault(answer, Attempt { doing: "deleting", on: key.as_str() })),
        }
    }

    fn purge(&self, keys: &[ObjectKey], _: &str, _: Moment) -> Result<Vec<CloudRequest>, Fault> {
        let Some(cdn) = self.session.cdn.as_ref().filter(|_| self.public.is_some()) else {
            return Ok(Vec::new());
        };
        let token = &self.session.token;
        Ok(keys.iter().map(|key| cdn.purge(token, self.container, key)).collect())
    }

    fn purged(&self, answer: &CloudAnswer) -> Result<(), Fault> {
        match answer.status {
            200..=299 | 404 => Ok(()),
            _ => {
                let attempt = Attempt { doing: "purging an object of", on: self.container };
                Err(self.fault(answer, attempt).aside())
            }
        }
    }

    fn url(&self, wanted: &UrlFor<'_>) -> Result<SecretUrl, Fault> {
        if let Some(public) = self.public {
            let path = format!("{}/{}", public.base(), encode::path(wanted.key.as_str()));
            return Ok(SecretUrl::new(public, &path, ""));
        }
        let ends = wanted.at.now.plus(wanted.life).unix_seconds();
        let name = Some(wanted.name.as_str());
        let query = self.temp_url(&Method::GET, self.container, wanted.key, ends, name)?;
        let path = self.path(self.container, wanted.key);
        Ok(SecretUrl::new(&self.session.storage.0, &path, &query))
    }
}
