//! Uploads in parts.

use std::fmt::Write as _;

use http::Method;
use xylem_model::Timestamp;

use super::{S3, error};
use crate::answer::{Attempt, CloudAnswer};
use crate::digest::base64;
use crate::encode;
use crate::fault::{Fault, FaultKind};
use crate::layout::ObjectKey;
use crate::request::{Body, CloudRequest};
use crate::upload::{Piece, StoredPiece, Upload, UploadRef};
use crate::xml::{Element, escape};

/// The right that all of these need.
const PUT_RIGHT: &str = "s3:PutObject";

impl S3<'_> {
    /// `CreateMultipartUpload`: what stays with the object is said here.
    pub(super) fn create_multipart(&self, upload: &Upload, now: Timestamp) -> CloudRequest {
        let request = self.object(Method::POST, &upload.key).with_query("uploads=");
        self.signed(self.described(request, upload), now)
    }

    /// `UploadPart`: bound to these bytes by their SHA-256 in the signature, and by their MD5.
    pub(super) fn upload_part(
        &self,
        upload: &Upload,
        piece: &Piece,
        now: Timestamp,
    ) -> Result<CloudRequest, Fault> {
        let reference = upload.reference.as_ref().ok_or_else(|| {
            Fault::new(
                FaultKind::UploadLost,
                format!("sending a part of `{}`", upload.key),
                "the upload has no id",
            )
        })?;
        let number = piece.part.number.to_string();
        let query = encode::query(&[("partNumber", &number), ("uploadId", reference.as_str())]);
        let request = self
            .object(Method::PUT, &upload.key)
            .with_query(query)
            .with_header("content-md5", base64(piece.md5.as_bytes()))
            .with_body(Body::Piece { size: piece.part.bytes });
        Ok(self.signed_for(request, &piece.sha256, now))
    }

    /// `CompleteMultipartUpload`.
    pub(super) fn complete_multipart(
        &self,
        upload: &Upload,
        reference: &UploadRef,
        pieces: &[StoredPiece],
        now: Timestamp,
    ) -> CloudRequest {
        let mut body = String::from(
            "<CompleteMultipartUpload xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">",
        );
        for stored in pieces {
            // Writing to a string cannot fail.
            let _ = write!(
                body,
                "<Part><PartNumber>{}</PartNumber><ETag>\"{}\"</ETag></Part>",
                stored.piece.part.number,
                escape(stored.tag.as_str())
            );
        }
        body.push_str("</CompleteMultipartUpload>");
        let mut request = self
            .object(Method::POST, &upload.key)
            .with_query(encode::query(&[("uploadId", reference.as_str())]))
            .with_header("content-type", "application/xml")
            .with_body(Body::Bytes(body.into_bytes()));
        if upload.create_only {
            request = request.with_header("if-none-match", "*");
        }
        self.signed(request, now)
    }

    /// `AbortMultipartUpload`.
    pub(super) fn abort_multipart(
        &self,
        key: &ObjectKey,
        reference: &UploadRef,
        now: Timestamp,
    ) -> CloudRequest {
        let query = encode::query(&[("uploadId", reference.as_str())]);
        self.signed(self.object(Method::DELETE, key).with_query(query), now)
    }
}

/// The id of an upload that was created.
pub(super) fn created(upload: &Upload, answer: &CloudAnswer) -> Result<UploadRef, Fault> {
    let attempt = Attempt { doing: "beginning the upload of", on: upload.key.as_str() };
    if !answer.is_success() {
        return Err(error::fault(answer, attempt, PUT_RIGHT));
    }
    let root = Element::parse(&answer.body)
        .map_err(|error| answer.fault(FaultKind::Unexpected, attempt, error.to_string()))?;
    let reference = root.child_text("UploadId").and_then(UploadRef::new);
    reference
        .ok_or_else(|| answer.fault(FaultKind::Unexpected, attempt, "the answer has no UploadId"))
}

/// A status of 200 comes first and the work after it, so that the body alone tells how it ended.
pub(super) fn completed(upload: &Upload, answer: &CloudAnswer) -> Result<(), Fault> {
    let attempt = Attempt { doing: "ending the upload of", on: upload.key.as_str() };
    if !answer.is_success() {
        return Err(error::fault(answer, attempt, PUT_RIGHT));
    }
    match Element::parse(&answer.body) {
        Ok(root) if root.name() == "CompleteMultipartUploadResult" => Ok(()),
        Ok(root) if root.name() == "Error" => {
            let mut fault = error::fault(answer, attempt, PUT_RIGHT);
            // A code that is not known came with a status that says nothing.
            if fault.kind == FaultKind::Unexpected {
                fault.kind = FaultKind::Busy;
            }
            Err(fault)
        }
        Ok(_) => Err(answer.fault(FaultKind::Unexpected, attempt, "the answer has no result")),
        // What broke off in the middle says nothing of how it ended.
        Err(error) => Err(answer.fault(FaultKind::Busy, attempt, error.to_string())),
    }
}
