//! The private key of a trusted key group: RSA from 2048 bits, or P-256.

use std::fmt;

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa;
#[cfg(test)]
use aws_lc_rs::signature::KeyPair as _;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, RSA_PKCS1_SHA256};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::sha1;
use crate::settings::CloudFrontHash;

/// Longest text of a key: RSA with 8192 bits has about 6,500.
const MAX_KEY_BYTES: usize = 16 * 1024;
/// What a private key's block is called: PKCS #8 (RFC 5958), PKCS #1 (RFC 8017), SEC 1 (RFC 5915).
const LABELS: [&str; 3] = ["PRIVATE KEY", "RSA PRIVATE KEY", "EC PRIVATE KEY"];

/// A key that signs policies. Never printed.
pub(crate) struct CloudFrontKey(Kind);

enum Kind {
    /// Read, and its DER: SHA-1 is signed by another reader of it.
    Rsa(rsa::KeyPair, Vec<u8>),
    P256(EcdsaKeyPair),
}

/// A key that cannot be used. It says nothing of the key's own characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum CloudFrontKeyError {
    /// Protected by a password.
    #[error(
        "the private key of CloudFront is encrypted: take the encryption off with `openssl pkey`"
    )]
    Encrypted,
    /// Not a key that CloudFront knows.
    #[error(
        "the private key of CloudFront is no RSA key from 2048 bits and no P-256 key, in PEM or base64 of DER: give the .pem file whose public half is in the key group"
    )]
    Unknown,
    /// The key was read, and yet cannot sign.
    #[error("the private key of CloudFront cannot sign: make a new one")]
    Signing,
}

impl CloudFrontKey {
    /// Reads a key: PEM, or base64 of DER.
    ///
    /// # Errors
    /// When it is encrypted, or none that CloudFront takes.
    pub(crate) fn parse(text: &str) -> Result<Self, CloudFrontKeyError> {
        if text.len() > MAX_KEY_BYTES {
            return Err(CloudFrontKeyError::Unknown);
        }
        if text.contains("ENCRYPTED") {
            return Err(CloudFrontKeyError::Encrypted);
        }
        let body = match text.contains("-----BEGIN") {
            true => LABELS.iter().find_map(|label| block(text, label)),
            false => Some(text),
        };
        let compact: String =
            body.unwrap_or_default().chars().filter(|c| !c.is_ascii_whitespace()).collect();
        let der = STANDARD.decode(compact).map_err(|_| CloudFrontKeyError::Unknown)?;
        Self::from_der(&der).ok_or(CloudFrontKeyError::Unknown)
    }

    fn from_der(der: &[u8]) -> Option<Self> {
        let rsa = rsa::KeyPair::from_pkcs8(der).or_else(|_| rsa::KeyPair::from_der(der));
        if let Ok(pair) = rsa {
            return Some(Self(Kind::Rsa(pair, der.to_vec())));
        }
        let pair = EcdsaKeyPair::from_private_key_der(&ECDSA_P256_SHA256_ASN1_SIGNING, der).ok()?;
        Some(Self(Kind::P256(pair)))
    }

    /// The public half: DER of PKCS #1 for RSA, the uncompressed point for P-256.
    #[cfg(test)]
    pub(super) fn public(&self) -> &[u8] {
        match &self.0 {
            Kind::Rsa(pair, _) => pair.public_key().as_ref(),
            Kind::P256(pair) => pair.public_key().as_ref(),
        }
    }

    /// Signs with PKCS #1 v1.5, which is the same each time, or with ECDSA in ASN.1, which is not:
    /// its nonce is drawn by the signer, as is what hides the private key from those who measure
    /// time. These are the things here that are no argument.
    ///
    /// # Errors
    /// When the key is damaged in a way that reading it did not show.
    pub(super) fn sign(
        &self,
        hash: CloudFrontHash,
        message: &[u8],
    ) -> Result<Vec<u8>, CloudFrontKeyError> {
        let signed = match (&self.0, hash) {
            (Kind::Rsa(pair, _), CloudFrontHash::Sha256) => {
                let mut signature = vec![0; pair.public_modulus_len()];
                pair.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), message, &mut signature)
                    .ok()
                    .map(|()| signature)
            }
            (Kind::Rsa(_, der), CloudFrontHash::Sha1) => sha1::sign_rsa(der, message),
            (Kind::P256(pair), CloudFrontHash::Sha256) => {
                let signature = pair.sign(&SystemRandom::new(), message).ok();
                signature.map(|signature| signature.as_ref().to_vec())
            }
            (Kind::P256(pair), CloudFrontHash::Sha1) => sha1::sign_p256(pair, message),
        };
        signed.ok_or(CloudFrontKeyError::Signing)
    }
}

/// What stands between a block's two lines.
fn block<'a>(text: &'a str, label: &str) -> Option<&'a str> {
    let (_, rest) = text.split_once(&format!("-----BEGIN {label}-----"))?;
    let (body, _) = rest.split_once(&format!("-----END {label}-----"))?;
    Some(body)
}

impl fmt::Debug for CloudFrontKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.0 {
            Kind::Rsa(..) => "CloudFrontKey(RSA)",
            Kind::P256(_) => "CloudFrontKey(P-256)",
        })
    }
}
