//! Sending a file to the ingest server, and going on where a broken connection left off.
//!
//! * [`source`]: what is sent, and its digests.
//! * [`sending`]: until all of it is there.
//! * [`parts`]: what of it is still to be sent.

mod parts;
mod sending;
mod source;

use indicatif::ProgressBar;
use xylem_api::catalogue::{DeclareUpload, Upload, UploadState};
use xylem_model::FileKind;

use crate::Failure;
use crate::access::Access;
use crate::cli::UploadOptions;
use sending::{Sending, Way};

pub use source::{ReadAt, Source};

/// Announces, sends and completes an upload. Returns once it is published.
///
/// # Errors
/// What the servers say, and what keeps coming between.
pub async fn upload(
    access: &Access,
    kind: FileKind,
    source: &Source,
    options: &UploadOptions,
    bar: &ProgressBar,
) -> Result<Upload, Failure> {
    let declared = access
        .admin
        .declare_upload(&DeclareUpload {
            kind,
            name: source.name.clone(),
            size: source.size,
            priority: options.priority,
            blake3: Some(source.digests.blake3),
            sha256: Some(source.digests.sha256),
            replace: options.replace,
            test: options.test,
            category: options.category.clone(),
            site: options.site.clone(),
        })
        .await?;
    if declared.state == UploadState::AlreadyThere {
        return Ok(declared);
    }
    let id = declared.id;
    let way = match &declared.ingest {
        Some(address) if !options.through_server => Way::direct(access, address)?,
        _ => Way::ThroughServer,
    };
    let connections = usize::from(options.connections);
    Sending { access, source, bar, id, way, connections }.run().await?;
    Ok(access.admin.upload(id).await?)
}
