//! The cloud as principal: an upload that is all here is sent there before it is committed
//! (`docs/design/cloud.md`, "The cloud as principal").
//!
//! It is wanted there like anything that the catalogue names, and sent by the same machinery. The
//! server where it enters asks again and again how far it is, which also keeps it wanted; that it is
//! there is looked at once more in the transaction that commits it.

use xylem_api::control_cloud::{AskCloudUpload, CloudUpload};
use xylem_db::{CloudCopy, CloudCopyState, CloudWant, UPLOAD_WANTED_FOR};
use xylem_model::ByteSize;

use super::service::CloudService;
use super::store::OpenPoint;
use super::usage::ceiling_reached;
use crate::failure::Failure;

impl CloudService {
    /// Whether an upload may be committed. Where the cloud is the principal and lacks it, it is wanted
    /// there from now on.
    pub(crate) async fn upload(&self, asked: &AskCloudUpload) -> Result<CloudUpload, Failure> {
        let declared = self.control().store().upload_name(asked.upload).await?;
        // Committed, and the answer to that was lost: it is published whatever lies there by now.
        let Some((name, priority)) = declared else { return Ok(CloudUpload::There) };
        let point = self.store().active().await?.filter(|point| point.is_principal);
        let Some(point) = point else { return Ok(CloudUpload::There) };
        let AskCloudUpload { content, size, sha256, .. } = *asked;
        let want = CloudWant { content, size, sha256, name, priority };
        let now = self.environment().clock.now();
        let until = now.plus(UPLOAD_WANTED_FOR);
        let wanted = self.store().want_for_upload(point.id, &want, now, until).await?;
        // A server became the principal since.
        let Some(copy) = wanted else { return Ok(CloudUpload::There) };
        if copy.is_there() {
            return Ok(CloudUpload::There);
        }
        if copy.state == CloudCopyState::Failed && copy.next_try.is_none() {
            let why = copy.reason.unwrap_or_default();
            let why = format!(
                "the cloud distribution point is the principal and does not take it: {why}"
            );
            return Ok(CloudUpload::Refused { why });
        }
        let told = match self.hindrance(&point).await? {
            Some(why) => format!("{}; {why}", how_far(&copy)),
            None => how_far(&copy),
        };
        Ok(CloudUpload::OnItsWay { told })
    }

    /// Why nothing is sent at present, where nothing is.
    async fn hindrance(&self, point: &OpenPoint) -> Result<Option<String>, Failure> {
        if let Some(broken) = &point.broken {
            return Ok(Some(format!("the cloud stands still: {}", broken.message)));
        }
        if point.paused {
            let why = "the cloud is paused: end that with `xylem cloud resume`";
            return Ok(Some(why.to_owned()));
        }
        let now = self.environment().clock.now();
        let reached = ceiling_reached(self.store(), point.id, point.month_ceiling, now).await?;
        Ok(reached.map(|reached| reached.to_string()))
    }
}

fn how_far(copy: &CloudCopy) -> String {
    let (arrived, size) = (ByteSize(copy.arrived), ByteSize(copy.size));
    match copy.state {
        CloudCopyState::Wanted => "it waits to be sent into the cloud".to_owned(),
        CloudCopyState::Sending => format!("{arrived} of {size} are in the cloud"),
        CloudCopyState::Proving => "it is in the cloud, and is being looked at there".to_owned(),
        CloudCopyState::Present => "it is in the cloud".to_owned(),
        CloudCopyState::Failed => {
            let why = copy.reason.as_deref().unwrap_or("for no reason that was told");
            let again = copy.next_try.map(|at| format!("; tried again at {at}"));
            format!("it could not be sent into the cloud: {why}{}", again.unwrap_or_default())
        }
        CloudCopyState::Removing => {
            "what lay in the cloud in its place is being deleted first".to_owned()
        }
    }
}
