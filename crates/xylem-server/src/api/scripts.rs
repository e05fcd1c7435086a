//! Scripts: what they are called, what is said of them, and what holds for all of them.

use axum::Json;
use axum::extract::State;
use http::StatusCode;
use serde::Deserialize;
use utoipa::IntoParams;
use xylem_api::MAX_PAGE;
use xylem_api::scripts::{
    ChangeScript, ChangeScriptSettings, NewScript, Script, ScriptPage, ScriptSaved, ScriptSettings,
    ScriptVersion,
};
use xylem_db::{ScriptChange, ScriptNow, ScriptSettingsChange};
use xylem_http::ApiJson;
use xylem_model::{ParameterLabels, ScriptId, ScriptName};

use super::script_contents::{number, report};
use crate::app::App;
use crate::extract::{ApiPath, ApiQuery};
use crate::failure::Failure;
use crate::names::Names;
use crate::permission::Caller;

/// Which page of which scripts.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Which {
    /// Scripts after this name; from the first where left out.
    #[param(value_type = Option<String>)]
    after: Option<ScriptName>,
    /// Those that were deleted and can be brought back, the last deleted first, in one page.
    #[serde(default)]
    deleted: bool,
}

/// A page of scripts, in the order of names.
#[utoipa::path(
    get, path = "/v1/scripts", tag = "scripts", params(Which),
    responses((status = 200, description = "A page of scripts.", body = ScriptPage))
)]
pub(super) async fn scripts(
    State(app): State<App>,
    ApiQuery(which): ApiQuery<Which>,
) -> Result<Json<ScriptPage>, Failure> {
    let found = match which.deleted {
        true => app.database.deleted_scripts(MAX_PAGE).await?,
        false => app.database.list_scripts(which.after.as_ref(), MAX_PAGE).await?,
    };
    let is_full = u64::try_from(found.len()).is_ok_and(|count| count >= MAX_PAGE);
    let goes_on = is_full && !which.deleted;
    let next = found.last().filter(|_| goes_on).map(|it| it.script.name.to_string());
    let names = app.names().await?;
    let items = found.into_iter().map(|it| wire(it, &names)).collect();
    Ok(Json(ScriptPage { items, next }))
}

/// Adds a script with the first version of its contents.
#[utoipa::path(
    post, path = "/v1/scripts", tag = "scripts", request_body = NewScript,
    responses((status = 200, description = "The script.", body = ScriptSaved))
)]
pub(super) async fn add_script(
    State(app): State<App>,
    caller: Caller,
    ApiJson(new): ApiJson<NewScript>,
) -> Result<Json<ScriptSaved>, Failure> {
    let (contents, normalised) = app.read_contents(&new.contents).await?;
    let row = xylem_db::NewScript {
        id: app.environment.new_id(ScriptId::from_parts),
        name: ScriptName::new(&new.name)?,
        category: app.category_id(new.category.as_deref()).await?,
        info: new.info,
        notes: new.notes,
        priority: new.priority,
        labels: ParameterLabels::new(new.labels)?,
        os_requirement: new.os_requirement.parse()?,
        contents,
        comment: new.comment,
        edit: new.edit,
    };
    let added = app.database.add_script(&row, &caller.actor(), app.now()).await?;
    let script = app.script_wire(added).await?;
    Ok(Json(ScriptSaved { script, changed: true, normalised: report(normalised) }))
}

/// One script, without its contents.
#[utoipa::path(
    get, path = "/v1/scripts/{name}", tag = "scripts",
    params(("name" = String, Path, description = "Its name.")),
    responses((status = 200, description = "The script.", body = Script))
)]
pub(super) async fn script(
    State(app): State<App>,
    ApiPath(name): ApiPath<String>,
) -> Result<Json<Script>, Failure> {
    let found = app.script(&name).await?;
    Ok(Json(app.script_wire(found).await?))
}

