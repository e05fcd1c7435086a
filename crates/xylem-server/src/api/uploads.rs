//! Uploads: announced here, sent to the ingest server, asked after here.

use std::time::Duration;

use axum::Json;
use axum::extract::State;
use http::StatusCode;
use xylem_api::catalogue::{DeclareUpload, OpenUpload, Upload, UploadState};
use xylem_api::error::ErrorCode;
use xylem_db::{Declaration, DistributionServer, NewUpload, Upload as DbUpload, Version};
use xylem_http::ApiError;
use xylem_http::ApiJson;
use xylem_model::{ByteSize, FileName, UploadId};

use super::comparison::with_the_one_before;
use super::files::version_wire;
use crate::app::App;
use crate::extract::ApiPath;
use crate::failure::{Failure, RETRY_AFTER_SECONDS};
use crate::permission::Caller;
use crate::uploading::{
    Roles, UPLOAD_LIFETIME, check_size, in_maintenance, ingest_server, name_taken,
};

/// An ingest server that was silent for this long is out of reach. It reports every 30 seconds.
const MAX_SILENCE: Duration = Duration::from_secs(120);

/// Unfinished uploads that are listed, or looked through for one that goes on.
const MAX_OPEN_UPLOADS: u64 = 1000;

/// Room left on the ingest server beside the upload itself, in bytes: for its tree of hashes and
/// what else is being written.
const SPARE_BYTES: u64 = 64 << 20;

/// Announces an upload: checks name, size and room, and says where the bytes go.
#[utoipa::path(
    post, path = "/v1/uploads", tag = "uploads", request_body = DeclareUpload,
    responses((status = 200, description = "Where to send the bytes.", body = Upload))
)]
pub(super) async fn declare_upload(
    State(app): State<App>,
    caller: Caller,
    ApiJson(asked): ApiJson<DeclareUpload>,
) -> Result<Json<Upload>, Failure> {
    let name = FileName::new(&asked.name)?;
    asked.kind.require_ending(&name)?;
    check_size(asked.size)?;
    let now = app.now();
    let server = app.ingest_server().await?;
    let new = NewUpload {
        id: app.environment.new_id(UploadId::from_parts),
        kind: asked.kind,
        name,
        size: asked.size,
        priority: asked.priority,
        blake3: asked.blake3,
        sha256: asked.sha256,
        replace: asked.replace,
        test: asked.test,
        site: app.site_id(asked.site.as_deref()).await?,
        category: app.category_id(asked.category.as_deref()).await?,
        server: server.id,
        expires: now.plus(UPLOAD_LIFETIME),
    };
    if let Some(open) = app.open_upload(&new, &caller).await? {
        return Ok(Json(app.upload_wire(open).await?));
    }
    check_space(&server, asked.size)?;
    match app.database.declare_upload(&new, &caller.actor(), now).await? {
        Declaration::Declared(upload) => Ok(Json(app.upload_wire(*upload).await?)),
        Declaration::AlreadyThere(version) => Ok(Json(already_there(&new, *version))),
        Declaration::Conflict { existing } => Err(Failure::new(
            ErrorCode::Conflict,
            format!(
                "there is other content under the name `{}` (version {}, {}): upload it with \
                 --replace to make the next version, or choose another name",
                new.name,
                existing.number,
                ByteSize(existing.size)
            ),
        )),
        Declaration::NameTaken { existing, kind } => {
            Err(Failure::new(ErrorCode::Conflict, name_taken(&new.name, &existing, kind)))
        }
    }
}

/// Uploads that have not ended, the oldest first; at most 1,000.
#[utoipa::path(
    get, path = "/v1/uploads", tag = "uploads",
    responses((status = 200, description = "The uploads.", body = Vec<OpenUpload>))
)]
pub(super) async fn uploads(State(app): State<App>) -> Result<Json<Vec<OpenUpload>>, Failure> {
    let open = app.database.open_uploads(None, MAX_OPEN_UPLOADS).await?;
    Ok(Json(open.into_iter().map(open_wire).collect()))
}

fn open_wire(upload: DbUpload) -> OpenUpload {
    let state = state_wire(upload.state);
    let NewUpload { id, kind, name, size, expires, .. } = upload.declared;
    OpenUpload {
        id,
        kind,
        name: name.to_string(),
        size,
        state,
        actor: upload.actor,
        created_at: upload.created,
        expires_at: expires,
    }
}

const fn state_wire(state: xylem_db::UploadState) -> UploadState {
    match state {
        xylem_db::UploadState::Declared => UploadState::Declared,
        xylem_db::UploadState::Committed => UploadState::Committed,
        xylem_db::UploadState::Published => UploadState::Published,
        xylem_db::UploadState::Failed => UploadState::Failed,
        xylem_db::UploadState::Cancelled => UploadState::Cancelled,
        xylem_db::UploadState::Expired => UploadState::Expired,
    }
}

