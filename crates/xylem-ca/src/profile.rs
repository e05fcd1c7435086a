//! What the three kinds of certificate say (RFC 5280, section 4.2).

use std::time::Duration;

use rcgen::string::Ia5String;
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa,
    KeyUsagePurpose, SanType, SerialNumber,
};
use rustls::pki_types::CertificateDer;
use time::OffsetDateTime;
use x509_parser::prelude::{FromDer as _, X509Certificate};
use x509_parser::x509::AttributeTypeAndValue;
use xylem_model::Timestamp;
use xylem_runtime::{Rng, random_array};

use crate::{CaError, LeafRequest};

/// Certificates are valid from this long before they were made.
pub const BACKDATED: Duration = Duration::from_secs(60 * 60);

/// Characters of a name in a certificate (RFC 5280, appendix A.1: `ub-common-name` and
/// `ub-organization-name`).
const MAX_NAME_CHARS: usize = 64;

/// Bytes of a serial number; RFC 5280 allows 20.
const SERIAL_BYTES: usize = 16;

/// A root: signs authorities that sign leaves, and nothing deeper.
pub(crate) fn root(
    organization: &str,
    validity: Validity,
    rng: &dyn Rng,
) -> Result<CertificateParams, CaError> {
    authority(organization, "Root CA", 1, validity, rng)
}

/// An intermediate: signs leaves.
pub(crate) fn intermediate(
    organization: &str,
    validity: Validity,
    rng: &dyn Rng,
) -> Result<CertificateParams, CaError> {
    authority(organization, "Intermediate CA", 0, validity, rng)
}

fn authority(
    organization: &str,
    role: &str,
    path_length: u8,
    validity: Validity,
    rng: &dyn Rng,
) -> Result<CertificateParams, CaError> {
    let mut params = common(validity, rng)?;
    params.distinguished_name = authority_name(organization, role, rng);
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(path_length));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    Ok(params)
}

fn authority_name(organization: &str, role: &str, rng: &dyn Rng) -> DistinguishedName {
    let mut name = DistinguishedName::new();
    name.push(DnType::OrganizationName, printable(organization));
    // Two authorities of one organisation must not have one name: clients choose among roots by
    // name, and would report a broken signature instead of a foreign authority.
    let tag = hex::encode(random_array::<4>(rng));
    name.push(DnType::CommonName, format!("Xylem {role} {tag}"));
    name
}

/// The certificate of one of our intermediates again, for the same name and key, to be signed by
/// another root.
pub(crate) fn again(
    intermediate: &CertificateDer<'_>,
    validity: Validity,
    rng: &dyn Rng,
) -> Result<CertificateParams, CaError> {
    let unreadable = || CaError::Certificate {
        what: "an intermediate once more",
        source: rcgen::Error::CouldNotParseCertificate,
    };
    let (_, parsed) = X509Certificate::from_der(intermediate).map_err(|_| unreadable())?;
    let text = |found: Option<&AttributeTypeAndValue<'_>>| {
        found.and_then(|found| found.as_str().ok()).map(str::to_owned).ok_or_else(unreadable)
    };
    let mut params = common(validity, rng)?;
    let organization = text(parsed.subject().iter_organization().next())?;
    params.distinguished_name.push(DnType::OrganizationName, organization);
    let name = text(parsed.subject().iter_common_name().next())?;
    params.distinguished_name.push(DnType::CommonName, name);
    sign_leaves(&mut params);
    Ok(params)
}

/// The rights of an intermediate.
fn sign_leaves(params: &mut CertificateParams) {
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
}

/// What an organisation is asked to sign: an intermediate that signs leaves.
pub(crate) fn requested(organization: &str, rng: &dyn Rng) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name = authority_name(organization, "Intermediate CA", rng);
    sign_leaves(&mut params);
    params
}

