//! TempURL, by Swift's description of it ("Temporary URL middleware"): HMAC over method, end and the
//! path that is not encoded, in hexadecimal, or of SHA-512 as `sha512:` and base64 for URLs.

use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE;
use http::Method;

use super::{ACCOUNT, Asked, Place, Refusal, Scope, State, SwiftFault, locked, refused};

/// The digests that are allowed.
pub(super) fn allowed(fault: SwiftFault) -> &'static [&'static str] {
    match fault {
        SwiftFault::OnlySha1 => &["sha1"],
        _ => &["sha1", "sha256", "sha512"],
    }
}

impl State {
    /// By which key an address was signed; refused where by none, for another method or object, or
    /// where it has ended.
    pub(super) fn check_temp_url(&self, place: &Place, asked: &Asked) -> Result<Scope, Refusal> {
        let no = || refused(401, "Temp URL invalid");
        let Place::Object(container, name) = place else { return Err(no()) };
        if self.fault() == SwiftFault::NoTempUrl {
            return Err(no());
        }
        let signature = asked.parameter("temp_url_sig").unwrap_or_default();
        let ends = asked.parameter("temp_url_expires").unwrap_or_default();
        let now = self.now().unix_seconds();
        if !ends.parse::<i64>().is_ok_and(|ends| ends >= now) {
            return Err(no());
        }
        let (digest, given) = parsed(&signature).ok_or_else(no)?;
        if !allowed(self.fault()).contains(&digest) {
            return Err(no());
        }
        // What may be read may be asked after, and what may be written too.
        let methods: &[&Method] = match asked.method {
            Method::HEAD => &[&Method::HEAD, &Method::GET, &Method::PUT, &Method::POST],
            ref method => &[method],
        };
        let path = format!("/v1/{ACCOUNT}/{container}/{name}");
        let is_signed = |key: &str| {
            methods.iter().any(|method| {
                let message = format!("{method}\n{ends}\n{path}");
                !key.is_empty() && digest_of(digest, key, &message) == given
            })
        };
        let account = locked(&self.account);
        if account.keys.iter().any(|key| is_signed(key)) {
            return Ok(Scope::AccountKey);
        }
        let own = account.containers.get(container).map(|container| &container.keys);
        match own.is_some_and(|keys| keys.iter().any(|key| is_signed(key))) {
            true => Ok(Scope::ContainerKey),
            false => Err(no()),
        }
    }
}

/// Which digest a signature is of, and its bytes.
fn parsed(signature: &str) -> Option<(&'static str, Vec<u8>)> {
    if let Some(text) = signature.strip_prefix("sha512:") {
        let padded = format!("{text}{}", "=".repeat((4 - text.len() % 4) % 4));
        return Some(("sha512", URL_SAFE.decode(padded).ok()?));
    }
    let bytes = hex::decode(signature).ok()?;
    match bytes.len() {
        20 => Some(("sha1", bytes)),
        32 => Some(("sha256", bytes)),
        // SHA-512 in hexadecimal is refused.
        _ => None,
    }
}

fn digest_of(digest: &str, key: &str, message: &str) -> Vec<u8> {
    let algorithm = match digest {
        "sha1" => hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY,
        "sha512" => hmac::HMAC_SHA512,
        _ => hmac::HMAC_SHA256,
    };
    let key = hmac::Key::new(algorithm, key.as_bytes());
    hmac::sign(&key, message.as_bytes()).as_ref().to_vec()
}
