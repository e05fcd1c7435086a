//! Leaf certificates for parties.

use std::time::Duration;

use rcgen::PublicKeyData;
use rustls::pki_types::CertificateDer;
use xylem_model::{Party, Timestamp};
use xylem_pki::{Credentials, KeyPair, LeafNames, PeerCertificate, pem};
use xylem_runtime::Rng;

use crate::authority::Generation;
use crate::profile::{self, Validity};
use crate::request::proven_key;
use crate::{Authority, CaError};

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// How long a distribution server's certificate is good for.
pub const DISTRIBUTION_SERVER_LIFETIME: Duration = DAY.saturating_mul(30);
/// How long the management server's own certificate is good for.
pub const MANAGEMENT_SERVER_LIFETIME: Duration = DAY.saturating_mul(30);
/// How long a computer's certificate is good for.
pub const COMPUTER_LIFETIME: Duration = DAY.saturating_mul(365);

/// What a certificate is to say. All of it is the management server's decision.
#[derive(Debug, Clone)]
pub struct LeafRequest {
    /// Who it is for.
    pub party: Party,
    /// A name for people to read; nothing decides by it.
    pub common_name: String,
    /// The names and addresses it is reached under; only with `server_auth`.
    pub hosts: LeafNames,
    /// How long it is good for, from now; cut where the intermediate runs out before.
    pub lifetime: Duration,
    /// Whether the party may act as a server as well as a client.
    pub server_auth: bool,
}

/// A certificate just issued.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IssuedLeaf {
    /// Leaf and intermediate in PEM, leaf first, and what makes the intermediate lead to other
    /// roots too; the root is not among them.
    pub chain_pem: String,
    /// The serial number in hexadecimal, as
    /// [`PeerCertificate::serial_hex`] gives it.
    pub serial_hex: String,
    /// Valid from this moment on.
    pub not_before: Timestamp,
    /// Valid up to this moment.
    pub not_after: Timestamp,
}

impl Authority {
    /// Issues a certificate for the key of a certificate request in PEM.
    ///
    /// # Errors
    /// [`CaError::Request`] when the request is refused; the others are the authority's own.
    pub fn issue(
        &self,
        request_pem: &str,
        leaf: &LeafRequest,
        now: Timestamp,
    ) -> Result<IssuedLeaf, CaError> {
        sign_leaf(&self.present, &proven_key(request_pem)?, leaf, now, &*self.rng)
    }

    /// Makes a key and a certificate for it: for the management server itself.
    ///
    /// # Errors
    /// When no key can be made or the authority cannot sign.
    pub fn issue_own(&self, leaf: &LeafRequest, now: Timestamp) -> Result<Credentials, CaError> {
        let key = KeyPair::generate()?;
        let issued = sign_leaf(&self.present, &key, leaf, now, &*self.rng)?;
        Ok(Credentials::new(key, issued.chain_pem.as_bytes())?)
    }
}

pub(crate) fn sign_leaf(
    by: &Generation,
    key: &impl PublicKeyData,
    request: &LeafRequest,
    now: Timestamp,
    rng: &dyn Rng,
) -> Result<IssuedLeaf, CaError> {
    if request.server_auth && request.hosts.is_empty() {
        return Err(CaError::NoHostNames);
    }
    let signer = by.intermediate.validity;
    if now >= signer.not_after {
        return Err(CaError::IntermediateExpired { not_after: signer.not_after });
    }
    if now < signer.not_before {
        return Err(CaError::ClockBehind { now, not_before: signer.not_before });
    }
    let validity = Validity::starting(now, request.lifetime).within(signer);
    let params = profile::leaf(request, validity, rng)?;
    let refused = |source| CaError::Certificate { what: "a leaf certificate", source };
    let leaf: CertificateDer<'static> =
        params.signed_by(key, &by.issuer().map_err(refused)?).map_err(refused)?.into();
    let written = PeerCertificate::from_der(&leaf)?;
    let above = std::iter::once(&by.intermediate.certificate).chain(&by.rest);
    Ok(IssuedLeaf {
        chain_pem: pem::encode_certificates(std::iter::once(&leaf).chain(above)),
        serial_hex: written.serial_hex,
        not_before: written.not_before,
        not_after: written.not_after,
    })
}
