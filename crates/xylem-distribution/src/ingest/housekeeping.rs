//! Finishing what was begun, and forgetting what was given up.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use xylem_blobs::{BlobError, StageKey};
use xylem_model::UploadId;
use xylem_runtime::Shutdown;
use xylem_telemetry::chain;
use xylem_trust::Descriptor;

use super::finish::finish;
use super::record::{Record, Stage};
use super::slots::Work;
use crate::data::DataError;
use crate::node::Node;

/// How often uploads are looked over.
const EVERY: Duration = Duration::from_secs(30);

/// An upload that nobody has touched for this long is forgotten.
const FORGET_AFTER: Duration = Duration::from_secs(24 * 3600);

/// A file stays open for its sender's next part this long.
const CLOSE_AFTER: Duration = Duration::from_secs(600);

/// Looks over all uploads, now and again and again.
pub(crate) async fn run(node: Arc<Node>, shutdown: Shutdown) {
    loop {
        let looking = async {
            if let Err(error) = look_over(&node).await {
                tracing::warn!(error = %chain(&error), "uploads could not be looked over");
            }
            tokio::time::sleep(EVERY).await;
        };
        tokio::select! {
            () = looking => {}
            () = shutdown.begun() => return,
        }
    }
}

async fn look_over(node: &Arc<Node>) -> Result<(), DataError> {
    let now = node.now();
    node.uploads.close_idle(now.minus(CLOSE_AFTER));
    for record in records(node).await? {
        let unfinished = match &record.stage {
            Stage::Completing | Stage::Storing { .. } | Stage::Committed { .. } => true,
            Stage::Refused { told, .. } => !told,
            Stage::Receiving | Stage::Published { .. } => false,
        };
        if unfinished {
            go_on(node, &record).await;
        } else if now.since(record.touched) >= FORGET_AFTER {
            forget_idle(node, record).await?;
        }
    }
    Ok(())
}

async fn records(node: &Arc<Node>) -> Result<Vec<Record>, DataError> {
    let target = Arc::clone(node);
    node.environment.disk.run(move |fs| Record::all(fs, &target.folder)).await
}

/// Does what its sender would do by repeating the completion.
async fn go_on(node: &Arc<Node>, record: &Record) {
    let Some(work) = node.uploads.slot(record.facts.upload).try_work() else { return };
    // What goes on in the cloud is asked after, and not waited for: others are next.
    let patience = Duration::ZERO;
    if let Err(error) = finish(Arc::clone(node), work, record.facts.clone(), patience).await {
        let reason = error.message();
        tracing::info!(package.name = %record.facts.name, reason, "an upload is not finished");
    }
}

async fn forget_idle(node: &Arc<Node>, record: Record) -> Result<(), DataError> {
    match node.uploads.slot(record.facts.upload).try_work() {
        Some(mut work) => forget(node, &mut work, record).await,
        None => Ok(()),
    }
}

/// Forgets an upload, and throws its bytes away.
async fn forget(node: &Arc<Node>, work: &mut Work, record: Record) -> Result<(), DataError> {
    work.forget();
    let id = record.facts.upload;
    let target = Arc::clone(node);
    node.environment.disk.run(move |fs| record.remove(fs, &target.folder)).await?;
    discard_staged(node, id).await;
    Ok(())
}

/// Throws away the bytes of an upload that nobody needs any more. What stays is swept at the next
/// start.
pub(super) async fn discard_staged(node: &Arc<Node>, upload: UploadId) {
    let key = StageKey::Upload(upload);
    let swept = node.repository.run(move |repository| repository.discard_staged(&key)).await;
    if let Err(error) = swept {
        tracing::warn!(error = %chain(&error), "the bytes of a forgotten upload are still there");
    }
}

/// Offers what was committed before the last stop, in case the manifest does not name it yet.
pub(crate) async fn offer_committed(node: &Arc<Node>) -> Result<(), DataError> {
    for record in records(node).await? {
        let (Stage::Committed { descriptor } | Stage::Published { descriptor }) = &record.stage
        else {
            continue;
        };
        match node.trust().open::<Descriptor>(descriptor, node.now()) {
            Ok(descriptor) if node.repository.contains(&descriptor.content) => {
                node.catalogue_mut().offer(record.facts.upload, descriptor);
            }
            Ok(_) => {}
            Err(error) => tracing::warn!(%error, "an upload's descriptor is not believed"),
        }
    }
    Ok(())
}

/// Removes staged files that nobody will go on with: at start.
pub(crate) async fn sweep_staged(node: &Arc<Node>) -> Result<(), DataError> {
    let needed: HashSet<UploadId> = records(node)
        .await?
        .into_iter()
        .filter(Record::needs_bytes)
        .map(|record| record.facts.upload)
        .collect();
    let target = Arc::clone(node);
    let swept: Result<usize, BlobError> = node
        .repository
        .run(move |repository| {
            let missing = |content: &_| target.catalogue().missing().contains_key(content);
            repository.sweep_staged(|key| match key {
                StageKey::Content(content) => missing(content),
                StageKey::Upload(upload) => needed.contains(upload),
            })
        })
        .await;
    match swept {
        Ok(0) => {}
        Ok(files) => tracing::info!(files, "staged leftovers removed"),
        Err(error) => tracing::warn!(error = %chain(&error), "staged leftovers stay"),
    }
    Ok(())
}
