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
use xylem_telemetry::chain;
use xylem_webdav::{FolderError, Item, Place};

use super::session::DROP;
use crate::ingest::{Gathered, Whole, receive_whole};
use crate::node::Node;
pub(super) use report::{Report, ReportFile, report_meta};
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
    let items = node.share.drop.all().await;
    node.share.report.keep_only(&items);
    let now = node.now();
    for unit in units(&items) {
        if now.since(unit.touched()) >= SWEPT_AFTER {
            sweep(node, &unit).await;
        } else if unit.is_settled(now)
            && !node.share.report.has_been_told(&unit, now, RETRY)
            && !is_locked(node, &unit.top.place).await
        {
            let Ok(_change) = node.uploads.begin_change() else { return };
            match publish(node, &unit).await {
                Ok(()) => remove(node, &unit).await,
                Err(error) => {
                    tracing::info!(place = %unit.top.place, reason = error.message(), "not published from Drop");
                    node.share.report.note(&unit, &error, now);
                }
            }
        }
    }
}

/// Whether somebody still works on it.
async fn is_locked(node: &Node, place: &Place) -> bool {
    let whole = place.names().iter().try_fold(Place::default().join(DROP), |above, name| {
        Ok::<_, xylem_webdav::PlaceError>(above?.join(name))
    });
    match whole {
        Ok(Ok(whole)) => node.share.locks.cover(&whole).await,
        _ => true,
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
    receive_whole(node, whole(meta.len), Gathered::new(node, file, meta.len)).await?;
    Ok(())
}

/// Removes what was published, or is too old: the innermost first.
async fn remove(node: &Node, unit: &Unit<'_>) {
    for item in unit.innermost_first() {
        match node.share.drop.remove_unchanged(item).await {
            Ok(_) => {}
            // Something was put into it meanwhile: it stays.
            Err(FolderError::NotEmpty) => {}
            Err(error) => {
                tracing::warn!(place = %item.place, error = %chain(&error), "what was published from Drop is still there");
            }
        }
    }
}

async fn sweep(node: &Node, unit: &Unit<'_>) {
    let Ok(_change) = node.uploads.begin_change() else { return };
    tracing::info!(place = %unit.top.place, "nobody has touched it for 30 days: removed from Drop");
    remove(node, unit).await;
}

/// The first of some items that are below a place.
fn below<'a>(items: &'a [Item], place: &'a Place) -> impl Iterator<Item = &'a Item> {
    items.iter().filter(move |item| item.place.is_within(place))
}
