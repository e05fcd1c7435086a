//! What distribution servers hold of all there is, which of them is root and principal, and what
//! files are sorted into.

use http::Method;
use xylem_api::catalogue::File;
use xylem_api::selection::{SelectFiles, SortFile, WhyHeld};
use xylem_api::tree::{DistributionServer, HandOver, HandedOver};
use xylem_model::FileKind;

use crate::admin::{AdminClient, segment};
use crate::error::ClientError;

impl AdminClient {
    /// Has a distribution server hold what the rules choose, and what those below it need.
    pub async fn select_files(
        &self,
        name: &str,
        selection: &SelectFiles,
    ) -> Result<DistributionServer, ClientError> {
        let path = format!("/v1/distribution-servers/{}/selection", segment(name));
        self.call(Method::PUT, &path, Some(selection)).await
    }

    /// Has a distribution server hold everything.
    pub async fn select_everything(&self, name: &str) -> Result<DistributionServer, ClientError> {
        let path = format!("/v1/distribution-servers/{}/selection", segment(name));
        self.call(Method::DELETE, &path, None::<&()>).await
    }

    /// Why a distribution server holds a file, or does not.
    pub async fn why_held(&self, server: &str, file: &str) -> Result<WhyHeld, ClientError> {
        let (server, file) = (segment(server), segment(file));
        let path = format!("/v1/distribution-servers/{server}/why/{file}");
        self.call(Method::GET, &path, None::<&()>).await
    }

    /// Makes a distribution server the root, or has it filled first.
    pub async fn make_root(&self, name: &str, asked: &HandOver) -> Result<HandedOver, ClientError> {
        let path = format!("/v1/distribution-servers/{}/make-root", segment(name));
        self.call(Method::POST, &path, Some(asked)).await
    }

    /// Makes a distribution server the principal, or has it filled first.
    pub async fn make_principal(
        &self,
        name: &str,
        asked: &HandOver,
    ) -> Result<HandedOver, ClientError> {
        let path = format!("/v1/distribution-servers/{}/make-principal", segment(name));
        self.call(Method::POST, &path, Some(asked)).await
    }

    /// The principal.
    pub async fn principal(&self) -> Result<DistributionServer, ClientError> {
        self.call(Method::GET, "/v1/principal", None::<&()>).await
    }

    /// Sorts a file into another category or other sites.
    pub async fn sort_file(
        &self,
        kind: FileKind,
        name: &str,
        change: &SortFile,
    ) -> Result<File, ClientError> {
        let path = format!("/v1/files/{kind}/{}", segment(name));
        self.call(Method::PATCH, &path, Some(change)).await
    }
}
