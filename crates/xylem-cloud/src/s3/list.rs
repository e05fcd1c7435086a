//! What is there: objects, uploads that nobody ended, parts of one.

use http::Method;
use xylem_model::Timestamp;

use super::{S3, error};
use crate::answer::{Attempt, CloudAnswer};
use crate::encode;
use crate::fault::{Fault, FaultKind};
use crate::layout::ObjectKey;
use crate::request::CloudRequest;
use crate::upload::{Cursor, Leftover, Listed, Page, UploadRef, unquoted};
use crate::xml::Element;

/// How many things are asked for at once: what Amazon gives at most.
const PAGE: &str = "1000";

/// A part that the provider has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredPart {
    /// Its number.
    pub number: u32,
    /// Its size, bytes.
    pub size: u64,
    /// Its ETag, without quotes.
    pub tag: UploadRef,
}

impl S3<'_> {
    /// `ListObjectsV2` below a name.
    pub(super) fn list_objects(
        &self,
        below: &ObjectKey,
        cursor: &Cursor,
        now: Timestamp,
    ) -> CloudRequest {
        let mut pairs = vec![
            ("encoding-type", "url"),
            ("list-type", "2"),
            ("max-keys", PAGE),
            ("prefix", below.as_str()),
        ];
        match cursor {
            Cursor::Token(token) => pairs.push(("continuation-token", token)),
            Cursor::After(key) | Cursor::AfterUpload(key, _) => pairs.push(("start-after", key)),
            Cursor::Start | Cursor::Folder(..) => {}
        }
        self.signed(self.bucket(Method::GET).with_query(encode::query(&pairs)), now)
    }

    /// `ListMultipartUploads` of names that begin so.
    pub(super) fn list_uploads(
        &self,
        below: &ObjectKey,
        cursor: &Cursor,
        now: Timestamp,
    ) -> CloudRequest {
        let mut pairs = vec![
            ("encoding-type", "url"),
            ("max-uploads", PAGE),
            ("prefix", below.as_str()),
            ("uploads", ""),
        ];
        if let Cursor::AfterUpload(key, upload) = cursor {
            pairs.extend([("key-marker", key.as_str()), ("upload-id-marker", upload)]);
        }
        self.signed(self.bucket(Method::GET).with_query(encode::query(&pairs)), now)
    }

    /// `ListParts` of an upload, after the part of this number; 0 is the beginning.
    pub fn list_parts(
        &self,
        key: &ObjectKey,
        reference: &UploadRef,
        after: u32,
        now: Timestamp,
    ) -> CloudRequest {
        let after = after.to_string();
        let query = encode::query(&[
            ("max-parts", PAGE),
            ("part-number-marker", &after),
            ("uploadId", reference.as_str()),
        ]);
        self.signed(self.object(Method::GET, key).with_query(query), now)
    }

    /// The parts of a page, and after which the next begins.
    ///
    /// # Errors
    /// When it was refused, or the answer is not of the protocol.
    pub fn parts_listed(
        &self,
        key: &ObjectKey,
        answer: &CloudAnswer,
    ) -> Result<(Vec<StoredPart>, Option<u32>), Fault> {
        let attempt = Attempt { doing: "listing the parts of", on: key.as_str() };
        let root = listing(answer, attempt, "ListPartsResult", "s3:ListMultipartUploadParts")?;
        let parts: Option<Vec<_>> = root.children("Part").map(part).collect();
        let parts = parts.ok_or_else(|| odd(answer, attempt))?;
        let next = || root.child_text("NextPartNumberMarker").and_then(|text| text.parse().ok());
        Ok((parts, if is_truncated(&root) { next() } else { None }))
    }
}

