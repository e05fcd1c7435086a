//! The cloud distribution point on its way out: removed, left, forgotten.

use std::time::Duration;

use axum::Json;
use axum::extract::State;
use serde::Deserialize;
use utoipa::IntoParams;
use xylem_api::cloud::{CloudLeaving, CloudObjects, CloudRemoval, CloudStays};
use xylem_api::error::ErrorCode;
use xylem_db::{CloudForgotten, CloudPoint};
use xylem_model::Timestamp;

use super::cloud::{not_set, settings_of, taken};
use crate::app::App;
use crate::cloud::leave::{Lacking, lacking, not_before};
use crate::cloud::{Apart, Place};
use crate::extract::ApiQuery;
use crate::failure::Failure;
use crate::permission::Caller;

/// Which point is to be removed, and how.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Which {
    /// The former one, which is being left, and not the one that is set.
    #[serde(default)]
    former: bool,
    /// Its objects are deleted, and nobody else's; kept where left out.
    #[serde(default)]
    delete_objects: bool,
    /// It is forgotten at once with its keys, and nothing is asked of the provider: for one that is
    /// out of reach, or took the keys back.
    #[serde(default)]
    forget: bool,
}

/// Removes the point: computers are sent there no more, what was being uploaded is aborted, and it is
/// forgotten with its keys when no address is good any more. Of the former one it is said so what
/// becomes of it, once computers are sent there no more.
#[utoipa::path(
    delete, path = "/v1/cloud-distribution-point", tag = "cloud", params(Which),
    responses((status = 200, description = "How far it is.", body = CloudRemoval))
)]
pub(super) async fn remove_cloud(
    State(app): State<App>,
    caller: Caller,
    ApiQuery(which): ApiQuery<Which>,
) -> Result<Json<CloudRemoval>, Failure> {
    let point = match which.former {
        true => app.database.leaving_cloud_point().await?.ok_or_else(not_set)?,
        false => app.active_cloud().await?,
    };
    let (actor, now) = (caller.actor(), app.now());
    if which.forget {
        if which.delete_objects {
            let told = "nothing is deleted of a point that is forgotten at once: leave \
                        `delete_objects` or `forget` out";
            return Err(Failure::new(ErrorCode::BadRequest, told));
        }
        let stays = app.database.forget_cloud_point(point.id, &actor, now).await?;
        return Ok(Json(CloudRemoval { leaving: None, stays: Some(told(stays)) }));
    }
    let objects = match which.delete_objects {
        true => xylem_db::CloudObjects::Deleted,
        false => xylem_db::CloudObjects::Kept,
    };
    if which.former && which.delete_objects {
        app.require_apart_from_active(&point).await?;
    }
    let removed = app.database.remove_cloud_point(point.id, objects, &actor, now).await?;
    app.upkeep.leaving.notify_one();
    let leaving = Some(app.cloud_leaving(&removed).await?);
    Ok(Json(CloudRemoval { leaving, stays: None }))
}

/// Has computers be sent to the former point no more, whatever the new one lacks: they fetch that
/// from distribution servers.
#[utoipa::path(
    post, path = "/v1/cloud-distribution-point/leave", tag = "cloud",
    responses((status = 200, description = "How far it is.", body = CloudLeaving))
)]
pub(super) async fn leave_cloud(
    State(app): State<App>,
    caller: Caller,
) -> Result<Json<CloudLeaving>, Failure> {
    let former = app.database.leaving_cloud_point().await?.ok_or_else(not_set)?;
    // Saying it again changes nothing.
    app.database.note_cloud_left(former.id, &caller.actor(), app.now()).await?;
    app.upkeep.leaving.notify_one();
    let left = app.database.leaving_cloud_point().await?.ok_or_else(not_set)?;
    Ok(Json(app.cloud_leaving(&left).await?))
}

