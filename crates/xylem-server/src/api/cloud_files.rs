//! What lies at the cloud distribution point: listed, counted, looked through, chosen, paused.

use axum::Json;
use axum::extract::State;
use http::StatusCode;
use serde::Deserialize;
use utoipa::IntoParams;
use xylem_api::MAX_PAGE;
use xylem_api::cloud_files::{
    CloudBroken, CloudFile, CloudFileCount, CloudFilePage, CloudFileState, CloudInventoryState,
    CloudMonth, CloudProgress, CloudUsageReport, SetCloudCeiling,
};
use xylem_api::error::ErrorCode;
use xylem_api::selection::SelectFiles;
use xylem_db::{CloudCopy, CloudCopyState, CloudPoint};
use xylem_http::ApiJson;
use xylem_model::{ContentId, FileName};
use xylem_sync::{FileFacts, Selection};

use crate::app::App;
use crate::cloud::usage::{CeilingReached, ceiling_reached, month_text};
use crate::cloud::{Broken, CloudStore as _};
use crate::extract::ApiQuery;
use crate::failure::Failure;
use crate::permission::Caller;

/// Which page of what lies there.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Which {
    /// `wanted`, `queued`, `transferring`, `verifying`, `present`, `failed` or `removing`; all of
    /// them where left out.
    #[param(value_type = Option<String>)]
    state: Option<CloudFileState>,
    /// What comes after this content; from the first where left out.
    #[param(value_type = Option<String>)]
    after: Option<ContentId>,
    /// How many, at most 500; so many where left out.
    limit: Option<u64>,
}

/// A page of what is, was or is to be there, in the order of contents.
#[utoipa::path(
    get, path = "/v1/cloud-distribution-point/files", tag = "cloud", params(Which),
    responses((status = 200, description = "A page.", body = CloudFilePage))
)]
pub(super) async fn cloud_files(
    State(app): State<App>,
    ApiQuery(which): ApiQuery<Which>,
) -> Result<Json<CloudFilePage>, Failure> {
    let point = app.active_cloud().await?;
    let reached = app.cloud_ceiling(&point).await?;
    let limit = which.limit.unwrap_or(MAX_PAGE).clamp(1, MAX_PAGE);
    let state = match which.state.map(|state| stored_state(state, reached.is_some())) {
        Some(None) => return Ok(Json(CloudFilePage { items: Vec::new(), next: None })),
        Some(state) => state,
        None => None,
    };
    let store = app.cloud_store();
    let rows = store.copies(point.id, state, which.after, limit).await?;
    let is_full = rows.len() as u64 >= limit;
    let next = rows.last().filter(|_| is_full).map(|row| row.content);
    let items = rows.into_iter().map(|row| file(row, reached.as_ref())).collect();
    Ok(Json(CloudFilePage { items, next }))
}

/// What it was used for, month by month.
#[utoipa::path(
    get, path = "/v1/cloud-distribution-point/usage", tag = "cloud",
    responses((status = 200, description = "The months.", body = CloudUsageReport))
)]
pub(super) async fn cloud_usage(State(app): State<App>) -> Result<Json<CloudUsageReport>, Failure> {
    let point = app.active_cloud().await?;
    let months = app.cloud_store().usage(point.id).await?.into_iter();
    let months = months.map(|(month, usage)| CloudMonth {
        month: month_text(month),
        sent_bytes: usage.sent,
        read_back_bytes: usage.read_back,
        told_by_agents_bytes: usage.told_by_agents,
        write_requests: usage.writes,
        read_requests: usage.reads,
        list_requests: usage.lists,
    });
    let month_ceiling_bytes = point.month_ceiling;
    Ok(Json(CloudUsageReport { months: months.collect(), month_ceiling_bytes }))
}

/// What the last inventory found, and whether one is under way.
#[utoipa::path(
    get, path = "/v1/cloud-distribution-point/inventory", tag = "cloud",
    responses((status = 200, description = "How it stands.", body = CloudInventoryState))
)]
pub(super) async fn cloud_inventory(State(app): State<App>) -> Json<CloudInventoryState> {
    Json(app.upkeep.state())
}

/// Has everything there be looked through, which begins at once and may take its time.
#[utoipa::path(
    post, path = "/v1/cloud-distribution-point/inventory", tag = "cloud",
    responses((status = 202, description = "It begins.", body = CloudInventoryState))
)]
pub(super) async fn ask_cloud_inventory(
    State(app): State<App>,
    caller: Caller,
) -> Result<(StatusCode, Json<CloudInventoryState>), Failure> {
    let point = app.active_cloud().await?;
    let (actor, now) = (caller.actor(), app.now());
    app.database.note_cloud_inventory_asked(point.id, &actor, now).await?;
    Ok((StatusCode::ACCEPTED, Json(app.upkeep.ask(now))))
}

