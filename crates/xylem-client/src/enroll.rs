//! Joining, and renewing what was given then.

use http::{Method, Request};
use xylem_api::enrollment::{
    CaInfo, EnrollComputer, EnrollDistributionServer, Enrolled, Renew, RenewRequest, Renewed,
};
use xylem_pki::{
    Credentials, Fingerprint, KeyPair, TrustAnchors, certificate_request, client_config,
    unverified_probe_config,
};
use xylem_runtime::Environment;
use xylem_trust::{TrustError, TrustStore};

use crate::{BaseUrl, ClientError, Transport};

/// How the management server is recognised before anything secret is sent to it. There is no
/// third way: "accept anything" does not exist.
#[derive(Debug, Clone)]
pub enum Anchor {
    /// By its root certificate, brought along in a file.
    Certificates(TrustAnchors),
    /// By the SHA-256 of its root certificate, brought along as text.
    Fingerprint(Fingerprint),
}

/// Why a party could not join or renew.
#[derive(Debug, thiserror::Error)]
pub enum EnrollError {
    /// The call failed.
    #[error(transparent)]
    Client(#[from] ClientError),
    /// The root certificate is not the expected one.
    #[error("the server's root certificate is not the one you named, or cannot be used")]
    Anchor(#[from] xylem_pki::AnchorError),
    /// TLS settings cannot be made.
    #[error("the TLS settings cannot be made")]
    Tls(#[from] xylem_pki::TlsSetupError),
    /// The key cannot be made or used.
    #[error("the key cannot be used")]
    Key(#[from] xylem_pki::KeyError),
    /// What the server gave does not fit the key.
    #[error("the server gave a certificate that does not fit the key")]
    Credentials(#[from] xylem_pki::CredentialsError),
    /// The trust document is not good.
    #[error("the server's trust document is not good")]
    Trust(#[from] TrustError),
    /// A request could not be written down.
    #[error("the request cannot be written")]
    Encoding(#[from] serde_json::Error),
}

/// Everything a party holds after it joined.
pub struct Membership {
    /// Key and certificate.
    pub credentials: Credentials,
    /// The pinned root certificates.
    pub anchors: TrustAnchors,
    /// The pinned trust document.
    pub trust: TrustStore,
}

/// Finds the root certificate to believe. With a fingerprint the server is asked for its public
/// root over a connection that is not believed; nothing secret goes that way, and what comes back
/// counts only if its digest is the one that was named.
pub async fn resolve_anchor(
    environment: &Environment,
    server: &BaseUrl,
    anchor: Anchor,
) -> Result<TrustAnchors, EnrollError> {
    match anchor {
        Anchor::Certificates(anchors) => Ok(anchors),
        Anchor::Fingerprint(expected) => {
            let tls = unverified_probe_config(environment.clock.clone())?;
            let info = ca_info(&Transport::new(environment.clone(), tls), server).await?;
            Ok(TrustAnchors::pinned(info.root_pem.as_bytes(), &expected)?)
        }
    }
}

/// The public root certificate and the server's clock.
pub async fn ca_info(transport: &Transport, server: &BaseUrl) -> Result<CaInfo, ClientError> {
    transport.json(server, Request::builder().uri("/v1/ca"), None::<&()>).await
}

/// Joins as a distribution server.
pub async fn distribution_server(
    environment: &Environment,
    server: &BaseUrl,
    anchor: Anchor,
    invitation: &str,
    name: &str,
    public_url: &str,
) -> Result<Membership, EnrollError> {
    let applicant = Applicant::new(environment, server, anchor, name).await?;
    let body = EnrollDistributionServer {
        invitation: invitation.to_owned(),
        csr_pem: applicant.csr_pem.clone(),
        name: name.to_owned(),
        public_url: public_url.to_owned(),
        now: environment.clock.now(),
    };
    applicant.join(server, "/v1/enroll/distribution-server", &body).await
}

/// Joins as a computer.
pub async fn computer(
    environment: &Environment,
    server: &BaseUrl,
    anchor: Anchor,
    invitation: &str,
    name: &str,
    serial_number: Option<String>,
) -> Result<Membership, EnrollError> {
    let applicant = Applicant::new(environment, server, anchor, name).await?;
    let body = EnrollComputer {
        invitation: invitation.to_owned(),
        csr_pem: applicant.csr_pem.clone(),
        name: name.to_owned(),
        serial_number,
        now: environment.clock.now(),
    };
    applicant.join(server, "/v1/enroll/computer", &body).await
}

/// Gets a new certificate for a new key. Works with a certificate that has expired meanwhile, so
/// the connection shows none; the request is signed with the old key instead.
pub async fn renew(
    environment: &Environment,
    server: &BaseUrl,
    anchors: &TrustAnchors,
    old: &Credentials,
) -> Result<Credentials, EnrollError> {
    let key = KeyPair::generate()?;
    let name = old.certificate().party.to_string();
    let request = serde_json::to_string(&RenewRequest {
        csr_pem: certificate_request(&key, &name)?,
        now: environment.clock.now(),
    })?;
    let signature = old.key().sign(request.as_bytes())?;
    let body = Renew {
        chain_pem: old.chain_pem(),
        signature: signature.iter().map(|byte| format!("{byte:02x}")).collect(),
        request,
    };
    let tls = client_config(anchors, None, environment.clock.clone())?;
    let transport = Transport::new(environment.clone(), tls);
    let post = Request::builder().method(Method::POST).uri("/v1/renew");
    let renewed: Renewed = transport.json(server, post, Some(&body)).await?;
    Ok(Credentials::new(key, renewed.chain_pem.as_bytes())?)
}

/// Somebody about to join: knows whom to believe, has a key, has no certificate yet.
struct Applicant {
    anchors: TrustAnchors,
    transport: Transport,
    key: KeyPair,
    csr_pem: String,
}

impl Applicant {
    async fn new(
        environment: &Environment,
        server: &BaseUrl,
        anchor: Anchor,
        name: &str,
    ) -> Result<Self, EnrollError> {
        let anchors = resolve_anchor(environment, server, anchor).await?;
        let tls = client_config(&anchors, None, environment.clock.clone())?;
        let key = KeyPair::generate()?;
        let csr_pem = certificate_request(&key, name)?;
        Ok(Self { anchors, transport: Transport::new(environment.clone(), tls), key, csr_pem })
    }

    async fn join(
        self,
        server: &BaseUrl,
        path: &str,
        body: &impl serde::Serialize,
    ) -> Result<Membership, EnrollError> {
        let post = Request::builder().method(Method::POST).uri(path);
        let enrolled: Enrolled = self.transport.json(server, post, Some(body)).await?;
        Ok(Membership {
            credentials: Credentials::new(self.key, enrolled.chain_pem.as_bytes())?,
            anchors: self.anchors,
            trust: TrustStore::pin(enrolled.trust)?,
        })
    }
}
