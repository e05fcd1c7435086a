//! Files of the catalogue and their versions.
//!
//! Names are unique among live files of all kinds by collision key: two names that some file
//! share would confuse count as one. A deleted file keeps its rows, and its name is free again.

use sea_orm::{
    ActiveModelTrait, ColumnTrait, DatabaseTransaction, EntityTrait, IntoActiveModel, JoinType,
    PaginatorTrait, QueryFilter, QueryOrder, QuerySelect, SelectTwo, Set,
};
use serde::Serialize;
use serde_json::{Value, json};
use xylem_model::{
    CategoryId, ContentId, FileId, FileKind, FileName, Priority, Sha256, SiteId, Stamp, Timestamp,
    VersionMark,
};

use xylem_sync::FileFacts;

use crate::audit::{self, Actor};
use crate::convert::{self, bytes32, moment, parsed, parsed_json, uint};
use crate::entity::{file, record_revision, version};
use crate::marks::shown_version;
use crate::records::note_category;
use crate::sites::{require_category, require_site};
use crate::state::raise;
use crate::transaction::{Outcome, change, query};
use crate::words::words;
use crate::{Database, DbError, FileSearch, digests, search};

words! {
    /// On whose word a digest is known.
    DigestSource, "source of a digest" {
        /// The uploader declared it before sending, and the ingest server found the same.
        Declared => "declared",
        /// The ingest server computed it from the bytes that arrived.
        ComputedByIngest => "computed-by-ingest",
    }
}

/// A file: a name that versions are published under.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct File {
    /// Which.
    pub id: FileId,
    /// What it is.
    pub kind: FileKind,
    /// The name it is published under.
    pub name: FileName,
    /// The category it is sorted into.
    pub category: Option<CategoryId>,
    /// The site it belongs to; none means all.
    pub site: Option<SiteId>,
    /// Other sites it is marked for: what is chosen by site goes to them too.
    pub marked_sites: Vec<SiteId>,
    /// The number of its newest version, whatever that is.
    pub latest: u32,
    /// The number of the version that its name means; none before the first one is promoted.
    pub production: Option<u32>,
    /// The number of the version that waits to be promoted.
    pub test: Option<u32>,
    /// The number of the version that was in production before the last promotion or rollback.
    pub previous: Option<u32>,
    /// When its first version was committed.
    pub created: Timestamp,
    /// When it was deleted.
    pub deleted: Option<Timestamp>,
    /// Its last change: new version, deletion or restoration.
    pub stamp: Stamp,
}

impl File {
    /// The mark of one of its versions; none where it is in production, or kept no longer.
    pub fn mark_of(&self, number: u32) -> Option<VersionMark> {
        let number = Some(number);
        if number == self.production {
            None
        } else if number == self.test {
            Some(VersionMark::Test)
        } else {
            (number == self.previous).then_some(VersionMark::Previous)
        }
    }

    /// What selections ask of it.
    pub fn facts(&self) -> FileFacts {
        FileFacts {
            id: self.id,
            kind: self.kind,
            category: self.category,
            sites: self.site.iter().chain(&self.marked_sites).copied().collect(),
            folded_name: self.name.collision_key(),
        }
    }
}

/// One version of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Version {
    /// Of which file.
    pub file: FileId,
    /// Which one, counted from 1.
    pub number: u32,
    /// Its content.
    pub content: ContentId,
    /// SHA-256 of its content.
    pub sha256: Sha256,
    /// Bytes of its content.
    pub size: u64,
    /// How much of a hurry it is in.
    pub priority: Priority,
    /// On whose word the content id is known.
    pub content_source: DigestSource,
    /// On whose word the SHA-256 is known.
    pub sha256_source: DigestSource,
    /// What the inspection of the upload found.
    pub inspection: Value,
    /// The signed descriptor, byte for byte.
    pub descriptor: Vec<u8>,
    /// When it was committed.
    pub created: Timestamp,
    /// When it was first offered.
    pub published: Option<Timestamp>,
    /// The version that was in production when it came; none where nothing was, and where that is not
    /// known: of those from before there were marks, and of those that were adopted after a restore.
    /// [`before`](Self::before) says what it is compared with.
    pub replaces: Option<u32>,
    /// The change that brought it.
    pub stamp: Stamp,
}

/// What a file is sorted into; what is `None` stays as it is.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct FileSorting {
    /// Another category, or none (`Some(None)`).
    pub category: Option<Option<CategoryId>>,
    /// Another owner site, or none (`Some(None)`).
    pub site: Option<Option<SiteId>>,
    /// The other sites it is marked for.
    pub marked_sites: Option<Vec<SiteId>>,
}

const MARKED_SITES: &str = "sites a file is marked for";

