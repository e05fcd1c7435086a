//! OpenStack Swift ("Object Storage API", version 1), Ceph's gateway and Rackspace Cloud Files.
//!
//! The management server has a token; everybody else gets TempURLs.

mod account;
mod auth;
mod catalogue;
mod cdn;
mod info;
mod large;
mod list;
mod session;
mod temp_url;

use std::time::Duration;

use http::Method;

pub use account::KeySlot;
pub use auth::SwiftLogin;
pub use cdn::MIN_TTL_SECONDS;
pub use info::{SegmentRules, SwiftInfo};
pub use session::{CdnEndpoint, StorageEndpoint, SwiftSession};
pub use temp_url::{TempUrlDigest, temp_url_query};

use crate::answer::{Attempt, CloudAnswer};
use crate::encode;
use crate::endpoint::Endpoint;
use crate::fault::{Fault, FaultKind};
use crate::layout::{ObjectKey, Prefix};
use crate::parts::PartRules;
use crate::provider::{Provider, UrlFor};
use crate::request::{Body, CloudRequest, SecretUrl};
use crate::s3::OCTETS;
use crate::secret::SwiftSecrets;
use crate::settings::{KeyScope, RackspaceSettings, SwiftSettings};
use crate::upload::{
    Cursor, Found, Leftover, Listed, Moment, Page, Piece, StoredPiece, Upload, UploadRef, unquoted,
};

/// How long the root may begin to send a piece.
const PIECE_LIFE: Duration = Duration::from_secs(15 * 60);
/// Metadata: our SHA-256.
const META_SHA256: &str = "x-object-meta-sha256";

/// A container, a token for it, and what is known of the place.
#[derive(Debug)]
pub struct Swift<'a> {
    container: &'a str,
    prefix: &'a Prefix,
    key_scope: KeyScope,
    keys: &'a SwiftSecrets,
    session: &'a SwiftSession,
    info: &'a SwiftInfo,
    /// Where a delivery network gives the container out, to everybody.
    public: Option<&'a Endpoint>,
}

impl<'a> Swift<'a> {
    /// The container of these settings.
    pub const fn new(
        settings: &'a SwiftSettings,
        keys: &'a SwiftSecrets,
        session: &'a SwiftSession,
        info: &'a SwiftInfo,
    ) -> Self {
        let (container, prefix) = (settings.container.as_str(), &settings.prefix);
        Self { container, prefix, key_scope: settings.key_scope, keys, session, info, public: None }
    }

    /// The container of these settings at Rackspace; `public` is what [`Swift::cdn_address`] told,
    /// where the container is given out by the delivery network.
    pub const fn rackspace(
        settings: &'a RackspaceSettings,
        keys: &'a SwiftSecrets,
        session: &'a SwiftSession,
        info: &'a SwiftInfo,
        public: Option<&'a Endpoint>,
    ) -> Self {
        let (container, prefix) = (settings.container.as_str(), &settings.prefix);
        Self { container, prefix, key_scope: KeyScope::Account, keys, session, info, public }
    }

    /// The path as it goes onto the request line.
    fn path(&self, container: &str, key: &ObjectKey) -> String {
        let base = self.session.storage.0.base();
        format!("{base}/{}/{}", encode::component(container), encode::path(key.as_str()))
    }

    fn authorised(&self, method: Method, path: String) -> CloudRequest {
        CloudRequest::new(method, self.session.storage.0.clone(), path)
            .with_header("x-auth-token", self.session.token.reveal())
    }

    /// The query of a TempURL. What is signed is the path from the version on, not encoded: what
    /// lies in front of it is the server's own affair (Ceph: `/swift/v1`).
    fn temp_url(
        &self,
        method: &Method,
        container: &str,
        key: &ObjectKey,
        ends: i64,
        filename: Option<&str>,
    ) -> Result<String, Fault> {
        let secret = self.keys.temp_url_key.as_ref().ok_or_else(|| {
            let attempt = format!("signing a TempURL of `{key}`");
            Fault::new(FaultKind::Keys, attempt, "no TempURL key was set there yet")
        })?;
        let base = self.session.storage.0.base();
        let from_version = base.find("/v1").and_then(|at| base.get(at..)).unwrap_or(base);
        let path = format!("{from_version}/{container}/{key}");
        let digest = self.info.digest;
        Ok(temp_url_query(digest, secret.reveal(), method, &path, ends, filename))
    }

