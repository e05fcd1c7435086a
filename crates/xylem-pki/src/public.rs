//! TLS settings towards servers of others: a cloud, not one of our own programs.
//!
//! They are believed by the authorities that this machine believes, or by those that were given
//! for them. No certificate of ours is shown there, and nothing tells that it is us.

use std::fmt;
use std::sync::Arc;

use rustls::RootCertStore;
use rustls::client::{ClientConfig, Resumption};
use rustls::pki_types::CertificateDer;
use xylem_runtime::Clock;

use crate::MAX_ANCHORS;
use crate::pem::{self, PemError};
use crate::tls::{ALPN_HTTP_1_1, ClockTime, TlsSetupError, VERSIONS, provider};

/// By whose word servers of others are believed.
#[derive(Clone)]
pub struct PublicRoots(Arc<RootCertStore>);

/// Authorities that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PublicRootsError {
    /// The text holds no readable certificates.
    #[error("the certificates of the authority cannot be read")]
    Pem(#[source] PemError),
    /// A certificate that is damaged.
    #[error("certificate {0} of the authority is damaged")]
    Damaged(usize),
    /// There are none on this machine.
    #[error(
        "this machine believes no authority at all: install its system's certificates (the \
         package `ca-certificates`), or give the authority's certificate"
    )]
    None,
}

impl PublicRoots {
    /// Those that this machine believes. Reads files: call it where waiting for a disk is no harm.
    ///
    /// # Errors
    /// When there are none.
    pub fn of_this_machine() -> Result<Self, PublicRootsError> {
        let mut roots = RootCertStore::empty();
        // Old systems carry some that no library of today reads.
        roots.add_parsable_certificates(machine_roots());
        match roots.is_empty() {
            true => Err(PublicRootsError::None),
            false => Ok(Self(Arc::new(roots))),
        }
    }

    /// Those of a PEM text, and no others.
    ///
    /// # Errors
    /// When there is none, one too many, or a damaged one.
    pub fn from_pem(text: &[u8]) -> Result<Self, PublicRootsError> {
        let mut roots = RootCertStore::empty();
        let given = pem::certificates(text, MAX_ANCHORS).map_err(PublicRootsError::Pem)?;
        for (index, certificate) in given.into_iter().enumerate() {
            roots.add(certificate).map_err(|_| PublicRootsError::Damaged(index + 1))?;
        }
        Ok(Self(Arc::new(roots)))
    }
}

impl fmt::Debug for PublicRoots {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PublicRoots({})", self.0.len())
    }
}

/// The certificates of the authorities that this machine believes. Those that cannot be read are
/// as if they were not there.
pub fn machine_roots() -> Vec<CertificateDer<'static>> {
    rustls_native_certs::load_native_certs().certs
}

/// Settings for connections to servers of others, whose host name or address must be in their
/// certificate.
///
/// # Errors
/// When the library refuses the settings.
pub fn public_client_config(
    roots: &PublicRoots,
    clock: Arc<dyn Clock>,
) -> Result<Arc<ClientConfig>, TlsSetupError> {
    let mut config = ClientConfig::builder_with_details(provider(), Arc::new(ClockTime(clock)))
        .with_protocol_versions(VERSIONS)?
        .with_root_certificates(Arc::clone(&roots.0))
        .with_no_client_auth();
    config.alpn_protocols = vec![ALPN_HTTP_1_1.to_vec()];
    config.resumption = Resumption::disabled();
    Ok(Arc::new(config))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_authority_is_refused() {
        let none = PublicRoots::from_pem(b"no certificate").unwrap_err();
        assert_eq!(none, PublicRootsError::Pem(PemError::NoCertificate));
        let text = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
        let damaged = PublicRoots::from_pem(text.as_bytes()).unwrap_err();
        assert_eq!(damaged, PublicRootsError::Damaged(1));
    }
}
