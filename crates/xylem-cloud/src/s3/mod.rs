//! Amazon S3, and what speaks its protocol ("Amazon S3 API Reference", version 2006-03-01).

mod error;
mod list;
mod multipart;
mod policy;
mod presign;
mod provider;
mod sign;
#[cfg(test)]
mod vectors;

use http::Method;
use xylem_model::{Md5, Sha256, Timestamp};

pub(crate) use error::fault as answered_fault;
pub use policy::{lifecycle, policy};
use presign::presign;
pub(crate) use sign::{Scope, sign};

use crate::answer::CloudAnswer;
use crate::digest::{base64, sha256};
use crate::encode;
use crate::endpoint::{Endpoint, EndpointError};
use crate::layout::ObjectKey;
use crate::request::{Body, CloudRequest};
use crate::secret::S3Secrets;
use crate::settings::{Partition, S3Settings};
use crate::upload::{Piece, Upload, unquoted};

/// The type of every object of ours.
pub(crate) const OCTETS: &str = "application/octet-stream";
/// Metadata: our SHA-256.
const META_SHA256: &str = "x-amz-meta-sha256";

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
                let china = if settings.partition() == Partition::China { ".cn" } else { "" };
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

/// An ETag that may be compared: the MD5 of one request's bytes. Directory buckets and other
/// servers have tags of other forms, which say nothing.
fn md5_tag(etag: &str) -> Option<Md5> {
    unquoted(etag).parse().ok()
}

/// As [`md5_tag`], or that of an object in parts: `MD5-N`; in small letters.
fn object_tag(etag: &str) -> Option<String> {
    let etag = unquoted(etag).to_ascii_lowercase();
    let (md5, parts) = etag.split_once('-').unwrap_or((&etag, "1"));
    let good = md5.parse::<Md5>().is_ok() && parts.parse::<u32>().is_ok();
    good.then_some(etag)
}

/// The ETag of an object that was sent in parts: MD5 of the binary MD5s, and how many.
fn multipart_etag<'a>(parts: impl ExactSizeIterator<Item = &'a Md5>) -> String {
    let count = parts.len();
    let digests: Vec<u8> = parts.flat_map(|md5| *md5.as_bytes()).collect();
    format!("{}-{count}", crate::digest::md5(&digests))
}
