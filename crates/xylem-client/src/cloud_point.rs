//! The cloud distribution point, for administrators.

use std::time::Duration;

use http::Method;
use xylem_api::cloud::{
    AskCloudPolicy, ChangeCloud, CloudPoint, CloudPolicy, CloudState, CloudTest, SetCloud,
};

use crate::admin::AdminClient;
use crate::error::ClientError;

const POINT: &str = "/v1/cloud-distribution-point";
/// How long a test may take: some twenty requests to a provider that is slow.
const TEST: Duration = Duration::from_secs(10 * 60);

impl AdminClient {
    /// What is set, without keys.
    pub async fn cloud(&self) -> Result<CloudState, ClientError> {
        self.call(Method::GET, POINT, None::<&()>).await
    }

    /// Tests a point and sets it.
    pub async fn set_cloud(&self, point: &SetCloud) -> Result<CloudPoint, ClientError> {
        self.patient(TEST).call(Method::PUT, POINT, Some(point)).await
    }

    /// Tests a change of the point and makes it.
    pub async fn change_cloud(&self, change: &ChangeCloud) -> Result<CloudPoint, ClientError> {
        self.patient(TEST).call(Method::PATCH, POINT, Some(change)).await
    }

    /// Forgets the point, or the former one that is being left, with its keys.
    pub async fn remove_cloud(&self, former: bool) -> Result<(), ClientError> {
        let path = format!("{POINT}?former={former}");
        self.call(Method::DELETE, &path, None::<&()>).await
    }

    /// Tests the point as it is set.
    pub async fn test_cloud(&self) -> Result<CloudTest, ClientError> {
        self.patient(TEST).call(Method::POST, &format!("{POINT}/test"), None::<&()>).await
    }

    /// What the keys have to be allowed.
    pub async fn cloud_policy(&self, asked: &AskCloudPolicy) -> Result<CloudPolicy, ClientError> {
        self.call(Method::POST, &format!("{POINT}/policy"), Some(asked)).await
    }
}
