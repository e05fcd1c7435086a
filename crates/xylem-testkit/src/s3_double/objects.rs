//! What lies in the bucket.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::ops::Range;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::{HeaderValue, Method, Response, StatusCode, header};
use http_body_util::Full;
use md5::{Digest as _, Md5};
use xylem_model::Timestamp;

use super::events::{S3Event, Watcher};
use super::multipart::{Uploads, begun, ended, md5_of};
use super::{Answer, Asked, Refusal, S3Fault, refused};

/// The metadata that is kept.
const META: &str = "x-amz-meta-sha256";
/// An ETag that is no digest, as some real ones have it.
const NO_DIGEST: &str = "not-a-digest";

/// Objects by their names, and uploads that were begun.
#[derive(Default)]
pub(super) struct Objects {
    objects: BTreeMap<String, Object>,
    /// When each was written last.
    written: BTreeMap<String, Timestamp>,
    now: Timestamp,
    watcher: Option<Watcher>,
    pub(super) uploads: Uploads,
}

pub(super) struct Object {
    pub(super) bytes: Bytes,
    /// Without quotes.
    pub(super) etag: String,
    pub(super) kept: Kept,
}

/// What stays with an object.
#[derive(Clone, Default)]
pub(super) struct Kept {
    meta: Option<HeaderValue>,
    disposition: Option<HeaderValue>,
}

impl Objects {
    pub(super) fn names(&self) -> Vec<String> {
        self.objects.keys().cloned().collect()
    }

    /// What its clock says from now on.
    pub(super) fn set_now(&mut self, now: Timestamp) {
        self.now = now;
        self.uploads.set_now(now);
    }

    /// Who is told of what is done from now on.
    pub(super) fn watch(&mut self, watcher: Watcher) {
        self.watcher = Some(watcher);
    }

    fn tell(&self, event: &S3Event) {
        if let Some(watcher) = &self.watcher {
            watcher(event);
        }
    }

    /// Writes what was sent, or what is made of it by a fault. Gives its ETag.
    fn store(&mut self, key: &str, mut object: Object, fault: S3Fault) -> String {
        let sent = object.bytes.clone();
        if matches!(fault, S3Fault::StoresOther | S3Fault::StoresOtherUnsaid) {
            object.bytes = with_another_beginning(&sent);
        }
        match fault {
            S3Fault::StoresOther => object.etag = md5_of(&object.bytes),
            S3Fault::StoresOtherUnsaid => object.etag = NO_DIGEST.to_owned(),
            _ => {}
        }
        let (name, stored, etag) = (key.to_owned(), object.bytes.clone(), object.etag.clone());
        let over = self.bytes(key);
        self.insert(key, object);
        self.tell(&S3Event::Written { name, sent, stored, over });
        etag
    }

    fn insert(&mut self, key: &str, object: Object) {
        self.written.insert(key.to_owned(), self.now);
        self.objects.insert(key.to_owned(), object);
    }

    /// The bytes of an object.
    pub(super) fn bytes(&self, key: &str) -> Option<Bytes> {
        self.objects.get(key).map(|object| object.bytes.clone())
    }

    /// Writes an object, as somebody does who has no part in what is tested.
    pub(super) fn place(&mut self, key: &str, bytes: Bytes) {
        let object = Object { etag: md5_of(&bytes), bytes, kept: Kept::default() };
        self.insert(key, object);
    }

    /// Removes an object likewise.
    pub(super) fn take_away(&mut self, key: &str) {
        self.objects.remove(key);
    }

