//! The edge: who has a signed URL gets what the cache has, or else what the bucket has.

use std::io;
use std::sync::Arc;

use aws_lc_rs::signature::{ECDSA_P256_SHA256_ASN1, UnparsedPublicKey};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::{Method, Request, Response};
use http_body_util::Full;
use hyper::body::Incoming;

use super::{State, locked};
use crate::s3_double::{Asked, Refusal, decoded, ranged, refused};

/// What the public half of its key is called.
pub(super) const KEY_PAIR_ID: &str = "KDOUBLE";

/// The parameters of a canned policy, in any order, and no others.
const PARAMETERS: [&str; 4] = ["Expires", "Hash-Algorithm", "Key-Pair-Id", "Signature"];

pub(super) async fn serve(
    state: Arc<State>,
    request: Request<Incoming>,
) -> io::Result<Response<Full<Bytes>>> {
    let asked = Asked::read(request).await;
    Ok(state.give(&asked).unwrap_or_else(|refusal| refusal.response(false)))
}

impl State {
    fn give(&self, asked: &Asked) -> Result<Response<Full<Bytes>>, Refusal> {
        if asked.method != Method::GET {
            return Err(denied());
        }
        self.check(asked)?;
        let name = decoded(asked.path.trim_start_matches('/'));
        let kept = locked(&self.cache).get(&asked.path).cloned();
        let bytes = match kept {
            Some(bytes) => bytes,
            None => {
                let bytes = (self.origin)(&name);
                let bytes = bytes.ok_or_else(|| refused(404, "NoSuchKey", "it is not there"))?;
                locked(&self.cache).insert(asked.path.clone(), bytes.clone());
                bytes
            }
        };
        ranged(&bytes, asked.header("range"))
    }

    /// Refuses what is not signed with a canned policy, by the one key and SHA-256, or is over.
    fn check(&self, asked: &Asked) -> Result<(), Refusal> {
        let mut names: Vec<&str> = asked.query.split('&').map(name_of).collect();
        names.sort_unstable();
        if names.iter().all(|name| !PARAMETERS.contains(name)) {
            return Err(refused(403, "MissingKey", "the request is not signed"));
        }
        let parameter = |name: &str| asked.parameter(name).ok_or_else(denied);
        let hash = parameter("Hash-Algorithm")?;
        if names != PARAMETERS || parameter("Key-Pair-Id")? != KEY_PAIR_ID || hash != "SHA256" {
            return Err(denied());
        }
        let until: i64 = parameter("Expires")?.parse().map_err(|_| denied())?;
        let host = asked.header("host").unwrap_or_default();
        let text = format!(
            "{{\"Statement\":[{{\"Resource\":\"https://{host}{}\",\"Condition\":{{\"DateLessThan\":\
             {{\"AWS:EpochTime\":{until}}}}}}}]}}",
            asked.path
        );
        let signature = parameter("Signature")?;
        let signature = signature.replace('-', "+").replace('_', "=").replace('~', "/");
        let signature = STANDARD.decode(signature).map_err(|_| denied())?;
        let public = UnparsedPublicKey::new(&ECDSA_P256_SHA256_ASN1, self.key.public_key_raw());
        public.verify(text.as_bytes(), &signature).map_err(|_| denied())?;
        match self.environment.clock.now().unix_seconds() < until {
            true => Ok(()),
            false => Err(denied()),
        }
    }
}

fn name_of(pair: &str) -> &str {
    pair.split_once('=').map_or(pair, |(name, _)| name)
}

fn denied() -> Refusal {
    refused(403, "AccessDenied", "access denied")
}