/// Has it hold what was chosen.
#[utoipa::path(
    put, path = "/v1/cloud-distribution-point/selection", tag = "cloud",
    request_body = SelectFiles,
    responses((status = 200, description = "How it stands.", body = CloudProgress))
)]
pub(super) async fn select_for_cloud(
    State(app): State<App>,
    caller: Caller,
    ApiJson(asked): ApiJson<SelectFiles>,
) -> Result<Json<CloudProgress>, Failure> {
    let point = app.active_cloud().await?;
    let mut selection = match (asked.add, &point.selection) {
        (false, _) => Selection::default(),
        (true, Some(present)) => Selection::clone(present),
        (true, None) => {
            let told = "everything is chosen for the cloud distribution point, to which no rule \
                        can be added: leave `add` out to choose less";
            return Err(Failure::new(ErrorCode::Conflict, told));
        }
    };
    selection.rules.extend(app.rules(asked.rules).await?);
    app.choose_for_cloud(&caller, &point, Some(&selection)).await
}

/// Has it hold everything.
#[utoipa::path(
    delete, path = "/v1/cloud-distribution-point/selection", tag = "cloud",
    responses((status = 200, description = "How it stands.", body = CloudProgress))
)]
pub(super) async fn select_everything_for_cloud(
    State(app): State<App>,
    caller: Caller,
) -> Result<Json<CloudProgress>, Failure> {
    let point = app.active_cloud().await?;
    app.choose_for_cloud(&caller, &point, None).await
}

/// Has it stand still: nothing is sent or deleted. Computers go on fetching there.
#[utoipa::path(
    post, path = "/v1/cloud-distribution-point/pause", tag = "cloud",
    responses((status = 200, description = "How it stands.", body = CloudProgress))
)]
pub(super) async fn pause_cloud(
    State(app): State<App>,
    caller: Caller,
) -> Result<Json<CloudProgress>, Failure> {
    app.set_cloud_paused(&caller, true).await
}

/// Has it go on.
#[utoipa::path(
    post, path = "/v1/cloud-distribution-point/resume", tag = "cloud",
    responses((status = 200, description = "How it stands.", body = CloudProgress))
)]
pub(super) async fn resume_cloud(
    State(app): State<App>,
    caller: Caller,
) -> Result<Json<CloudProgress>, Failure> {
    app.set_cloud_paused(&caller, false).await
}

/// Bounds how much is sent and read back in a month.
#[utoipa::path(
    put, path = "/v1/cloud-distribution-point/ceiling", tag = "cloud",
    request_body = SetCloudCeiling,
    responses((status = 200, description = "How it stands.", body = CloudProgress))
)]
pub(super) async fn set_cloud_ceiling(
    State(app): State<App>,
    caller: Caller,
    ApiJson(asked): ApiJson<SetCloudCeiling>,
) -> Result<Json<CloudProgress>, Failure> {
    let point = app.active_cloud().await?;
    let (bytes, actor, now) = (asked.month_ceiling_bytes, caller.actor(), app.now());
    let changed = app.database.set_cloud_ceiling(point.id, bytes, &actor, now).await?;
    Ok(Json(app.cloud_progress(&changed).await?))
}

impl App {
    /// How far a point is.
    pub(super) async fn cloud_progress(
        &self,
        point: &CloudPoint,
    ) -> Result<CloudProgress, Failure> {
        let reached = self.cloud_ceiling(point).await?;
        let selection = match &point.selection {
            Some(selection) => Some(self.selection_wire(selection, &self.names().await?).await?),
            None => None,
        };
        // What another version wrote in another form is as if it was not there.
        let broken = point.broken.clone().and_then(|it| serde_json::from_value(it).ok());
        Ok(CloudProgress {
            selection,
            counts: self.cloud_counts(point).await?,
            paused: point.paused,
            broken: broken.map(|Broken { message, since, next_try, .. }| CloudBroken {
                message,
                since,
                next_try,
            }),
            month_ceiling_bytes: point.month_ceiling,
            ceiling_until: reached.map(|reached| reached.until),
            last_inventory: point.last_inventory,
        })
    }

    /// How much is in which state at a point.
    pub(super) async fn cloud_counts(
        &self,
        point: &CloudPoint,
    ) -> Result<Vec<CloudFileCount>, Failure> {
        let reached = self.cloud_ceiling(point).await?;
        let counts = self.cloud_store().counts(point.id).await?.into_iter();
        let counts = counts.map(|count| CloudFileCount {
            state: shown_state(count.state, reached.is_some()),
            contents: count.contents,
            bytes: count.bytes,
            arrived: count.arrived,
        });
        Ok(counts.collect())
    }