    /// Does what is asked with one object.
    pub(super) fn answer(&mut self, key: &str, asked: &Asked, fault: S3Fault) -> Answer {
        match asked.method {
            Method::PUT if asked.query.is_empty() => self.put(key, asked, fault),
            Method::GET | Method::HEAD => {
                let object = self.objects.get(key);
                let found = object.ok_or_else(|| refused(404, "NoSuchKey", "there is none"))?;
                let (answer, size) = (found.give(asked, fault)?, found.bytes.len());
                let name = key.to_owned();
                self.tell(&match asked.method == Method::HEAD {
                    true => S3Event::Asked { name },
                    false => S3Event::Given { name, range: given(&answer, size), size },
                });
                Ok(answer)
            }
            Method::DELETE if asked.query.is_empty() => {
                let was = self.objects.remove(key).map(|object| object.bytes);
                self.tell(&S3Event::Deleted { name: key.to_owned(), was });
                Ok(plain(StatusCode::NO_CONTENT, Bytes::new()))
            }
            Method::POST if asked.query == "uploads=" => {
                Ok(begun(&self.uploads.begin(key, Kept::of(asked))))
            }
            Method::PUT => {
                let answer = self.uploads.take_part(key, asked)?;
                self.tell(&S3Event::PartTaken { name: key.to_owned() });
                Ok(answer)
            }
            Method::POST => self.end(key, asked, fault),
            Method::DELETE => self.uploads.give_up(key, asked),
            _ => Err(refused(501, "NotImplemented", "the double has no such thing")),
        }
    }

    fn end(&mut self, key: &str, asked: &Asked, fault: S3Fault) -> Answer {
        self.check_condition(key, asked, fault)?;
        let object = self.uploads.end(key, asked)?;
        Ok(ended(&self.store(key, object, fault)))
    }

    /// Whether something may be written where something is.
    fn check_condition(&self, key: &str, asked: &Asked, fault: S3Fault) -> Result<(), Refusal> {
        match (asked.header("if-none-match"), fault) {
            (Some(_), S3Fault::NoConditions) => {
                Err(refused(501, "NotImplemented", "a header is not implemented"))
            }
            (Some("*"), _) if self.objects.contains_key(key) => {
                Err(refused(412, "PreconditionFailed", "it is there"))
            }
            _ => Ok(()),
        }
    }

    fn put(&mut self, key: &str, asked: &Asked, fault: S3Fault) -> Answer {
        if let Some(given) = asked.header("content-md5")
            && given != STANDARD.encode(Md5::digest(&asked.body))
        {
            return Err(refused(400, "BadDigest", "the Content-MD5 is another"));
        }
        self.check_condition(key, asked, fault)?;
        let bytes = asked.body.clone();
        let object = Object { etag: md5_of(&bytes), bytes, kept: Kept::of(asked) };
        let etag = quoted(&self.store(key, object, fault));
        let mut response = plain(StatusCode::OK, Bytes::new());
        response.headers_mut().insert(header::ETAG, etag);
        Ok(response)
    }

    /// `ListObjectsV2` or `ListMultipartUploads`, in one page.
    pub(super) fn list(&self, asked: &Asked) -> Answer {
        if asked.method != Method::GET {
            return Err(refused(405, "MethodNotAllowed", "the bucket is only listed"));
        }
        let prefix = asked.parameter("prefix").unwrap_or_default();
        let text = match asked.parameter("uploads") {
            Some(_) => self.uploads.list(&prefix),
            None if asked.parameter("list-type").as_deref() == Some("2") => {
                self.list_objects(&prefix)
            }
            None => return Err(refused(501, "NotImplemented", "the double has no such listing")),
        };
        Ok(plain(StatusCode::OK, Bytes::from(text)))
    }

    fn list_objects(&self, prefix: &str) -> String {
        let mut text = String::from(
            "<ListBucketResult><EncodingType>url</EncodingType><IsTruncated>false</IsTruncated>",
        );
        for (key, object) in self.objects.iter().filter(|(key, _)| key.starts_with(prefix)) {
            let written = self.written.get(key).copied().unwrap_or_default();
            let (key, size, etag) = (encoded(key), object.bytes.len(), &object.etag);
            write!(
                text,
                "<Contents><Key>{key}</Key><LastModified>{written}</LastModified>\
                 <Size>{size}</Size><ETag>&quot;{etag}&quot;</ETag></Contents>"
            )
            .unwrap();
        }
        text.push_str("</ListBucketResult>");
        text
    }
}

