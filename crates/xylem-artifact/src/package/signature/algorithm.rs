//! Which algorithms signatures use, and the check of one.

use aws_lc_rs::digest::{self, Digest, SHA1_FOR_LEGACY_USE_ONLY, SHA256, SHA384, SHA512};
use aws_lc_rs::signature::{
    ECDSA_P256_SHA1_ASN1, ECDSA_P256_SHA256_ASN1, ECDSA_P256_SHA384_ASN1, ECDSA_P256_SHA512_ASN1,
    ECDSA_P384_SHA256_ASN1, ECDSA_P384_SHA384_ASN1, ECDSA_P384_SHA512_ASN1,
    RSA_PKCS1_2048_8192_SHA1_FOR_LEGACY_USE_ONLY, RSA_PKCS1_2048_8192_SHA256,
    RSA_PKCS1_2048_8192_SHA384, RSA_PKCS1_2048_8192_SHA512, UnparsedPublicKey,
    VerificationAlgorithm,
};
use x509_parser::x509::SubjectPublicKeyInfo;

/// The content of an object identifier.
type Oid = [u8];

/// Signatures of which only the key is named; the digest stands elsewhere.
const RSA: &Oid = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01];
const ELLIPTIC: &Oid = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01];
const P256: &Oid = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07];
const P384: &Oid = &[0x2b, 0x81, 0x04, 0x00, 0x22];

/// The digest that an identifier names.
pub(super) fn digest_of(oid: &Oid) -> Option<&'static digest::Algorithm> {
    match oid {
        [0x2b, 0x0e, 0x03, 0x02, 0x1a] => Some(&SHA1_FOR_LEGACY_USE_ONLY),
        [0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, last] => match last {
            1 => Some(&SHA256),
            2 => Some(&SHA384),
            3 => Some(&SHA512),
            _ => None,
        },
        _ => None,
    }
}

/// The digest that a signature is made over: `named` where the identifier names the key alone.
pub(super) fn signed_digest(
    signature: &Oid,
    named: Option<&'static digest::Algorithm>,
) -> Option<&'static digest::Algorithm> {
    match signature {
        RSA | ELLIPTIC => named,
        // RSA with PKCS #1 v1.5.
        [0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, last] => match last {
            5 => Some(&SHA1_FOR_LEGACY_USE_ONLY),
            11 => Some(&SHA256),
            12 => Some(&SHA384),
            13 => Some(&SHA512),
            _ => None,
        },
        // ECDSA.
        [0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, rest @ ..] => match rest {
            [1] => Some(&SHA1_FOR_LEGACY_USE_ONLY),
            [3, 2] => Some(&SHA256),
            [3, 3] => Some(&SHA384),
            [3, 4] => Some(&SHA512),
            _ => None,
        },
        _ => None,
    }
}

/// Whether a signature over a digest was made with a key; `None` when the kind of key, or the
/// digest with it, is unknown here.
pub(super) fn verify(
    key: &SubjectPublicKeyInfo<'_>,
    digest: &Digest,
    signature: &[u8],
) -> Option<bool> {
    let algorithm = verification(key, digest.algorithm())?;
    Some(UnparsedPublicKey::new(algorithm, key.raw).verify_digest(digest, signature).is_ok())
}

fn verification(
    key: &SubjectPublicKeyInfo<'_>,
    digest: &'static digest::Algorithm,
) -> Option<&'static dyn VerificationAlgorithm> {
    let curve = || key.algorithm.parameters.as_ref()?.as_oid().ok();
    let by_digest: &[(&digest::Algorithm, &'static dyn VerificationAlgorithm)] =
        match key.algorithm.algorithm.as_bytes() {
            RSA => &[
                (&SHA1_FOR_LEGACY_USE_ONLY, &RSA_PKCS1_2048_8192_SHA1_FOR_LEGACY_USE_ONLY),
                (&SHA256, &RSA_PKCS1_2048_8192_SHA256),
                (&SHA384, &RSA_PKCS1_2048_8192_SHA384),
                (&SHA512, &RSA_PKCS1_2048_8192_SHA512),
            ],
            ELLIPTIC => match curve()?.as_bytes() {
                P256 => &[
                    (&SHA1_FOR_LEGACY_USE_ONLY, &ECDSA_P256_SHA1_ASN1),
                    (&SHA256, &ECDSA_P256_SHA256_ASN1),
                    (&SHA384, &ECDSA_P256_SHA384_ASN1),
                    (&SHA512, &ECDSA_P256_SHA512_ASN1),
                ],
                P384 => &[
                    (&SHA256, &ECDSA_P384_SHA256_ASN1),
                    (&SHA384, &ECDSA_P384_SHA384_ASN1),
                    (&SHA512, &ECDSA_P384_SHA512_ASN1),
                ],
                _ => return None,
            },
            _ => return None,
        };
    by_digest.iter().find(|(one, _)| *one == digest).map(|(_, found)| *found)
}