/// A page of objects.
pub(super) fn objects(answer: &CloudAnswer, bucket: &str) -> Result<Page<Listed>, Fault> {
    let attempt = Attempt { doing: "listing the bucket", on: bucket };
    let root = listing(answer, attempt, "ListBucketResult", "s3:ListBucket")?;
    let items: Option<Vec<_>> =
        root.children("Contents").map(|element| object(&root, element)).collect();
    let items = items.ok_or_else(|| odd(answer, attempt))?;
    let token = root.child_text("NextContinuationToken").filter(|token| !token.is_empty());
    let next = match (is_truncated(&root), token, items.last()) {
        (false, ..) => None,
        (true, Some(token), _) => Some(Cursor::Token(token.to_owned())),
        (true, None, Some(last)) => Some(Cursor::After(last.key.as_str().to_owned())),
        (true, None, None) => return Err(odd(answer, attempt)),
    };
    Ok(Page { items, next })
}

/// A page of uploads that nobody ended.
pub(super) fn uploads(answer: &CloudAnswer, bucket: &str) -> Result<Page<Leftover>, Fault> {
    let attempt = Attempt { doing: "listing unended uploads of the bucket", on: bucket };
    let right = "s3:ListBucketMultipartUploads";
    let root = listing(answer, attempt, "ListMultipartUploadsResult", right)?;
    let items: Option<Vec<_>> =
        root.children("Upload").map(|element| upload(&root, element)).collect();
    let items = items.ok_or_else(|| odd(answer, attempt))?;
    if !is_truncated(&root) {
        return Ok(Page { items, next: None });
    }
    let markers = (name(&root, "NextKeyMarker", &root), root.child_text("NextUploadIdMarker"));
    match markers {
        (Some(key), Some(upload)) if !key.is_empty() => {
            Ok(Page { items, next: Some(Cursor::AfterUpload(key, upload.to_owned())) })
        }
        _ => Err(odd(answer, attempt)),
    }
}

fn listing(
    answer: &CloudAnswer,
    attempt: Attempt<'_>,
    expected: &str,
    right: &str,
) -> Result<Element, Fault> {
    if !answer.is_success() {
        let mut fault = error::fault(answer, attempt, right);
        // By an upload's id one asks for that alone, by a bucket's name for the bucket.
        if fault.kind == FaultKind::Gone && expected != "ListPartsResult" {
            fault.kind = FaultKind::Place;
        }
        return Err(fault);
    }
    let root = Element::parse(&answer.body)
        .map_err(|error| answer.fault(FaultKind::Unexpected, attempt, error.to_string()))?;
    if root.name() != expected {
        return Err(odd(answer, attempt));
    }
    Ok(root)
}

fn odd(answer: &CloudAnswer, attempt: Attempt<'_>) -> Fault {
    answer.fault(FaultKind::Unexpected, attempt, "the answer is no listing of the protocol")
}

fn is_truncated(root: &Element) -> bool {
    root.child_text("IsTruncated").is_some_and(|text| text.trim() == "true")
}

fn object(root: &Element, element: &Element) -> Option<Listed> {
    Some(Listed {
        key: ObjectKey::listed(name(root, "Key", element)?)?,
        size: element.child_text("Size")?.trim().parse().ok()?,
        etag: element.child_text("ETag").map(|etag| unquoted(etag).to_owned()),
    })
}

fn upload(root: &Element, element: &Element) -> Option<Leftover> {
    Some(Leftover::Upload {
        key: ObjectKey::listed(name(root, "Key", element)?)?,
        id: UploadRef::new(element.child_text("UploadId")?)?,
        begun: element.child_text("Initiated").and_then(|text| text.trim().parse().ok()),
    })
}

fn part(element: &Element) -> Option<StoredPart> {
    Some(StoredPart {
        number: element.child_text("PartNumber")?.trim().parse().ok()?,
        size: element.child_text("Size")?.trim().parse().ok()?,
        tag: UploadRef::new(unquoted(element.child_text("ETag")?))?,
    })
}

/// A name in a listing: encoded as in a form where the answer says so, a blank as `+`.
fn name(root: &Element, tag: &str, element: &Element) -> Option<String> {
    let text = element.child_text(tag)?;
    match root.child_text("EncodingType") {
        Some("url") => encode::decoded(&text.replace('+', "%20")),
        _ => Some(text.to_owned()),
    }
}
