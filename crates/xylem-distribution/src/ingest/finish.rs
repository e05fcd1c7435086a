//! From the last byte to the published file.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::OwnedMutexGuard;
use tokio::time::Instant;
use xylem_api::error::ErrorCode;
use xylem_api::ingest::{IngestProgress, Ingested, RefusedUpload};
use xylem_blobs::{BlobError, Verified};
use xylem_client::ClientError;
use xylem_http::ApiError;
use xylem_model::{ContentId, UploadId};
use xylem_telemetry::chain;
use xylem_trust::{Descriptor, Envelope};

use super::housekeeping::discard_staged;
use super::out_of_order::take_in;
use super::record::{Facts, Stage, refusal};
use super::routes::{not_where_files_enter, require_principal};
use super::slots::{Work, blob_error};
use super::storing;
use crate::control::knows_marks;
use crate::inspector::Candidate;
use crate::node::Node;
use crate::report::Arrival;

/// When the sender may ask again while the management server is away, in seconds.
const RETRY_AFTER_SECONDS: u32 = 5;

/// How long a sender waits whose upload goes into the cloud: what takes longer it asks for again.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// Verifies, inspects, commits and publishes: whatever of it is still to be done. `patience` is for
/// the cloud, where that is the principal.
pub(crate) async fn finish(
    node: Arc<Node>,
    mut work: OwnedMutexGuard<Work>,
    facts: Facts,
    patience: Duration,
) -> Result<IngestProgress, ApiError> {
    let until = Instant::now() + patience;
    work.load(&node, &facts).await?;
    let mut verified = None;
    loop {
        let stage = work.record.as_ref().map_or(Stage::Receiving, |record| record.stage.clone());
        match stage {
            Stage::Receiving => {
                require_principal(&node)?;
                require_all_bytes(&node, &mut work, &facts).await?;
                work.write(&node, &facts, Stage::Completing).await?;
            }
            Stage::Completing => {
                let (found, bytes) = look_into(&node, &mut work, &facts).await?;
                if goes_into_the_cloud(&node) {
                    storing::publish_unnamed(&node, &mut work, &facts, found, bytes).await?;
                } else {
                    verified = commit(&node, &mut work, &facts, &found, Some(bytes)).await?;
                }
            }
            // Also where files enter elsewhere by now: it may be committed, and the answer lost.
            Stage::Storing { found } => {
                storing::wait(&node, &mut work, &facts, &found, until).await?;
                verified = commit(&node, &mut work, &facts, &found, None).await?;
            }
            Stage::Committed { descriptor } => {
                publish(&node, &mut work, &facts, descriptor, verified.take()).await?;
            }
            Stage::Published { .. } => {
                return Ok(IngestProgress::published(facts.size));
            }
            Stage::Refused { code, reason, told } => {
                if !told {
                    tell_refusal(&node, &mut work, &facts, code, &reason).await?;
                }
                return Err(refusal(code, &reason));
            }
        }
    }
}

async fn require_all_bytes(
    node: &Arc<Node>,
    work: &mut Work,
    facts: &Facts,
) -> Result<(), ApiError> {
    let staged = work.take_staged(node, facts).await?;
    let (staged, taken) = Box::pin(take_in(node, &node.uploads.slot(facts.upload), staged)).await;
    if let Err(error) = taken {
        work.give_up_staged();
        return Err(blob_error("taking in what came ahead", error));
    }
    let have = staged.offset();
    work.staged = Some(staged);
    if have == facts.size {
        return Ok(());
    }
    let message = format!("{have} of {} bytes are here: send the rest first", facts.size);
    Err(ApiError::new(ErrorCode::Conflict, message))
}

/// Whether the cloud is to have what enters here before it is committed.
fn goes_into_the_cloud(node: &Node) -> bool {
    node.access().is_some_and(|access| access.cloud_is_principal)
}

