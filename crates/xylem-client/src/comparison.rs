//! Versions of a file compared.

use http::Method;
use xylem_api::comparison::Comparison;
use xylem_model::FileKind;

use crate::admin::{AdminClient, segment};
use crate::error::ClientError;
use crate::records::between;

impl AdminClient {
    /// What is to be said of a version of a file, compared with another: by default of the one that
    /// waits to be promoted, or else is in production, compared with what it takes the place of.
    pub async fn compare(
        &self,
        kind: FileKind,
        name: &str,
        from: Option<u64>,
        to: Option<u64>,
    ) -> Result<Comparison, ClientError> {
        let path = format!("/v1/files/{kind}/{}/comparison?{}", segment(name), between(from, to));
        self.call(Method::GET, &path, None::<&()>).await
    }
}