/// Where an upload stands; while its bytes are awaited, with a fresh ticket.
#[utoipa::path(
    get, path = "/v1/uploads/{id}", tag = "uploads",
    params(("id" = uuid::Uuid, Path, description = "The upload.")),
    responses((status = 200, description = "The upload.", body = Upload))
)]
pub(super) async fn upload(
    State(app): State<App>,
    ApiPath(id): ApiPath<UploadId>,
) -> Result<Json<Upload>, Failure> {
    let upload = app.database.upload(id).await?;
    Ok(Json(app.upload_wire(upload).await?))
}

/// Gives up an upload.
#[utoipa::path(
    delete, path = "/v1/uploads/{id}", tag = "uploads",
    params(("id" = uuid::Uuid, Path, description = "The upload.")),
    responses((status = 204, description = "Given up."))
)]
pub(super) async fn cancel_upload(
    State(app): State<App>,
    caller: Caller,
    ApiPath(id): ApiPath<UploadId>,
) -> Result<StatusCode, Failure> {
    app.database.cancel_upload(id, &caller.actor(), app.now()).await?;
    Ok(StatusCode::NO_CONTENT)
}

impl App {
    /// The upload that this caller announced before in the same words and did not finish: its
    /// bytes that have arrived need not be sent again. Only with declared digests is it certain
    /// that the bytes are the same.
    async fn open_upload(&self, new: &NewUpload, by: &Caller) -> Result<Option<DbUpload>, Failure> {
        if new.blake3.is_none() || new.sha256.is_none() {
            return Ok(None);
        }
        let open = self.database.open_uploads(Some(new.server), MAX_OPEN_UPLOADS).await?;
        let (now, actor) = (self.now(), by.audit_name());
        Ok(open.into_iter().find(|upload| {
            let same = NewUpload {
                id: upload.declared.id,
                expires: upload.declared.expires,
                ..new.clone()
            };
            upload.declared == same && upload.actor == actor && now < same.expires
        }))
    }

    /// Where new files enter: the principal, else the root.
    async fn ingest_server(&self) -> Result<DistributionServer, Failure> {
        let servers = self.database.distribution_servers().await?;
        let unavailable = |message: String| -> Failure {
            ApiError::unavailable(message, RETRY_AFTER_SECONDS).into()
        };
        let server = ingest_server(&servers).ok_or_else(|| {
            unavailable(
                "no distribution server is enrolled yet, so there is no place for files: enrol \
                 one first (`xylem invite distribution`)"
                    .to_owned(),
            )
        })?;
        if server.set_aside.is_some() {
            return Err(unavailable(format!(
                "`{}`, where new files enter, is set aside, because two machines use its key: see \
                 `xylem ds reinstate`",
                server.name
            )));
        }
        if server.settings.maintenance {
            return Err(unavailable(in_maintenance(&server.name)));
        }
        let heard = server.last_seen.unwrap_or(server.enrolled);
        if self.now().since(heard) > MAX_SILENCE {
            return Err(unavailable(format!(
                "`{}`, where new files enter, has not been heard since {heard}: see that it runs",
                server.name
            )));
        }
        Ok(server.clone())
    }

    pub(super) async fn upload_wire(&self, upload: xylem_db::Upload) -> Result<Upload, Failure> {
        let state = state_wire(upload.state);
        let ingest = match state {
            UploadState::Declared => Some(self.ingest_address(&upload).await?),
            _ => None,
        };
        let (mut version, mut comparison) = (None, None);
        if let Some((file, number)) = upload.version {
            let (name, versions) = (&upload.declared.name, self.database.versions(file).await?);
            if let Some(known) = versions.iter().find(|version| version.number == number) {
                comparison = Some(with_the_one_before(name, &versions, known, self.now()));
                version = Some(version_wire(name, known.clone()));
            }
        }
        let (declared, reason) = (upload.declared, upload.reason);
        let (id, size, name) = (declared.id, declared.size, declared.name.to_string());
        Ok(Upload { id, state, reason, name, size, ingest, version, comparison })
    }
}

impl Roles for DistributionServer {
    fn is_principal(&self) -> bool {
        self.is_principal
    }

    fn is_root(&self) -> bool {
        self.is_root
    }
}

fn already_there(new: &NewUpload, version: Version) -> Upload {
    Upload {
        id: new.id,
        state: UploadState::AlreadyThere,
        reason: None,
        name: new.name.to_string(),
        size: new.size,
        ingest: None,
        version: Some(version_wire(&new.name, version)),
        comparison: None,
    }
}

fn check_space(server: &DistributionServer, size: u64) -> Result<(), Failure> {
    let Some(free) = server.free else { return Ok(()) };
    if size.saturating_add(SPARE_BYTES) <= free.0 {
        return Ok(());
    }
    Err(Failure::new(
        ErrorCode::NoSpace,
        format!(
            "`{}` has {free} free; the file has {}: make room there first",
            server.name,
            ByteSize(size)
        ),
    ))
}
