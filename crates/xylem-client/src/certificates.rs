//! Certificates and their authorities, for administrators.

use http::Method;
use xylem_api::authorities::{
    AuthorityChange, AuthorityState, InstallIntermediate, IntermediateRequest,
};
use xylem_api::certificates::{SetPublicChain, ShownCertificate};
use xylem_api::tree::DistributionServer;

use crate::admin::{AdminClient, segment};
use crate::error::ClientError;

impl AdminClient {
    /// The authorities, and how far a change of them is.
    pub async fn authorities(&self) -> Result<AuthorityState, ClientError> {
        self.call(Method::GET, "/v1/ca/state", None::<&()>).await
    }

    /// Makes a new root that is to follow the present one.
    pub async fn rotate_authority(&self) -> Result<AuthorityState, ClientError> {
        self.call(Method::POST, "/v1/ca/rotate", None::<&()>).await
    }

    /// A request for an intermediate certificate, for the organisation's own root to sign.
    pub async fn request_intermediate(&self) -> Result<IntermediateRequest, ClientError> {
        self.call(Method::POST, "/v1/ca/request", None::<&()>).await
    }

    /// Brings what the organisation signed, up to its root, in PEM.
    pub async fn install_intermediate(
        &self,
        chain_pem: &str,
    ) -> Result<AuthorityState, ClientError> {
        let asked = InstallIntermediate { chain_pem: chain_pem.to_owned() };
        self.call(Method::POST, "/v1/ca/install", Some(&asked)).await
    }

    /// Gives up the authority that is to follow.
    pub async fn abandon_authority(&self) -> Result<AuthorityState, ClientError> {
        self.call(Method::POST, "/v1/ca/abandon", None::<&()>).await
    }

    /// Signs with the next authority from now on.
    pub async fn switch_authority(
        &self,
        despite_missing: bool,
    ) -> Result<AuthorityState, ClientError> {
        self.call(Method::POST, "/v1/ca/switch", Some(&AuthorityChange { despite_missing })).await
    }

    /// Believes the authority before no more.
    pub async fn finish_authority(
        &self,
        despite_missing: bool,
    ) -> Result<AuthorityState, ClientError> {
        self.call(Method::POST, "/v1/ca/finish", Some(&AuthorityChange { despite_missing })).await
    }

    /// What the management server shows to browsers.
    pub async fn certificate(&self) -> Result<ShownCertificate, ClientError> {
        self.call(Method::GET, "/v1/certificate", None::<&()>).await
    }

    /// Shows browsers a certificate of yours.
    pub async fn set_certificate(
        &self,
        chain: &SetPublicChain,
    ) -> Result<ShownCertificate, ClientError> {
        self.call(Method::PUT, "/v1/certificate", Some(chain)).await
    }

    /// Shows browsers the certificate of the built-in authority again.
    pub async fn forget_certificate(&self) -> Result<ShownCertificate, ClientError> {
        self.call(Method::DELETE, "/v1/certificate", None::<&()>).await
    }

    /// Has a distribution server show a certificate of yours.
    pub async fn set_certificate_of(
        &self,
        name: &str,
        chain: &SetPublicChain,
    ) -> Result<DistributionServer, ClientError> {
        let path = format!("/v1/distribution-servers/{}/certificate", segment(name));
        self.call(Method::PUT, &path, Some(chain)).await
    }

    /// Has a distribution server show the certificate of the built-in authority again.
    pub async fn forget_certificate_of(
        &self,
        name: &str,
    ) -> Result<DistributionServer, ClientError> {
        let path = format!("/v1/distribution-servers/{}/certificate", segment(name));
        self.call(Method::DELETE, &path, None::<&()>).await
    }
}
