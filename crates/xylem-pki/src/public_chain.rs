//! A certificate that an administrator brings along for browsers, Finder and other clients.

use std::fmt;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::sync::Arc;

use rustls::RootCertStore;
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::ServerCertVerifier as _;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;
use rustls::{CertificateError, Error};
use x509_parser::extensions::GeneralName;
use x509_parser::prelude::{FromDer as _, X509Certificate};
use xylem_model::Timestamp;

use crate::anchors::unix_time;
use crate::peer::moment;
use crate::pem::{self, PemError};
use crate::tls::provider;
use crate::{Fingerprint, HostError, server_name};

/// Certificates in a public chain, its root included.
pub const MAX_PUBLIC_CHAIN: usize = 8;

/// Bytes of a public chain with its key as PEM text.
pub const MAX_PUBLIC_CHAIN_BYTES: usize = 32 << 10;

/// Signatures over SHA-1 or MD5: by RSA (RFC 8017 appendix C), ECDSA (RFC 3279 section 2.2.3).
const BROKEN: [&str; 3] = ["1.2.840.113549.1.1.5", "1.2.840.113549.1.1.4", "1.2.840.10045.4.1"];

/// Why a chain is not accepted. Nothing is changed then.
#[derive(Debug, thiserror::Error)]
pub enum ChainError {
    /// Too long to be one.
    #[error("chain and key are more than {MAX_PUBLIC_CHAIN_BYTES} bytes")]
    TooLarge,
    /// No certificates.
    #[error("the chain cannot be read")]
    Pem(#[from] PemError),
    /// A certificate that is damaged.
    #[error("certificate {0} of the chain is damaged")]
    Damaged(usize),
    /// No key.
    #[error(
        "the private key cannot be read: an unencrypted PEM section `BEGIN PRIVATE KEY`, `BEGIN \
         RSA PRIVATE KEY` or `BEGIN EC PRIVATE KEY` is expected"
    )]
    Key,
    /// A key of another kind, or of another certificate.
    #[error(
        "the private key does not belong to the first certificate (`{subject}`), or is of a kind \
         that cannot be used: the server's own certificate comes first, then what signed it"
    )]
    OtherKey {
        /// Whom the first certificate names.
        subject: String,
        /// What the library says.
        #[source]
        source: Error,
    },
    /// Signed with an algorithm that is broken.
    #[error("`{subject}` was signed with SHA-1 or MD5, which browsers and macOS refuse: renew it")]
    WeakSignature {
        /// Whose certificate.
        subject: String,
    },
    /// Not good any more.
    #[error("`{subject}` ran out on {not_after}")]
    Expired {
        /// Whose certificate.
        subject: String,
        /// When.
        not_after: Timestamp,
    },
    /// Not good yet.
    #[error("`{subject}` is good only from {not_before} on")]
    Early {
        /// Whose certificate.
        subject: String,
        /// From when on.
        not_before: Timestamp,
    },
    /// The server has another name.
    #[error("the certificate is not for `{host}`: it is good for {found}")]
    OtherName {
        /// Under which name the server is reached.
        host: String,
        /// What the certificate names.
        found: String,
    },
    /// The server's own name is none that a certificate can have.
    #[error("the server's host name cannot be in a certificate")]
    Host(#[from] HostError),
    /// An authority in the middle is missing.
    #[error(
        "the chain is not complete: `{issuer}`, which signed `{subject}`, is neither in it nor \
         among the authorities that this machine knows; put its certificate at the end, the root \
         of an authority of your own too"
    )]
    Incomplete {
        /// The last certificate that fits.
        subject: String,
        /// Who signed it.
        issuer: String,
    },
    /// Something else.
    #[error("the chain cannot be used")]
    Refused(#[source] Error),
}

/// A chain that was checked, with its key.
pub struct PublicChain {
    certified: Arc<CertifiedKey>,
    pem: String,
    /// Whom it names, as people read it.
    pub subject: String,
    /// Who signed it.
    pub issuer: String,
    /// Valid from this moment on.
    pub not_before: Timestamp,
    /// Valid up to this moment.
    pub not_after: Timestamp,
    /// SHA-256 of the first certificate in DER.
    pub fingerprint: Fingerprint,
}

impl PublicChain {
    /// Takes a chain with its key, both as PEM, in one text or one after the other. The order of
    /// what does not come first is of no matter; a root in it is believed, and not shown.
    ///
    /// `host` is what the server is reached under; `known` are the authorities that the machine
    /// believes, where the chain does not hold its own root.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn check(
        text: &str,
        host: &str,
        known: &[CertificateDer<'static>],
        now: Timestamp,
    ) -> Result<Self, ChainError> {
        let chain = Self::read(text)?;
        let all = pem::certificates(text.as_bytes(), MAX_PUBLIC_CHAIN)?;
        for (index, der) in all.iter().enumerate() {
            check_one(&parse(der, index)?, now)?;
        }
        chain.check_path(host, &all, known, now)?;
        Ok(chain)
    }

    /// Reads what was checked before.
    ///
    /// # Errors
    /// When it cannot be read, or the key is another's.
    pub fn read(text: &str) -> Result<Self, ChainError> {
        if text.len() > MAX_PUBLIC_CHAIN_BYTES {
            return Err(ChainError::TooLarge);
        }
        let all = pem::certificates(text.as_bytes(), MAX_PUBLIC_CHAIN)?;
        let leaf = parse(all.first().ok_or(PemError::NoCertificate)?, 0)?;
        let key = PrivateKeyDer::from_pem_slice(text.as_bytes()).map_err(|_| ChainError::Key)?;
        let subject = leaf.subject().to_string();
        let shown: Vec<_> = all.iter().filter(|der| !is_root(der)).cloned().collect();
        // A certificate that signed itself is all there is to show.
        let shown = if shown.is_empty() { all.clone() } else { shown };
        let certified = CertifiedKey::from_der(shown, key, &provider())
            .map_err(|source| ChainError::OtherKey { subject: subject.clone(), source })?;
        Ok(Self {
            pem: text.to_owned(),
            issuer: leaf.issuer().to_string(),
            not_before: moment(leaf.validity().not_before.timestamp()),
            not_after: moment(leaf.validity().not_after.timestamp()),
            fingerprint: all
                .first()
                .map_or_else(|| Fingerprint::of(&[]), |der| Fingerprint::of(der)),
            subject,
            certified: Arc::new(certified),
        })
    }

