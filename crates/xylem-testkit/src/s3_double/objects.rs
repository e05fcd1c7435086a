//! What lies in the bucket.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::{HeaderValue, Method, Response, StatusCode, header};
use http_body_util::Full;
use md5::{Digest as _, Md5};

use super::{Answer, Asked, Refusal, S3Fault, refused};

/// The metadata that is kept.
const META: &str = "x-amz-meta-sha256";

/// Objects by their names, and uploads that were begun.
#[derive(Default)]
pub(super) struct Objects {
    objects: BTreeMap<String, Object>,
    /// Names by ids.
    uploads: BTreeMap<String, String>,
    begun: u32,
}

struct Object {
    bytes: Bytes,
    meta: Option<HeaderValue>,
    disposition: Option<HeaderValue>,
}

impl Objects {
    pub(super) fn names(&self) -> Vec<String> {
        self.objects.keys().cloned().collect()
    }

    /// Names of uploads that were begun and not given up.
    pub(super) fn uploads(&self) -> Vec<String> {
        self.uploads.values().cloned().collect()
    }

    /// Does what is asked with one object.
    pub(super) fn answer(&mut self, key: &str, asked: &Asked, fault: S3Fault) -> Answer {
        match asked.method {
            Method::PUT if asked.query.is_empty() => self.put(key, asked, fault),
            Method::GET | Method::HEAD => {
                let object = self.objects.get(key);
                let found = object.ok_or_else(|| refused(404, "NoSuchKey", "there is none"))?;
                found.give(asked, fault)
            }
            Method::DELETE if asked.query.is_empty() => {
                self.objects.remove(key);
                Ok(plain(StatusCode::NO_CONTENT, Bytes::new()))
            }
            Method::POST if asked.query == "uploads=" => Ok(self.begin(key)),
            Method::DELETE => self.give_up(key, asked),
            _ => Err(refused(501, "NotImplemented", "the double has no such thing")),
        }
    }

    fn begin(&mut self, key: &str) -> Response<Full<Bytes>> {
        self.begun += 1;
        let id = format!("upload-{}", self.begun);
        self.uploads.insert(id.clone(), key.to_owned());
        let text = format!(
            "<InitiateMultipartUploadResult><UploadId>{id}</UploadId>\
             </InitiateMultipartUploadResult>"
        );
        plain(StatusCode::OK, Bytes::from(text))
    }

    fn give_up(&mut self, key: &str, asked: &Asked) -> Answer {
        let id = asked.parameter("uploadId").unwrap_or_default();
        match self.uploads.get(&id).is_some_and(|begun| begun == key) {
            true => {
                self.uploads.remove(&id);
                Ok(plain(StatusCode::NO_CONTENT, Bytes::new()))
            }
            false => Err(refused(404, "NoSuchUpload", "the upload does not exist")),
        }
    }

    fn put(&mut self, key: &str, asked: &Asked, fault: S3Fault) -> Answer {
        if let Some(given) = asked.header("content-md5")
            && given != STANDARD.encode(Md5::digest(&asked.body))
        {
            return Err(refused(400, "BadDigest", "the Content-MD5 is another"));
        }
        match (asked.header("if-none-match"), fault) {
            (Some(_), S3Fault::NoConditions) => {
                return Err(refused(501, "NotImplemented", "a header is not implemented"));
            }
            (Some("*"), _) if self.objects.contains_key(key) => {
                return Err(refused(412, "PreconditionFailed", "it is there"));
            }
            _ => {}
        }
        let object = Object {
            bytes: asked.body.clone(),
            meta: asked.headers.get(META).cloned(),
            disposition: asked.headers.get(header::CONTENT_DISPOSITION).cloned(),
        };
        let mut response = plain(StatusCode::OK, Bytes::new());
        response.headers_mut().insert(header::ETAG, object.etag());
        self.objects.insert(key.to_owned(), object);
        Ok(response)
    }

    /// `ListObjectsV2` or `ListMultipartUploads`, in one page.
    pub(super) fn list(&self, asked: &Asked) -> Answer {
        if asked.method != Method::GET {
            return Err(refused(405, "MethodNotAllowed", "the bucket is only listed"));
        }
        let prefix = asked.parameter("prefix").unwrap_or_default();
        let text = match asked.parameter("uploads") {
            Some(_) => self.list_uploads(&prefix),
            None if asked.parameter("list-type").as_deref() == Some("2") => {
                self.list_objects(&prefix)
            }
            None => return Err(refused(501, "NotImplemented", "the double has no such listing")),
        };
        Ok(plain(StatusCode::OK, Bytes::from(text)))
    }

    fn list_uploads(&self, prefix: &str) -> String {
        let mut text = String::from(
            "<ListMultipartUploadsResult><EncodingType>url</EncodingType>\
             <IsTruncated>false</IsTruncated>",
        );
        for (id, key) in self.uploads.iter().filter(|(_, key)| key.starts_with(prefix)) {
            let key =
                percent_encoding::utf8_percent_encode(key, percent_encoding::NON_ALPHANUMERIC);
            write!(text, "<Upload><Key>{key}</Key><UploadId>{id}</UploadId></Upload>").unwrap();
        }
        text.push_str("</ListMultipartUploadsResult>");
        text
    }

    fn list_objects(&self, prefix: &str) -> String {
        let mut text = String::from(
            "<ListBucketResult><EncodingType>url</EncodingType><IsTruncated>false</IsTruncated>",
        );
        for (key, object) in self.objects.iter().filter(|(key, _)| key.starts_with(prefix)) {
            let key =
                percent_encoding::utf8_percent_encode(key, percent_encoding::NON_ALPHANUMERIC);
            let (size, etag) = (object.bytes.len(), hex::encode(Md5::digest(&object.bytes)));
            write!(
                text,
                "<Contents><Key>{key}</Key><Size>{size}</Size><ETag>&quot;{etag}&quot;</ETag>\
                 </Contents>"
            )
            .unwrap();
        }
        text.push_str("</ListBucketResult>");
        text
    }
}

impl Object {
    fn etag(&self) -> HeaderValue {
        let md5 = hex::encode(Md5::digest(&self.bytes));
        HeaderValue::try_from(format!("\"{md5}\"")).unwrap()
    }

    fn give(&self, asked: &Asked, fault: S3Fault) -> Answer {
        let bytes = match fault {
            S3Fault::OtherBytes => self.bytes.iter().map(|byte| !byte).collect(),
            _ => self.bytes.clone(),
        };
        let range = asked.header("range").filter(|_| fault != S3Fault::NoRanges);
        let mut response = match range {
            None => plain(StatusCode::OK, bytes),
            Some(range) => part(&bytes, range)?,
        };
        if asked.method == Method::HEAD {
            let size = HeaderValue::from(self.bytes.len());
            *response.body_mut() = Full::new(Bytes::new());
            response.headers_mut().insert(header::CONTENT_LENGTH, size);
        }
        let headers = response.headers_mut();
        headers.insert(header::ETAG, self.etag());
        if let Some(meta) = &self.meta {
            headers.insert(META, meta.clone());
        }
        let asked_for = asked.parameter("response-content-disposition");
        let asked_for = asked_for.map(|text| HeaderValue::try_from(text).unwrap());
        if let Some(disposition) = asked_for.or_else(|| self.disposition.clone()) {
            headers.insert(header::CONTENT_DISPOSITION, disposition);
        }
        Ok(response)
    }
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

fn plain(status: StatusCode, body: Bytes) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(body));
    *response.status_mut() = status;
    response
}
