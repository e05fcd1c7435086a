//! Which version of a file is in production, and which waits.

use http::Method;
use xylem_api::agent::{NewOrder, OrderInfo};
use xylem_api::catalogue::{File, VersionStep};
use xylem_model::FileKind;

use crate::admin::{AdminClient, file_path, segment};
use crate::error::ClientError;

impl AdminClient {
    /// Makes the version that waits to be promoted the one in production.
    pub async fn promote(
        &self,
        kind: FileKind,
        name: &str,
        version: u64,
    ) -> Result<File, ClientError> {
        let path = format!("{}/promote", file_path(kind, name));
        self.call(Method::POST, &path, Some(&VersionStep { version })).await
    }

    /// Makes the version that was in production before the one in production again; `version` is
    /// the one that is in production now.
    pub async fn roll_back(
        &self,
        kind: FileKind,
        name: &str,
        version: u64,
    ) -> Result<File, ClientError> {
        let path = format!("{}/rollback", file_path(kind, name));
        self.call(Method::POST, &path, Some(&VersionStep { version })).await
    }

    /// Orders a computer to install the version of a package that waits to be promoted.
    pub async fn order_test(
        &self,
        computer: &str,
        package: &str,
    ) -> Result<OrderInfo, ClientError> {
        let path = format!("/v1/computers/{}/orders", segment(computer));
        let new = NewOrder { package: package.to_owned(), test: true };
        self.call(Method::POST, &path, Some(&new)).await
    }
}
