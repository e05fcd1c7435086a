//! Which certificate a listener shows, and to whom.
//!
//! Our own programs are shown the one of the built-in authority, whatever else there is: a chain
//! of somebody else that runs out, or is replaced by a wrong one, must not part a distribution
//! server from its tree. They say who they are by the name [`ALPN_PEER`] among the protocols they
//! offer. Everybody else (browsers, Finder, curl) is shown the administrator's where there is one.

use std::sync::Arc;

use arc_swap::ArcSwapOption;
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;

use crate::{Identity, PublicChain};

/// Offered by our own clients beside the protocol they speak; no server chooses it.
pub const ALPN_PEER: &[u8] = b"xylem-peer";

/// The protocol of an authority that proves a name by TLS-ALPN-01 (RFC 8737 section 6.2).
pub const ALPN_ACME: &[u8] = b"acme-tls/1";

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

    /// Shows a certificate to an authority that proves a name, while it does.
    pub fn set_challenge(&self, answer: Option<Arc<CertifiedKey>>) {
        self.challenge.store(answer);
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