/// A live file with the version that its name stands for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LiveFile {
    /// The file.
    pub file: File,
    /// Its version in production; where there is none yet, the one that waits to be promoted.
    pub version: Version,
}

impl Database {
    /// The live file of this name. Names that differ only by case or Unicode form are the same.
    pub async fn file_by_name(&self, name: &FileName) -> Result<LiveFile, DbError> {
        let rows = query!(self, "looking up a file", |db| {
            let found = live_files().filter(file::Column::LiveKey.eq(name.collision_key()));
            let rows = found.one(db).await?;
            Ok(rows.ok_or_else(|| not_found(name.as_str()))?)
        })?;
        live_file(rows)
    }

    /// One file, live or deleted.
    pub async fn file(&self, id: FileId) -> Result<File, DbError> {
        let row = query!(self, "looking up a file", |db| {
            let row = file::Entity::find_by_id(id.uuid()).one(db).await?;
            Ok(row.ok_or_else(|| not_found(&id.to_string()))?)
        })?;
        row.try_into()
    }

    /// Live files by name, of one kind or all, from the one after `after` on; at most
    /// [`MAX_PAGE`](crate::MAX_PAGE).
    pub async fn list_files(
        &self,
        kind: Option<FileKind>,
        after: Option<&FileName>,
        limit: u64,
    ) -> Result<Vec<LiveFile>, DbError> {
        self.find_files(&FileSearch { kind, ..FileSearch::default() }, after, limit).await
    }

    /// How many live files there are, of all kinds.
    pub async fn count_files(&self) -> Result<u64, DbError> {
        query!(self, "counting files", |db| {
            Ok(file::Entity::find().filter(file::Column::DeletedAt.is_null()).count(db).await?)
        })
    }

    /// Deleted files that can still be restored, last deleted first; at most
    /// [`MAX_PAGE`](crate::MAX_PAGE).
    pub async fn deleted_files(&self, limit: u64) -> Result<Vec<File>, DbError> {
        let rows = query!(self, "listing deleted files", |db| {
            let deleted = file::Entity::find().filter(file::Column::DeletedAt.is_not_null());
            let newest = deleted.order_by_desc(file::Column::Generation);
            Ok(newest.limit(convert::page(limit)).all(db).await?)
        })?;
        rows.into_iter().map(File::try_from).collect()
    }

    /// All versions of a file, newest first.
    pub async fn versions(&self, id: FileId) -> Result<Vec<Version>, DbError> {
        let rows = query!(self, "listing versions", |db| {
            let all = version::Entity::find().filter(version::Column::FileId.eq(id.uuid()));
            Ok(all.order_by_desc(version::Column::Number).all(db).await?)
        })?;
        rows.into_iter().map(Version::try_from).collect()
    }

    /// One version of a file, where it has that.
    pub async fn version(&self, id: FileId, number: u64) -> Result<Option<Version>, DbError> {
        let Ok(number) = i32::try_from(number) else { return Ok(None) };
        let row = query!(self, "looking up a version", |db| {
            Ok(version::Entity::find_by_id((id.uuid(), number)).one(db).await?)
        })?;
        row.map(Version::try_from).transpose()
    }

    /// All versions, of files live or deleted, with this content.
    pub async fn versions_of_content(&self, content: ContentId) -> Result<Vec<Version>, DbError> {
        let rows = query!(self, "looking up a content", |db| {
            let wanted = version::Column::ContentId.eq(content.as_bytes().to_vec());
            let all = version::Entity::find().filter(wanted);
            Ok(all.order_by_asc(version::Column::Generation).all(db).await?)
        })?;
        rows.into_iter().map(Version::try_from).collect()
    }

    /// Kind and name of the live files whose shown version has one of these contents; at most
    /// [`MAX_PAGE`](crate::MAX_PAGE) contents are looked for.
    pub async fn files_of_contents(
        &self,
        contents: &[ContentId],
    ) -> Result<Vec<(FileKind, FileName)>, DbError> {
        let looked_for = usize::try_from(convert::MAX_PAGE).unwrap_or(usize::MAX);
        let wanted: Vec<Vec<u8>> =
            contents.iter().take(looked_for).map(|it| it.as_bytes().to_vec()).collect();
        let rows = query!(self, "looking up files by their content", |db| {
            let files = live_files().filter(version::Column::ContentId.is_in(wanted.clone()));
            Ok(files.order_by_asc(file::Column::LiveKey).all(db).await?)
        })?;
        let named = |(file, _): (file::Model, _)| {
            Ok((parsed("file's kind", &file.kind)?, parsed("file's name", &file.name)?))
        };
        rows.into_iter().map(named).collect()
    }

