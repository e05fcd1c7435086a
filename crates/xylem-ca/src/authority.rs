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

/// The certificate authority of one installation: the generation that signs, and while authorities
/// change also the one to come and the roots of those that were.
#[derive(Debug)]
pub struct Authority {
    /// How many came before the present one.
    pub(crate) number: u32,
    pub(crate) present: Generation,
    pub(crate) next: Option<Generation>,
    /// Roots that are still believed, the latest first.
    pub(crate) former: Vec<CertificateDer<'static>>,
    pub(crate) rng: Arc<dyn Rng>,
}

/// A root with what signs leaves.
#[derive(Debug)]
pub(crate) struct Generation {
    /// What parties believe. Where an organisation's own root signed the intermediate this is the
    /// intermediate itself: what else that root signs is none of our parties.
    pub(crate) root: Signer<Option<KeyPair>>,
    pub(crate) intermediate: Signer<KeyPair>,
    /// Shown after the intermediate: how it also leads to the root before, or the intermediates
    /// up to the organisation's root.
    pub(crate) rest: Vec<CertificateDer<'static>>,
}

/// A certificate of the authority with its key, which for the root may be kept elsewhere.
#[derive(Debug, Clone)]
pub(crate) struct Signer<K> {
    pub(crate) certificate: CertificateDer<'static>,
    pub(crate) validity: Validity,
    pub(crate) organization: String,
    pub(crate) key: K,
}

impl Generation {
    /// A root and an intermediate, each with a new key of its own.
    pub(crate) fn create(
        organization: &str,
        now: Timestamp,
        rng: &dyn Rng,
    ) -> Result<Self, CaError> {
        let key = KeyPair::generate()?;
        let validity = Validity::starting(now, ROOT_LIFETIME);
        let certificate = profile::root(organization, validity, rng)?
            .self_signed(&key)
            .map_err(|source| CaError::Certificate { what: "the root certificate", source })?
            .into();
        let root = Signer::read(certificate, Some(key)).ok_or_else(unreadable)?;
        let intermediate = sign_intermediate(&root, now, rng)?;
        Ok(Self { root, intermediate, rest: Vec::new() })
    }

    /// Whether an organisation's own root signed the intermediate.
    pub(crate) fn is_organizations(&self) -> bool {
        self.root.certificate == self.intermediate.certificate
    }

    pub(crate) fn issuer(&self) -> Result<Issuer<'_, &KeyPair>, rcgen::Error> {
        Issuer::from_ca_cert_der(&self.intermediate.certificate, &self.intermediate.key)
    }
}

impl Authority {
    /// Makes a new authority: a root and an intermediate, each with a key of its own.
    ///
    /// # Errors
    /// When a key cannot be made or `now` is beyond what certificates can express.
    pub fn create(organization: &str, now: Timestamp, rng: Arc<dyn Rng>) -> Result<Self, CaError> {
        let present = Generation::create(organization, now, &*rng)?;
        Ok(Self::of(present, rng))
    }

    /// An authority that never changed.
    pub(crate) fn of(present: Generation, rng: Arc<dyn Rng>) -> Self {
        Self { number: 0, present, next: None, former: Vec::new(), rng }
    }

    /// Puts a new intermediate with a new key in the place of the present one. Leaves issued
    /// before stay good: they carry the intermediate that signed them. [`save`](Self::save) next.
    ///
    /// # Errors
    /// [`CaError::RootKeyAway`] when the root's key is kept elsewhere, as an organisation's is.
    pub fn renew_intermediate(&mut self, now: Timestamp) -> Result<(), CaError> {
        self.present.intermediate = sign_intermediate(&self.present.root, now, &*self.rng)?;
        // It was for the key of the intermediate before.
        self.present.rest.clear();
        Ok(())
    }

    /// Whether the intermediate has reached the age at which it is to be renewed, and can be.
    pub fn should_renew_intermediate(&self, now: Timestamp) -> bool {
        let due = self.present.intermediate.validity.not_before.plus(INTERMEDIATE_RENEW_AFTER);
        !self.present.is_organizations() && now >= due
    }

    /// When the intermediate runs out; nothing can be issued then.
    pub fn intermediate_not_after(&self) -> Timestamp {
        self.present.intermediate.validity.not_after
    }

    /// When the root runs out.
    pub fn root_not_after(&self) -> Timestamp {
        self.present.root.validity.not_after
    }

    /// Whether the root's key is on this machine.
    pub fn holds_root_key(&self) -> bool {
        self.present.root.key.is_some()
    }

    /// Whether an organisation's own root signed the intermediate.
    pub fn is_organizations(&self) -> bool {
        self.present.is_organizations()
    }

    /// The root certificate in PEM: what parties pin.
    pub fn root_pem(&self) -> String {
        pem::encode_certificates([&self.present.root.certificate])
    }

    /// All roots that are believed in PEM: the present one, the next, and former ones.
    pub fn anchors_pem(&self) -> String {
        let next = self.next.iter().map(|next| &next.root.certificate);
        let present = std::iter::once(&self.present.root.certificate);
        pem::encode_certificates(present.chain(next).chain(&self.former))
    }

    /// The root certificate in DER.
    pub fn root_der(&self) -> &[u8] {
        &self.present.root.certificate
    }

    /// SHA-256 of the root certificate in DER: what an administrator compares.
    pub fn root_fingerprint(&self) -> Fingerprint {
        Fingerprint::of(&self.present.root.certificate)
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
