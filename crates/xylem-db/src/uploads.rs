//! Uploads: declared, then committed (see `commits`), then published.

use std::time::Duration;

use sea_orm::{
    ActiveModelTrait, ColumnTrait, ConnectionTrait, DatabaseTransaction, EntityTrait,
    IntoActiveModel, QueryFilter, QueryOrder, QuerySelect, Set, sea_query::Expr,
};
use serde_json::json;
use xylem_model::{
    CategoryId, ContentId, DistributionServerId, FileId, FileKind, FileName, Priority, Sha256,
    SiteId, Timestamp, UploadId,
};

use crate::audit::{self, Actor};
use crate::convert::{self, bytes32, int, moment, parsed, uint};
use crate::entity::upload::{Column, Entity, Model};
use crate::entity::{file, version};
use crate::files::{self, FileSorting, Version, live_by_key, version_row};
use crate::servers::require_live;
use crate::sites::{require_category, require_site};
use crate::state;
use crate::transaction::{Outcome, change, query};
use crate::words::words;
use crate::{Database, DbError};

/// How long an ended upload can still be asked after.
pub const UPLOAD_KEPT: Duration = Duration::from_secs(30 * 24 * 60 * 60);

words! {
    /// How far an upload has come.
    UploadState, "state of an upload" {
        /// Announced; its bytes are on their way.
        Declared => "declared",
        /// Verified, signed and recorded; not yet offered.
        Committed => "committed",
        /// Offered.
        Published => "published",
        /// Refused; its reason says why.
        Failed => "failed",
        /// Given up by whoever sent it.
        Cancelled => "cancelled",
        /// Not completed in time.
        Expired => "expired",
    }
}

/// An upload to be declared.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewUpload {
    /// Its id.
    pub id: UploadId,
    /// What is to be uploaded.
    pub kind: FileKind,
    /// Under which name.
    pub name: FileName,
    /// How many bytes.
    pub size: u64,
    /// How much of a hurry the version that it becomes is in.
    pub priority: Priority,
    /// Its content id, where the uploader can tell.
    pub blake3: Option<ContentId>,
    /// Its SHA-256, where the uploader can tell.
    pub sha256: Option<Sha256>,
    /// Whether it may become the next version of a file that has the name.
    pub replace: bool,
    /// Whether it is to wait to be promoted: what is in production stays.
    pub test: bool,
    /// The site the file belongs to.
    pub site: Option<SiteId>,
    /// The category it is sorted into.
    pub category: Option<CategoryId>,
    /// The ingest server, where the bytes go.
    pub server: DistributionServerId,
    /// When it counts as given up.
    pub expires: Timestamp,
}

/// A stored upload.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Upload {
    /// What was declared.
    pub declared: NewUpload,
    /// Who declared it.
    pub actor: String,
    /// When.
    pub created: Timestamp,
    /// How far it has come.
    pub state: UploadState,
    /// Why it failed.
    pub reason: Option<String>,
    /// When it was published, failed, cancelled or expired.
    pub ended: Option<Timestamp>,
    /// The file and version it became.
    pub version: Option<(FileId, u32)>,
}

/// The answer to a declaration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Declaration {
    /// Recorded; the bytes may come.
    Declared(Box<Upload>),
    /// What has that name has this very content: nothing to do.
    AlreadyThere(Box<Version>),
    /// The name is taken by other content, and replacing was not asked for.
    Conflict {
        /// What is there.
        existing: Box<Version>,
    },
    /// The name differs from another file's by case or Unicode form only, or is that of a file of
    /// another kind: file shares could not hold both.
    NameTaken {
        /// The other file's name.
        existing: FileName,
        /// The other file's kind.
        kind: FileKind,
    },
}

/// What [`Database::expire_uploads`] has done.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ExpiredUploads {
    /// Uploads that were not completed in time.
    pub expired: u64,
    /// Uploads that ended more than [`UPLOAD_KEPT`] ago and are forgotten.
    pub forgotten: u64,
}

impl Database {
    /// Declares an upload, or says why it is not needed or not possible.
    pub async fn declare_upload(
        &self,
        new: &NewUpload,
        actor: &Actor,
        now: Timestamp,
    ) -> Result<Declaration, DbError> {
        let row = declared_row(new, actor, now)?;
        change!(self, "declaring an upload", |tx| declare(tx, new, &row, actor, now).await)
    }

