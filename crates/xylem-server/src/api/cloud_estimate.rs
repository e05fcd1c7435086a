//! What filling a cloud distribution point would take.

use std::collections::BTreeSet;

use axum::Json;
use axum::extract::State;
use serde::Deserialize;
use serde_json::json;
use utoipa::IntoParams;
use xylem_api::cloud_files::{AskCloudEstimate, CloudEstimate};
use xylem_api::error::ErrorCode;
use xylem_cloud::{CloudSettings, PointSettings};
use xylem_db::{MAX_PAGE, Version};
use xylem_http::ApiJson;
use xylem_model::{ContentId, FileId};
use xylem_sync::Selection;

use super::cloud::settings_of;
use crate::app::App;
use crate::cloud::estimate::{Assumed, Tally};
use crate::extract::ApiQuery;
use crate::failure::Failure;

/// What is estimated with.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Numbers {
    /// How fast it would be sent, bytes per second.
    rate_bytes_per_second: Option<u64>,
    /// Computers that would fetch everything there once.
    devices: Option<u64>,
    /// What a GiB costs that is fetched there, in whichever currency.
    price_per_gib: Option<f64>,
}

/// What it takes to fill the point that is set with what was chosen for it; everything, into S3,
/// where none is.
#[utoipa::path(
    get, path = "/v1/cloud-distribution-point/estimate", tag = "cloud", params(Numbers),
    responses((status = 200, description = "The estimate.", body = CloudEstimate))
)]
pub(super) async fn cloud_estimate(
    State(app): State<App>,
    ApiQuery(numbers): ApiQuery<Numbers>,
) -> Result<Json<CloudEstimate>, Failure> {
    let Numbers { rate_bytes_per_second, devices, price_per_gib } = numbers;
    let asked = AskCloudEstimate {
        rate_bytes_per_second,
        devices,
        price_per_gib,
        ..AskCloudEstimate::default()
    };
    app.estimate_cloud(asked).await
}

/// The same for other settings and another choice, also before a point is set.
#[utoipa::path(
    post, path = "/v1/cloud-distribution-point/estimate", tag = "cloud",
    request_body = AskCloudEstimate,
    responses((status = 200, description = "The estimate.", body = CloudEstimate))
)]
pub(super) async fn ask_cloud_estimate(
    State(app): State<App>,
    ApiJson(asked): ApiJson<AskCloudEstimate>,
) -> Result<Json<CloudEstimate>, Failure> {
    app.estimate_cloud(asked).await
}

impl App {
    async fn estimate_cloud(
        &self,
        asked: AskCloudEstimate,
    ) -> Result<Json<CloudEstimate>, Failure> {
        if asked.price_per_gib.is_some_and(|price| !price.is_finite() || price < 0.0) {
            let told = "`price_per_gib` is no price: give a number such as 0.05";
            return Err(Failure::new(ErrorCode::BadRequest, told));
        }
        let point = self.database.cloud_point().await?;
        let storage = match (asked.storage, &point) {
            (Some(storage), _) => Some(PointSettings::read(json!({ "storage": storage }))?.storage),
            (None, Some(point)) => Some(settings_of(point)?.storage),
            (None, None) => None,
        };
        let chosen = match (asked.rules, point) {
            (Some(rules), _) => Some(Selection { rules: self.rules(rules).await? }),
            (None, Some(point)) => point.selection.map(|it| Selection::clone(&it)),
            (None, None) => None,
        };
        let tally = self.tally_cloud(storage.as_ref(), chosen.as_ref()).await?;
        Ok(Json(tally.told(Assumed {
            rate: asked.rate_bytes_per_second,
            devices: asked.devices,
            price_per_gib: asked.price_per_gib,
        })))
    }

    /// Adds up all contents that are to be held, of the files that are chosen. Each once.
    async fn tally_cloud(
        &self,
        storage: Option<&CloudSettings>,
        chosen: Option<&Selection>,
    ) -> Result<Tally, Failure> {
        let mut tally = Tally::at(storage);
        let mut seen: BTreeSet<ContentId> = BTreeSet::new();
        let mut add = |version: &Version| {
            if seen.insert(version.content) {
                tally.add(version.size);
            }
        };
        let mut after = None;
        loop {
            let page = self.database.live_versions(after, MAX_PAGE).await?;
            let Some(last) = page.last() else { break };
            after = Some(last.file.stamp.generation);
            let is_chosen = |file: &xylem_db::File| {
                chosen.is_none_or(|selection| selection.chooses(&file.facts()))
            };
            let files: Vec<_> = page.into_iter().filter(|live| is_chosen(&live.file)).collect();
            let ids: Vec<FileId> = files.iter().map(|live| live.file.id).collect();
            files.iter().for_each(|live| add(&live.version));
            if !ids.is_empty() {
                self.database.marked_versions(&ids).await?.iter().for_each(&mut add);
            }
        }
        Ok(tally)
    }
}