    /// How one content is at the point that is set; none where none is set, or it was not chosen and
    /// is not there either.
    pub(super) async fn cloud_file(
        &self,
        content: ContentId,
        size: u64,
        name: &FileName,
        facts: &FileFacts,
    ) -> Result<Option<CloudFile>, Failure> {
        let Some(point) = self.database.cloud_point().await? else { return Ok(None) };
        let reached = self.cloud_ceiling(&point).await?;
        if let Some(row) = self.cloud_store().copy(point.id, content).await? {
            return Ok(Some(file(row, reached.as_ref())));
        }
        let is_chosen = point.selection.as_ref().is_none_or(|it| it.chooses(facts));
        Ok(is_chosen.then(|| CloudFile {
            content,
            name: name.clone(),
            size,
            // The root was not asked since it was chosen.
            state: CloudFileState::Wanted,
            arrived: 0,
            since: point.changed,
            reason: None,
            next_try: None,
            unwanted_since: None,
            looked_at: None,
            verified_at: None,
            doubted_at: None,
        }))
    }

    async fn cloud_ceiling(&self, point: &CloudPoint) -> Result<Option<CeilingReached>, Failure> {
        let (store, now) = (self.cloud_store(), self.now());
        Ok(ceiling_reached(&store, point.id, point.month_ceiling, now).await?)
    }

    async fn choose_for_cloud(
        &self,
        caller: &Caller,
        point: &CloudPoint,
        selection: Option<&Selection>,
    ) -> Result<Json<CloudProgress>, Failure> {
        let (actor, now) = (caller.actor(), self.now());
        let changed = self.database.set_cloud_selection(point.id, selection, &actor, now).await?;
        Ok(Json(self.cloud_progress(&changed).await?))
    }

    async fn set_cloud_paused(
        &self,
        caller: &Caller,
        paused: bool,
    ) -> Result<Json<CloudProgress>, Failure> {
        let point = self.active_cloud().await?;
        let (actor, now) = (caller.actor(), self.now());
        let changed = self.database.pause_cloud(point.id, paused, &actor, now).await?;
        Ok(Json(self.cloud_progress(&changed).await?))
    }
}

/// A row as callers see it.
fn file(row: CloudCopy, reached: Option<&CeilingReached>) -> CloudFile {
    let state = shown_state(row.state, reached.is_some());
    let waits = reached.filter(|_| state == CloudFileState::Queued);
    let (verified_at, doubted_at) = (row.verified(), row.doubted.filter(|_| row.is_doubted()));
    CloudFile {
        content: row.content,
        name: row.name,
        size: row.size,
        state,
        arrived: row.arrived,
        since: row.since,
        reason: waits.map(ToString::to_string).or(row.reason),
        next_try: waits.map(|reached| reached.until).or(row.next_try),
        unwanted_since: row.unwanted,
        looked_at: row.looked_at,
        verified_at,
        doubted_at,
    }
}

/// The word for a state. While the ceiling of the month is reached what is wanted waits in line.
const fn shown_state(state: CloudCopyState, is_ceiling_reached: bool) -> CloudFileState {
    match state {
        CloudCopyState::Wanted if is_ceiling_reached => CloudFileState::Queued,
        CloudCopyState::Wanted => CloudFileState::Wanted,
        CloudCopyState::Sending => CloudFileState::Transferring,
        CloudCopyState::Proving => CloudFileState::Verifying,
        CloudCopyState::Present => CloudFileState::Present,
        CloudCopyState::Failed => CloudFileState::Failed,
        CloudCopyState::Removing => CloudFileState::Removing,
    }
}

/// The state that a word stands for at present; none where nothing is in it.
fn stored_state(state: CloudFileState, is_ceiling_reached: bool) -> Option<CloudCopyState> {
    use CloudCopyState::{Failed, Present, Proving, Removing, Sending, Wanted};
    let all = [Wanted, Sending, Proving, Present, Failed, Removing];
    all.into_iter().find(|stored| shown_state(*stored, is_ceiling_reached) == state)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_word_leads_to_the_state_that_it_is_shown_for() {
        for reached in [false, true] {
            let waits = if reached { CloudFileState::Queued } else { CloudFileState::Wanted };
            let other = if reached { CloudFileState::Wanted } else { CloudFileState::Queued };
            assert_eq!(stored_state(waits, reached), Some(CloudCopyState::Wanted));
            assert_eq!(stored_state(other, reached), None);
            assert_eq!(
                stored_state(CloudFileState::Transferring, reached),
                Some(CloudCopyState::Sending)
            );
        }
    }
}