impl App {
    /// Refuses a place that is another point's under another name. Where that cannot be seen it is
    /// refused while that one's objects are to be deleted; else it is seen before any of them is.
    pub(super) async fn require_another_place(
        &self,
        place: Place<'_>,
        other: Option<&CloudPoint>,
    ) -> Result<(), Failure> {
        let Some(other) = other else { return Ok(()) };
        let is_deleted = other
            .leaving
            .is_some_and(|leaving| leaving.objects == Some(xylem_db::CloudObjects::Deleted));
        let told = match self.apart_from(place, other).await? {
            Apart::Yes | Apart::Empty => return Ok(()),
            Apart::No => format!(
                "what was written here is found at another point, under another name, and nothing \
                 was stored: {}",
                taken(other)
            ),
            Apart::Unknown(why) if is_deleted => format!(
                "objects of the point that is being left are to be deleted, whether it is the same \
                 place as this one cannot be seen ({why}), and nothing was stored: wait until it is \
                 forgotten, or say that they are kept, with `xylem cloud remove --former`"
            ),
            Apart::Unknown(why) => {
                tracing::warn!("whether the former point is another place is not known: {why}");
                return Ok(());
            }
        };
        Err(Failure::new(ErrorCode::Conflict, told))
    }

    /// Refuses to have objects of a former point deleted that are the active one's. Where that cannot
    /// be seen now, whoever is to delete them sees it, or waits.
    async fn require_apart_from_active(&self, former: &CloudPoint) -> Result<(), Failure> {
        let Some(active) = self.database.cloud_point().await? else { return Ok(()) };
        let settings = settings_of(&active)?;
        let Ok(keys) = self.cloud_keys(&active).await else { return Ok(()) };
        let place = Place { settings: &settings, keys: &keys };
        match self.apart_from(place, former).await? {
            Apart::No => {
                let why = Apart::No.refusal().unwrap_or_default();
                let told = format!("nothing is deleted at the former point: {why}");
                Err(Failure::new(ErrorCode::Conflict, told))
            }
            Apart::Yes | Apart::Empty | Apart::Unknown(_) => Ok(()),
        }
    }

    /// How a point is to a place.
    async fn apart_from(&self, place: Place<'_>, other: &CloudPoint) -> Result<Apart, Failure> {
        let settings = settings_of(other)?;
        Ok(match self.cloud_keys(other).await {
            Ok(keys) => {
                let there = Place { settings: &settings, keys: &keys };
                Box::pin(self.are_apart(place, there)).await
            }
            Err(failure) => Apart::Unknown(failure.0.message().to_owned()),
        })
    }

    /// How far a point is on its way out.
    pub(super) async fn cloud_leaving(&self, point: &CloudPoint) -> Result<CloudLeaving, Failure> {
        let leaving = point.leaving.ok_or_else(not_set)?;
        let counts = self.cloud_counts(point).await?;
        let lacking = match leaving.left {
            Some(_) => Lacking::default(),
            None => match self.database.cloud_point().await? {
                Some(active) => lacking(&self.cloud_store(), active.id).await?,
                None => Lacking::default(),
            },
        };
        Ok(CloudLeaving {
            since: leaving.since,
            left_at: leaving.left,
            objects: leaving.objects.map(|objects| match objects {
                xylem_db::CloudObjects::Deleted => CloudObjects::Deleted,
                xylem_db::CloudObjects::Kept => CloudObjects::Kept,
            }),
            counts,
            lacking: lacking.contents,
            lacking_bytes: lacking.bytes,
            not_before: leaving
                .left
                .map(|left| earliest(point, leaving.since, left))
                .transpose()?,
            holds: self.upkeep.left(point.id),
        })
    }
}

/// When a point is forgotten at the earliest.
fn earliest(point: &CloudPoint, since: Timestamp, left: Timestamp) -> Result<Timestamp, Failure> {
    let life = Duration::from_secs(settings_of(point)?.url_lifetime_seconds);
    Ok(not_before(life, since, left))
}

fn told(stays: CloudForgotten) -> CloudStays {
    let CloudForgotten { objects, bytes, uploads } = stays;
    CloudStays { objects, bytes, uploads }
}
