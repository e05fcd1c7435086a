//! What is there: objects, and uploads that nobody ended.

use http::Method;
use xylem_model::Timestamp;

use super::{S3, error, object_tag};
use crate::answer::{Attempt, CloudAnswer};
use crate::cursor::{Cursor, PAGE, Place};
use crate::encode;
use crate::fault::{Fault, FaultKind};
use crate::layout::ObjectKey;
use crate::request::CloudRequest;
use crate::upload::{Leftover, Listed, Page, UploadRef};
use crate::xml::Element;

/// The request is another listing's: of another provider, or of objects and not of uploads.
const OTHER: &str = "the cursor is of another listing";

impl S3<'_> {
    /// `ListObjectsV2` below a name.
    pub(super) fn list_objects(
        &self,
        below: &ObjectKey,
        cursor: &Cursor,
        now: Timestamp,
    ) -> Result<CloudRequest, Fault> {
        let page = PAGE.to_string();
        let mut pairs = vec![
            ("encoding-type", "url"),
            ("list-type", "2"),
            ("max-keys", &page),
            ("prefix", below.as_str()),
        ];
        match cursor.place() {
            Place::Start => {}
            Place::Token(token) => pairs.push(("continuation-token", token)),
            Place::After(key) => pairs.push(("start-after", key)),
            Place::AfterUpload(..) | Place::Folder(..) => {
                return Err(Fault::new(FaultKind::Unexpected, "listing the bucket", OTHER));
            }
        }
        Ok(self.signed(self.bucket(Method::GET).with_query(encode::query(&pairs)), now))
    }

    /// `ListMultipartUploads` of names that begin so.
    pub(super) fn list_uploads(
        &self,
        below: &ObjectKey,
        cursor: &Cursor,
        now: Timestamp,
    ) -> Result<CloudRequest, Fault> {
        let page = PAGE.to_string();
        let mut pairs = vec![
            ("encoding-type", "url"),
            ("max-uploads", &page),
            ("prefix", below.as_str()),
            ("uploads", ""),
        ];
        match cursor.place() {
            Place::Start => {}
            Place::AfterUpload(key, upload) => {
                pairs.extend([("key-marker", key.as_str()), ("upload-id-marker", upload)]);
            }
            Place::After(_) | Place::Token(_) | Place::Folder(..) => {
                return Err(Fault::new(FaultKind::Unexpected, "listing unended uploads", OTHER));
            }
        }
        Ok(self.signed(self.bucket(Method::GET).with_query(encode::query(&pairs)), now))
    }
}

/// A page of objects.
pub(super) fn objects(
    cursor: &Cursor,
    answer: &CloudAnswer,
    bucket: &str,
) -> Result<Page<Listed>, Fault> {
    let attempt = Attempt { doing: "listing the bucket", on: bucket };
    let root = listing(answer, attempt, "ListBucketResult", "s3:ListBucket")?;
    let items: Option<Vec<_>> =
        root.children("Contents").map(|element| object(&root, element)).collect();
    let items = items.ok_or_else(|| odd(answer, attempt))?;
    let token = root.child_text("NextContinuationToken").filter(|token| !token.is_empty());
    let next = match (is_truncated(&root), token, items.last()) {
        (false, ..) => return Ok(Page { items, next: None }),
        (true, Some(token), _) => Place::Token(token.to_owned()),
        (true, None, Some(last)) => Place::After(last.key.as_str().to_owned()),
        (true, None, None) => return Err(odd(answer, attempt)),
    };
    let next = cursor
        .turned(next, items.first().map(|first| first.key.as_str()))
        .map_err(|why| answer.fault(FaultKind::Unexpected, attempt, why))?;
    Ok(Page { items, next: Some(next) })
}

/// A page of uploads that nobody ended.
pub(super) fn uploads(
    cursor: &Cursor,
    answer: &CloudAnswer,
    bucket: &str,
) -> Result<Page<Leftover>, Fault> {
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
    let (Some(key), Some(upload)) = markers else { return Err(odd(answer, attempt)) };
    let next = cursor
        .turned(Place::AfterUpload(key, upload.to_owned()), None)
        .map_err(|why| answer.fault(FaultKind::Unexpected, attempt, why))?;
    Ok(Page { items, next: Some(next) })
}

fn listing(
    answer: &CloudAnswer,
    attempt: Attempt<'_>,
    expected: &str,
    right: &str,
) -> Result<Element, Fault> {
    if !answer.is_success() {
        let mut fault = error::fault(answer, attempt, right);
        // What is asked for is the bucket.
        if fault.kind == FaultKind::Gone {
            fault.kind = FaultKind::Place;
        }
        return Err(fault);
    }
    let root = Element::parse(&answer.body).map_err(|error| answer.unreadable(attempt, error))?;
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
        etag: element.child_text("ETag").and_then(object_tag),
        written: moment(element, "LastModified"),
        segmented: false,
    })
}

fn upload(root: &Element, element: &Element) -> Option<Leftover> {
    Some(Leftover::Upload {
        key: ObjectKey::listed(name(root, "Key", element)?)?,
        id: UploadRef::new(element.child_text("UploadId")?)?,
        begun: moment(element, "Initiated"),
    })
}

fn moment(element: &Element, name: &str) -> Option<Timestamp> {
    element.child_text(name).and_then(|text| text.trim().parse().ok())
}

/// A name in a listing: encoded as in a form where the answer says so, a blank as `+`.
fn name(root: &Element, tag: &str, element: &Element) -> Option<String> {
    let text = element.child_text(tag)?;
    match root.child_text("EncodingType") {
        Some("url") => encode::decoded(&text.replace('+', "%20")),
        _ => Some(text.to_owned()),
    }
}