/// Makes sure of the bytes, and looks into them.
async fn look_into(
    node: &Arc<Node>,
    work: &mut Work,
    facts: &Facts,
) -> Result<(Ingested, Verified), ApiError> {
    let verified = match verify(node, work, facts).await {
        Ok(verified) => verified,
        Err(error @ BlobError::Mismatch { .. }) => {
            let reason = error.to_string();
            return Err(refuse(node, work, facts, ErrorCode::DigestMismatch, reason, None).await);
        }
        Err(error @ BlobError::Incomplete { .. }) => {
            // Bytes that were here are not any more: the sender has them.
            work.write(node, facts, Stage::Receiving).await?;
            return Err(blob_error("verifying the upload", error));
        }
        Err(error) => return Err(blob_error("verifying the upload", error)),
    };
    let candidate = Candidate {
        kind: facts.kind,
        name: facts.name.clone(),
        size: verified.size(),
        file: verified
            .os_file()
            .transpose()
            .map_err(|error| ApiError::internal("handing the upload to the inspector", error))?,
    };
    let inspection = match node.inspector.inspect(candidate).await {
        Ok(inspection) => inspection,
        Err(found) => {
            let why = found.message;
            return Err(refuse(node, work, facts, ErrorCode::Refused, why, Some(verified)).await);
        }
    };
    let sha256 = verified
        .sha256()
        .ok_or_else(|| ApiError::internal("verifying the upload", "no SHA-256 was computed"))?;
    let (size, blake3) = (verified.size(), verified.id());
    let found = Ingested { size, blake3, sha256, inspection, root_epoch: None, knows_marks: false };
    Ok((found, verified))
}

/// Has the management server commit what is here: `bytes`, which are given back, or what was published
/// without a name.
async fn commit(
    node: &Arc<Node>,
    work: &mut Work,
    facts: &Facts,
    found: &Ingested,
    bytes: Option<Verified>,
) -> Result<Option<Verified>, ApiError> {
    let _finishing = node.uploads.finishing(facts.upload, found.blake3);
    // Before it commits: without the word, an upload of a version for testing is refused for good.
    let knows_marks = knows_marks(node).await.map_err(|error| away(&error))?;
    let found = Ingested {
        root_epoch: node.access().and_then(|access| access.root_epoch),
        // A management server of before does not know the word.
        knows_marks,
        ..found.clone()
    };
    match node.control.ingested(facts.upload, &found).await {
        Ok(committed) => {
            check_descriptor(node, facts, &found, &committed.descriptor)?;
            let stage = Stage::Committed { descriptor: committed.descriptor };
            work.write(node, facts, stage).await?;
            Ok(bytes)
        }
        Err(error) => match final_word(&error) {
            Some((ErrorCode::Forbidden, _)) => {
                // It is for another server by now. Should it come back, its bytes are here.
                node.resync.notify_one();
                work.write(node, facts, Stage::Receiving).await?;
                Err(not_where_files_enter())
            }
            Some((code, reason)) => Err(refuse(node, work, facts, code, reason, bytes).await),
            None => {
                // Perhaps because the root or the principal was moved, which this server has yet
                // to hear of.
                node.resync.notify_one();
                Err(away(&error))
            }
        },
    }
}

pub(super) async fn verify(
    node: &Arc<Node>,
    work: &mut Work,
    facts: &Facts,
) -> Result<Verified, BlobError> {
    let expected = facts.expected();
    let key = xylem_blobs::StageKey::Upload(facts.upload);
    let staged = work.give_up_staged();
    node.repository
        .run(move |repository| {
            let staged = match staged {
                Some(staged) => staged,
                None => repository.stage(
                    &key,
                    expected.size,
                    xylem_blobs::DigestSet::Blake3AndSha256,
                )?,
            };
            staged.finish(&expected)
        })
        .await
}

/// What the management server signed must be what is here, under the name that was declared.
fn check_descriptor(
    node: &Node,
    facts: &Facts,
    found: &Ingested,
    envelope: &Envelope,
) -> Result<Descriptor, ApiError> {
    let descriptor: Descriptor = node.trust().open(envelope, node.now()).map_err(|error| {
        // Perhaps other keys sign since a moment ago.
        node.resync.notify_one();
        tracing::error!(error = %chain(&error), "a descriptor is not believed");
        ApiError::unavailable("the new descriptor is not believed yet", RETRY_AFTER_SECONDS)
    })?;
    let fits = descriptor.content == found.blake3
        && descriptor.sha256 == found.sha256
        && descriptor.size == found.size
        // A version that waits is signed anew when its file is renamed.
        && (descriptor.name == facts.name || descriptor.mark.is_some())
        && descriptor.kind == facts.kind;
    if fits {
        return Ok(descriptor);
    }
    Err(ApiError::internal(
        "checking the descriptor of the upload",
        "the management server signed another file than the one that was sent",
    ))
}

