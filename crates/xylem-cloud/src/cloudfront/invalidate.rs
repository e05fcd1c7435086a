//! Taking removed objects out of the edge's caches.

use std::fmt::Write as _;

use http::Method;
use xylem_model::Timestamp;

use super::CloudFront;
use crate::answer::{Attempt, CloudAnswer};
use crate::digest::sha256;
use crate::endpoint::Endpoint;
use crate::fault::{Fault, FaultKind};
use crate::layout::ObjectKey;
use crate::request::{Body, CloudRequest};
use crate::s3::{Scope, answered_fault, sign};
use crate::xml::escape;

/// How many paths may be under way in one distribution at once, so that more make no request.
pub const MAX_INVALIDATED: usize = 3_000;
/// The one endpoint of all distributions.
const ENDPOINT: &str = "https://cloudfront.amazonaws.com";
/// Its signatures name this region, wherever a bucket lies.
const SCOPE: Scope<'static> = Scope { region: "us-east-1", service: "cloudfront" };

impl CloudFront<'_> {
    /// `CreateInvalidation`; none where no distribution's id is set, or there is nothing to ask.
    /// The same reference with the same paths is the same invalidation.
    pub(crate) fn invalidate(
        &self,
        keys: &[ObjectKey],
        reference: &str,
        now: Timestamp,
    ) -> Result<Option<CloudRequest>, Fault> {
        let Some(id) = self.settings.distribution_id.as_ref().filter(|_| !keys.is_empty()) else {
            return Ok(None);
        };
        let refuse = |kind, why: &str| Fault::new(kind, format!("invalidating in `{id}`"), why);
        if keys.len() > MAX_INVALIDATED {
            return Err(refuse(FaultKind::Busy, "more than 3,000 paths cannot be under way"));
        }
        let endpoint = Endpoint::parse(ENDPOINT)
            .map_err(|error| refuse(FaultKind::Place, &error.to_string()))?;
        let body = self.batch(keys, reference).into_bytes();
        let digest = sha256(&body);
        let path = format!("/2020-05-31/distribution/{id}/invalidation");
        let request = CloudRequest::new(Method::POST, endpoint, path)
            .with_header("content-type", "application/xml")
            .with_body(Body::Bytes(body));
        Ok(Some(sign(request, &digest, self.keys, SCOPE, now)))
    }

    fn batch(&self, keys: &[ObjectKey], reference: &str) -> String {
        let mut items = String::new();
        for key in keys {
            // Writing to a string cannot fail.
            let _ = write!(items, "<Path>{}</Path>", escape(&self.path(key)));
        }
        format!(
            "<InvalidationBatch xmlns=\"http://cloudfront.amazonaws.com/doc/2020-05-31/\">\
             <Paths><Quantity>{}</Quantity><Items>{items}</Items></Paths>\
             <CallerReference>{}</CallerReference></InvalidationBatch>",
            keys.len(),
            escape(reference)
        )
    }
}

/// Whether an invalidation was taken.
pub(crate) fn invalidated(answer: &CloudAnswer) -> Result<(), Fault> {
    if answer.is_success() {
        return Ok(());
    }
    let attempt = Attempt { doing: "invalidating at", on: "CloudFront" };
    Err(answered_fault(answer, attempt, "cloudfront:CreateInvalidation"))
}
