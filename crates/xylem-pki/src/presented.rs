//! Which certificate a listener shows, and to whom.
//!
//! Our own programs are shown the one of the built-in authority, whatever else there is: a chain
//! of somebody else that runs out, or is replaced by a wrong one, must not part a distribution
//! server from its tree. They say who they are by the name [`ALPN_PEER`] among the protocols they
//! offer. Everybody else (browsers, Finder, curl) is shown the administrator's where there is one.

use std::sync::Arc;

use arc_swap::ArcSwapOption;
use rcgen::{CertificateParams, CustomExtension};
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;

use crate::tls::provider;
use crate::{Identity, KeyError, KeyPair, PublicChain};

/// Offered by our own clients beside the protocol they speak; no server chooses it.
pub const ALPN_PEER: &[u8] = b"xylem-peer";

/// The protocol of an authority that proves a name by TLS-ALPN-01 (RFC 8737 section 6.2).
pub const ALPN_ACME: &[u8] = b"acme-tls/1";

/// Bytes of the digest that an ACME authority wants to see.
const DIGEST_BYTES: usize = 32;

/// What an ACME authority wants to see cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum ChallengeError {
    /// The digest has another length.
    #[error("the digest is not one of SHA-256")]
    Digest,
    /// No key.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// No certificate.
    #[error("no certificate can be made for the host")]
    Certificate(#[from] rcgen::Error),
    /// The TLS library does not take it.
    #[error("the TLS library does not take it")]
    Tls(#[from] rustls::Error),
}

/// What a listener shows. All clones see a change at once.
#[derive(Debug, Clone)]
pub struct Presented {
    identity: Identity,
    public: Arc<ArcSwapOption<PublicChain>>,
    challenge: Arc<ArcSwapOption<CertifiedKey>>,
}

impl Presented {
    /// Shows the identity's certificate to everybody.
    pub fn new(identity: Identity) -> Self {
        Self { identity, public: Arc::default(), challenge: Arc::default() }
    }

    /// Shows another chain to others than our own programs, or none of its own.
    pub fn set_public(&self, chain: Option<Arc<PublicChain>>) {
        self.public.store(chain);
    }

    /// Who this is.
    pub const fn identity(&self) -> &Identity {
        &self.identity
    }

    /// The chain for others, where there is one.
    pub fn public(&self) -> Option<Arc<PublicChain>> {
        self.public.load_full()
    }

    /// Shows an ACME authority what proves to it that a host is ours: a certificate for the host
    /// with a digest that it gave (RFC 8737 section 3).
    ///
    /// # Errors
    /// When the host is none, or no key can be made.
    pub fn prove(&self, host: &str, digest: &[u8]) -> Result<(), ChallengeError> {
        if digest.len() != DIGEST_BYTES {
            return Err(ChallengeError::Digest);
        }
        let mut params = CertificateParams::new([host.trim_matches(['[', ']']).to_owned()])?;
        params.custom_extensions = vec![CustomExtension::new_acme_identifier(digest)];
        let key = KeyPair::generate()?;
        let certificate = params.self_signed(&key)?.into();
        // Not checked against each other: no verifier knows the extension, which must be critical.
        let key = provider().key_provider.load_private_key(key.to_pkcs8().into())?;
        let certified = CertifiedKey::new(vec![certificate], key);
        self.challenge.store(Some(Arc::new(certified)));
        Ok(())
    }

    /// The authority has seen it.
    pub fn end_proof(&self) {
        self.challenge.store(None);
    }
}

impl From<&Identity> for Presented {
    fn from(identity: &Identity) -> Self {
        Self::new(identity.clone())
    }
}

impl ResolvesServerCert for Presented {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let offers = |name: &[u8]| hello.alpn().is_some_and(|mut all| all.any(|one| one == name));
        if offers(ALPN_ACME) {
            return self.challenge.load_full();
        }
        match self.public.load_full().filter(|_| !offers(ALPN_PEER)) {
            Some(chain) => Some(chain.certified()),
            None => Some(self.identity.current().certified()),
        }
    }
}