    /// The headers that stay with an object.
    fn described(&self, request: CloudRequest, upload: &Upload) -> CloudRequest {
        let request = request
            .with_header("content-type", OCTETS)
            .with_header("content-disposition", upload.disposition.as_str())
            .with_header(META_SHA256, upload.sha256.to_hex());
        match upload.create_only {
            true => request.with_header("if-none-match", "*"),
            false => request,
        }
    }

    /// Sets what stays with an object, where the TempURL's server did not let it in.
    pub fn describe(&self, upload: &Upload) -> CloudRequest {
        let request = self.authorised(Method::POST, self.path(self.container, &upload.key));
        let plain = Upload { create_only: false, ..upload.clone() };
        self.described(request, &plain)
    }

    fn fault(&self, answer: &CloudAnswer, attempt: Attempt<'_>) -> Fault {
        let mut fault = answer.fault_by_status(attempt);
        match answer.status {
            // A quota is told by its word alone; else it is this file that is too large.
            413 if !answer.said().to_ascii_lowercase().contains("quota") => {
                fault.kind = FaultKind::TooLarge;
            }
            // What Swift's rate limit closes a line with.
            498 => fault.kind = FaultKind::Busy,
            // The body was not as long as was said.
            499 => fault.kind = FaultKind::Line,
            _ => {}
        }
        fault
    }
}

impl Provider for Swift<'_> {
    fn part_rules(&self) -> PartRules {
        self.info.part_rules()
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
        Ok(if whole { self.described(request, upload) } else { request })
    }

    fn piece_answered(
        &self,
        upload: &Upload,
        piece: &Piece,
        answer: &CloudAnswer,
    ) -> Result<UploadRef, Fault> {
        let attempt = Attempt { doing: "sending a part of", on: upload.key.as_str() };
        if answer.status == 404 {
            let why = "there is no such container";
            return Err(answer.fault(FaultKind::Place, attempt, why));
        }
        if !answer.is_success() {
            return Err(self.fault(answer, attempt));
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

    fn expected_etag(&self, upload: &Upload, pieces: &[StoredPiece]) -> Option<String> {
        match upload.plan.is_whole() {
            true => pieces.first().map(|stored| stored.piece.md5.to_hex()),
            false => Some(large::manifest_etag(pieces)),
        }
    }

    fn read(&self, key: &ObjectKey, _: Moment) -> CloudRequest {
        self.authorised(Method::GET, self.path(self.container, key))
    }

    fn list(&self, cursor: &Cursor, _: Moment) -> CloudRequest {
        self.list_names(self.container, &self.prefix.contents(), cursor)
    }

    fn listed(&self, _: &Cursor, answer: &CloudAnswer) -> Result<Page<Listed>, Fault> {
        self.objects(answer)
    }

    fn leftovers(
        &self,
        of: Option<&ObjectKey>,
        cursor: &Cursor,
        _: Moment,
    ) -> Option<CloudRequest> {
        let below = match of {
            Some(key) => key.folder(),
            None => self.prefix.contents(),
        };
        let below = match self.key_scope {
            KeyScope::Account => below,
            KeyScope::Container => self.prefix.in_segments(&below),
        };
        Some(self.list_names(&self.segments_container(), &below, cursor))
    }

    fn leftovers_listed(&self, answer: &CloudAnswer) -> Result<Page<Leftover>, Fault> {
        self.segments(answer)
    }

    fn discard(&self, leftover: &Leftover, _: Moment) -> CloudRequest {
        self.authorised(Method::DELETE, self.path(&self.segments_container(), &leftover.key))
    }

    fn remove(&self, key: &ObjectKey, found: &Found, _: Moment) -> CloudRequest {
        let request = self
            .authorised(Method::DELETE, self.path(self.container, key))
            .with_header("accept", "application/json");
        // Of an object that has none it is refused.
        match found.segmented {
            true => request.with_query("multipart-manifest=delete"),
            false => request,
        }
    }

    fn removed(&self, key: &ObjectKey, answer: &CloudAnswer) -> Result<(), Fault> {
        self.deleted(key, answer)
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
                Err(self.fault(answer, attempt))
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
