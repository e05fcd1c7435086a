//! `Drop`: what is complete and acceptable in the folder tree is published from it.
//!
//! * [`unit`]: what belongs together, and whether it may be published.
//! * [`bundle`]: zipping a package that is a folder.
//! * [`report`]: why what is still there is not published.

mod bundle;
mod report;
mod unit;

use std::sync::Arc;
use std::time::Duration;

use xylem_api::control::Author;
use xylem_api::error::ErrorCode;
use xylem_http::ApiError;
use xylem_model::{AccountName, FileName};
use xylem_runtime::Shutdown;
use xylem_webdav::Place;

use super::session::DROP;
use crate::ingest::{Gathered, Whole, receive_whole};
use crate::node::Node;
pub(super) use report::Report;
use unit::{Unit, units};

/// How often the tree is looked over.
const EVERY: Duration = Duration::from_secs(2);

/// How long after a failure that may pass it is tried again.
const RETRY: Duration = Duration::from_secs(60);

/// What nobody has touched for this long is removed.
const SWEPT_AFTER: Duration = Duration::from_secs(30 * 24 * 3600);

/// Looks over the tree, again and again.
pub(crate) async fn run(node: Arc<Node>, shutdown: Shutdown) {
    loop {
        tokio::select! {
            () = tokio::time::sleep(EVERY) => {}
            () = shutdown.begun() => return,
        }
        if node.access().is_some_and(|access| access.is_principal) {
            // Not broken off by a shutdown: whoever takes over waits for its end.
            look_over(&node).await;
        }
    }
}

async fn look_over(node: &Arc<Node>) {
    let mut items = node.share.drop.all().await;
    // What is in a folder follows it, one after the other.
    items.sort_by(|one, other| one.place.cmp(&other.place));
    node.share.report.keep_only(&items);
    let now = node.now();
    let mut units = units(&items);
    // Of two with one name the later is to have it in the end.
    units.sort_by_key(Unit::touched);
    for unit in units {
        let is_old = now.since(unit.touched()) >= SWEPT_AFTER;
        let is_ready = unit.is_settled(now) && !node.share.report.has_been_told(&unit, now, RETRY);
        if (!is_old && !is_ready)
            || node.share.drop.is_being_written(&unit.top.place)
            || is_locked(node, &unit.top.place).await
        {
            continue;
        }
        let Ok(_change) = node.uploads.begin_change() else { return };
        let done = match is_old {
            true => {
                tracing::info!(place = %unit.top.place, "untouched for 30 days: removed from Drop");
                Ok(())
            }
            false => publish(node, &unit).await,
        };
        let done = match done {
            Ok(()) => remove(node, &unit).await,
            refused => refused,
        };
        if let Err(error) = done {
            let reason = error.message();
            tracing::info!(place = %unit.top.place, reason, "still in Drop");
            node.share.report.note(&unit, &error, now);
        }
    }
}

/// Whether somebody still works on it.
async fn is_locked(node: &Node, place: &Place) -> bool {
    let mut names = std::iter::once(DROP).chain(place.names().iter().map(String::as_str));
    match names.try_fold(Place::default(), |above, name| above.join(name)) {
        Ok(whole) => node.share.locks.cover(&whole).await,
        Err(_) => true,
    }
}

async fn publish(node: &Arc<Node>, unit: &Unit<'_>) -> Result<(), ApiError> {
    let (kind, name) = unit.kind_and_name()?;
    let name = FileName::new(&name)
        .map_err(|error| ApiError::new(ErrorCode::NameRefused, error.to_string()))?;
    let account = unit.top.author.as_deref().and_then(|name| AccountName::new(name).ok());
    let account = account.ok_or_else(|| {
        ApiError::new(ErrorCode::Forbidden, "nobody knows which account wrote it")
    })?;
    let author = Author { account, server: node.id };
    let drop = &node.share.drop;
    let whole = |size| Whole { kind, name, size: Some(size), author };
    if unit.is_bundle() {
        let mut zipped = bundle::zip(node, unit).await?;
        let file = zipped.complete().await.map_err(|e| ApiError::internal("zipping", e))?;
        let gathered = Gathered::new(node, file, zipped.len());
        receive_whole(node, whole(zipped.len()), gathered).await?;
        return Ok(());
    }
    let opened = drop.read(&unit.top.place).await;
    let (file, meta) = opened.map_err(|e| ApiError::internal("reading the file", e))?;
    if meta != unit.top.meta {
        // Somebody else's bytes are not to be published in this author's name.
        return Err(ApiError::unavailable("it was changed a moment ago", 1));
    }
    receive_whole(node, whole(meta.len), Gathered::new(node, file, meta.len)).await?;
    Ok(())
}

/// Removes what was published, or is too old. What was changed meanwhile stays, and is looked at
/// again once it has settled.
async fn remove(node: &Node, unit: &Unit<'_>) -> Result<(), ApiError> {
    let removed = node.share.drop.remove_unchanged(unit.items.to_vec()).await;
    removed.map_err(|error| ApiError::internal("removing what was published", error))?;
    Ok(())
}
