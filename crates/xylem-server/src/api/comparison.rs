//! Versions of a file compared, by what their inspections found.
//!
//! Nothing of it is stored: it follows from what is, and whether a certificate has expired depends
//! on when one asks.

use axum::Json;
use axum::extract::State;
use serde::Deserialize;
use utoipa::IntoParams;
use xylem_api::comparison::{Comparison, Finding};
use xylem_db::{LiveFile, Version};
use xylem_http::ApiError;
use xylem_model::{FileKind, FileName, InspectedVersion, Timestamp, compare_inspections};

use crate::app::App;
use crate::extract::{ApiPath, ApiQuery};
use crate::failure::Failure;

/// Which two versions.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Versions {
    /// From this version; where left out, the one that was in production when `to` came, or the last
    /// one before it, whichever is the next that has other content.
    from: Option<u64>,
    /// To this version; where left out, the one that waits to be promoted, or is in production.
    to: Option<u64>,
}

/// What is to be said of a version, compared with another.
#[utoipa::path(
    get, path = "/v1/files/{kind}/{name}/comparison", tag = "files",
    params(("kind" = String, Path, description = "Its kind."),
        ("name" = String, Path, description = "Its name."), Versions),
    responses((status = 200, description = "What differs.", body = Comparison))
)]
pub(super) async fn comparison(
    State(app): State<App>,
    ApiPath(file): ApiPath<(FileKind, String)>,
    ApiQuery(asked): ApiQuery<Versions>,
) -> Result<Json<Comparison>, Failure> {
    let live = app.live_file(&file).await?;
    let name = &live.file.name;
    let versions = app.database.versions(live.file.id).await?;
    let to = match asked.to {
        Some(number) => numbered(&versions, name, number)?,
        None => looked_at(&live, &versions),
    };
    let from = match asked.from {
        Some(number) => Some(numbered(&versions, name, number)?),
        None => to.before(&versions),
    };
    Ok(Json(compared(name, from, to, app.now())))
}

/// The version of this number.
pub(super) fn numbered<'a>(
    versions: &'a [Version],
    name: &FileName,
    number: u64,
) -> Result<&'a Version, Failure> {
    let found = versions.iter().find(|version| u64::from(version.number) == number);
    found.ok_or_else(|| no_version(name, number))
}

/// What is said of a version that is not there.
pub(super) fn no_version(name: &FileName, number: u64) -> Failure {
    let message = format!("`{name}` has no version {number}: ask for the file to see which");
    ApiError::not_found(message).into()
}

/// A version compared with the one before.
pub(super) fn with_the_one_before(
    name: &FileName,
    versions: &[Version],
    to: &Version,
    now: Timestamp,
) -> Comparison {
    compared(name, to.before(versions), to, now)
}

/// The version that somebody is to look at: the one that waits to be promoted, or else the one that
/// the file is shown with.
pub(super) fn looked_at<'a>(live: &'a LiveFile, versions: &'a [Version]) -> &'a Version {
    let waits = versions.iter().find(|it| Some(it.number) == live.file.test);
    waits.unwrap_or(&live.version)
}

fn compared(name: &FileName, from: Option<&Version>, to: &Version, now: Timestamp) -> Comparison {
    let found = compare_inspections(from.map(inspected), inspected(to), now);
    Comparison {
        name: name.clone(),
        from: from.map(|version| u64::from(version.number)),
        to: u64::from(to.number),
        findings: found.into_iter().map(finding_wire).collect(),
    }
}

fn inspected(version: &Version) -> InspectedVersion<'_> {
    let Version { content, size, inspection, .. } = version;
    InspectedVersion { content: *content, size: *size, inspection }
}

fn finding_wire(it: xylem_model::Finding) -> Finding {
    Finding { severity: it.severity, code: it.code.to_owned(), message: it.message }
}
