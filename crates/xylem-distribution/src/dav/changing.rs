//! Renaming, copying and deleting what is published: asked of the management server.

use std::time::Duration;

use tokio::time::timeout;
use xylem_api::control::{ChangeFile, FileChange};
use xylem_api::error::ErrorCode;
use xylem_http::ApiError;
use xylem_model::{FileKind, Stamp};
use xylem_webdav::{DavPath, FsError, FsResult};

use super::published;
use super::session::{Session, file_name, is_of_the_mac};
use crate::ingest::{away, final_word};
use crate::node::Node;

/// How long a change is waited for that was made, until it is seen here.
const SEEN_WITHIN: Duration = Duration::from_secs(15);

/// Deletes a name. Before COPY and MOVE dav-server deletes what is in the way; here that is left
/// to the change itself, which replaces it in one step.
pub(super) async fn delete(
    session: &Session,
    path: &DavPath,
    kind: FileKind,
    name: &str,
) -> FsResult<()> {
    if session.is_destination(path) {
        return Ok(());
    }
    let was_seen = session.node.share.phantoms.forget(kind, name, session.node.now());
    if was_seen && published::find(session, kind, name).is_none() {
        return Ok(());
    }
    change(session, kind, name, FileChange::Delete).await
}

/// Renames, or gives a second name.
pub(super) async fn transfer(
    session: &Session,
    kind: FileKind,
    from: &str,
    to: &str,
    is_move: bool,
) -> FsResult<()> {
    let (phantoms, now) = (&session.node.share.phantoms, session.node.now());
    if published::find(session, kind, from).is_none()
        && let Some(meta) = phantoms.get(kind, from, now)
    {
        if meta.len > 0 && !is_of_the_mac(to) {
            let message = "nothing was kept of this file, so it cannot get another name";
            return Err(session.refuse(ErrorCode::Forbidden, message));
        }
        phantoms.show(kind, to, meta.len, now);
        if is_move {
            phantoms.forget(kind, from, now);
        }
        return Ok(());
    }
    let (to, replace) = (file_name(session, to)?, session.replaces);
    let wanted = match is_move {
        true => FileChange::Rename { to, replace },
        false => FileChange::Copy { to, replace },
    };
    change(session, kind, from, wanted).await
}

async fn change(session: &Session, kind: FileKind, name: &str, change: FileChange) -> FsResult<()> {
    let (name, author) = (file_name(session, name)?, session.author()?);
    let asked = ChangeFile { kind, name, change, author };
    match session.node.control.change_file(&asked).await {
        Ok(changed) => {
            until_seen(&session.node, changed.stamp).await;
            Ok(())
        }
        Err(error) => Err(match final_word(&error) {
            Some((ErrorCode::NotFound, _)) => FsError::NotFound,
            Some((code, reason)) => session.refusal.because(ApiError::new(code, reason)),
            None => session.refusal.because(away(&error)),
        }),
    }
}

/// Waits until this server knows of a change that was made. That it was made is certain; whoever
/// made it shall see it.
pub(super) async fn until_seen(node: &Node, stamp: Stamp) {
    let mut wishes = node.wishes.subscribe();
    node.resync.notify_one();
    let seen = async {
        while node.catalogue().manifest.stamp() < stamp {
            if wishes.changed().await.is_err() {
                return;
            }
        }
    };
    if timeout(SEEN_WITHIN, seen).await.is_err() {
        tracing::warn!(sync.generation = %stamp, "a change is made but not yet seen here");
    }
}
