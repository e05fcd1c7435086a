//! Certificate requests (PKCS#10, RFC 2986), which come from machines nobody trusts yet.

use rcgen::SubjectPublicKeyInfo;
use rustls::pki_types::CertificateSigningRequestDer;
use rustls::pki_types::pem::PemObject;
use x509_parser::certification_request::X509CertificationRequest;
use x509_parser::oid_registry::{OID_EC_P256, OID_NIST_EC_P384};
use x509_parser::prelude::FromDer;
use x509_parser::public_key::PublicKey;
use x509_parser::x509::SubjectPublicKeyInfo as RequestedKey;

use crate::RequestError;

/// Bytes of a certificate request in PEM; one with an RSA key of 4096 bits has 1700.
pub const MAX_REQUEST_BYTES: usize = 16 * 1024;
/// The shortest RSA key that gets a certificate.
pub const MIN_RSA_BITS: usize = 2048;
/// The longest RSA key that gets a certificate; longer ones only cost whoever checks signatures.
pub const MAX_RSA_BITS: usize = 4096;

/// Reads a request, proves that it was signed with the key in it, and gives that key. The names
/// and extensions it asks for are not even looked at.
pub(crate) fn proven_key(pem: &str) -> Result<SubjectPublicKeyInfo, RequestError> {
    if pem.len() > MAX_REQUEST_BYTES {
        return Err(RequestError::TooLarge { limit: MAX_REQUEST_BYTES });
    }
    let der = CertificateSigningRequestDer::from_pem_slice(pem.as_bytes())
        .map_err(|_| RequestError::Unreadable)?;
    let (rest, request) =
        X509CertificationRequest::from_der(&der).map_err(|_| RequestError::Unreadable)?;
    if !rest.is_empty() {
        return Err(RequestError::Unreadable);
    }
    let key = &request.certification_request_info.subject_pki;
    check_strength(key)?;
    request.verify_signature().map_err(|_| RequestError::NoProofOfPossession)?;
    SubjectPublicKeyInfo::from_der(key.raw).map_err(|_| other_kind("unknown algorithm"))
}

fn check_strength(key: &RequestedKey<'_>) -> Result<(), RequestError> {
    match key.parsed().map_err(|_| RequestError::Unreadable)? {
        PublicKey::RSA(rsa) => {
            let bits = significant_bits(rsa.modulus);
            let accepted = (MIN_RSA_BITS..=MAX_RSA_BITS).contains(&bits);
            if accepted { Ok(()) } else { Err(other_kind(&format!("RSA of {bits} bits"))) }
        }
        PublicKey::EC(_) => {
            let curve = key.algorithm.parameters.as_ref().and_then(|any| any.as_oid().ok());
            match curve {
                Some(curve) if curve == OID_EC_P256 || curve == OID_NIST_EC_P384 => Ok(()),
                _ => Err(other_kind("another elliptic curve")),
            }
        }
        _ => Err(other_kind("another algorithm")),
    }
}

/// The length of a big-endian number, not counting leading zeros.
fn significant_bits(number: &[u8]) -> usize {
    let zeros = number.iter().take_while(|byte| **byte == 0).count();
    let bits = number.len().saturating_sub(zeros).saturating_mul(8);
    let first = number.get(zeros).map_or(0, |byte| byte.leading_zeros());
    bits.saturating_sub(usize::try_from(first).unwrap_or(0))
}

fn other_kind(found: &str) -> RequestError {
    RequestError::Key { found: found.to_owned() }
}

#[cfg(test)]
mod tests {
    use rcgen::{CertificateParams, PublicKeyData, RsaKeySize};

    use super::*;

    /// A good request with an RSA key of 1024 bits, which our library does not make.
    const RSA_1024: &str = "\
-----BEGIN CERTIFICATE REQUEST-----
MIIBTjCBuAIBADAPMQ0wCwYDVQQDDAR3ZWFrMIGfMA0GCSqGSIb3DQEBAQUAA4GN
ADCBiQKBgQDWhDPMfyK0WShkkq5VJUE85CDxWBtacI/qe1IroMrsOyEnwbHg5Sjm
5sW+aypT/1x8HnXb5Mq559SqZZfproI2bdNRASvPzG8lXUcXdosGwrmbWu3ZvQ9L
NtHQjIVwFNrgpTtrEL0P6pBkGXRY1M32zCkavPoA1Y7yJrcQsuEwZwIDAQABoAAw
DQYJKoZIhvcNAQELBQADgYEAEEG0psu1o8R7oV4HW1aWUpum7JDx5w6gSX+czsjJ
X4FedQK2ydAhxm+p8Dv29CkXQezqDVz8Rdoz9lK/w6QMCW3eHCN7/GtnFLpsduzO
m7W78LMy5wqJ/l7TGD1j4uedImBiRm9e3hVriJB8foBd8yLnzA0Y1pIcPzQuoAei
T9g=
-----END CERTIFICATE REQUEST-----
";

    fn request(key: &rcgen::KeyPair) -> String {
        CertificateParams::default().serialize_request(key).unwrap().pem().unwrap()
    }

    #[test]
    fn the_key_of_a_request_is_given() {
        let key = rcgen::KeyPair::generate().unwrap();
        let proven = proven_key(&request(&key)).unwrap();
        assert_eq!(proven.subject_public_key_info(), key.subject_public_key_info());
    }

    #[test]
    fn strong_keys_of_other_kinds_are_accepted() {
        let p384 = rcgen::KeyPair::generate_for(&rcgen::PKCS_ECDSA_P384_SHA384).unwrap();
        let rsa = rcgen::KeyPair::generate_rsa_for(&rcgen::PKCS_RSA_SHA256, RsaKeySize::_2048);
        for key in [p384, rsa.unwrap()] {
            let proven = proven_key(&request(&key)).unwrap();
            assert_eq!(proven.subject_public_key_info(), key.subject_public_key_info());
        }
    }

    #[test]
    fn weak_keys_and_other_algorithms_are_refused_with_the_reason() {
        let ed25519 = rcgen::KeyPair::generate_for(&rcgen::PKCS_ED25519).unwrap();
        let p521 = rcgen::KeyPair::generate_for(&rcgen::PKCS_ECDSA_P521_SHA512).unwrap();
        for (request, found) in [
            (request(&ed25519), "another algorithm"),
            (request(&p521), "another elliptic curve"),
            (RSA_1024.to_owned(), "RSA of 1024 bits"),
        ] {
            let error = proven_key(&request).unwrap_err();
            assert_eq!(error, other_kind(found));
            assert!(error.to_string().contains("P-256"), "{error}");
        }
    }

    #[test]
    fn lengths_of_rsa_keys_count_significant_bits() {
        assert_eq!(significant_bits(&[0, 0xff, 0]), 16);
        assert_eq!(significant_bits(&[0x01, 0, 0]), 17);
        assert_eq!(significant_bits(&[0, 0]), 0);
    }

    #[test]
    fn what_is_no_request_is_refused() {
        let long = "x".repeat(MAX_REQUEST_BYTES + 1);
        let limit = MAX_REQUEST_BYTES;
        assert_eq!(proven_key(&long).unwrap_err(), RequestError::TooLarge { limit });
        let certificate =
            CertificateParams::default().self_signed(&rcgen::KeyPair::generate().unwrap()).unwrap();
        let renamed = certificate.pem().replace(" CERTIFICATE-", " CERTIFICATE REQUEST-");
        for text in ["", "junk", &certificate.pem(), &renamed] {
            assert_eq!(proven_key(text).unwrap_err(), RequestError::Unreadable, "{text}");
        }
    }
}
