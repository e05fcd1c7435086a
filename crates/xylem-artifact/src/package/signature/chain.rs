//! Certificates: whose they are, and whether one vouches for the next up to Apple.

use aws_lc_rs::digest::{self, SHA256};
use x509_parser::certificate::X509Certificate;
use x509_parser::parse_x509_certificate;

use super::algorithm;
use super::facts::SignerKind;

/// Most certificates from the signer's own to the root, both counted; genuine chains have three.
const MAX_CHAIN: usize = 8;

/// SHA-256 of Apple's root certificates, as <https://www.apple.com/certificateauthority/> offers
/// them: Apple Root CA, G2 and G3.
const APPLE_ROOTS: [&str; 3] = [
    "b0b1730ecbc7ff4505142c49f1295e6eda6bcaed7e2c68c5be91b5a11001f024",
    "c2b9b042dd57830e7d117dac55ac8ae19407d38e41d88f3215bc3a890444a050",
    "63343abfb89a6a03ebb57e9b3f5fa7be7c4f5c756f3017b3a8c488c3653e9179",
];

/// Apple's extensions in certificates that it gives to signers of packages.
const DEVELOPER_ID_INSTALLER: &str = "1.2.840.113635.100.6.1.14";
const MAC_INSTALLER_SUBMISSION: &str = "1.2.840.113635.100.6.1.8";
const MAC_APP_STORE_INSTALLER: &str = "1.2.840.113635.100.6.1.10";

/// A certificate and the bytes that it was read from.
#[derive(Debug)]
pub(super) struct Certificate<'a> {
    der: &'a [u8],
    pub(super) parsed: X509Certificate<'a>,
}

impl<'a> Certificate<'a> {
    /// `None` for what is no certificate.
    pub(super) fn read(der: &'a [u8]) -> Option<Self> {
        let (rest, parsed) = parse_x509_certificate(der).ok()?;
        rest.is_empty().then_some(Self { der, parsed })
    }

    fn is_apple_root(&self) -> bool {
        let fingerprint = hex::encode(digest::digest(&SHA256, self.der));
        APPLE_ROOTS.contains(&fingerprint.as_str())
    }

    fn is_signed_by(&self, issuer: &X509Certificate<'_>) -> bool {
        let signed = &self.parsed;
        let oid = signed.signature_algorithm.algorithm.as_bytes();
        let Some(algorithm) = algorithm::signed_digest(oid, None) else { return false };
        let digest = digest::digest(algorithm, signed.tbs_certificate.as_ref());
        let signature = signed.signature_value.data.as_ref();
        algorithm::verify(issuer.public_key(), &digest, signature) == Some(true)
    }

    /// Whether its owner may sign certificates, `below` further authorities being between it and
    /// the signer. Without this, everybody whom Apple certifies could certify others.
    fn is_authority(&self, below: usize) -> bool {
        let Ok(Some(constraints)) = self.parsed.basic_constraints() else { return false };
        let long_enough = constraints
            .value
            .path_len_constraint
            .is_none_or(|most| usize::try_from(most).is_ok_and(|most| below <= most));
        let may_sign = match self.parsed.key_usage() {
            Ok(usage) => usage.is_none_or(|usage| usage.value.key_cert_sign()),
            Err(_) => false,
        };
        constraints.value.ca && long_enough && may_sign
    }
}

/// How far a chain leads.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Chain {
    /// Whether it ends at a certificate that signs itself.
    pub(super) complete: bool,
    /// Whether that is one of Apple's.
    pub(super) to_apple_root: bool,
}

/// Follows the issuers from `leaf` up. Only the certificates that came along are known, and their
/// order is of no account.
pub(super) fn follow(leaf: &Certificate<'_>, others: &[Certificate<'_>]) -> Chain {
    let mut current = leaf;
    for length in 0..MAX_CHAIN {
        if current.is_apple_root() {
            return Chain { complete: true, to_apple_root: true };
        }
        if current.parsed.issuer().as_raw() == current.parsed.subject().as_raw() {
            let complete = current.is_signed_by(&current.parsed);
            return Chain { complete, to_apple_root: false };
        }
        let issuer = others.iter().find(|other| {
            other.parsed.subject().as_raw() == current.parsed.issuer().as_raw()
                && other.is_authority(length)
                && current.is_signed_by(&other.parsed)
        });
        match issuer {
            Some(issuer) => current = issuer,
            None => break,
        }
    }
    Chain::default()
}

/// What Apple certified the signer for. Anybody can put the same marks into a certificate, so they
/// count only where the chain leads to Apple.
pub(super) fn signer_kind(leaf: &X509Certificate<'_>, chain: Chain) -> SignerKind {
    let has = |marker: &str| leaf.iter_extensions().any(|one| one.oid.to_id_string() == marker);
    if !chain.to_apple_root {
        SignerKind::Other
    } else if has(DEVELOPER_ID_INSTALLER) {
        SignerKind::DeveloperIdInstaller
    } else if has(MAC_APP_STORE_INSTALLER) || has(MAC_INSTALLER_SUBMISSION) {
        SignerKind::MacAppStoreInstaller
    } else {
        SignerKind::Other
    }
}
