//! Following a change of certificate authorities, for everybody who was enrolled.

use xylem_api::authorities::{Authorities, Believing};
use xylem_api::certificates::{CertificateSource, ShownCertificate};
use xylem_pki::{
    AnchorError, FingerprintError, Identity, IdentityStore, Presented, PublicChain, StoreError,
    TrustAnchors,
};
use xylem_runtime::Fs;

/// Why what was told of the authorities could not be taken over. What was believed stays so.
#[derive(Debug, thiserror::Error)]
pub enum FollowAuthoritiesError {
    /// The roots that were told cannot be used.
    #[error("the management server names root certificates that cannot be used")]
    Roots(#[from] AnchorError),
    /// The present one is not named in a way that can be read.
    #[error("the management server does not say which root certificate is the present one")]
    Present(#[from] FingerprintError),
    /// They cannot be kept.
    #[error("the root certificates cannot be kept")]
    Keeping(#[from] StoreError),
}

/// The root whose certificates are given now.
#[derive(Debug, Clone)]
pub struct PresentRoot(TrustAnchors);

impl PresentRoot {
    /// Whether the identity's certificate leads there; else it is time for a new one.
    pub fn has_certified(&self, identity: &Identity) -> bool {
        let credentials = identity.current();
        self.0
            .verify_client_chain(credentials.chain(), credentials.certificate().not_before)
            .is_ok()
    }
}

/// Believes what the management server says is to be believed. Where the own certificate does not
/// lead there yet, what was believed before is believed too, until it is replaced: then call this
/// once more. Blocks.
///
/// # Errors
/// When the roots cannot be used or kept.
pub fn follow_authorities(
    fs: &dyn Fs,
    store: &IdentityStore,
    identity: &Identity,
    anchors: &TrustAnchors,
    told: &Authorities,
) -> Result<PresentRoot, FollowAuthoritiesError> {
    let wanted = TrustAnchors::from_pem(told.roots_pem.as_bytes())?;
    let present =
        PresentRoot(TrustAnchors::pinned(told.roots_pem.as_bytes(), &told.present.parse()?)?);
    if !anchors.agrees_with(&wanted) {
        let own = identity.current();
        let leads = wanted.verify_client_chain(own.chain(), own.certificate().not_before).is_ok();
        let to = if leads { wanted } else { wanted.with(anchors)? };
        if !anchors.agrees_with(&to) {
            store.change_anchors(fs, identity, anchors, &to)?;
            tracing::info!(roots = to.fingerprints().len(), "the root certificates changed");
        }
    }
    Ok(present)
}

/// The certificate of the built-in authority, as one that is shown.
pub fn built_in(presented: &Presented) -> ShownCertificate {
    let own = presented.identity().current();
    let certificate = own.certificate();
    let (subject, issuer) = own.names();
    ShownCertificate {
        source: CertificateSource::BuiltIn,
        subject,
        issuer,
        not_after: certificate.not_after,
        fingerprint: certificate.fingerprint.to_string(),
        problem: None,
    }
}

/// A chain from elsewhere, as one that is shown.
pub fn shown_chain(chain: &PublicChain, source: CertificateSource) -> ShownCertificate {
    ShownCertificate {
        source,
        subject: chain.subject.clone(),
        issuer: chain.issuer.clone(),
        not_after: chain.not_after,
        fingerprint: chain.fingerprint.to_string(),
        problem: None,
    }
}

/// What to report of it. The present root comes first among those believed.
pub fn believing(anchors: &TrustAnchors, identity: &Identity) -> Believing {
    let own = identity.current();
    let certified_by = anchors.root_of(own.chain(), own.certificate().not_before);
    Believing {
        roots: anchors.fingerprints().iter().map(ToString::to_string).collect(),
        certified_by: certified_by.map(|root| root.to_string()),
    }
}
