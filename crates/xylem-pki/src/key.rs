//! Private keys: made, kept as text, and used to sign.

use std::fmt;
use std::sync::Arc;

use aws_lc_rs::signature::{ECDSA_P256_SHA256_ASN1, UnparsedPublicKey};
use rcgen::{
    CertificateParams, DistinguishedName, DnType, PKCS_ECDSA_P256_SHA256, PublicKeyData,
    SignatureAlgorithm, SigningKey,
};
use rustls::pki_types::PrivatePkcs8KeyDer;
use rustls::pki_types::pem::PemObject;
use x509_parser::prelude::{FromDer, X509Certificate};
use x509_parser::public_key::PublicKey;

/// Bytes of an uncompressed point on P-256: a tag and two coordinates (SEC 1, section 2.3.3).
const P256_POINT_BYTES: usize = 65;

/// An ECDSA key on the curve P-256. Cheap to clone; its `Debug` shows nothing of the key.
#[derive(Clone)]
pub struct KeyPair(Arc<rcgen::KeyPair>);

/// A key that could not be made, read or used.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// The text holds no PKCS#8 key.
    #[error("no private key in it: a section `BEGIN PRIVATE KEY` (PKCS#8) is expected")]
    NotPem,
    /// A key that is damaged, or of another kind.
    #[error("the private key in it is damaged or not an ECDSA key on P-256")]
    Unusable(#[source] rcgen::Error),
    /// The cryptographic library refused to make a key or to sign.
    #[error("cannot {action}")]
    Failed {
        /// What was being attempted.
        action: &'static str,
        /// What the library says.
        #[source]
        source: rcgen::Error,
    },
}

impl KeyPair {
    /// Makes a new key.
    ///
    /// # Errors
    /// When the system gives no random bytes.
    pub fn generate() -> Result<Self, KeyError> {
        rcgen::KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256)
            .map(|key| Self(Arc::new(key)))
            .map_err(|source| KeyError::Failed { action: "make a private key", source })
    }

    /// Reads the first PKCS#8 key of a PEM text, which may hold certificates too.
    ///
    /// # Errors
    /// When there is none, or it is damaged or not on P-256.
    pub fn from_pem(pem: &[u8]) -> Result<Self, KeyError> {
        let der = PrivatePkcs8KeyDer::from_pem_slice(pem).map_err(|_| KeyError::NotPem)?;
        rcgen::KeyPair::from_pkcs8_der_and_sign_algo(&der, &PKCS_ECDSA_P256_SHA256)
            .map(|key| Self(Arc::new(key)))
            .map_err(KeyError::Unusable)
    }

    /// The key as PKCS#8 PEM (RFC 7468, section 10), unencrypted: only for files of mode 0600.
    pub fn to_pem(&self) -> String {
        self.0.serialize_pem()
    }

    /// Signs bytes with ECDSA and SHA-256; the signature is ASN.1 DER (RFC 3279, section 2.2.3).
    ///
    /// The caller puts a word for the purpose at the front of `bytes`, so that a signature made
    /// for one purpose is worth nothing for another.
    ///
    /// # Errors
    /// When the system gives no random bytes.
    pub fn sign(&self, bytes: &[u8]) -> Result<Vec<u8>, KeyError> {
        SigningKey::sign(&*self.0, bytes)
            .map_err(|source| KeyError::Failed { action: "sign with the private key", source })
    }

    /// The public half as SubjectPublicKeyInfo in DER (RFC 5280, section 4.1.2.7).
    pub fn public_key_der(&self) -> Vec<u8> {
        self.0.subject_public_key_info()
    }

    /// The key in the form the TLS library takes.
    pub(crate) fn to_pkcs8(&self) -> PrivatePkcs8KeyDer<'static> {
        PrivatePkcs8KeyDer::from(self.0.serialize_der())
    }
}

impl fmt::Debug for KeyPair {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("KeyPair(P-256)")
    }
}

// The certificate authority signs certificates with keys of this type.
impl PublicKeyData for KeyPair {
    fn der_bytes(&self) -> &[u8] {
        self.0.der_bytes()
    }

    fn algorithm(&self) -> &'static SignatureAlgorithm {
        PublicKeyData::algorithm(&*self.0)
    }
}

impl SigningKey for KeyPair {
    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, rcgen::Error> {
        SigningKey::sign(&*self.0, message)
    }
}