/// Changes what is said of a script, or its name.
#[utoipa::path(
    patch, path = "/v1/scripts/{name}", tag = "scripts",
    params(("name" = String, Path, description = "Its name.")), request_body = ChangeScript,
    responses((status = 200, description = "The script.", body = Script))
)]
pub(super) async fn change_script(
    State(app): State<App>,
    caller: Caller,
    ApiPath(name): ApiPath<String>,
    ApiJson(asked): ApiJson<ChangeScript>,
) -> Result<Json<Script>, Failure> {
    let present = app.script(&name).await?;
    let category = match asked.category.as_deref() {
        None => None,
        Some("") => Some(None),
        category => Some(app.category_id(category).await?),
    };
    // What the labels are added to is the revision that the change names, or it is refused.
    let labels = match asked.labels.is_empty() {
        true => None,
        false => Some(present.script.labels.with(asked.labels)?),
    };
    let change = ScriptChange {
        name: asked.name.as_deref().map(ScriptName::new).transpose()?,
        category,
        info: asked.info,
        notes: asked.notes,
        priority: asked.priority,
        labels,
        os_requirement: asked.os_requirement.map(|text| text.parse()).transpose()?,
    };
    let (name, revision) = (present.script.name, number("revision", asked.revision)?);
    let actor = caller.actor();
    let changed = app.database.change_script(&name, revision, &change, &actor, app.now()).await?;
    Ok(Json(app.script_wire(changed).await?))
}

/// Deletes a script; it can be brought back, with its whole history, for 30 days.
#[utoipa::path(
    delete, path = "/v1/scripts/{name}", tag = "scripts",
    params(("name" = String, Path, description = "Its name.")),
    responses((status = 204, description = "Deleted."))
)]
pub(super) async fn delete_script(
    State(app): State<App>,
    caller: Caller,
    ApiPath(name): ApiPath<String>,
) -> Result<StatusCode, Failure> {
    app.database.delete_script(&ScriptName::new(&name)?, &caller.actor(), app.now()).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Brings the last deleted script of this name back.
#[utoipa::path(
    post, path = "/v1/scripts/{name}/undelete", tag = "scripts",
    params(("name" = String, Path, description = "Its name.")),
    responses((status = 200, description = "The script.", body = Script))
)]
pub(super) async fn undelete_script(
    State(app): State<App>,
    caller: Caller,
    ApiPath(name): ApiPath<String>,
) -> Result<Json<Script>, Failure> {
    let name = ScriptName::new(&name)?;
    let back = app.database.undelete_script(&name, &caller.actor(), app.now()).await?;
    Ok(Json(app.script_wire(back).await?))
}

/// What was decided about all scripts.
#[utoipa::path(
    get, path = "/v1/script-settings", tag = "scripts",
    responses((status = 200, description = "The settings.", body = ScriptSettings))
)]
pub(super) async fn settings(State(app): State<App>) -> Result<Json<ScriptSettings>, Failure> {
    Ok(Json(settings_wire(app.database.script_settings().await?)))
}

/// Decides about all scripts.
#[utoipa::path(
    patch, path = "/v1/script-settings", tag = "scripts", request_body = ChangeScriptSettings,
    responses((status = 200, description = "The settings.", body = ScriptSettings))
)]
pub(super) async fn change_settings(
    State(app): State<App>,
    caller: Caller,
    ApiJson(asked): ApiJson<ChangeScriptSettings>,
) -> Result<Json<ScriptSettings>, Failure> {
    let change = ScriptSettingsChange {
        contents_through: asked.change_contents,
        allow_osascript: asked.allow_osascript,
    };
    let actor = caller.actor();
    Ok(Json(settings_wire(app.database.change_script_settings(change, &actor, app.now()).await?)))
}

impl App {
    /// The live script of this name.
    pub(super) async fn script(&self, name: &str) -> Result<ScriptNow, Failure> {
        Ok(self.database.script_by_name(&ScriptName::new(name)?).await?)
    }

    pub(super) async fn script_wire(&self, it: ScriptNow) -> Result<Script, Failure> {
        Ok(wire(it, &self.names().await?))
    }
}

fn wire(ScriptNow { script, version }: ScriptNow, names: &Names) -> Script {
    Script {
        id: script.id,
        category: names.category(script.category),
        name: script.name,
        info: script.info,
        notes: script.notes,
        priority: script.priority,
        labels: script.labels,
        os_requirement: script.os_requirement.to_string(),
        revision: u64::from(script.revision),
        created_at: script.created,
        changed_at: script.changed,
        changed_by: script.changed_by,
        deleted_at: script.deleted,
        current: version_wire(version),
    }
}

/// A version as callers see it.
pub(super) fn version_wire(version: xylem_db::ScriptVersion) -> ScriptVersion {
    ScriptVersion {
        version: u64::from(version.number),
        blake3: version.digest,
        size: version.bytes,
        author: version.author,
        created_at: version.created,
        comment: version.comment,
        restores: version.restores.map(u64::from),
    }
}

fn settings_wire(settings: xylem_db::ScriptSettings) -> ScriptSettings {
    ScriptSettings {
        change_contents: settings.contents_through,
        allow_osascript: settings.rules.allow_osascript,
    }
}