impl Object {
    fn give(&self, asked: &Asked, fault: S3Fault) -> Answer {
        let bytes = match fault {
            S3Fault::OtherBytes => self.bytes.iter().map(|byte| !byte).collect(),
            _ => self.bytes.clone(),
        };
        let range = asked.header("range").filter(|_| fault != S3Fault::NoRanges);
        let mut response = ranged(&bytes, range)?;
        if asked.method == Method::HEAD {
            let size = HeaderValue::from(self.bytes.len());
            *response.body_mut() = Full::new(Bytes::new());
            response.headers_mut().insert(header::CONTENT_LENGTH, size);
        }
        let headers = response.headers_mut();
        headers.insert(header::ETAG, quoted(&self.etag));
        if let Some(meta) = &self.kept.meta {
            headers.insert(META, meta.clone());
        }
        let asked_for = asked.parameter("response-content-disposition");
        let asked_for = asked_for.map(|text| HeaderValue::try_from(text).unwrap());
        if let Some(disposition) = asked_for.or_else(|| self.kept.disposition.clone()) {
            headers.insert(header::CONTENT_DISPOSITION, disposition);
        }
        Ok(response)
    }
}

impl Kept {
    fn of(asked: &Asked) -> Self {
        Self {
            meta: asked.headers.get(META).cloned(),
            disposition: asked.headers.get(header::CONTENT_DISPOSITION).cloned(),
        }
    }
}

/// All of it, or a range.
pub(crate) fn ranged(bytes: &Bytes, range: Option<&str>) -> Answer {
    match range {
        None => Ok(plain(StatusCode::OK, bytes.clone())),
        Some(range) => part(bytes, range),
    }
}

fn quoted(etag: &str) -> HeaderValue {
    HeaderValue::try_from(format!("\"{etag}\"")).unwrap()
}

/// The same bytes but for the first.
fn with_another_beginning(bytes: &Bytes) -> Bytes {
    let mut other = bytes.to_vec();
    if let Some(first) = other.first_mut() {
        // One bit: where all are turned, as `OtherBytes` does when they are given, a file of one byte
        // would come out right again.
        *first ^= 1;
    }
    other.into()
}

/// One range with both ends, which is all that is asked for.
fn part(bytes: &Bytes, range: &str) -> Result<Response<Full<Bytes>>, Refusal> {
    let bad = || refused(416, "InvalidRange", "the range is none of it");
    let (first, last) =
        range.strip_prefix("bytes=").and_then(|ends| ends.split_once('-')).ok_or_else(bad)?;
    let (first, last): (usize, usize) =
        (first.parse().map_err(|_| bad())?, last.parse().map_err(|_| bad())?);
    if first > last || first >= bytes.len() {
        return Err(bad());
    }
    let last = last.min(bytes.len() - 1);
    let mut response = plain(StatusCode::PARTIAL_CONTENT, bytes.slice(first..=last));
    let told = format!("bytes {first}-{last}/{}", bytes.len());
    response.headers_mut().insert(header::CONTENT_RANGE, HeaderValue::try_from(told).unwrap());
    Ok(response)
}

/// Which bytes of an object of so many an answer gives.
fn given(answer: &Response<Full<Bytes>>, size: usize) -> Range<usize> {
    let told = answer.headers().get(header::CONTENT_RANGE).and_then(|told| told.to_str().ok());
    let ends =
        told.and_then(|told| told.strip_prefix("bytes ")?.split('/').next()?.split_once('-'));
    match ends.map(|(first, last)| (first.parse::<usize>(), last.parse::<usize>())) {
        Some((Ok(first), Ok(last))) => first..last + 1,
        _ => 0..size,
    }
}

pub(super) fn plain(status: StatusCode, body: Bytes) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(body));
    *response.status_mut() = status;
    response
}

/// As listings have a name.
pub(super) fn encoded(key: &str) -> String {
    percent_encoding::utf8_percent_encode(key, percent_encoding::NON_ALPHANUMERIC).to_string()
}
