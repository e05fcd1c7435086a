//! An authority that is believed by nobody but those who are told to.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};
use rustls::pki_types::{CertificateDer, PrivatePkcs8KeyDer};
use xylem_testkit::CLOUDFRONT_HOST;

/// By which name servers of this run are reached: certificates have it, and the configuration of
/// both of our servers allows it.
pub(super) const HOST: &str = "localhost";

/// All names that the certificate has: Amazon's is of what manages CloudFront, which some parts are.
const NAMES: [&str; 3] = [HOST, "127.0.0.1", CLOUDFRONT_HOST];

/// A run's authority, and the one certificate it gave out.
#[derive(Debug, Clone)]
pub(super) struct Authority {
    /// Its own certificate, in PEM.
    pub(super) ca: PathBuf,
    /// The certificate of [`HOST`], and its key.
    pub(super) chain: PathBuf,
    pub(super) key: PathBuf,
}

impl Authority {
    /// Makes one, with its files in a folder.
    pub(super) fn make(folder: &Path) -> anyhow::Result<Self> {
        fs::create_dir_all(folder)?;
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, "Acceptance of a cloud");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let signing = KeyPair::generate()?;
        let root = params.self_signed(&signing)?;
        let key = KeyPair::generate()?;
        let issuer = Issuer::from_ca_cert_der(root.der(), &signing)?;
        let leaf = CertificateParams::new(NAMES.map(str::to_owned))?;
        let leaf = leaf.signed_by(&key, &issuer)?;
        let made = Self {
            ca: folder.join("ca.pem"),
            chain: folder.join("chain.pem"),
            key: folder.join("key.pem"),
        };
        fs::write(&made.ca, root.pem())?;
        fs::write(&made.chain, leaf.pem())?;
        fs::write(&made.key, key.serialize_pem())?;
        fs::write(folder.join("chain.der"), leaf.der())?;
        fs::write(folder.join("key.der"), key.serialize_der())?;
        Ok(made)
    }

    /// Settings of a server that shows the certificate and speaks HTTP/1.1 alone.
    pub(super) fn server_tls(&self) -> anyhow::Result<rustls::ServerConfig> {
        let read = |path: PathBuf| {
            fs::read(&path).with_context(|| format!("cannot read {}", path.display()))
        };
        let chain = CertificateDer::from(read(self.chain.with_extension("der"))?);
        let key = PrivatePkcs8KeyDer::from(read(self.key.with_extension("der"))?);
        let provider = std::sync::Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let mut tls = rustls::ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .with_no_client_auth()
            .with_single_cert(vec![chain], key.into())?;
        tls.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(tls)
    }
}
