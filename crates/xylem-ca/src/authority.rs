//! Root and intermediate.

use std::sync::Arc;
use std::time::Duration;

use rcgen::Issuer;
use rustls::pki_types::CertificateDer;
use x509_parser::prelude::{FromDer, X509Certificate};
use x509_parser::x509::X509Name;
use xylem_model::Timestamp;
use xylem_pki::{Fingerprint, KeyPair, pem};
use xylem_runtime::Rng;

use crate::CaError;
use crate::profile::{self, Validity};

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// How long a root is good for.
pub const ROOT_LIFETIME: Duration = DAY.saturating_mul(3650);
/// How long an intermediate is good for.
pub const INTERMEDIATE_LIFETIME: Duration = DAY.saturating_mul(730);
/// The age from which on an intermediate is to be renewed: while there still is a year in it, the
/// longest life of a leaf, so that no leaf is cut short.
pub const INTERMEDIATE_RENEW_AFTER: Duration = DAY.saturating_mul(365);

/// The certificate authority of one installation.
#[derive(Debug)]
pub struct Authority {
    pub(crate) root: Signer<Option<KeyPair>>,
    pub(crate) intermediate: Signer<KeyPair>,
    rng: Arc<dyn Rng>,
}

/// A certificate of the authority with its key, which for the root may be kept elsewhere.
#[derive(Debug, Clone)]
pub(crate) struct Signer<K> {
    pub(crate) certificate: CertificateDer<'static>,
    pub(crate) validity: Validity,
    pub(crate) organization: String,
    pub(crate) key: K,
}

impl Authority {
    /// Makes a new authority: a root and an intermediate, each with a key of its own.
    ///
    /// # Errors
    /// When a key cannot be made or `now` is beyond what certificates can express.
    pub fn create(organization: &str, now: Timestamp, rng: Arc<dyn Rng>) -> Result<Self, CaError> {
        let key = KeyPair::generate()?;
        let validity = Validity::starting(now, ROOT_LIFETIME);
        let certificate = profile::root(organization, validity, &*rng)?
            .self_signed(&key)
            .map_err(|source| CaError::Certificate { what: "the root certificate", source })?
            .into();
        let root = Signer::read(certificate, Some(key)).ok_or_else(unreadable)?;
        let intermediate = sign_intermediate(&root, now, &*rng)?;
        Ok(Self { root, intermediate, rng })
    }

    /// An authority of parts that were checked to belong together.
    pub(crate) fn from_parts(
        root: Signer<Option<KeyPair>>,
        intermediate: Signer<KeyPair>,
        rng: Arc<dyn Rng>,
    ) -> Self {
        Self { root, intermediate, rng }
    }

    /// Puts a new intermediate with a new key in the place of the present one. Leaves issued
    /// before stay good: they carry the intermediate that signed them. [`save`](Self::save) next.
    ///
    /// # Errors
    /// [`CaError::RootKeyAway`] when the root's key is kept elsewhere.
    pub fn renew_intermediate(&mut self, now: Timestamp) -> Result<(), CaError> {
        self.intermediate = sign_intermediate(&self.root, now, &*self.rng)?;
        Ok(())
    }

    /// Whether the intermediate has reached the age at which it is to be renewed.
    pub fn should_renew_intermediate(&self, now: Timestamp) -> bool {
        now >= self.intermediate.validity.not_before.plus(INTERMEDIATE_RENEW_AFTER)
    }

    /// When the intermediate runs out; nothing can be issued then.
    pub fn intermediate_not_after(&self) -> Timestamp {
        self.intermediate.validity.not_after
    }

    /// When the root runs out.
    pub fn root_not_after(&self) -> Timestamp {
        self.root.validity.not_after
    }

    /// Whether the root's key is on this machine.
    pub fn holds_root_key(&self) -> bool {
        self.root.key.is_some()
    }

    /// The root certificate in PEM: what parties pin.
    pub fn root_pem(&self) -> String {
        pem::encode_certificates([&self.root.certificate])
    }

    /// The root certificate in DER.
    pub fn root_der(&self) -> &[u8] {
        &self.root.certificate
    }

    /// SHA-256 of the root certificate in DER: what an administrator compares.
    pub fn root_fingerprint(&self) -> Fingerprint {
        Fingerprint::of(&self.root.certificate)
    }

    pub(crate) fn rng(&self) -> &dyn Rng {
        &*self.rng
    }

    pub(crate) fn intermediate_der(&self) -> &CertificateDer<'static> {
        &self.intermediate.certificate
    }

    pub(crate) fn intermediate_validity(&self) -> Validity {
        self.intermediate.validity
    }

    pub(crate) fn intermediate_issuer(&self) -> Result<Issuer<'_, &KeyPair>, rcgen::Error> {
        Issuer::from_ca_cert_der(&self.intermediate.certificate, &self.intermediate.key)
    }
}

impl<K> Signer<K> {
    /// Reads what a certificate says; `None` when it is damaged or not an authority's.
    pub(crate) fn read(certificate: CertificateDer<'static>, key: K) -> Option<Self> {
        let (_, parsed) = X509Certificate::from_der(&certificate).ok()?;
        let moment = |seconds: i64| Timestamp::from_unix_ms(seconds.saturating_mul(1000));
        let validity = Validity {
            not_before: moment(parsed.validity().not_before.timestamp()),
            not_after: moment(parsed.validity().not_after.timestamp()),
        };
        let organization = organization_of(parsed.subject());
        parsed.is_ca().then_some(())?;
        Some(Self { certificate, validity, organization, key })
    }
}

pub(crate) fn sign_intermediate(
    root: &Signer<Option<KeyPair>>,
    now: Timestamp,
    rng: &dyn Rng,
) -> Result<Signer<KeyPair>, CaError> {
    let refused = |source| CaError::Certificate { what: "the intermediate certificate", source };
    let root_key = root.key.as_ref().ok_or(CaError::RootKeyAway)?;
    let issuer = Issuer::from_ca_cert_der(&root.certificate, root_key).map_err(refused)?;
    let validity = Validity::starting(now, INTERMEDIATE_LIFETIME).within(root.validity);
    let key = KeyPair::generate()?;
    let certificate = profile::intermediate(&root.organization, validity, rng)?
        .signed_by(&key, &issuer)
        .map_err(refused)?
        .into();
    Signer::read(certificate, key).ok_or_else(unreadable)
}

fn organization_of(name: &X509Name<'_>) -> String {
    name.iter_organization()
        .next()
        .and_then(|attribute| attribute.as_str().ok())
        .unwrap_or_default()
        .to_owned()
}

fn unreadable() -> CaError {
    CaError::Certificate {
        what: "a certificate of the authority",
        source: rcgen::Error::CouldNotParseCertificate,
    }
}
