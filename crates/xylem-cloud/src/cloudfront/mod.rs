//! CloudFront in front of a bucket: signed URLs, and taking objects out of its caches.
//!
//! Amazon's descriptions: "Creating a signed URL using a canned policy", "… a custom policy" and
//! "CreateInvalidation" (version 2020-05-31). SHA-256 is named in the URL; an edge that finds no name
//! there takes SHA-1, which is signed where it is asked for (decision 9).

mod invalidate;
mod key;
mod policy;
mod sha1;
#[cfg(test)]
mod vectors;

use xylem_model::ByteSize;

pub(crate) use invalidate::invalidated;
pub(crate) use key::CloudFrontKey;
use policy::Policy;

use crate::encode;
use crate::fault::{Fault, FaultKind};
use crate::layout::ObjectKey;
use crate::provider::UrlFor;
use crate::request::SecretUrl;
use crate::secret::S3Secrets;
use crate::settings::CloudFrontSettings;

/// A distribution, and the keys for it.
pub(crate) struct CloudFront<'a> {
    settings: &'a CloudFrontSettings,
    keys: &'a S3Secrets,
}

impl<'a> CloudFront<'a> {
    pub(crate) const fn new(settings: &'a CloudFrontSettings, keys: &'a S3Secrets) -> Self {
        Self { settings, keys }
    }

    fn path(&self, key: &ObjectKey) -> String {
        format!("{}/{}", self.settings.url.base(), encode::path(key.as_str()))
    }

    /// A signed URL, with a canned policy unless the client's address is bound.
    pub(crate) fn url(&self, wanted: &UrlFor<'_>) -> Result<SecretUrl, Fault> {
        let refuse = |kind, why: String| {
            Fault::new(kind, format!("signing a CloudFront URL of `{}`", wanted.key), why)
        };
        let largest = self.settings.largest_delivered;
        if wanted.size > largest {
            let (size, largest) = (ByteSize(wanted.size), ByteSize(largest));
            let why = format!("it has {size}, CloudFront delivers {largest}");
            return Err(refuse(FaultKind::TooLarge, why));
        }
        let source = match (self.settings.bind_address, wanted.client) {
            (false, _) => None,
            (true, Some(address)) => Some(address),
            (true, None) => {
                let why = "the client's IPv4 address is not known".to_owned();
                return Err(refuse(FaultKind::Unsupported, why));
            }
        };
        let pem = self.keys.cloudfront_key.as_ref().ok_or_else(|| {
            refuse(FaultKind::Keys, "no private key of CloudFront is set".to_owned())
        })?;
        let key = CloudFrontKey::parse(pem.reveal())
            .map_err(|error| refuse(FaultKind::Keys, error.to_string()))?;
        let path = self.path(wanted.key);
        let policy = Policy {
            resource: format!("{}{path}", self.settings.url.origin()),
            until: wanted.at.now.plus(wanted.life),
            source,
        };
        let query = policy
            .signed_query(&key, &self.settings.key_pair_id, self.settings.hash)
            .map_err(|error| refuse(FaultKind::Keys, error.to_string()))?;
        Ok(SecretUrl::new(&self.settings.url, &path, &query))
    }
}
