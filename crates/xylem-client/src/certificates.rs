//! Certificate authorities, for administrators.

use http::Method;
use xylem_api::authorities::{
    AuthorityChange, AuthorityState, InstallIntermediate, IntermediateRequest,
};

use crate::admin::AdminClient;
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
}