    /// Sorts a live file into another category or other sites.
    ///
    /// # Errors
    /// [`DbError::NotFound`] where there is no such file, category or site.
    pub async fn sort_file(
        &self,
        name: &FileName,
        sorting: &FileSorting,
        actor: &Actor,
        now: Timestamp,
    ) -> Result<Stamp, DbError> {
        change!(self, "sorting a file", |tx| {
            let Some(row) = live_by_key(tx, &name.collision_key()).await? else {
                return Err(not_found(name.as_str()).into());
            };
            sort(tx, row, sorting, actor, now).await
        })
    }

    /// Deletes a file: it is wanted nowhere from now on. It can be restored until
    /// [`purge_deleted`](Self::purge_deleted) forgets it.
    pub async fn delete_file(
        &self,
        name: &FileName,
        actor: &Actor,
        now: Timestamp,
    ) -> Result<Stamp, DbError> {
        change!(self, "deleting a file", |tx| {
            let Some(row) = live_by_key(tx, &name.collision_key()).await? else {
                return Err(not_found(name.as_str()).into());
            };
            delete(tx, row, actor, now).await
        })
    }

    /// Brings the last deleted file of this name back, as it was.
    ///
    /// # Errors
    /// [`DbError::Conflict`] where another file has taken the name meanwhile.
    pub async fn restore_file(
        &self,
        name: &FileName,
        actor: &Actor,
        now: Timestamp,
    ) -> Result<Stamp, DbError> {
        let key = name.collision_key();
        change!(self, "restoring a file", |tx| {
            if let Some(row) = live_by_key(tx, &key).await? {
                return Err(DbError::Conflict { what: "file", name: row.name }.into());
            }
            let deleted = file::Entity::find()
                .filter(file::Column::CollisionKey.eq(&*key))
                .filter(file::Column::DeletedAt.is_not_null())
                .order_by_desc(file::Column::Generation);
            let Some(row) = deleted.one(tx).await? else {
                return Err(not_found(name.as_str()).into());
            };
            let (id, kept) = (row.id, row.name.clone());
            let mut change = row.into_active_model();
            change.live_key = Set(Some(key.clone()));
            change.deleted_at = Set(None);
            let stamp = store_stamped(tx, change).await?;
            let detail = json!({ "id": id });
            audit::append(tx, actor, now, "file.restore", &kept, &detail).await?;
            Ok(stamp)
        })
    }

    /// Forgets files deleted before `before`, with all their versions and records; says which.
    pub async fn purge_deleted(
        &self,
        before: Timestamp,
        actor: &Actor,
        now: Timestamp,
    ) -> Result<Vec<FileId>, DbError> {
        change!(self, "forgetting deleted files", |tx| {
            let old = file::Entity::find().filter(file::Column::DeletedAt.lt(before.unix_ms()));
            let mut purged = Vec::new();
            for row in old.order_by_asc(file::Column::Id).all(tx).await? {
                let contents = contents_of(tx, row.id).await?;
                let of_file = version::Column::FileId.eq(row.id);
                version::Entity::delete_many().filter(of_file).exec(tx).await?;
                let records = record_revision::Column::FileId.eq(row.id);
                record_revision::Entity::delete_many().filter(records).exec(tx).await?;
                search::forget(tx, row.id).await?;
                file::Entity::delete_by_id(row.id).exec(tx).await?;
                digests::forget_unnamed(tx, contents).await?;
                let detail = json!({ "id": row.id });
                audit::append(tx, actor, now, "file.purge", &row.name, &detail).await?;
                purged.push(FileId::from_uuid(row.id));
            }
            Ok(purged)
        })
    }
}

/// The contents of all versions of a file.
async fn contents_of(tx: &DatabaseTransaction, file: uuid::Uuid) -> Outcome<Vec<Vec<u8>>> {
    let versions = version::Entity::find().select_only().column(version::Column::ContentId);
    Ok(versions.filter(version::Column::FileId.eq(file)).into_tuple().all(tx).await?)
}

/// Sorts a live file.
pub(crate) async fn sort(
    tx: &DatabaseTransaction,
    row: file::Model,
    sorting: &FileSorting,
    actor: &Actor,
    now: Timestamp,
) -> Outcome<Stamp> {
    let kept = row.name.clone();
    let mut change = row.clone().into_active_model();
    if let Some(category) = sorting.category {
        require_category(tx, category).await?;
        note_category(tx, &row, category, actor, now).await?;
        change.category_id = Set(category.map(CategoryId::uuid));
    }
    if let Some(site) = sorting.site {
        require_site(tx, site).await?;
        change.site_id = Set(site.map(SiteId::uuid));
    }
    if let Some(sites) = &sorting.marked_sites {
        for site in sites {
            require_site(tx, Some(*site)).await?;
        }
        change.marked_sites = Set(Some(convert::json_text(MARKED_SITES, sites)?));
    }
    let stamp = store_stamped(tx, change).await?;
    audit::append(tx, actor, now, "file.sort", &kept, &json!(sorting)).await?;
    Ok(stamp)
}

