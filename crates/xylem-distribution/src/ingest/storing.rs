//! Where the cloud is the principal: an upload is there before it is committed
//! (`docs/design/cloud.md`, "The cloud as principal").
//!
//! It is published here without a name, so that what fills the cloud finds it as it finds any other
//! content. Nothing names it, so nobody is given it; where it never gets a name it goes like any
//! content that is not wanted.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, sleep};
use xylem_api::control_cloud::{AskCloudUpload, CloudUpload};
use xylem_api::error::ErrorCode;
use xylem_api::ingest::Ingested;
use xylem_blobs::{BlobError, Verified};
use xylem_http::ApiError;

use super::finish::{away, final_word, refuse, verify};
use super::record::{Facts, Stage};
use super::routes::not_where_files_enter;
use super::slots::{Work, blob_error};
use crate::node::Node;

/// How often it is asked whether it is there: one small question.
const ASK_EVERY: Duration = Duration::from_millis(500);

/// When the sender may ask again, in seconds.
const RETRY_AFTER_SECONDS: u32 = 3;

/// Writes down what was found, then publishes the content without a name.
pub(super) async fn publish_unnamed(
    node: &Arc<Node>,
    work: &mut Work,
    facts: &Facts,
    found: Ingested,
    bytes: Verified,
) -> Result<(), ApiError> {
    let content = found.blake3;
    // First: what is published and in no record would have to be sent again.
    work.write(node, facts, Stage::Storing { found: Box::new(found) }).await?;
    if !node.repository.contains(&content) {
        publish(node, bytes).await?;
    }
    Ok(())
}

/// Waits until the content is in the cloud, or is not to be there any more.
///
/// # Errors
/// What the sender hears: [`ErrorCode::Waiting`] at `until`, with how far it is; a refusal where it
/// will never be there.
pub(super) async fn wait(
    node: &Arc<Node>,
    work: &mut Work,
    facts: &Facts,
    found: &Ingested,
    until: Instant,
) -> Result<(), ApiError> {
    let content = found.blake3;
    let _finishing = node.uploads.finishing(facts.upload, content);
    publish_again(node, work, facts, found).await?;
    let (upload, size, sha256) = (facts.upload, found.size, found.sha256);
    let ask = AskCloudUpload { upload, content, size, sha256 };
    let mut is_told = false;
    loop {
        let told = match node.control.cloud_upload(&ask).await {
            Ok(CloudUpload::There) => return Ok(()),
            Ok(CloudUpload::OnItsWay { told }) => told,
            Ok(CloudUpload::Refused { why }) => {
                return Err(refuse(node, work, facts, ErrorCode::Refused, why, None).await);
            }
            Err(error) => return Err(unanswered(node, work, facts, &error).await),
        };
        if !std::mem::replace(&mut is_told, true) {
            // It may just have come to be wanted.
            node.to_cloud.notify_one();
        }
        node.uploads.check_open()?;
        if Instant::now() + ASK_EVERY >= until {
            let message = format!(
                "the upload is not finished yet: all of it is here, and it is in the catalogue once \
                 it is in the cloud, which is the principal: {told}. Nothing is lost: complete it \
                 again"
            );
            return Err(ApiError::waiting(message, RETRY_AFTER_SECONDS));
        }
        sleep(ASK_EVERY).await;
    }
}

/// Publishes it once more where a crash came before that, or the copy was lost since.
async fn publish_again(
    node: &Arc<Node>,
    work: &mut Work,
    facts: &Facts,
    found: &Ingested,
) -> Result<(), ApiError> {
    if node.repository.contains(&found.blake3) {
        return Ok(());
    }
    match verify(node, work, facts).await {
        Ok(bytes) if bytes.id() == found.blake3 => publish(node, bytes).await,
        Ok(_) => {
            work.write(node, facts, Stage::Completing).await?;
            Err(ApiError::internal("publishing the upload", "other bytes are staged than were"))
        }
        Err(error @ (BlobError::Incomplete { .. } | BlobError::Mismatch { .. })) => {
            // Bytes that were here are not any more: the sender has them.
            work.write(node, facts, Stage::Receiving).await?;
            Err(blob_error("verifying the upload", error))
        }
        Err(error) => Err(blob_error("verifying the upload", error)),
    }
}

async fn publish(node: &Arc<Node>, bytes: Verified) -> Result<(), ApiError> {
    let published = node.repository.run(move |repository| repository.publish(bytes)).await;
    published.map_err(|error| blob_error("publishing the upload", error))
}

async fn unanswered(
    node: &Arc<Node>,
    work: &mut Work,
    facts: &Facts,
    error: &xylem_client::ClientError,
) -> ApiError {
    match final_word(error) {
        Some((ErrorCode::Forbidden, _)) => {
            // It is for another server by now, which has to get the bytes.
            node.resync.notify_one();
            match work.write(node, facts, Stage::Receiving).await {
                Ok(()) => not_where_files_enter(),
                Err(error) => error,
            }
        }
        Some((code, reason)) => refuse(node, work, facts, code, reason, None).await,
        None => away(error),
    }
}
