//! A key with the certificate chain that belongs to it.

use std::fmt;
use std::sync::Arc;

use rustls::pki_types::CertificateDer;
use rustls::sign::CertifiedKey;

use x509_parser::prelude::{FromDer as _, X509Certificate};

use crate::pem::{self, PemError};
use crate::{KeyError, KeyPair, PeerCertificate, PeerError};

/// Certificates in one chain: leaf, intermediate, and room for one more authority between.
pub const MAX_CHAIN_LENGTH: usize = 4;

/// A private key, the chain of certificates for it (leaf first, without the root), and what the
/// leaf says. The key is the leaf's own: that was checked when this was made.
pub struct Credentials {
    key: KeyPair,
    certificate: PeerCertificate,
    certified: Arc<CertifiedKey>,
}

/// A key and certificates that make no credentials.
#[derive(Debug, thiserror::Error)]
pub enum CredentialsError {
    /// No usable key.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// No usable certificates.
    #[error(transparent)]
    Pem(#[from] PemError),
    /// The leaf names no party.
    #[error(transparent)]
    Leaf(#[from] PeerError),
    /// The leaf is for another key.
    #[error("the certificate was made for another key")]
    OtherKey(#[source] rustls::Error),
}

impl Credentials {
    /// Puts a key and the PEM text of its chain together.
    ///
    /// # Errors
    /// When the chain cannot be read, names no party, or is for another key.
    pub fn new(key: KeyPair, chain_pem: &[u8]) -> Result<Self, CredentialsError> {
        let chain = pem::certificates(chain_pem, MAX_CHAIN_LENGTH)?;
        let certificate = PeerCertificate::from_chain(&chain)?;
        let provider = rustls::crypto::aws_lc_rs::default_provider();
        let certified = CertifiedKey::from_der(chain, key.to_pkcs8().into(), &provider)
            .map_err(CredentialsError::OtherKey)?;
        Ok(Self { key, certificate, certified: Arc::new(certified) })
    }

    /// Reads key and chain from one PEM text, as [`to_pem`](Self::to_pem) writes it.
    ///
    /// # Errors
    /// Those of [`KeyPair::from_pem`] and [`new`](Self::new).
    pub fn from_pem(pem: &[u8]) -> Result<Self, CredentialsError> {
        Self::new(KeyPair::from_pem(pem)?, pem)
    }

    /// Key and chain as one PEM text: only for files of mode 0600.
    pub fn to_pem(&self) -> String {
        self.key.to_pem() + &self.chain_pem()
    }

    /// The key.
    pub fn key(&self) -> &KeyPair {
        &self.key
    }

    /// What the leaf says: party, serial number, validity.
    pub fn certificate(&self) -> &PeerCertificate {
        &self.certificate
    }

    /// Whom the leaf names, and who signed it, for people to read.
    pub fn names(&self) -> (String, String) {
        let leaf = self.chain().first().and_then(|der| X509Certificate::from_der(der).ok());
        leaf.map(|(_, leaf)| (leaf.subject().to_string(), leaf.issuer().to_string()))
            .unwrap_or_default()
    }

    /// The chain, leaf first.
    pub fn chain(&self) -> &[CertificateDer<'static>] {
        &self.certified.cert
    }

    /// The chain as PEM, leaf first.
    pub fn chain_pem(&self) -> String {
        pem::encode_certificates(self.chain())
    }

    pub(crate) fn certified(&self) -> Arc<CertifiedKey> {
        Arc::clone(&self.certified)
    }
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credentials")
            .field("certificate", &self.certificate)
            .finish_non_exhaustive()
    }
}
