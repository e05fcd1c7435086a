//! The root certificates a party believes.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use rustls::RootCertStore;
use rustls::client::WebPkiServerVerifier;
use rustls::pki_types::{CertificateDer, UnixTime};
use rustls::server::danger::ClientCertVerifier;
use rustls::server::{VerifierBuilderError, WebPkiClientVerifier};
use x509_parser::prelude::{FromDer, X509Certificate};
use xylem_model::Timestamp;
use xylem_runtime::{Fs, read_bounded};

use crate::pem::{self, PemError};
use crate::tls::provider;
use crate::{FileError, Fingerprint};

/// Root certificates in one file: the present one and, while authorities change, the next.
pub const MAX_ANCHORS: usize = 8;

/// Bytes of a file of root certificates.
pub const MAX_ANCHOR_FILE_BYTES: u64 = 64 * 1024;

/// A shared handle to one or more root certificates. Whatever chain leads to one of them is
/// believed, no other. All clones see a replacement at once; TLS settings made from it go by the
/// new ones from the next handshake on.
#[derive(Debug, Clone)]
pub struct TrustAnchors(Arc<ArcSwap<Believed>>);

/// Root certificates, and what verifies by them.
#[derive(Debug)]
pub(crate) struct Believed {
    certificates: Vec<CertificateDer<'static>>,
    pub(crate) servers: Arc<WebPkiServerVerifier>,
    pub(crate) clients: Arc<dyn ClientCertVerifier>,
    /// What verifies by one of them alone, in their order.
    alone: Vec<Arc<dyn ClientCertVerifier>>,
}

