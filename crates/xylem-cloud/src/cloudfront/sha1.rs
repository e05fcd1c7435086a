//! Signatures over SHA-1, which aws-lc-rs makes none of (decision 9).
//!
//! What is signed is a text of ours: nobody else chooses a byte of it, so that SHA-1 has collisions
//! is of no use to anybody here.

use aws_lc_rs::digest::{Digest, SHA1_FOR_LEGACY_USE_ONLY, SHA256, SHA256_OUTPUT_LEN, digest};
use aws_lc_rs::signature::EcdsaKeyPair;
use rsa::pkcs1::DecodeRsaPrivateKey as _;
use rsa::pkcs8::DecodePrivateKey as _;
use rsa::{Pkcs1v15Sign, PrivateKey};

/// What stands before the digest: `DigestInfo` of SHA-1 (RFC 8017, 9.2, note 1).
const DIGEST_INFO: [u8; 15] =
    [0x30, 0x21, 0x30, 0x09, 0x06, 0x05, 0x2b, 0x0e, 0x03, 0x02, 0x1a, 0x05, 0x00, 0x04, 0x14];

/// PKCS #1 v1.5, by a key in DER of PKCS #8 or PKCS #1. `None` where it cannot be read or cannot
/// sign.
pub(super) fn sign_rsa(der: &[u8], message: &[u8]) -> Option<Vec<u8>> {
    let key = PrivateKey::from_pkcs8_der(der).or_else(|_| PrivateKey::from_pkcs1_der(der)).ok()?;
    let digest = digest(&SHA1_FOR_LEGACY_USE_ONLY, message);
    let padding =
        Pkcs1v15Sign { hash_len: Some(digest.as_ref().len()), prefix: Box::new(DIGEST_INFO) };
    // With numbers of the system's that blind the private operation.
    key.sign(padding, digest.as_ref()).ok()
}

/// ECDSA by P-256, in ASN.1.
pub(super) fn sign_p256(pair: &EcdsaKeyPair, message: &[u8]) -> Option<Vec<u8>> {
    let digest = digest(&SHA1_FOR_LEGACY_USE_ONLY, message);
    // A digest is a number to ECDSA (FIPS 186-5, 6.4.1), and the signer asks for the length that
    // one of SHA-256 has: with zeros in front it is the same number.
    let zeros = SHA256_OUTPUT_LEN.checked_sub(digest.as_ref().len())?;
    let number = [&vec![0; zeros], digest.as_ref()].concat();
    let number = Digest::import_less_safe(&number, &SHA256).ok()?;
    pair.sign_digest(&number).ok().map(|signature| signature.as_ref().to_vec())
}
