//! The cloud distribution point, for administrators.

use std::time::Duration;

use http::Method;
use xylem_api::cloud::{
    AskCloudPolicy, ChangeCloud, CloudLeaving, CloudMadePrincipal, CloudPoint, CloudPolicy,
    CloudRemoval, CloudState, CloudTest, MakeCloudPrincipal, RemoveCloud, SetCloud,
};
use xylem_api::cloud_files::{
    AskCloudEstimate, CloudEstimate, CloudFilePage, CloudFileState, CloudInventoryState,
    CloudProgress, CloudUsageReport, SetCloudCeiling,
};
use xylem_api::selection::SelectFiles;
use xylem_model::ContentId;

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

    /// Removes the point, or says what becomes of the former one that is being left.
    pub async fn remove_cloud(&self, asked: RemoveCloud) -> Result<CloudRemoval, ClientError> {
        let RemoveCloud { former, delete_objects, forget } = asked;
        let query = format!("former={former}&delete_objects={delete_objects}&forget={forget}");
        self.call(Method::DELETE, &format!("{POINT}?{query}"), None::<&()>).await
    }

    /// Has computers be sent to the former point no more.
    pub async fn leave_cloud(&self) -> Result<CloudLeaving, ClientError> {
        self.call(Method::POST, &format!("{POINT}/leave"), None::<&()>).await
    }

    /// Tests the point as it is set.
    pub async fn test_cloud(&self) -> Result<CloudTest, ClientError> {
        self.patient(TEST).call(Method::POST, &format!("{POINT}/test"), None::<&()>).await
    }

    /// What the keys have to be allowed.
    pub async fn cloud_policy(&self, asked: &AskCloudPolicy) -> Result<CloudPolicy, ClientError> {
        self.call(Method::POST, &format!("{POINT}/policy"), Some(asked)).await
    }

    /// A page of what is, was or is to be there, of one state where one is named.
    pub async fn cloud_files(
        &self,
        state: Option<CloudFileState>,
        after: Option<ContentId>,
    ) -> Result<CloudFilePage, ClientError> {
        let state = state.map(|state| format!("state={state}"));
        let after = after.map(|content| format!("after={}", content.to_hex()));
        let query: Vec<String> = state.into_iter().chain(after).collect();
        let path = format!("{POINT}/files?{}", query.join("&"));
        self.call(Method::GET, &path, None::<&()>).await
    }

    /// What it was used for, month by month.
    pub async fn cloud_usage(&self) -> Result<CloudUsageReport, ClientError> {
        self.call(Method::GET, &format!("{POINT}/usage"), None::<&()>).await
    }

    /// What the last inventory found, and whether one is under way.
    pub async fn cloud_inventory(&self) -> Result<CloudInventoryState, ClientError> {
        self.call(Method::GET, &format!("{POINT}/inventory"), None::<&()>).await
    }

    /// Has everything there be looked through.
    pub async fn ask_cloud_inventory(&self) -> Result<CloudInventoryState, ClientError> {
        self.call(Method::POST, &format!("{POINT}/inventory"), None::<&()>).await
    }

    /// What filling it would take.
    pub async fn cloud_estimate(
        &self,
        asked: &AskCloudEstimate,
    ) -> Result<CloudEstimate, ClientError> {
        self.call(Method::POST, &format!("{POINT}/estimate"), Some(asked)).await
    }

    /// Has it hold what the rules choose.
    pub async fn select_for_cloud(
        &self,
        selection: &SelectFiles,
    ) -> Result<CloudProgress, ClientError> {
        self.call(Method::PUT, &format!("{POINT}/selection"), Some(selection)).await
    }

    /// Has it hold everything.
    pub async fn select_everything_for_cloud(&self) -> Result<CloudProgress, ClientError> {
        self.call(Method::DELETE, &format!("{POINT}/selection"), None::<&()>).await
    }

    /// Makes it the principal, where it holds everything; else says what it lacks.
    pub async fn make_cloud_principal(
        &self,
        asked: &MakeCloudPrincipal,
    ) -> Result<CloudMadePrincipal, ClientError> {
        self.call(Method::POST, &format!("{POINT}/make-principal"), Some(asked)).await
    }

    /// Has it stand still, or go on.
    pub async fn pause_cloud(&self, paused: bool) -> Result<CloudProgress, ClientError> {
        let word = if paused { "pause" } else { "resume" };
        self.call(Method::POST, &format!("{POINT}/{word}"), None::<&()>).await
    }

    /// Bounds how many bytes are sent and read back in a month; none: nothing does.
    pub async fn set_cloud_ceiling(
        &self,
        month_ceiling_bytes: Option<u64>,
    ) -> Result<CloudProgress, ClientError> {
        let ceiling = SetCloudCeiling { month_ceiling_bytes };
        self.call(Method::PUT, &format!("{POINT}/ceiling"), Some(&ceiling)).await
    }
}