/// Root certificates that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum AnchorError {
    /// The text holds no readable certificates.
    #[error("cannot read root certificates")]
    Pem(#[source] PemError),
    /// A certificate that is damaged.
    #[error("certificate {0} of the file is damaged")]
    Damaged(usize),
    /// A certificate of a server or computer where the authority's is expected.
    #[error(
        "`{0}` is not the certificate of a certificate authority: give the root certificate, \
         which the management server serves at /v1/ca"
    )]
    NotAnAuthority(String),
    /// None has the fingerprint that was asked for.
    #[error(
        "the server's root certificate has the fingerprint {found}, not {expected}: compare with \
         what the management server shows; if they differ, this is another server"
    )]
    OtherFingerprint {
        /// The fingerprint asked for.
        expected: Fingerprint,
        /// That of the first certificate given.
        found: Fingerprint,
    },
    /// More certificates than one party believes.
    #[error("{0} root certificates are more than the {MAX_ANCHORS} that are believed at a time")]
    TooMany(usize),
    /// The TLS library refuses the certificates.
    #[error("the TLS library cannot use these root certificates")]
    Refused(#[from] VerifierBuilderError),
    /// The file cannot be read.
    #[error(transparent)]
    File(#[from] FileError),
    /// The file can be read, but holds something else.
    #[error("{path} holds no root certificates that can be used")]
    Content {
        /// The file.
        path: String,
        /// What is wrong with it.
        #[source]
        source: Box<AnchorError>,
    },
}

impl TrustAnchors {
    /// Reads root certificates from a PEM text.
    ///
    /// # Errors
    /// When there is none, more than [`MAX_ANCHORS`], or one that is no authority's.
    pub fn from_pem(pem: &[u8]) -> Result<Self, AnchorError> {
        Self::from_ders(pem::certificates(pem, MAX_ANCHORS).map_err(AnchorError::Pem)?)
    }

    /// Takes one root certificate in DER.
    ///
    /// # Errors
    /// When it is damaged or no authority's.
    pub fn from_der(der: &[u8]) -> Result<Self, AnchorError> {
        Self::from_ders(vec![CertificateDer::from(der.to_vec())])
    }

    /// Reads root certificates from a PEM text and keeps only the one of this fingerprint: for a
    /// text that came over a connection nobody has verified.
    ///
    /// # Errors
    /// When none has it.
    pub fn pinned(pem: &[u8], expected: &Fingerprint) -> Result<Self, AnchorError> {
        let mut given = pem::certificates(pem, MAX_ANCHORS).map_err(AnchorError::Pem)?;
        let found = given.first().map_or(*expected, |der| Fingerprint::of(der));
        given.retain(|der| Fingerprint::of(der) == *expected);
        if given.is_empty() {
            return Err(AnchorError::OtherFingerprint { expected: *expected, found });
        }
        Self::from_ders(given)
    }

    /// Reads root certificates from a file, PEM or DER (the `--ca FILE` of the programs).
    ///
    /// # Errors
    /// When the file cannot be read or holds something else; the message names it.
    pub fn read(fs: &dyn Fs, path: &Path) -> Result<Self, AnchorError> {
        /// DER of a certificate begins with a SEQUENCE; a PEM text never does.
        const SEQUENCE: u8 = 0x30;

        let bytes = read_bounded(fs, path, MAX_ANCHOR_FILE_BYTES)
            .map_err(|source| FileError::reading(path, source))?;
        let parsed = match bytes.first() {
            Some(&SEQUENCE) => Self::from_der(&bytes),
            _ => Self::from_pem(&bytes),
        };
        parsed.map_err(|source| AnchorError::Content {
            path: path.display().to_string(),
            source: Box::new(source),
        })
    }

    fn from_ders(certificates: Vec<CertificateDer<'static>>) -> Result<Self, AnchorError> {
        Ok(Self(Arc::new(ArcSwap::from_pointee(Believed::new(certificates)?))))
    }

    /// The certificates, in the order given; at least one.
    pub fn certificates(&self) -> Vec<CertificateDer<'static>> {
        self.believed().certificates.clone()
    }

    /// The fingerprint of each certificate.
    pub fn fingerprints(&self) -> Vec<Fingerprint> {
        self.believed().certificates.iter().map(|der| Fingerprint::of(der)).collect()
    }

    /// All certificates as one PEM text.
    pub fn to_pem(&self) -> String {
        pem::encode_certificates(&self.believed().certificates)
    }

    /// Whether both believe the same certificates, in the same order.
    pub fn agrees_with(&self, other: &Self) -> bool {
        self.fingerprints() == other.fingerprints()
    }

    /// The first of the roots that a client's chain leads to, by itself.
    pub fn root_of(&self, chain: &[CertificateDer<'_>], at: Timestamp) -> Option<Fingerprint> {
        let (leaf, intermediates) = chain.split_first()?;
        let believed = self.believed();
        let mut roots = believed.certificates.iter().zip(&believed.alone);
        let leads = |alone: &Arc<dyn ClientCertVerifier>| {
            alone.verify_client_cert(leaf, intermediates, unix_time(at)).is_ok()
        };
        roots.find(|(_, alone)| leads(alone)).map(|(der, _)| Fingerprint::of(der))
    }

    /// These and those of another set that are not among them.
    ///
    /// # Errors
    /// When that makes more than [`MAX_ANCHORS`].
    pub fn with(&self, other: &Self) -> Result<Self, AnchorError> {
        let mut all = self.certificates();
        for one in other.certificates() {
            if !all.contains(&one) {
                all.push(one);
            }
        }
        if all.len() > MAX_ANCHORS {
            return Err(AnchorError::TooMany(all.len()));
        }
        Self::from_ders(all)
    }

    /// Believes what another set believes from now on, for all clones. To keep that across a
    /// restart use [`IdentityStore::change_anchors`](crate::IdentityStore::change_anchors).
    pub fn replace(&self, by: &Self) {
        self.0.store(by.believed());
    }

    /// Checks that a client's chain (leaf first) leads to one of the roots and was valid at a
    /// moment. No revocation is looked at: that is the database's business.
    ///
    /// A renewal with an expired certificate passes the moment the certificate ran out: the
    /// certificate must have been good then.
    ///
    /// # Errors
    /// What a handshake with this chain at that moment would have failed with;
    /// [`explain_tls_error`](crate::explain_tls_error) puts it into words.
    pub fn verify_client_chain(
        &self,
        chain: &[CertificateDer<'_>],
        at: Timestamp,
    ) -> Result<(), rustls::Error> {
        let (leaf, intermediates) =
            chain.split_first().ok_or(rustls::Error::NoCertificatesPresented)?;
        self.believed()
            .clients
            .verify_client_cert(leaf, intermediates, unix_time(at))
            .map(|_verified| ())
    }

    pub(crate) fn believed(&self) -> Arc<Believed> {
        self.0.load_full()
    }
}

impl Believed {
    fn new(certificates: Vec<CertificateDer<'static>>) -> Result<Self, AnchorError> {
        let mut roots = RootCertStore::empty();
        let mut alone = Vec::with_capacity(certificates.len());
        for (index, der) in certificates.iter().enumerate() {
            let damaged = || AnchorError::Damaged(index + 1);
            let (rest, parsed) = X509Certificate::from_der(der).map_err(|_| damaged())?;
            if !rest.is_empty() {
                return Err(damaged());
            }
            if !parsed.is_ca() {
                return Err(AnchorError::NotAnAuthority(parsed.subject().to_string()));
            }
            roots.add(der.clone()).map_err(|_| damaged())?;
            let mut root = RootCertStore::empty();
            root.add(der.clone()).map_err(|_| damaged())?;
            alone.push(clients_of(root)?);
        }
        let clients = clients_of(roots.clone())?;
        let servers =
            WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider()).build()?;
        Ok(Self { certificates, servers, clients, alone })
    }
}

fn clients_of(roots: RootCertStore) -> Result<Arc<dyn ClientCertVerifier>, VerifierBuilderError> {
    WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider()).build()
}

