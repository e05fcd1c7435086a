//! Changing the contents of scripts: opened in the editor, set, taken back to an earlier version.

use axum::Json;
use axum::extract::State;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use xylem_api::error::ErrorCode;
use xylem_api::scripts::{
    EditScript, GivenContents, Normalisation, OpenedEdit, RestoreVersion, ScriptSaved, SetContents,
};
use xylem_db::{EDIT_LASTS, NewContents, NewEdit};
use xylem_http::ApiJson;
use xylem_model::{Normalised, ScriptContents, ScriptEditId, ScriptName};

use crate::app::App;
use crate::extract::ApiPath;
use crate::failure::Failure;
use crate::permission::Caller;

/// Opens a script in the editor, or one that is to be made.
#[utoipa::path(
    post, path = "/v1/scripts/{name}/edit", tag = "scripts",
    params(("name" = String, Path, description = "Its name.")), request_body = EditScript,
    responses((status = 200, description = "The edit, and the contents.", body = OpenedEdit))
)]
pub(super) async fn edit(
    State(app): State<App>,
    caller: Caller,
    ApiPath(name): ApiPath<String>,
    ApiJson(asked): ApiJson<EditScript>,
) -> Result<Json<OpenedEdit>, Failure> {
    let id = app.environment.new_id(ScriptEditId::from_parts);
    let new = NewEdit { id, name: ScriptName::new(&name)?, is_new: asked.new };
    let now = app.now();
    let present = app.database.open_script_edit(&new, &caller.actor(), now).await?;
    let (version, contents) = match present {
        Some((present, contents)) => (present.script.latest, contents.into_string()),
        None => (0, String::new()),
    };
    let expires_at = now.plus(EDIT_LASTS);
    Ok(Json(OpenedEdit { edit: id, version: u64::from(version), contents, expires_at }))
}

/// Makes contents the next version. Where they are not based on the newest, nothing changes.
#[utoipa::path(
    put, path = "/v1/scripts/{name}/contents", tag = "scripts",
    params(("name" = String, Path, description = "Its name.")), request_body = SetContents,
    responses((status = 200, description = "The script.", body = ScriptSaved))
)]
pub(super) async fn set_contents(
    State(app): State<App>,
    caller: Caller,
    ApiPath(name): ApiPath<String>,
    ApiJson(asked): ApiJson<SetContents>,
) -> Result<Json<ScriptSaved>, Failure> {
    let (contents, normalised) = app.read_contents(&asked.contents).await?;
    let new = NewContents {
        contents,
        based_on: number("version", asked.based_on)?,
        comment: asked.comment,
        restores: None,
        edit: asked.edit,
    };
    app.save_contents(&caller, &name, &new, normalised).await
}

/// Makes an earlier version the newest, as one more: what was written since stays in the history.
#[utoipa::path(
    post, path = "/v1/scripts/{name}/restore", tag = "scripts",
    params(("name" = String, Path, description = "Its name.")), request_body = RestoreVersion,
    responses((status = 200, description = "The script.", body = ScriptSaved))
)]
pub(super) async fn restore_version(
    State(app): State<App>,
    caller: Caller,
    ApiPath(name): ApiPath<String>,
    ApiJson(asked): ApiJson<RestoreVersion>,
) -> Result<Json<ScriptSaved>, Failure> {
    let restored = number("version", asked.version)?;
    let id = app.script(&name).await?.script.id;
    let (_, earlier) = app.database.script_version(id, restored).await?;
    // What was taken once may have been forbidden since.
    let rules = app.database.script_settings().await?.rules;
    let (contents, normalised) = ScriptContents::read(earlier.as_str().as_bytes(), rules)?;
    let new = NewContents {
        contents,
        based_on: number("version", asked.based_on)?,
        comment: String::new(),
        restores: Some(restored),
        edit: asked.edit,
    };
    app.save_contents(&caller, &name, &new, normalised).await
}

impl App {
    /// Reads contents as they were given, by the rules of this server.
    pub(super) async fn read_contents(
        &self,
        given: &GivenContents,
    ) -> Result<(ScriptContents, Vec<Normalised>), Failure> {
        let rules = self.database.script_settings().await?.rules;
        match given {
            GivenContents::Text(text) => Ok(ScriptContents::read(text.as_bytes(), rules)?),
            GivenContents::Base64(text) => {
                let bytes = STANDARD.decode(text).map_err(|error| {
                    let told = format!("the contents are not base64 as they say they are: {error}");
                    Failure::new(ErrorCode::BadRequest, told)
                })?;
                Ok(ScriptContents::read(&bytes, rules)?)
            }
        }
    }

    async fn save_contents(
        &self,
        caller: &Caller,
        name: &str,
        new: &NewContents,
        normalised: Vec<Normalised>,
    ) -> Result<Json<ScriptSaved>, Failure> {
        let (name, actor) = (ScriptName::new(name)?, caller.actor());
        let saved = self.database.change_script_contents(&name, new, &actor, self.now()).await?;
        let script = self.script_wire(saved.now).await?;
        Ok(Json(ScriptSaved { script, changed: saved.changed, normalised: report(normalised) }))
    }
}

/// What was changed of contents, as callers see it.
pub(super) fn report(normalised: Vec<Normalised>) -> Vec<Normalisation> {
    let told = |it: Normalised| Normalisation { what: it.word().into(), message: it.to_string() };
    normalised.into_iter().map(told).collect()
}

/// The number of a version or revision.
pub(super) fn number(what: &str, given: u64) -> Result<u32, Failure> {
    u32::try_from(given).map_err(|_| {
        Failure::new(ErrorCode::BadRequest, format!("there can be no {what} {given}: look it up"))
    })
}