/// Gives the file its name, then says so.
async fn publish(
    node: &Arc<Node>,
    work: &mut Work,
    facts: &Facts,
    envelope: Envelope,
    verified: Option<Verified>,
) -> Result<(), ApiError> {
    let descriptor: Descriptor = node
        .trust()
        .open(&envelope, node.now())
        .map_err(|error| ApiError::internal("reading the upload's descriptor", error))?;
    let content = descriptor.content;
    let finishing = node.uploads.finishing(facts.upload, content);
    if !node.repository.contains(&content) {
        let verified = match verified {
            Some(verified) => verified,
            None => verify(node, work, facts)
                .await
                .map_err(|error| blob_error("verifying the upload", error))?,
        };
        node.repository
            .run(move |repository| repository.publish(verified))
            .await
            .map_err(|error| blob_error("publishing the upload", error))?;
    }
    node.catalogue_mut().offer(facts.upload, descriptor);
    node.note_held(&content, true);
    let arrival = Arrival { took: std::time::Duration::ZERO, source: None };
    node.ledger.present(content, facts.size, Some((node.now(), arrival)));
    drop(finishing);
    tell_published(node, facts.upload, &content).await?;
    work.write(node, facts, Stage::Published { descriptor: envelope }).await?;
    // The head that names it is on its way.
    node.resync.notify_one();
    node.published.notify_one();
    node.to_cloud.notify_one();
    metrics::counter!("xylem_distribution_uploads_published_total").increment(1);
    tracing::info!(
        package.name = %facts.name, package.digest = %content, size_bytes = facts.size, "published"
    );
    Ok(())
}

async fn tell_published(
    node: &Node,
    upload: UploadId,
    content: &ContentId,
) -> Result<(), ApiError> {
    node.control.published(upload).await.map_err(|error| match final_word(&error) {
        Some((code, reason)) => {
            tracing::error!(package.digest = %content, reason, "a published upload is not wanted");
            ApiError::new(code, reason)
        }
        None => away(&error),
    })
}

/// Writes down that an upload is refused, throws its bytes away, and says so.
pub(super) async fn refuse(
    node: &Arc<Node>,
    work: &mut Work,
    facts: &Facts,
    code: ErrorCode,
    reason: String,
    verified: Option<Verified>,
) -> ApiError {
    tracing::info!(package.name = %facts.name, reason, "an upload was refused");
    let stage = Stage::Refused { code, reason: reason.clone(), told: false };
    if let Err(error) = work.write(node, facts, stage).await {
        return error;
    }
    if let Some(verified) = verified
        && let Err(error) = node.repository.run(move |_| verified.discard()).await
    {
        tracing::warn!(error = %chain(&error), "refused bytes are left for the next start");
    }
    match tell_refusal(node, work, facts, code, &reason).await {
        Ok(()) => refusal(code, &reason),
        Err(error) => error,
    }
}

/// Writes down that an upload is given up, and throws its bytes away. Its sender may still be at it
/// and hears of it with the next part; the management server, where it does not know, later.
pub(super) async fn give_up_bytes(
    node: &Arc<Node>,
    work: &mut Work,
    facts: &Facts,
) -> Result<(), ApiError> {
    let reason = "it was given up: declare it anew to send it after all".to_owned();
    let stage = Stage::Refused { code: ErrorCode::Refused, reason, told: false };
    work.write(node, facts, stage).await?;
    drop(work.give_up_staged());
    discard_staged(node, facts.upload).await;
    Ok(())
}

async fn tell_refusal(
    node: &Arc<Node>,
    work: &mut Work,
    facts: &Facts,
    code: ErrorCode,
    reason: &str,
) -> Result<(), ApiError> {
    let why = RefusedUpload { reason: reason.to_owned() };
    if let Err(error) = node.control.refused(facts.upload, &why).await
        && final_word(&error).is_none()
    {
        // The uploader hears it all the same; the management server hears it later.
        tracing::warn!(error = %chain(&error), "a refusal is to be told later");
        return Ok(());
    }
    let stage = Stage::Refused { code, reason: reason.to_owned(), told: true };
    work.write(node, facts, stage).await
}

/// The management server's word where asking again would not change it.
pub(crate) fn final_word(error: &ClientError) -> Option<(ErrorCode, String)> {
    let code = error.code()?;
    let is_final = matches!(
        code,
        ErrorCode::BadRequest
            | ErrorCode::Conflict
            | ErrorCode::DigestMismatch
            | ErrorCode::Forbidden
            | ErrorCode::NameRefused
            | ErrorCode::NotFound
            | ErrorCode::Refused
            | ErrorCode::TooLarge
    );
    is_final.then(|| (code, error.to_string()))
}

/// What the sender hears while the management server is out of reach.
pub(crate) fn away(error: &ClientError) -> ApiError {
    tracing::warn!(error = %chain(error), "an upload waits for the management server");
    ApiError::unavailable(
        "the management server cannot be reached, or has news for this server first, so the upload \
         is not finished yet; nothing is lost: complete it again",
        RETRY_AFTER_SECONDS,
    )
}
