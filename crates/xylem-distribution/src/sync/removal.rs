//! Taking away what has not been wanted for long enough.

use std::sync::Arc;

use xylem_blobs::BlobError;
use xylem_model::ContentId;
use xylem_telemetry::chain;

use crate::data::DataError;
use crate::node::Node;

/// Why content could not be removed. The next plan tries again.
#[derive(Debug, thiserror::Error)]
enum RemovalError {
    #[error("the repository refused")]
    Blob(#[from] BlobError),
    #[error("the list of unwanted content cannot be written")]
    Data(#[from] DataError),
}

/// Removes each content that is unwanted at the very moment it goes. Readers keep theirs: it goes
/// another time. Returns whether something has to be tried again.
pub(crate) async fn remove(node: &Arc<Node>, contents: Vec<ContentId>) -> bool {
    let target = Arc::clone(node);
    let result = node
        .environment
        .disk
        .run(move |fs| {
            let mut left = false;
            for content in &contents {
                left |= !remove_one(&target, content)?;
            }
            target.write_unwanted(fs)?;
            Ok::<bool, RemovalError>(left)
        })
        .await;
    result.unwrap_or_else(|error| {
        tracing::warn!(error = %chain(&error), "unwanted content was not removed");
        true
    })
}

/// Whether it is gone or wanted again.
fn remove_one(node: &Node, content: &ContentId) -> Result<bool, BlobError> {
    // Until the content is gone no wish can change.
    let _gate = node.hold_wishes();
    if node.catalogue().wanted(content).is_some() {
        return Ok(true);
    }
    if !node.repository.remove(content)? && node.repository.contains(content) {
        return Ok(false);
    }
    node.note_held(content, false);
    node.ledger.forget(content);
    tracing::info!(package.digest = %content, "removed: not wanted any more");
    Ok(true)
}
