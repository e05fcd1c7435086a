//! Taking removed objects out of the edge: Fast Purge API v3, signed with EdgeGrid
//! (`EG1-HMAC-SHA256`, "Authenticate with EdgeGrid").

use http::Method;
use serde_json::json;

use super::Akamai;
use crate::digest::{base64, hmac_sha256, sha256};
use crate::endpoint::Endpoint;
use crate::fault::{Fault, FaultKind};
use crate::layout::ObjectKey;
use crate::request::{Body, CloudRequest};
use crate::secret::EdgeGridSecrets;
use crate::stamp::Stamp;
use crate::upload::Moment;

/// Longest body of a request, bytes.
const MAX_PURGE_BYTES: usize = 50_000;
/// Deletes by URL, where clients are.
const PATH: &str = "/ccu/v3/delete/url/production";

impl Akamai<'_> {
    /// Requests that purge all of these; none where no API client is set.
    pub(super) fn purge_requests(
        &self,
        keys: &[ObjectKey],
        at: Moment,
    ) -> Result<Vec<CloudRequest>, Fault> {
        let Some(client) = &self.keys.edgegrid else { return Ok(Vec::new()) };
        let endpoint = Endpoint::parse(&format!("https://{}", client.host))
            .map_err(|error| Fault::new(FaultKind::Keys, "purging at Akamai", error.to_string()))?;
        let batches = self.batches(keys).into_iter().zip(0_u64..);
        Ok(batches
            .map(|(urls, number)| {
                let body = json!({ "objects": urls }).to_string().into_bytes();
                let request = CloudRequest::new(Method::POST, endpoint.clone(), PATH)
                    .with_header("content-type", "application/json")
                    .with_body(Body::Bytes(body));
                let nonce = at.nonce.wrapping_add(number);
                edgegrid_sign(request, client, Moment { nonce, ..at })
            })
            .collect())
    }

    fn batches(&self, keys: &[ObjectKey]) -> Vec<Vec<String>> {
        let mut batches = vec![Vec::new()];
        let mut bytes = 0;
        let brackets = json!({ "objects": [] }).to_string().len();
        for key in keys {
            let url = format!("{}{}", self.settings.delivery_url.origin(), self.delivered(key));
            // Two quotes and a comma.
            let more = url.len() + 3;
            if bytes + more + brackets > MAX_PURGE_BYTES {
                batches.push(Vec::new());
                bytes = 0;
            }
            bytes += more;
            if let Some(batch) = batches.last_mut() {
                batch.push(url);
            }
        }
        batches.retain(|batch| !batch.is_empty());
        batches
    }
}

/// Signs a request of Akamai's APIs whose body is in memory. `at.nonce` must not come again.
pub(super) fn edgegrid_sign(
    request: CloudRequest,
    client: &EdgeGridSecrets,
    at: Moment,
) -> CloudRequest {
    let stamp = Stamp::of(at.now).edgegrid();
    let (token, access) = (client.client_token.reveal(), client.access_token.reveal());
    let data = format!(
        "EG1-HMAC-SHA256 client_token={token};access_token={access};timestamp={stamp};nonce={:016x};",
        at.nonce
    );
    let body = match (&request.method, &request.body) {
        (&Method::POST, Body::Bytes(bytes)) => base64(sha256(bytes).as_bytes()),
        _ => String::new(),
    };
    let signed = format!(
        "{}\thttps\t{}\t{}\t\t{body}\t{data}",
        request.method,
        request.endpoint.authority(),
        request.target()
    );
    let key = base64(&hmac_sha256(client.client_secret.reveal().as_bytes(), stamp.as_bytes()));
    let signature = base64(&hmac_sha256(key.as_bytes(), signed.as_bytes()));
    request.with_header("authorization", format!("{data}signature={signature}"))
}