/// Deletes a live file, so that it can be restored.
pub(crate) async fn delete(
    tx: &DatabaseTransaction,
    row: file::Model,
    actor: &Actor,
    now: Timestamp,
) -> Outcome<Stamp> {
    let (id, kept) = (row.id, row.name.clone());
    let mut change = row.into_active_model();
    change.live_key = Set(None);
    change.deleted_at = Set(Some(now.unix_ms()));
    let stamp = store_stamped(tx, change).await?;
    audit::append(tx, actor, now, "file.delete", &kept, &json!({ "id": id })).await?;
    Ok(stamp)
}

fn not_found(name: &str) -> DbError {
    DbError::NotFound { what: "file", name: name.into() }
}

/// Live files, each joined with the version that it is shown with.
pub(crate) fn live_files() -> SelectTwo<file::Entity, version::Entity> {
    file::Entity::find()
        .filter(file::Column::DeletedAt.is_null())
        .join(JoinType::InnerJoin, shown_version())
        .select_also(version::Entity)
}

pub(crate) fn live_file(
    (file, version): (file::Model, Option<version::Model>),
) -> Result<LiveFile, DbError> {
    let version = version.ok_or_else(|| DbError::Corrupt {
        what: "file",
        problem: format!("`{}` lacks the version that its name means", file.name),
    })?;
    Ok(LiveFile { file: file.try_into()?, version: version.try_into()? })
}

/// The live file with this collision key.
pub(crate) async fn live_by_key(
    tx: &DatabaseTransaction,
    key: &str,
) -> Outcome<Option<file::Model>> {
    Ok(file::Entity::find().filter(file::Column::LiveKey.eq(key)).one(tx).await?)
}

/// One version's row.
pub(crate) async fn version_row(
    tx: &DatabaseTransaction,
    file: uuid::Uuid,
    number: i32,
) -> Outcome<Option<version::Model>> {
    Ok(version::Entity::find_by_id((file, number)).one(tx).await?)
}

/// Raises the generation and stores the file's row with it.
pub(crate) async fn store_stamped(
    tx: &DatabaseTransaction,
    mut row: file::ActiveModel,
) -> Outcome<Stamp> {
    let stamp = raise(tx).await?;
    let (epoch, generation) = convert::columns(stamp)?;
    row.epoch = Set(epoch);
    row.generation = Set(generation);
    row.update(tx).await?;
    Ok(stamp)
}

impl TryFrom<file::Model> for File {
    type Error = DbError;

    fn try_from(row: file::Model) -> Result<Self, DbError> {
        let number = |stored: Option<i32>| {
            stored.map(|number| convert::count("version number", number)).transpose()
        };
        Ok(Self {
            id: FileId::from_uuid(row.id),
            kind: parsed("file's kind", &row.kind)?,
            name: parsed("file's name", &row.name)?,
            category: row.category_id.map(CategoryId::from_uuid),
            site: row.site_id.map(SiteId::from_uuid),
            marked_sites: convert::from_json_text(MARKED_SITES, row.marked_sites.as_deref())?
                .unwrap_or_default(),
            latest: convert::count("version number", row.latest)?,
            production: number(row.production)?,
            test: number(row.test)?,
            previous: number(row.previous)?,
            created: Timestamp::from_unix_ms(row.created_at),
            deleted: moment(row.deleted_at),
            stamp: convert::stamp(row.epoch, row.generation)?,
        })
    }
}

impl TryFrom<version::Model> for Version {
    type Error = DbError;

    fn try_from(row: version::Model) -> Result<Self, DbError> {
        Ok(Self {
            file: FileId::from_uuid(row.file_id),
            number: convert::count("version number", row.number)?,
            content: ContentId::from_bytes(bytes32("content id", &row.content_id)?),
            sha256: Sha256::from_bytes(bytes32("SHA-256 digest", &row.sha256)?),
            size: uint("size", row.size)?,
            priority: parsed("version's priority", &row.priority)?,
            content_source: parsed("source of the content id", &row.content_id_source)?,
            sha256_source: parsed("source of the SHA-256", &row.sha256_source)?,
            inspection: parsed_json("inspection", &row.inspection)?,
            descriptor: row.descriptor,
            created: Timestamp::from_unix_ms(row.created_at),
            published: moment(row.published_at),
            replaces: row
                .replaces
                .map(|number| convert::count("version number", number))
                .transpose()?,
            stamp: convert::stamp(row.epoch, row.generation)?,
        })
    }
}
