//! Amazon S3, and what speaks its protocol ("Amazon S3 API Reference", version 2006-03-01).

mod error;
mod list;
mod multipart;
mod presign;
mod sign;

use http::Method;
use xylem_model::{Md5, Sha256, Timestamp};

pub(crate) use error::fault as answered_fault;
pub use list::StoredPart;
pub use presign::{MAX_PRESIGNED, presign};
pub use sign::{Scope, sign};

use crate::answer::{Attempt, CloudAnswer};
use crate::cloudfront::CloudFront;
use crate::digest::{base64, sha256};
use crate::encode;
use crate::endpoint::{Endpoint, EndpointError};
use crate::fault::{Fault, FaultKind};
use crate::layout::ObjectKey;
use crate::parts::PartRules;
use crate::provider::{Provider, UrlFor};
use crate::request::{Body, CloudRequest, SecretUrl};
use crate::secret::S3Secrets;
use crate::settings::S3Settings;
use crate::upload::{
    Cursor, Found, Leftover, Listed, Moment, Page, Piece, StoredPiece, Upload, UploadRef, unquoted,
};

/// The type of every object of ours.
pub(crate) const OCTETS: &str = "application/octet-stream";
/// Metadata: our SHA-256.
const META_SHA256: &str = "x-amz-meta-sha256";
/// Metadata: the size, in bytes.
const META_SIZE: &str = "x-amz-meta-size";

/// A bucket, and the keys for it.
#[derive(Debug)]
pub struct S3<'a> {
    settings: &'a S3Settings,
    keys: &'a S3Secrets,
    endpoint: Endpoint,
}

impl<'a> S3<'a> {
    /// The bucket of these settings, which were checked.
    ///
    /// # Errors
    /// When no host's name can be made of the region.
    pub fn new(settings: &'a S3Settings, keys: &'a S3Secrets) -> Result<Self, EndpointError> {
        let base = match &settings.endpoint {
            Some(endpoint) => endpoint.clone(),
            None => {
                let region = &settings.region;
                let china = if region.starts_with("cn-") { ".cn" } else { "" };
                Endpoint::parse(&format!("https://s3.{region}.amazonaws.com{china}"))?
            }
        };
        let endpoint = if settings.is_path_style() { base } else { base.below(&settings.bucket) };
        Ok(Self { settings, keys, endpoint })
    }

    fn scope(&self) -> Scope<'_> {
        Scope { region: &self.settings.region, service: "s3" }
    }

    fn path(&self, key: &str) -> String {
        let key = encode::path(key);
        match self.settings.is_path_style() {
            true => format!("/{}/{key}", self.settings.bucket),
            false => format!("/{key}"),
        }
    }

    fn object(&self, method: Method, key: &ObjectKey) -> CloudRequest {
        CloudRequest::new(method, self.endpoint.clone(), self.path(key.as_str()))
    }

    fn bucket(&self, method: Method) -> CloudRequest {
        let path = self.path("");
        let trimmed = path.trim_end_matches('/');
        let path = if trimmed.is_empty() { "/" } else { trimmed };
        CloudRequest::new(method, self.endpoint.clone(), path)
    }

    /// Signs a request that has no body, or one in memory.
    fn signed(&self, request: CloudRequest, now: Timestamp) -> CloudRequest {
        let digest = match &request.body {
            Body::Bytes(bytes) => sha256(bytes),
            Body::None | Body::Piece { .. } => sha256(b""),
        };
        self.signed_for(request, &digest, now)
    }

    fn signed_for(&self, request: CloudRequest, body: &Sha256, now: Timestamp) -> CloudRequest {
        sign(request, body, self.keys, self.scope(), now)
    }

    /// The headers that stay with an object.
    fn described(&self, request: CloudRequest, upload: &Upload) -> CloudRequest {
        request
            .with_header("content-type", OCTETS)
            .with_header("content-disposition", upload.disposition.as_str())
            .with_header(META_SHA256, upload.sha256.to_hex())
            .with_header(META_SIZE, upload.plan.size().to_string())
    }

    fn put(&self, upload: &Upload, piece: &Piece, now: Timestamp) -> CloudRequest {
        let mut request = self.described(self.object(Method::PUT, &upload.key), upload);
        if upload.create_only {
            request = request.with_header("if-none-match", "*");
        }
        let request = request
            .with_header("content-md5", base64(piece.md5.as_bytes()))
            .with_body(Body::Piece { size: piece.part.bytes });
        self.signed_for(request, &piece.sha256, now)
    }
}

