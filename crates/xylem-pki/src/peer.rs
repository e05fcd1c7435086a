//! What the certificate of the other side says.

use rustls::pki_types::CertificateDer;
use x509_parser::extensions::GeneralName;
use x509_parser::prelude::{FromDer, X509Certificate};
use xylem_model::{Party, PartyError, Timestamp};

use crate::Fingerprint;

/// The scheme of the URI that names a party.
const SCHEME: &str = "xylem://";

/// The leaf certificate of a party, read. Whether it may be believed is decided before, by the
/// TLS handshake or by [`TrustAnchors::verify_client_chain`](crate::TrustAnchors); what the party
/// may do is decided after, by the database.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PeerCertificate {
    /// Who it is.
    pub party: Party,
    /// The serial number, big-endian, in lower-case hexadecimal without leading zero bytes.
    pub serial_hex: String,
    /// Valid from this moment on.
    pub not_before: Timestamp,
    /// Valid up to this moment.
    pub not_after: Timestamp,
    /// SHA-256 of the certificate in DER.
    pub fingerprint: Fingerprint,
}

/// A certificate that names no party.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PeerError {
    /// The other side showed no certificate.
    #[error("no certificate was presented")]
    Missing,
    /// The bytes are no X.509 certificate.
    #[error("the certificate cannot be read")]
    Unreadable,
    /// Not exactly one URI of ours.
    #[error(
        "the certificate carries {0} xylem:// identities where exactly one is expected: it was \
         not made by a Xylem management server"
    )]
    NotOneIdentity(usize),
    /// The URI names no party.
    #[error("the certificate's identity cannot be read")]
    Identity(#[source] PartyError),
}

impl PeerCertificate {
    /// Reads the leaf, which comes first, of a chain as the TLS library gives it.
    ///
    /// # Errors
    /// When there is none or it names no party.
    pub fn from_chain(chain: &[CertificateDer<'_>]) -> Result<Self, PeerError> {
        Self::from_der(chain.first().ok_or(PeerError::Missing)?)
    }

    /// Reads one certificate.
    ///
    /// # Errors
    /// When it is damaged or names no party.
    pub fn from_der(der: &[u8]) -> Result<Self, PeerError> {
        let (rest, certificate) =
            X509Certificate::from_der(der).map_err(|_| PeerError::Unreadable)?;
        if !rest.is_empty() {
            return Err(PeerError::Unreadable);
        }
        let serial = certificate.raw_serial();
        let zeros = serial.iter().take_while(|byte| **byte == 0).count();
        Ok(Self {
            party: party_of(&certificate)?,
            serial_hex: hex::encode(serial.get(zeros..).unwrap_or_default()),
            not_before: moment(certificate.validity().not_before.timestamp()),
            not_after: moment(certificate.validity().not_after.timestamp()),
            fingerprint: Fingerprint::of(der),
        })
    }
}

fn party_of(certificate: &X509Certificate<'_>) -> Result<Party, PeerError> {
    let names = certificate.subject_alternative_name().map_err(|_| PeerError::Unreadable)?;
    let uris: Vec<&str> = names
        .iter()
        .flat_map(|extension| &extension.value.general_names)
        .filter_map(|name| match name {
            GeneralName::URI(uri) if uri.starts_with(SCHEME) => Some(*uri),
            _ => None,
        })
        .collect();
    match uris.as_slice() {
        [uri] => uri.parse().map_err(PeerError::Identity),
        others => Err(PeerError::NotOneIdentity(others.len())),
    }
}

pub(crate) fn moment(unix_seconds: i64) -> Timestamp {
    Timestamp::from_unix_ms(unix_seconds.saturating_mul(1000))
}

#[cfg(test)]
mod tests {
    use rcgen::{CertificateParams, SanType, SerialNumber};

    use super::*;
    use crate::KeyPair;

    const COMPUTER: &str = "xylem://computer/01890a5d-ac96-774b-bcce-b302099a8057";

    fn certificate(uris: &[&str]) -> CertificateDer<'static> {
        let mut params = CertificateParams::default();
        params.serial_number = Some(SerialNumber::from_slice(&[0x80, 0x01]));
        params.subject_alt_names =
            uris.iter().map(|uri| SanType::URI((*uri).try_into().unwrap())).collect();
        params.self_signed(&KeyPair::generate().unwrap()).unwrap().into()
    }

    #[test]
    fn party_serial_and_validity_are_read() {
        let der = certificate(&["https://example.org/", COMPUTER]);
        let peer = PeerCertificate::from_chain(std::slice::from_ref(&der)).unwrap();
        assert_eq!(peer.party.to_string(), COMPUTER);
        assert_eq!(peer.serial_hex, "8001");
        assert_eq!(peer.not_before.to_string(), "1975-01-01T00:00:00Z");
        assert_eq!(peer.fingerprint, Fingerprint::of(&der));
    }

    #[test]
    fn certificates_without_exactly_one_identity_are_refused() {
        let refused = |uris: &[&str]| PeerCertificate::from_der(&certificate(uris)).unwrap_err();
        assert_eq!(refused(&[]), PeerError::NotOneIdentity(0));
        assert_eq!(refused(&["https://example.org/"]), PeerError::NotOneIdentity(0));
        assert_eq!(refused(&[COMPUTER, COMPUTER]), PeerError::NotOneIdentity(2));
        assert!(matches!(refused(&["xylem://admin/1"]), PeerError::Identity(_)));
        assert_eq!(PeerCertificate::from_chain(&[]), Err(PeerError::Missing));
        assert_eq!(PeerCertificate::from_der(b"junk"), Err(PeerError::Unreadable));
        let mut longer = certificate(&[COMPUTER]).to_vec();
        longer.push(0);
        assert_eq!(PeerCertificate::from_der(&longer), Err(PeerError::Unreadable));
    }
}
