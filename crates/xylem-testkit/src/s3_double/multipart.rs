//! Uploads in parts: begun, sent, ended, listed, given up.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::{HeaderValue, Response, StatusCode, header};
use http_body_util::Full;
use md5::{Digest as _, Md5};
use xylem_model::Timestamp;

use super::objects::{Kept, Object, encoded, plain};
use super::{Answer, Asked, Refusal, refused};

/// Smallest part but for the last ("Amazon S3 multipart upload limits").
const SMALLEST_PART: usize = 5 * 1024 * 1024;

/// Uploads that were begun and neither ended nor given up, by their ids.
pub(super) struct Uploads {
    open: BTreeMap<String, Upload>,
    begun: u32,
    now: Timestamp,
    smallest_part: usize,
}

impl Default for Uploads {
    fn default() -> Self {
        let (open, now) = (BTreeMap::new(), Timestamp::default());
        Self { open, begun: 0, now, smallest_part: SMALLEST_PART }
    }
}

struct Upload {
    key: String,
    kept: Kept,
    parts: BTreeMap<u32, Bytes>,
    begun: Timestamp,
}

impl Uploads {
    /// Names of all uploads.
    pub(super) fn names(&self) -> Vec<String> {
        self.open.values().map(|upload| upload.key.clone()).collect()
    }

    /// What the clock says from now on.
    pub(super) fn set_now(&mut self, now: Timestamp) {
        self.now = now;
    }

    /// Parts may be as small as this.
    pub(super) fn take_small_parts(&mut self, bytes: usize) {
        self.smallest_part = bytes;
    }

    /// All of them are gone, as if somebody had given them up.
    pub(super) fn forget(&mut self) {
        self.open.clear();
    }

    /// Begins one; gives its id.
    pub(super) fn begin(&mut self, key: &str, kept: Kept) -> String {
        self.begun += 1;
        let id = format!("upload-{}", self.begun);
        let upload = Upload { key: key.to_owned(), kept, parts: BTreeMap::new(), begun: self.now };
        self.open.insert(id.clone(), upload);
        id
    }

    /// `UploadPart`.
    pub(super) fn take_part(&mut self, key: &str, asked: &Asked) -> Answer {
        let upload = self.of(key, asked)?;
        let number = asked.parameter("partNumber").and_then(|number| number.parse().ok());
        let number = number.filter(|number| (1..=10_000).contains(number));
        let number =
            number.ok_or_else(|| refused(400, "InvalidArgument", "there is no such part"))?;
        if asked.header("content-md5") != Some(&STANDARD.encode(Md5::digest(&asked.body))) {
            return Err(refused(400, "BadDigest", "the Content-MD5 is another, or none"));
        }
        upload.parts.insert(number, asked.body.clone());
        let mut response = plain(StatusCode::OK, Bytes::new());
        let etag = format!("\"{}\"", md5_of(&asked.body));
        response.headers_mut().insert(header::ETAG, HeaderValue::try_from(etag).unwrap());
        Ok(response)
    }

    /// `CompleteMultipartUpload`: the object that comes of it.
    pub(super) fn end(&mut self, key: &str, asked: &Asked) -> Result<Object, Refusal> {
        let smallest = self.smallest_part;
        let upload = self.of(key, asked)?;
        let told = told_parts(&asked.body);
        if told.is_empty() || told.windows(2).any(|two| two[0].0 >= two[1].0) {
            return Err(refused(400, "InvalidPartOrder", "the parts are not in order"));
        }
        let (mut bytes, mut digests) = (Vec::new(), Vec::new());
        for (at, (number, etag)) in told.iter().enumerate() {
            let part = upload.parts.get(number).filter(|part| md5_of(part) == *etag);
            let part = part.ok_or_else(|| refused(400, "InvalidPart", "a part is another"))?;
            if part.len() < smallest && at + 1 < told.len() {
                return Err(refused(400, "EntityTooSmall", "a part is too small"));
            }
            bytes.extend_from_slice(part);
            digests.extend_from_slice(&Md5::digest(part));
        }
        let etag = format!("{}-{}", md5_of(&digests), told.len());
        let kept = upload.kept.clone();
        let id = asked.parameter("uploadId").unwrap_or_default();
        self.open.remove(&id);
        Ok(Object { bytes: bytes.into(), etag, kept })
    }

    /// `AbortMultipartUpload`.
    pub(super) fn give_up(&mut self, key: &str, asked: &Asked) -> Answer {
        self.of(key, asked)?;
        self.open.remove(&asked.parameter("uploadId").unwrap_or_default());
        Ok(plain(StatusCode::NO_CONTENT, Bytes::new()))
    }

    /// `ListMultipartUploads`, in one page.
    pub(super) fn list(&self, prefix: &str) -> String {
        let mut text = String::from(
            "<ListMultipartUploadsResult><EncodingType>url</EncodingType>\
             <IsTruncated>false</IsTruncated>",
        );
        for (id, upload) in self.open.iter().filter(|(_, it)| it.key.starts_with(prefix)) {
            let (key, begun) = (encoded(&upload.key), upload.begun);
            write!(
                text,
                "<Upload><Key>{key}</Key><UploadId>{id}</UploadId>\
                 <Initiated>{begun}</Initiated></Upload>"
            )
            .unwrap();
        }
        text.push_str("</ListMultipartUploadsResult>");
        text
    }

    fn of(&mut self, key: &str, asked: &Asked) -> Result<&mut Upload, Refusal> {
        let id = asked.parameter("uploadId").unwrap_or_default();
        let upload = self.open.get_mut(&id).filter(|upload| upload.key == key);
        upload.ok_or_else(|| refused(404, "NoSuchUpload", "the upload does not exist"))
    }
}

/// `InitiateMultipartUpload` is answered with this.
pub(super) fn begun(id: &str) -> Response<Full<Bytes>> {
    let text = format!(
        "<InitiateMultipartUploadResult><UploadId>{id}</UploadId>\
         </InitiateMultipartUploadResult>"
    );
    plain(StatusCode::OK, Bytes::from(text))
}

/// `CompleteMultipartUpload` is answered with this.
pub(super) fn ended(etag: &str) -> Response<Full<Bytes>> {
    let text = format!(
        "<CompleteMultipartUploadResult><ETag>&quot;{etag}&quot;</ETag>\
         </CompleteMultipartUploadResult>"
    );
    plain(StatusCode::OK, Bytes::from(text))
}

/// Numbers and digests in the body that ends an upload.
fn told_parts(body: &[u8]) -> Vec<(u32, String)> {
    let text = String::from_utf8_lossy(body);
    let within = |part: &str, name: &str| {
        let rest = part.split(&format!("<{name}>")).nth(1)?;
        Some(rest.split(&format!("</{name}>")).next()?.to_owned())
    };
    let told = text.split("<Part>").skip(1).filter_map(|part| {
        let number = within(part, "PartNumber")?.parse().ok()?;
        let etag = within(part, "ETag")?.replace("&quot;", "\"");
        Some((number, etag.trim_matches('"').to_owned()))
    });
    told.collect()
}

pub(super) fn md5_of(bytes: &[u8]) -> String {
    hex::encode(Md5::digest(bytes))
}
