//! Digests and keyed digests, in the forms that protocols write them in.

use aws_lc_rs::{digest, hmac};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use md5::{Digest as _, Md5 as Hasher};
use xylem_model::{Md5, Sha256};

/// SHA-256 of bytes in memory.
pub(crate) fn sha256(bytes: &[u8]) -> Sha256 {
    let mut found = [0; Sha256::BYTES];
    found.copy_from_slice(digest::digest(&digest::SHA256, bytes).as_ref());
    Sha256::from_bytes(found)
}

/// MD5 of bytes in memory, which is what ETags are.
pub(crate) fn md5(bytes: &[u8]) -> Md5 {
    Md5::from_bytes(Hasher::digest(bytes).into())
}

/// HMAC-SHA256 (RFC 2104).
pub(crate) fn hmac_sha256(key: &[u8], message: &[u8]) -> Vec<u8> {
    hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), message).as_ref().to_vec()
}

/// HMAC-SHA512 (RFC 2104).
pub(crate) fn hmac_sha512(key: &[u8], message: &[u8]) -> Vec<u8> {
    hmac::sign(&hmac::Key::new(hmac::HMAC_SHA512, key), message).as_ref().to_vec()
}

/// HMAC-SHA1, which as a keyed digest is not broken, for servers that know nothing better.
pub(crate) fn hmac_sha1(key: &[u8], message: &[u8]) -> Vec<u8> {
    let key = hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, key);
    hmac::sign(&key, message).as_ref().to_vec()
}

/// Base64 with `=` (RFC 4648, section 4).
pub(crate) fn base64(bytes: &[u8]) -> String {
    STANDARD.encode(bytes)
}

/// Base64 for URLs, without `=` (RFC 4648, section 5).
pub(crate) fn base64_url(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}