    /// Declares what the ingest server has received already, under the id that it has there.
    /// Declaring it again in the same words gives the same upload, however far it has come.
    ///
    /// # Errors
    /// [`DbError::WrongState`] where the id stands for another upload.
    pub async fn declare_received(
        &self,
        new: &NewUpload,
        actor: &Actor,
        now: Timestamp,
    ) -> Result<Declaration, DbError> {
        let row = declared_row(new, actor, now)?;
        change!(self, "declaring what was received", |tx| {
            let Some(known) = Entity::find_by_id(new.id.uuid()).one(tx).await? else {
                return declare(tx, new, &row, actor, now).await;
            };
            let known = Upload::try_from(known)?;
            let again = NewUpload { expires: known.declared.expires, ..new.clone() };
            if known.declared == again && known.actor == actor.as_str() {
                return Ok(Declaration::Declared(Box::new(known)));
            }
            let (name, state) = (new.id.to_string(), "declared in other words");
            let (what, wanted) = ("upload", "declared again");
            Err(DbError::WrongState { what, name, state, wanted }.into())
        })
    }

    /// One upload, until it is forgotten.
    pub async fn upload(&self, id: UploadId) -> Result<Upload, DbError> {
        query!(self, "looking up an upload", |db| find(db, id).await)?.try_into()
    }

    /// Uploads that have not ended, oldest first: what an ingest server has still to finish.
    pub async fn open_uploads(
        &self,
        server: Option<DistributionServerId>,
        limit: u64,
    ) -> Result<Vec<Upload>, DbError> {
        let rows = query!(self, "listing open uploads", |db| {
            let mut open = Entity::find().filter(Column::EndedAt.is_null());
            if let Some(server) = server {
                open = open.filter(Column::ServerId.eq(server.uuid()));
            }
            Ok(open.order_by_asc(Column::Id).limit(convert::page(limit)).all(db).await?)
        })?;
        rows.into_iter().map(Upload::try_from).collect()
    }

    /// Notes that the ingest server offers the version. Idempotent.
    ///
    /// # Errors
    /// [`DbError::WrongState`] where the upload was never committed.
    pub async fn mark_published(&self, id: UploadId, now: Timestamp) -> Result<Upload, DbError> {
        change!(self, "noting a publication", |tx| {
            let row = find(tx, id).await?;
            match state(&row)? {
                UploadState::Published => return Ok(Upload::try_from(row)?),
                UploadState::Committed => {}
                present => return Err(wrong_state(id, present, "published").into()),
            }
            let is_version = version::Column::FileId.eq(row.file_id);
            version::Entity::update_many()
                .col_expr(version::Column::PublishedAt, Expr::value(now.unix_ms()))
                .filter(is_version)
                .filter(version::Column::Number.eq(row.version))
                .filter(version::Column::PublishedAt.is_null())
                .exec(tx)
                .await?;
            Ok(end(tx, row, UploadState::Published, None, now).await?.try_into()?)
        })
    }

    /// Gives up an upload that has not been committed. Idempotent.
    pub async fn cancel_upload(
        &self,
        id: UploadId,
        actor: &Actor,
        now: Timestamp,
    ) -> Result<Upload, DbError> {
        change!(self, "cancelling an upload", |tx| {
            let row = find(tx, id).await?;
            match state(&row)? {
                UploadState::Cancelled => return Ok(Upload::try_from(row)?),
                UploadState::Declared => {}
                present => return Err(wrong_state(id, present, "cancelled").into()),
            }
            let detail = json!({ "id": id });
            audit::append(tx, actor, now, "upload.cancel", &row.name, &detail).await?;
            Ok(end(tx, row, UploadState::Cancelled, None, now).await?.try_into()?)
        })
    }

    /// Ends uploads whose time is over, and forgets those that ended long ago.
    pub async fn expire_uploads(&self, now: Timestamp) -> Result<ExpiredUploads, DbError> {
        change!(self, "expiring uploads", |tx| {
            let expired = Entity::update_many()
                .col_expr(Column::State, Expr::value(UploadState::Expired.as_str()))
                .col_expr(Column::EndedAt, Expr::value(now.unix_ms()))
                .filter(Column::State.eq(UploadState::Declared.as_str()))
                .filter(Column::ExpiresAt.lte(now.unix_ms()))
                .exec(tx)
                .await?;
            let long_ago = Column::EndedAt.lt(now.minus(UPLOAD_KEPT).unix_ms());
            let forgotten = Entity::delete_many().filter(long_ago).exec(tx).await?;
            Ok(ExpiredUploads {
                expired: expired.rows_affected,
                forgotten: forgotten.rows_affected,
            })
        })
    }
}