/// A leaf: proves who a party is, as a client and, on request, as a server.
pub(crate) fn leaf(
    request: &LeafRequest,
    validity: Validity,
    rng: &dyn Rng,
) -> Result<CertificateParams, CaError> {
    let mut params = common(validity, rng)?;
    params.distinguished_name.push(DnType::CommonName, printable(&request.common_name));
    params.is_ca = IsCa::ExplicitNoCa;
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    params.subject_alt_names = vec![SanType::URI(ascii(&request.party.to_string())?)];
    if request.server_auth {
        params.extended_key_usages.push(ExtendedKeyUsagePurpose::ServerAuth);
        for name in request.hosts.dns_names() {
            params.subject_alt_names.push(SanType::DnsName(ascii(name)?));
        }
        params.subject_alt_names.extend(request.hosts.addresses().map(SanType::IpAddress));
    }
    Ok(params)
}

fn common(validity: Validity, rng: &dyn Rng) -> Result<CertificateParams, CaError> {
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    params.not_before = date(validity.not_before)?;
    params.not_after = date(validity.not_after)?;
    params.serial_number = Some(serial(rng));
    params.use_authority_key_identifier_extension = true;
    Ok(params)
}

/// From when until when a certificate is valid.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Validity {
    pub(crate) not_before: Timestamp,
    pub(crate) not_after: Timestamp,
}

impl Validity {
    /// From a little before `now` for `lifetime` from now.
    pub(crate) fn starting(now: Timestamp, lifetime: Duration) -> Self {
        Self { not_before: now.minus(BACKDATED), not_after: now.plus(lifetime) }
    }

    /// Cut so that it does not outlive the signer's.
    pub(crate) fn within(self, signer: Self) -> Self {
        Self {
            not_before: self.not_before.max(signer.not_before),
            not_after: self.not_after.min(signer.not_after),
        }
    }
}

/// A random number, positive and always of the same length: the first bit is clear, because a set
/// one would mean a negative number, and the second is set, so that it is never shortened.
fn serial(rng: &dyn Rng) -> SerialNumber {
    let mut bytes = random_array::<SERIAL_BYTES>(rng);
    if let Some(first) = bytes.first_mut() {
        *first = (*first & 0x7f) | 0x40;
    }
    SerialNumber::from_slice(&bytes)
}

fn date(moment: Timestamp) -> Result<OffsetDateTime, CaError> {
    OffsetDateTime::from_unix_timestamp(moment.unix_seconds()).map_err(|_| CaError::Time(moment))
}

fn ascii(text: &str) -> Result<Ia5String, CaError> {
    text.try_into()
        .map_err(|source| CaError::Certificate { what: "a name into a certificate", source })
}

/// A name for people, without control characters and no longer than certificates allow.
fn printable(name: &str) -> String {
    name.trim().chars().filter(|c| !c.is_control()).take(MAX_NAME_CHARS).collect()
}

#[cfg(test)]
mod tests {
    use xylem_runtime::SystemRng;

    use super::*;

    /// Gives one byte only.
    #[derive(Debug)]
    struct Constant(u8);

    impl Rng for Constant {
        fn fill(&self, buffer: &mut [u8]) {
            buffer.fill(self.0);
        }
    }

    #[test]
    fn serial_numbers_are_positive_and_of_one_length() {
        for byte in [0x00, 0x3f, 0x80, 0xff] {
            let bytes = serial(&Constant(byte)).to_bytes();
            assert_eq!(bytes.len(), SERIAL_BYTES);
            assert!((0x40..0x80).contains(&bytes[0]), "{bytes:?}");
        }
        assert_ne!(serial(&SystemRng).to_bytes(), serial(&SystemRng).to_bytes());
    }

    #[test]
    fn names_fit_into_certificates() {
        assert_eq!(printable(" Lab\n3 "), "Lab3");
        assert_eq!(printable(&"ü".repeat(100)).chars().count(), MAX_NAME_CHARS);
    }

    #[test]
    fn moments_beyond_the_calendar_are_refused() {
        assert!(matches!(date(Timestamp::from_unix_ms(i64::MAX)), Err(CaError::Time(_))));
    }
}