/// A moment as the TLS library counts; before 1970 there is none.
pub(crate) fn unix_time(moment: Timestamp) -> UnixTime {
    let ms = u64::try_from(moment.unix_ms()).unwrap_or(0);
    UnixTime::since_unix_epoch(Duration::from_millis(ms))
}

#[cfg(test)]
mod tests {
    use rcgen::{BasicConstraints, CertificateParams, IsCa};
    use xylem_runtime::RealFs;

    use super::*;
    use crate::KeyPair;

    fn root() -> rcgen::Certificate {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.self_signed(&KeyPair::generate().unwrap()).unwrap()
    }

    #[test]
    fn roots_are_read_from_files_of_either_form() {
        let folder = tempfile::tempdir().unwrap();
        let (pem, der) = (folder.path().join("ca.pem"), folder.path().join("ca.der"));
        let root = root();
        std::fs::write(&pem, root.pem()).unwrap();
        std::fs::write(&der, root.der()).unwrap();
        for path in [pem, der] {
            let anchors = TrustAnchors::read(&RealFs, &path).unwrap();
            assert_eq!(anchors.certificates(), [root.der().clone()]);
            assert!(anchors.fingerprints() == [Fingerprint::of(root.der())]);
        }
    }

    #[test]
    fn files_that_hold_no_root_are_refused_by_name() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ca.pem");
        let leaf = CertificateParams::default().self_signed(&KeyPair::generate().unwrap()).unwrap();
        let key = KeyPair::generate().unwrap().to_pem();
        for content in [String::new(), leaf.pem(), key, "0 is no DER".into()] {
            std::fs::write(&path, &content).unwrap();
            let error = TrustAnchors::read(&RealFs, &path).unwrap_err();
            assert!(error.to_string().contains("ca.pem"), "{content} {error}");
        }
        std::fs::remove_file(&path).unwrap();
        let error = TrustAnchors::read(&RealFs, &path).unwrap_err();
        assert!(error.to_string().ends_with("ca.pem is missing"), "{error}");
        let error = TrustAnchors::from_pem(leaf.pem().as_bytes()).unwrap_err();
        assert!(matches!(error, AnchorError::NotAnAuthority(_)), "{error}");
    }

    #[test]
    fn only_the_root_with_the_pinned_fingerprint_is_kept() {
        let (wanted, other) = (root(), root());
        let both = other.pem() + &wanted.pem();
        let fingerprint = Fingerprint::of(wanted.der());
        let anchors = TrustAnchors::pinned(both.as_bytes(), &fingerprint).unwrap();
        assert_eq!(anchors.certificates(), [wanted.der().clone()]);
        let error = TrustAnchors::pinned(other.pem().as_bytes(), &fingerprint).unwrap_err();
        assert!(matches!(error, AnchorError::OtherFingerprint { .. }), "{error}");
    }
}
