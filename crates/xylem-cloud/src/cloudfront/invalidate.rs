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
use crate::settings::Partition;
use crate::xml::escape;

/// How many paths may be under way in one distribution at once ("Concurrent invalidation request
/// maximum"), and so in one request.
const MAX_INVALIDATED: usize = 3_000;

impl CloudFront<'_> {
    /// `CreateInvalidation`, as often as there are paths for; none where no distribution's id is
    /// set, or there is nothing to ask. The same reference with the same paths is the same
    /// invalidation.
    pub(crate) fn invalidate(
        &self,
        keys: &[ObjectKey],
        reference: &str,
        partition: Partition,
        now: Timestamp,
    ) -> Result<Vec<CloudRequest>, Fault> {
        let Some(id) = self.settings.distribution_id.as_ref() else { return Ok(Vec::new()) };
        let (host, scope) = place(partition);
        let endpoint = Endpoint::parse(host).map_err(|error| {
            Fault::new(FaultKind::Place, format!("invalidating in `{id}`"), error.to_string())
        })?;
        let path = format!("/2020-05-31/distribution/{id}/invalidation");
        let batches = keys.chunks(MAX_INVALIDATED).zip(1_u32..);
        Ok(batches
            .map(|(keys, number)| {
                // A reference stands for its paths: each batch has its own.
                let reference = match number {
                    1 => reference.to_owned(),
                    number => format!("{reference}-{number}"),
                };
                let body = self.batch(keys, &reference).into_bytes();
                let digest = sha256(&body);
                let request = CloudRequest::new(Method::POST, endpoint.clone(), path.as_str())
                    .with_header("content-type", "application/xml")
                    .with_body(Body::Bytes(body));
                sign(request, &digest, self.keys, scope, now)
            })
            .collect())
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

/// The one endpoint of all distributions, and the region that signatures name there wherever a
/// bucket lies. China has its own, as it has its own accounts.
const fn place(partition: Partition) -> (&'static str, Scope<'static>) {
    match partition {
        Partition::China => (
            "https://cloudfront.cn-northwest-1.amazonaws.com.cn",
            Scope { region: "cn-northwest-1", service: "cloudfront" },
        ),
        Partition::World | Partition::UsGov => (
            "https://cloudfront.amazonaws.com",
            Scope { region: "us-east-1", service: "cloudfront" },
        ),
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
