//! The records of files: read, changed, compared, taken back.

use axum::Json;
use axum::extract::State;
use serde::Deserialize;
use serde_json::{Map, Value, json};
use utoipa::IntoParams;
use xylem_api::MAX_PAGE;
use xylem_api::error::ErrorCode;
use xylem_api::records::{
    ChangeRecord, FieldDifference, FileRecord, RecordDiff, RecordRevision, RecordRevisionPage,
    RecordSaved, RestoreRecord,
};
use xylem_db::{File, RecordNow, SavedRecord};
use xylem_http::{ApiError, ApiJson};
use xylem_model::{FileId, FileKind, FileName, PackageRecord};

use super::script_contents::number;
use crate::app::App;
use crate::extract::{ApiPath, ApiQuery};
use crate::failure::Failure;
use crate::permission::Caller;

/// The field that names a category.
const CATEGORY: &str = "category";
/// Largest change of a record, in bytes: everything that may be said of a package fits twice, in
/// case much of it is escaped.
const MAX_CHANGE_BYTES: usize = 512 << 10;

/// The body of a change.
type ChangeJson<T> = ApiJson<T, MAX_CHANGE_BYTES>;

/// Which page of a history.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Before {
    /// Revisions before this number; the newest where left out.
    before: Option<u64>,
}

/// Which two revisions.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Between {
    /// From this revision; the one before `to` where left out.
    from: Option<u64>,
    /// To this revision; the newest where left out.
    to: Option<u64>,
}

/// What is said of a file.
#[utoipa::path(
    get, path = "/v1/files/{kind}/{name}/record", tag = "files",
    params(("kind" = String, Path, description = "Its kind."),
        ("name" = String, Path, description = "Its name.")),
    responses((status = 200, description = "The record in force.", body = FileRecord))
)]
pub(super) async fn record(
    State(app): State<App>,
    ApiPath(file): ApiPath<(FileKind, String)>,
) -> Result<Json<FileRecord>, Failure> {
    let file = app.live_file(&file).await?.file;
    let now = app.database.record(file.id).await?;
    Ok(Json(app.record_wire(&file, now).await?))
}

/// Changes what is said of a file. Where it was not made on the newest revision, nothing changes.
#[utoipa::path(
    patch, path = "/v1/files/{kind}/{name}/record", tag = "files",
    params(("kind" = String, Path, description = "Its kind."),
        ("name" = String, Path, description = "Its name.")), request_body = ChangeRecord,
    responses((status = 200, description = "The record.", body = RecordSaved))
)]
pub(super) async fn change_record(
    State(app): State<App>,
    caller: Caller,
    ApiPath(file): ApiPath<(FileKind, String)>,
    ApiJson(asked): ChangeJson<ChangeRecord>,
) -> Result<Json<RecordSaved>, Failure> {
    let file = app.live_file(&file).await?.file;
    let based_on = number("revision", asked.revision)?;
    let patch = app.with_ids(&file, asked.fields).await?;
    let (actor, now) = (caller.actor(), app.now());
    let saved = app.database.change_record(file.id, based_on, &patch, &actor, now).await?;
    app.saved_record(&file, saved).await
}

/// Makes an earlier revision the newest, as one more: what was said since stays in the history.
#[utoipa::path(
    post, path = "/v1/files/{kind}/{name}/record/restore", tag = "files",
    params(("kind" = String, Path, description = "Its kind."),
        ("name" = String, Path, description = "Its name.")), request_body = RestoreRecord,
    responses((status = 200, description = "The record.", body = RecordSaved))
)]
pub(super) async fn restore_record(
    State(app): State<App>,
    caller: Caller,
    ApiPath(file): ApiPath<(FileKind, String)>,
    ApiJson(asked): ApiJson<RestoreRecord>,
) -> Result<Json<RecordSaved>, Failure> {
    let file = app.live_file(&file).await?.file;
    let (earlier, based_on) =
        (number("revision", asked.revision)?, number("revision", asked.based_on)?);
    let (actor, now) = (caller.actor(), app.now());
    let saved = app.database.restore_record(file.id, earlier, based_on, &actor, now).await?;
    app.saved_record(&file, saved).await
}

/// The revisions of a record, newest first.
#[utoipa::path(
    get, path = "/v1/files/{kind}/{name}/record/revisions", tag = "files",
    params(("kind" = String, Path, description = "Its kind."),
        ("name" = String, Path, description = "Its name."), Before),
    responses((status = 200, description = "A page of revisions.", body = RecordRevisionPage))
)]
pub(super) async fn revisions(
    State(app): State<App>,
    ApiPath(file): ApiPath<(FileKind, String)>,
    ApiQuery(asked): ApiQuery<Before>,
) -> Result<Json<RecordRevisionPage>, Failure> {
    let id = app.live_file(&file).await?.file.id;
    let before = asked.before.map(|given| number("revision", given)).transpose()?;
    let found = app.database.record_revisions(id, before, MAX_PAGE).await?;
    let is_full = u64::try_from(found.len()).is_ok_and(|count| count >= MAX_PAGE);
    let next = found.last().filter(|last| is_full && last.number > 0);
    let next = next.map(|last| u64::from(last.number));
    Ok(Json(RecordRevisionPage { items: found.into_iter().map(revision_wire).collect(), next }))
}

/// What was said of a file in one revision.
#[utoipa::path(
    get, path = "/v1/files/{kind}/{name}/record/revisions/{revision}", tag = "files",
    params(("kind" = String, Path, description = "Its kind."),
        ("name" = String, Path, description = "Its name."),
        ("revision" = u64, Path, description = "The revision's number.")),
    responses((status = 200, description = "The record in that revision.", body = FileRecord))
)]
pub(super) async fn revision(
    State(app): State<App>,
    ApiPath((kind, name, revision)): ApiPath<(FileKind, String, u64)>,
) -> Result<Json<FileRecord>, Failure> {
    let file = app.live_file(&(kind, name)).await?.file;
    let then = app.database.record_revision(file.id, number("revision", revision)?).await?;
    Ok(Json(app.record_wire(&file, then).await?))
}