/// Where the bucket encrypts with a key of its own, an ETag follows from no bytes.
fn etag_is_digest(answer: &CloudAnswer) -> bool {
    answer.header("x-amz-server-side-encryption").is_none_or(|kind| kind == "AES256")
        && answer.header("x-amz-server-side-encryption-customer-algorithm").is_none()
}

/// The ETag of an object that was sent in parts: MD5 of the binary MD5s, and how many.
fn multipart_etag<'a>(parts: impl ExactSizeIterator<Item = &'a Md5>) -> String {
    let count = parts.len();
    let digests: Vec<u8> = parts.flat_map(|md5| *md5.as_bytes()).collect();
    format!("{}-{count}", crate::digest::md5(&digests))
}

impl Provider for S3<'_> {
    fn part_rules(&self) -> PartRules {
        PartRules::S3
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
        if etag_is_digest(answer) && tag.as_str() != piece.md5.to_hex() {
            let why = format!("part {} arrived with other bytes", piece.part.number);
            return Err(answer.fault(FaultKind::Line, attempt, why));
        }
        Ok(tag)
    }

    fn finish(&self, upload: &Upload, pieces: &[StoredPiece], at: Moment) -> Option<CloudRequest> {
        let reference = upload.reference.as_ref().filter(|_| !upload.plan.is_whole())?;
        Some(self.complete_multipart(&upload.key, reference, pieces, at.now))
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
            _ => return Err(error::fault(answer, attempt, "s3:GetObject")),
        }
        let size = answer.number("content-length").ok_or_else(|| {
            answer.fault(FaultKind::Unexpected, attempt, "the answer has no Content-Length")
        })?;
        let etag = answer.header("etag").filter(|_| etag_is_digest(answer));
        Ok(Some(Found {
            size,
            etag: etag.map(|etag| unquoted(etag).to_owned()),
            sha256: answer.header(META_SHA256).and_then(|text| text.parse().ok()),
            segmented: false,
        }))
    }

    fn expected_etag(&self, upload: &Upload, pieces: &[StoredPiece]) -> Option<String> {
        if upload.plan.is_whole() {
            return pieces.first().map(|stored| stored.piece.md5.to_hex());
        }
        Some(multipart_etag(pieces.iter().map(|stored| &stored.piece.md5)))
    }

    fn read(&self, key: &ObjectKey, at: Moment) -> CloudRequest {
        self.signed(self.object(Method::GET, key), at.now)
    }

    fn list(&self, cursor: &Cursor, at: Moment) -> CloudRequest {
        self.list_objects(&self.settings.prefix.contents(), cursor, at.now)
    }

    fn listed(&self, _: &Cursor, answer: &CloudAnswer) -> Result<Page<Listed>, Fault> {
        list::objects(answer, &self.settings.bucket)
    }

    fn leftovers(
        &self,
        of: Option<&ObjectKey>,
        cursor: &Cursor,
        at: Moment,
    ) -> Option<CloudRequest> {
        let all = self.settings.prefix.everything();
        Some(self.list_uploads(of.unwrap_or(&all), cursor, at.now))
    }

    fn leftovers_listed(&self, answer: &CloudAnswer) -> Result<Page<Leftover>, Fault> {
        list::uploads(answer, &self.settings.bucket)
    }

    fn discard(&self, leftover: &Leftover, at: Moment) -> CloudRequest {
        match &leftover.reference {
            Some(reference) => self.abort_multipart(&leftover.key, reference, at.now),
            None => self.signed(self.object(Method::DELETE, &leftover.key), at.now),
        }
    }

    fn remove(&self, key: &ObjectKey, _: &Found, at: Moment) -> CloudRequest {
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
        let request = CloudFront::new(settings, self.keys).invalidate(keys, reference, at.now)?;
        Ok(request.into_iter().collect())
    }

    fn purged(&self, answer: &CloudAnswer) -> Result<(), Fault> {
        crate::cloudfront::invalidated(answer)
    }

    fn url(&self, wanted: &UrlFor<'_>) -> Result<SecretUrl, Fault> {
        if let Some(settings) = &self.settings.cloudfront {
            return CloudFront::new(settings, self.keys).url(wanted);
        }
        let disposition = crate::layout::disposition(wanted.name);
        let parameters = [("response-content-disposition", disposition.as_str())];
        let path = self.path(wanted.key.as_str());
        let now = wanted.at.now;
        Ok(presign(&self.endpoint, &path, &parameters, self.keys, self.scope(), now, wanted.life))
    }
}
