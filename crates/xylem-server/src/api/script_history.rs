//! Reading the contents of scripts, of any version, and what differs between two of them.

use std::time::Duration;

use axum::Json;
use axum::extract::State;
use serde::Deserialize;
use similar::TextDiff;
use utoipa::IntoParams;
use xylem_api::MAX_PAGE;
use xylem_api::scripts::{ScriptDiff, ScriptVersionPage, VersionContents};
use xylem_http::ApiError;
use xylem_model::{ScriptContents, ScriptId};

use super::script_contents::number;
use super::scripts::version_wire;
use crate::app::App;
use crate::extract::{ApiPath, ApiQuery};
use crate::failure::Failure;

/// Lines shown around each difference.
const CONTEXT_LINES: usize = 3;

/// How long the smallest difference is looked for; after that a larger one will do.
const DIFF_LIMIT: Duration = Duration::from_secs(1);

/// Which page of a history.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Before {
    /// Versions before this number; the newest where left out.
    before: Option<u64>,
}

/// Which two versions.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Between {
    /// From this version, 0 for the time before the first; the one before `to` where left out.
    from: Option<u64>,
    /// To this version; the newest where left out.
    to: Option<u64>,
}

/// The newest version of a script, with its contents.
#[utoipa::path(
    get, path = "/v1/scripts/{name}/contents", tag = "scripts",
    params(("name" = String, Path, description = "Its name.")),
    responses((status = 200, description = "The contents.", body = VersionContents))
)]
pub(super) async fn contents(
    State(app): State<App>,
    ApiPath(name): ApiPath<String>,
) -> Result<Json<VersionContents>, Failure> {
    let script = app.script(&name).await?.script;
    app.version_contents(script.id, script.latest).await
}

/// The versions of a script, newest first.
#[utoipa::path(
    get, path = "/v1/scripts/{name}/versions", tag = "scripts",
    params(("name" = String, Path, description = "Its name."), Before),
    responses((status = 200, description = "A page of versions.", body = ScriptVersionPage))
)]
pub(super) async fn versions(
    State(app): State<App>,
    ApiPath(name): ApiPath<String>,
    ApiQuery(asked): ApiQuery<Before>,
) -> Result<Json<ScriptVersionPage>, Failure> {
    let id = app.script(&name).await?.script.id;
    let before = asked.before.map(|given| number("version", given)).transpose()?;
    let found = app.database.script_versions(id, before, MAX_PAGE).await?;
    let is_full = u64::try_from(found.len()).is_ok_and(|count| count >= MAX_PAGE);
    let next = found.last().filter(|last| is_full && last.number > 1);
    let next = next.map(|last| u64::from(last.number));
    Ok(Json(ScriptVersionPage { items: found.into_iter().map(version_wire).collect(), next }))
}

/// One version of a script, with its contents.
#[utoipa::path(
    get, path = "/v1/scripts/{name}/versions/{version}", tag = "scripts",
    params(("name" = String, Path, description = "Its name."),
        ("version" = u64, Path, description = "The version's number.")),
    responses((status = 200, description = "The version.", body = VersionContents))
)]
pub(super) async fn version(
    State(app): State<App>,
    ApiPath((name, version)): ApiPath<(String, u64)>,
) -> Result<Json<VersionContents>, Failure> {
    let id = app.script(&name).await?.script.id;
    app.version_contents(id, number("version", version)?).await
}

/// What differs between two versions of a script.
#[utoipa::path(
    get, path = "/v1/scripts/{name}/diff", tag = "scripts",
    params(("name" = String, Path, description = "Its name."), Between),
    responses((status = 200, description = "The difference.", body = ScriptDiff))
)]
pub(super) async fn script_diff(
    State(app): State<App>,
    ApiPath(name): ApiPath<String>,
    ApiQuery(asked): ApiQuery<Between>,
) -> Result<Json<ScriptDiff>, Failure> {
    let script = app.script(&name).await?.script;
    let to = asked.to.map_or(Ok(script.latest), |given| number("version", given))?;
    let before = to.saturating_sub(1);
    let from = asked.from.map_or(Ok(before), |given| number("version", given))?;
    let (old, new) = (app.text(script.id, from).await?, app.text(script.id, to).await?);
    let heads = [from, to].map(|number| format!("{} version {number}", script.name));
    // Up to a second of work: not where requests are answered.
    let comparing = tokio::task::spawn_blocking(move || unified(&old, &new, &heads));
    let unified = comparing.await.map_err(|error| ApiError::internal("comparing", error))?;
    Ok(Json(ScriptDiff { name: script.name, from: from.into(), to: to.into(), unified }))
}

impl App {
    async fn version_contents(
        &self,
        id: ScriptId,
        number: u32,
    ) -> Result<Json<VersionContents>, Failure> {
        let (version, contents) = self.database.script_version(id, number).await?;
        let contents = contents.into_string();
        Ok(Json(VersionContents { version: version_wire(version), contents }))
    }

    /// The contents of a version; nothing, before the first.
    async fn text(&self, id: ScriptId, number: u32) -> Result<ScriptContents, Failure> {
        match number {
            0 => Ok(ScriptContents::stored(String::new())),
            number => Ok(self.database.script_version(id, number).await?.1),
        }
    }
}

fn unified(old: &ScriptContents, new: &ScriptContents, [from, to]: &[String; 2]) -> String {
    let diff = TextDiff::configure().timeout(DIFF_LIMIT).diff_lines(old.as_str(), new.as_str());
    diff.unified_diff().context_radius(CONTEXT_LINES).header(from, to).to_string()
}