    /// SHA-256 of chain and key as they came: by it a change of any of it is noticed.
    pub fn text_digest(&self) -> Fingerprint {
        Fingerprint::of(self.pem.as_bytes())
    }

    /// Chain and key as they came: only for places that nobody else may read.
    pub fn secret_pem(&self) -> &str {
        &self.pem
    }

    pub(crate) fn certified(&self) -> Arc<CertifiedKey> {
        Arc::clone(&self.certified)
    }

    fn check_path(
        &self,
        host: &str,
        all: &[CertificateDer<'static>],
        known: &[CertificateDer<'static>],
        now: Timestamp,
    ) -> Result<(), ChainError> {
        let mut roots = RootCertStore::empty();
        roots.add_parsable_certificates(known.iter().cloned());
        roots.add_parsable_certificates(all.iter().filter(|der| is_root(der)).cloned());
        let incomplete = || incomplete(all);
        if roots.is_empty() {
            return Err(incomplete());
        }
        let verifier = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider())
            .build()
            .map_err(|error| ChainError::Refused(Error::General(error.to_string())))?;
        let (leaf, rest) = all.split_first().ok_or(PemError::NoCertificate)?;
        let name = server_name(host)?;
        let verified = verifier.verify_server_cert(leaf, rest, &name, &[], unix_time(now));
        verified.map(|_| ()).map_err(|error| match error {
            Error::InvalidCertificate(CertificateError::UnknownIssuer) => incomplete(),
            Error::InvalidCertificate(
                CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. },
            ) => ChainError::OtherName { host: host.to_owned(), found: names(leaf) },
            other => ChainError::Refused(other),
        })
    }
}

impl fmt::Debug for PublicChain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PublicChain")
            .field("subject", &self.subject)
            .field("not_after", &self.not_after)
            .finish_non_exhaustive()
    }
}

fn parse<'a>(
    der: &'a CertificateDer<'static>,
    index: usize,
) -> Result<X509Certificate<'a>, ChainError> {
    match X509Certificate::from_der(der) {
        Ok(([], certificate)) => Ok(certificate),
        _ => Err(ChainError::Damaged(index + 1)),
    }
}

fn check_one(certificate: &X509Certificate<'_>, now: Timestamp) -> Result<(), ChainError> {
    let subject = certificate.subject().to_string();
    let is_root = certificate.subject() == certificate.issuer();
    // What a root says of itself proves nothing in any case.
    if !is_root && BROKEN.contains(&&*certificate.signature_algorithm.algorithm.to_id_string()) {
        return Err(ChainError::WeakSignature { subject });
    }
    let validity = certificate.validity();
    let (not_before, not_after) =
        (moment(validity.not_before.timestamp()), moment(validity.not_after.timestamp()));
    if now >= not_after {
        return Err(ChainError::Expired { subject, not_after });
    }
    if now < not_before {
        return Err(ChainError::Early { subject, not_before });
    }
    Ok(())
}

/// The hosts that a certificate names.
fn names(leaf: &CertificateDer<'_>) -> String {
    let parsed = X509Certificate::from_der(leaf).ok();
    let extension = parsed.as_ref().and_then(|(_, leaf)| leaf.subject_alternative_name().ok()?);
    let named = extension.iter().flat_map(|it| &it.value.general_names);
    let hosts = named.filter_map(|name| match name {
        GeneralName::DNSName(name) => Some((*name).to_owned()),
        GeneralName::IPAddress([a, b, c, d]) => Some(Ipv4Addr::new(*a, *b, *c, *d).to_string()),
        GeneralName::IPAddress(bytes) => {
            <[u8; 16]>::try_from(*bytes).ok().map(|bytes| Ipv6Addr::from(bytes).to_string())
        }
        _ => None,
    });
    let hosts: Vec<String> = hosts.collect();
    if hosts.is_empty() { "no host".to_owned() } else { hosts.join(", ") }
}

fn is_root(der: &CertificateDer<'_>) -> bool {
    X509Certificate::from_der(der)
        .is_ok_and(|(_, found)| found.is_ca() && found.subject() == found.issuer())
}

/// Follows the chain from its leaf to the first whose issuer is not in it.
fn incomplete(all: &[CertificateDer<'static>]) -> ChainError {
    let parsed: Vec<_> =
        all.iter().filter_map(|der| X509Certificate::from_der(der).ok()).map(|(_, c)| c).collect();
    let mut last = parsed.first();
    for _ in 0..parsed.len() {
        let next = last.and_then(|last| {
            parsed.iter().find(|one| {
                one.subject() == last.issuer()
                    && one.subject() != one.issuer()
                    && last.verify_signature(Some(one.public_key())).is_ok()
            })
        });
        match next {
            Some(next) => last = Some(next),
            None => break,
        }
    }
    let named = |name: fn(&X509Certificate<'_>) -> String| last.map(name).unwrap_or_default();
    ChainError::Incomplete {
        subject: named(|one| one.subject().to_string()),
        issuer: named(|one| one.issuer().to_string()),
    }
}

#[cfg(test)]
mod tests;
