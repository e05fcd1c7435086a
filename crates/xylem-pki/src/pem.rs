//! Certificates as PEM text (RFC 7468).

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;

/// Base64 characters on a line (RFC 7468, section 2).
const LINE: usize = 64;

/// A text whose certificate sections cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PemError {
    /// There is no certificate in it.
    #[error("no certificate in it: a section `BEGIN CERTIFICATE` is expected")]
    NoCertificate,
    /// More sections than are expected there.
    #[error("more than {limit} certificates in it")]
    TooMany {
        /// How many are accepted.
        limit: usize,
    },
    /// A section that is cut off or holds something else than base64.
    #[error("a certificate in it is cut off or damaged")]
    Damaged,
}

/// The certificates of a PEM text, in order; sections of other kinds are passed over.
///
/// # Errors
/// When there is none, more than `limit`, or a damaged section.
pub fn certificates(pem: &[u8], limit: usize) -> Result<Vec<CertificateDer<'static>>, PemError> {
    let mut found = Vec::new();
    for section in CertificateDer::pem_slice_iter(pem) {
        if found.len() == limit {
            return Err(PemError::TooMany { limit });
        }
        found.push(section.map_err(|_| PemError::Damaged)?);
    }
    if found.is_empty() { Err(PemError::NoCertificate) } else { Ok(found) }
}

/// Writes certificates as one PEM text, in order.
pub fn encode_certificates<'a, C>(certificates: C) -> String
where
    C: IntoIterator<Item = &'a CertificateDer<'static>>,
{
    let mut text = String::new();
    for certificate in certificates {
        text.push_str("-----BEGIN CERTIFICATE-----\n");
        for (index, character) in STANDARD.encode(certificate).chars().enumerate() {
            if index > 0 && index % LINE == 0 {
                text.push('\n');
            }
            text.push(character);
        }
        text.push_str("\n-----END CERTIFICATE-----\n");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn certificates_survive_their_text_in_order() {
        for length in [1, 47, 48, 49, 500] {
            let two = [vec![1_u8; length].into(), vec![2_u8; length].into()];
            let text = encode_certificates(&two);
            assert!(text.lines().all(|line| line.len() <= LINE), "{text}");
            assert_eq!(certificates(text.as_bytes(), 2).unwrap(), two);
        }
    }

    #[test]
    fn damaged_empty_and_overlong_texts_are_refused() {
        let text = encode_certificates(&[vec![1; 90].into(), vec![2; 90].into()]);
        assert_eq!(certificates(text.as_bytes(), 1), Err(PemError::TooMany { limit: 1 }));
        assert_eq!(certificates(b"", 1), Err(PemError::NoCertificate));
        let cut = &text.as_bytes()[..60];
        assert_eq!(certificates(cut, 2), Err(PemError::Damaged));
        let bent = text.replace("AQEB", "A*EB");
        assert_eq!(certificates(bent.as_bytes(), 2), Err(PemError::Damaged));
    }
}