async fn declare(
    tx: &DatabaseTransaction,
    new: &NewUpload,
    row: &Model,
    actor: &Actor,
    now: Timestamp,
) -> Outcome<Declaration> {
    let server = require_live(tx, new.server).await?;
    if !server.is_principal {
        // The principal was moved since it was looked up.
        let now = uint("root epoch", state::row(tx).await?.root_epoch)?;
        return Err(DbError::Behind { name: server.name, now }.into());
    }
    require_site(tx, new.site).await?;
    require_category(tx, new.category).await?;
    if let Some(answer) = existing(tx, new).await? {
        if matches!(answer, Declaration::AlreadyThere(_)) {
            sort_as_declared(tx, new, actor, now).await?;
        }
        return Ok(answer);
    }
    Entity::insert(row.clone().into_active_model()).exec_without_returning(tx).await?;
    let detail = json!({
        "id": new.id, "kind": new.kind, "size": new.size, "blake3": new.blake3,
        "replace": new.replace, "priority": new.priority, "test": new.test,
    });
    audit::append(tx, actor, now, "upload.declare", new.name.as_str(), &detail).await?;
    Ok(Declaration::Declared(Box::new(row.clone().try_into()?)))
}

fn declared_row(new: &NewUpload, actor: &Actor, now: Timestamp) -> Result<Model, DbError> {
    Ok(Model {
        id: new.id.uuid(),
        kind: new.kind.as_str().into(),
        name: new.name.as_str().into(),
        size: int("size", new.size)?,
        blake3: new.blake3.map(|digest| digest.as_bytes().to_vec()),
        sha256: new.sha256.map(|digest| digest.as_bytes().to_vec()),
        replace: new.replace,
        test: new.test,
        site_id: new.site.map(SiteId::uuid),
        category_id: new.category.map(CategoryId::uuid),
        actor: actor.as_str().into(),
        server_id: new.server.uuid(),
        state: UploadState::Declared.as_str().into(),
        reason: None,
        created_at: now.unix_ms(),
        expires_at: new.expires.unix_ms(),
        ended_at: None,
        file_id: None,
        version: None,
        priority: new.priority.as_str().into(),
    })
}

/// What stands in the way of an upload, as far as its declaration shows. Content that was not
/// declared is compared when it is known, at the commit.
async fn existing(tx: &DatabaseTransaction, new: &NewUpload) -> Outcome<Option<Declaration>> {
    let Some(file) = live_by_key(tx, &new.name.collision_key()).await? else {
        return Ok(None);
    };
    if let Some((existing, kind)) = other_name(&file, new.kind, &new.name)? {
        return Ok(Some(Declaration::NameTaken { existing, kind }));
    }
    if new.test {
        // It takes nobody's place but that of an earlier one for testing.
        let Some(content) = new.blake3 else { return Ok(None) };
        let same = same_content(tx, &file, content).await?.map(Version::try_from).transpose()?;
        return Ok(same.map(|same| Declaration::AlreadyThere(Box::new(same))));
    }
    let Some(number) = file.production else { return Ok(None) };
    let newest = version_row(tx, file.id, number).await?;
    let Some(newest) = newest.map(Version::try_from).transpose()? else { return Ok(None) };
    let same_size = newest.size == new.size;
    let same_sha256 = new.sha256.is_none_or(|sha256| sha256 == newest.sha256);
    let existing = Box::new(newest);
    Ok(match new.blake3 {
        Some(content) if content == existing.content && same_size && same_sha256 => {
            Some(Declaration::AlreadyThere(existing))
        }
        None if same_size && same_sha256 => None,
        _ if new.replace => None,
        _ => Some(Declaration::Conflict { existing }),
    })
}