/// What differs between two revisions of a record.
#[utoipa::path(
    get, path = "/v1/files/{kind}/{name}/record/diff", tag = "files",
    params(("kind" = String, Path, description = "Its kind."),
        ("name" = String, Path, description = "Its name."), Between),
    responses((status = 200, description = "The difference.", body = RecordDiff))
)]
pub(super) async fn record_diff(
    State(app): State<App>,
    ApiPath(file): ApiPath<(FileKind, String)>,
    ApiQuery(asked): ApiQuery<Between>,
) -> Result<Json<RecordDiff>, Failure> {
    let file = app.live_file(&file).await?.file;
    let new = match asked.to {
        Some(to) => app.database.record_revision(file.id, number("revision", to)?).await?,
        None => app.database.record(file.id).await?,
    };
    let to = new.revision.number;
    let from = asked.from.map_or(Ok(to.saturating_sub(1)), |given| number("revision", given))?;
    let old = app.database.record_revision(file.id, from).await?;
    let (before, after) = (
        app.named_fields(file.kind, &old.record).await?,
        app.named_fields(file.kind, &new.record).await?,
    );
    let value = |fields: &Map<String, Value>, name: &str| fields.get(name).cloned();
    let differing = old.record.changed_fields(&new.record).into_iter().map(|field| {
        let (from, to) = (value(&before, &field), value(&after, &field));
        FieldDifference { field, from: from.unwrap_or_default(), to: to.unwrap_or_default() }
    });
    let fields = differing.collect();
    Ok(Json(RecordDiff { name: file.name, from: from.into(), to: to.into(), fields }))
}

impl App {
    async fn saved_record(
        &self,
        file: &File,
        saved: SavedRecord,
    ) -> Result<Json<RecordSaved>, Failure> {
        let record = self.record_wire(file, saved.now).await?;
        Ok(Json(RecordSaved { record, changed: saved.changed }))
    }

    async fn record_wire(&self, file: &File, it: RecordNow) -> Result<FileRecord, Failure> {
        let fields = self.named_fields(file.kind, &it.record).await?;
        let record = serde_json::from_value(Value::Object(fields))
            .map_err(|error| ApiError::internal("showing the record of a file", error))?;
        let shown_as = match it.record.display_name.as_str() {
            "" => file.name.to_string(),
            name => name.to_owned(),
        };
        let revision = revision_wire(it.revision);
        Ok(FileRecord { name: file.name.clone(), kind: file.kind, shown_as, revision, record })
    }

    /// A change with ids in the place of names; an empty name stands for none. What is no name, and
    /// a field that such a file has not got, is left for the record's own rules to refuse.
    async fn with_ids(
        &self,
        file: &File,
        mut patch: Map<String, Value>,
    ) -> Result<Map<String, Value>, Failure> {
        let present = self.database.record(file.id).await?.record;
        let (ids, shown) = (present.fields(), self.named_fields(file.kind, &present).await?);
        let packages = present.packages().map(|(field, _)| field);
        for field in std::iter::once(CATEGORY).chain(packages) {
            let (Some(value), Some(now)) = (patch.get_mut(field), shown.get(field)) else {
                continue;
            };
            let Value::String(name) = &*value else { continue };
            *value = match name.as_str() {
                "" => Value::Null,
                // As it is shown, so it stays: what it names may be gone, or its name another's.
                _ if *now == *value => ids.get(field).cloned().unwrap_or_default(),
                name => self.id_of(field, name).await?,
            };
        }
        Ok(patch)
    }

    /// The id of what a field names.
    async fn id_of(&self, field: &'static str, name: &str) -> Result<Value, Failure> {
        if field == CATEGORY {
            let found = self.database.category_by_name(name).await;
            return Ok(json!(found.map_err(|error| error.of_field(field))?.id));
        }
        let name = FileName::new(name).map_err(|error| {
            Failure::new(ErrorCode::NameRefused, format!("`{field}` cannot be set: {error}"))
        })?;
        let found = self.database.file_by_name(&name).await;
        Ok(json!(found.map_err(|error| error.of_field(field))?.file.id))
    }

    /// The fields that files of a kind have, with the names of now in the place of ids.
    async fn named_fields(
        &self,
        kind: FileKind,
        record: &PackageRecord,
    ) -> Result<Map<String, Value>, Failure> {
        let mut fields = record.fields();
        fields.retain(|field, _| PackageRecord::has_field(kind, field));
        if let Some(id) = record.category {
            let name = self.names().await?.category(Some(id));
            let name = name.unwrap_or_else(|| format!("({id}, removed)"));
            fields.insert(CATEGORY.to_owned(), json!(name));
        }
        for (field, id) in record.packages() {
            if let Some(value) = fields.get_mut(field) {
                *value = json!(self.package_name(id).await?);
            }
        }
        Ok(fields)
    }

    /// The name of a package that a record refers to; empty for none.
    async fn package_name(&self, id: Option<FileId>) -> Result<String, Failure> {
        match id {
            None => Ok(String::new()),
            Some(id) => self.file_name(id).await,
        }
    }
}

fn revision_wire(it: xylem_db::RecordRevision) -> RecordRevision {
    RecordRevision {
        revision: u64::from(it.number),
        author: it.author,
        created_at: it.created,
        changed: it.changed,
        restores: it.restores.map(u64::from),
    }
}