/// Writes a certificate signing request (PKCS#10, RFC 2986) as PEM, signed with the key.
///
/// It carries a name for people to read and the public key, nothing else: what the certificate
/// will say is decided by the authority.
///
/// # Errors
/// When signing fails.
pub fn certificate_request(key: &KeyPair, common_name: &str) -> Result<String, KeyError> {
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, common_name);
    params
        .serialize_request(key)
        .and_then(|request| request.pem())
        .map_err(|source| KeyError::Failed { action: "write a certificate request", source })
}

/// A signature that proves nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SignatureError {
    /// The bytes given as a certificate are none.
    #[error("the certificate beside the signature cannot be read")]
    BadCertificate,
    /// The certificate's key is of a kind our programs do not make.
    #[error("the certificate's key is not on P-256, so the signature cannot be checked")]
    OtherKey,
    /// Signed with another key, or other bytes were signed.
    #[error("the signature was not made with the certificate's key over these bytes")]
    Wrong,
}

/// Checks a signature of [`KeyPair::sign`] with a certificate's public key.
///
/// Says nothing about the certificate itself: whether it is ours, unexpired and unrevoked is
/// another question ([`TrustAnchors::verify_client_chain`](crate::TrustAnchors)). A renewal with
/// an expired certificate asks both.
///
/// # Errors
/// When the certificate or the signature does not fit.
pub fn verify_signature(
    certificate_der: &[u8],
    bytes: &[u8],
    signature: &[u8],
) -> Result<(), SignatureError> {
    let (_, certificate) =
        X509Certificate::from_der(certificate_der).map_err(|_| SignatureError::BadCertificate)?;
    let point = match certificate.public_key().parsed() {
        // The library refuses points that are not on its curve; other curves of 256 bits with
        // points of this length are refused there too.
        Ok(PublicKey::EC(point)) if point.data().len() == P256_POINT_BYTES => point,
        Ok(_) => return Err(SignatureError::OtherKey),
        Err(_) => return Err(SignatureError::BadCertificate),
    };
    UnparsedPublicKey::new(&ECDSA_P256_SHA256_ASN1, point.data())
        .verify(bytes, signature)
        .map_err(|_| SignatureError::Wrong)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn key_survives_its_text() {
        let key = KeyPair::generate().unwrap();
        let text = key.to_pem();
        assert!(text.starts_with("-----BEGIN PRIVATE KEY-----"), "{text}");
        let again = KeyPair::from_pem(text.as_bytes()).unwrap();
        assert_eq!(key.public_key_der(), again.public_key_der());
        assert_eq!(format!("{key:?}"), "KeyPair(P-256)");
    }

    #[test]
    fn texts_without_a_usable_key_are_refused() {
        assert!(matches!(KeyPair::from_pem(b"hello"), Err(KeyError::NotPem)));
        let damaged = "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n";
        assert!(matches!(KeyPair::from_pem(damaged.as_bytes()), Err(KeyError::Unusable(_))));
        let other = rcgen::KeyPair::generate_for(&rcgen::PKCS_ED25519).unwrap().serialize_pem();
        assert!(matches!(KeyPair::from_pem(other.as_bytes()), Err(KeyError::Unusable(_))));
    }

    #[test]
    fn signatures_hold_for_their_bytes_and_certificate_alone() {
        let (ours, other) = (KeyPair::generate().unwrap(), KeyPair::generate().unwrap());
        let certificate = CertificateParams::default().self_signed(&ours).unwrap();
        let foreign = CertificateParams::default().self_signed(&other).unwrap();
        let signature = ours.sign(b"renew me").unwrap();
        assert_eq!(verify_signature(certificate.der(), b"renew me", &signature), Ok(()));
        let wrong = Err(SignatureError::Wrong);
        assert_eq!(verify_signature(certificate.der(), b"renew you", &signature), wrong);
        assert_eq!(verify_signature(foreign.der(), b"renew me", &signature), wrong);
        assert_eq!(verify_signature(certificate.der(), b"renew me", &signature[1..]), wrong);
        let bad = Err(SignatureError::BadCertificate);
        assert_eq!(verify_signature(b"junk", b"renew me", &signature), bad);
    }

    #[test]
    fn certificates_of_other_keys_are_named_as_such() {
        let key = rcgen::KeyPair::generate_for(&rcgen::PKCS_ECDSA_P384_SHA384).unwrap();
        let certificate = CertificateParams::default().self_signed(&key).unwrap();
        let refused = verify_signature(certificate.der(), b"renew me", b"any");
        assert_eq!(refused, Err(SignatureError::OtherKey));
    }
}