/// The version of a file, in production or for testing, that has this content: another one for
/// testing needs not be made of it.
pub(crate) async fn same_content(
    tx: &DatabaseTransaction,
    file: &file::Model,
    content: ContentId,
) -> Outcome<Option<version::Model>> {
    for number in [file.production, file.test].into_iter().flatten() {
        let known = version_row(tx, file.id, number).await?;
        if let Some(known) = known.filter(|known| known.content_id == content.as_bytes()) {
            return Ok(Some(known));
        }
    }
    Ok(None)
}

/// Sorts a file that has the content of an upload already into the category and site that the
/// upload names. Without leave to replace it, it stays as it is.
pub(crate) async fn sort_as_declared(
    tx: &DatabaseTransaction,
    new: &NewUpload,
    actor: &Actor,
    now: Timestamp,
) -> Outcome<()> {
    let Some(file) = live_by_key(tx, &new.name.collision_key()).await? else { return Ok(()) };
    let (category, site) = (new.category.map(CategoryId::uuid), new.site.map(SiteId::uuid));
    let is_other = (category.is_some() && category != file.category_id)
        || (site.is_some() && site != file.site_id);
    if new.replace && is_other {
        let (category, site) = (new.category.map(Some), new.site.map(Some));
        let sorting = FileSorting { category, site, marked_sites: None };
        files::sort(tx, file, &sorting, actor, now).await?;
    }
    Ok(())
}

/// The name and kind of the file that has the collision key, unless they are the given ones.
pub(crate) fn other_name(
    file: &file::Model,
    kind: FileKind,
    name: &FileName,
) -> Result<Option<(FileName, FileKind)>, DbError> {
    if file.name == name.as_str() && file.kind == kind.as_str() {
        return Ok(None);
    }
    Ok(Some((parsed("file's name", &file.name)?, parsed("file's kind", &file.kind)?)))
}

pub(crate) async fn find<C: ConnectionTrait>(connection: &C, id: UploadId) -> Outcome<Model> {
    let row = Entity::find_by_id(id.uuid()).one(connection).await?;
    Ok(row.ok_or_else(|| DbError::NotFound { what: "upload", name: id.to_string() })?)
}

pub(crate) fn state(row: &Model) -> Result<UploadState, DbError> {
    parsed("upload's state", &row.state)
}

pub(crate) fn wrong_state(id: UploadId, present: UploadState, wanted: &'static str) -> DbError {
    let (name, state) = (id.to_string(), present.as_str());
    DbError::WrongState { what: "upload", name, state, wanted }
}

/// Brings an upload to its end.
pub(crate) async fn end(
    tx: &DatabaseTransaction,
    row: Model,
    state: UploadState,
    reason: Option<String>,
    now: Timestamp,
) -> Outcome<Model> {
    let mut change = row.into_active_model();
    change.state = Set(state.as_str().into());
    change.reason = Set(reason);
    change.ended_at = Set(Some(now.unix_ms()));
    Ok(change.update(tx).await?)
}

impl TryFrom<Model> for Upload {
    type Error = DbError;

    fn try_from(row: Model) -> Result<Self, DbError> {
        let digest =
            |what, bytes: Option<Vec<u8>>| bytes.map(|bytes| bytes32(what, &bytes)).transpose();
        let number = row.version.map(|number| convert::count("version number", number));
        let declared = NewUpload {
            id: UploadId::from_uuid(row.id),
            kind: parsed("upload's kind", &row.kind)?,
            name: parsed("upload's name", &row.name)?,
            size: uint("size", row.size)?,
            priority: parsed("upload's priority", &row.priority)?,
            blake3: digest("content id", row.blake3)?.map(ContentId::from_bytes),
            sha256: digest("SHA-256 digest", row.sha256)?.map(Sha256::from_bytes),
            replace: row.replace,
            test: row.test,
            site: row.site_id.map(SiteId::from_uuid),
            category: row.category_id.map(CategoryId::from_uuid),
            server: DistributionServerId::from_uuid(row.server_id),
            expires: Timestamp::from_unix_ms(row.expires_at),
        };
        Ok(Self {
            declared,
            actor: row.actor,
            created: Timestamp::from_unix_ms(row.created_at),
            state: parsed("upload's state", &row.state)?,
            reason: row.reason,
            ended: moment(row.ended_at),
            version: row.file_id.map(FileId::from_uuid).zip(number.transpose()?),
        })
    }
}
