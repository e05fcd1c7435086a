//! The commit of an upload: the one transaction in which a version comes into being.
//!
//! Digests compared, file and version allocated, generation raised, descriptor signed and stored,
//! upload moved on: all of it or nothing. A crash before the commit leaves the upload declared,
//! and the ingest server asks again; a crash after it leaves the version, and asking again gives
//! the same answer.

use sea_orm::{ActiveModelTrait, DatabaseTransaction, EntityTrait, IntoActiveModel, Set};
use serde_json::{Value, json};
use uuid::Uuid;
use xylem_model::{
    CheckedIndex, ContentId, DistributionServerId, FileId, FileKind, FileName, InspectedVersion,
    Priority, Sha256, Stamp, Timestamp, UploadId, VersionMark,
};

use crate::audit::{self, Actor};
use crate::convert::{self, int};
use crate::entity::{file, upload, version};
use crate::files::{DigestSource, Version, live_by_key, version_row};
use crate::records::note_category;
use crate::servers::require_live;
use crate::state::{self, raise};
use crate::transaction::{Outcome, change};
use crate::uploads::{self, Upload, UploadState};
use crate::{Database, DbError, cloud_points, compared, indexes, search};

/// What the ingest server found in the bytes that arrived.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IngestResult {
    /// How many bytes.
    pub size: u64,
    /// Their content id.
    pub blake3: ContentId,
    /// Their SHA-256.
    pub sha256: Sha256,
    /// What the inspection found, without the index.
    pub inspection: Value,
    /// The list of what it puts on a Mac, where there is one.
    pub index: Option<CheckedIndex>,
    /// Who found it, where that is known: the upload must be for it at the moment of the commit.
    pub server: Option<DistributionServerId>,
    /// The root epoch that the ingest server knows of, where it says so.
    pub root_epoch: Option<u64>,
    /// Whether the ingest server knows of marks. One that does not would offer a version for
    /// testing under the file's name.
    pub knows_marks: bool,
}

impl IngestResult {
    /// What is compared of it.
    pub(crate) const fn inspected(&self) -> InspectedVersion<'_> {
        InspectedVersion { content: self.blake3, size: self.size, inspection: &self.inspection }
    }
}

/// Everything a descriptor states about a version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VersionFacts {
    /// Of which file.
    pub file: FileId,
    /// What it is.
    pub kind: FileKind,
    /// The name it is published under.
    pub name: FileName,
    /// Which version, counted from 1.
    pub number: u32,
    /// Its content.
    pub content: ContentId,
    /// SHA-256 of its content.
    pub sha256: Sha256,
    /// Bytes of its content.
    pub size: u64,
    /// How much of a hurry it is in.
    pub priority: Priority,
    /// What it is where the name does not mean it.
    pub mark: Option<VersionMark>,
    /// On whose word the content id is known.
    pub content_source: DigestSource,
    /// On whose word the SHA-256 is known.
    pub sha256_source: DigestSource,
    /// The change that brings it.
    pub stamp: Stamp,
    /// When it is signed: as it is committed, or gets another mark.
    pub created: Timestamp,
}

/// How a commit ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Commit {
    /// The version this upload became, new or the same as before.
    Committed(Box<Version>),
    /// The upload was refused, for good; its reason says why.
    Failed(Box<Upload>),
}

impl Database {
    /// Commits an upload whose bytes the ingest server has staged and verified.
    ///
    /// `new_file` is the file's id where the name is new. `sign` turns the facts into the signed
    /// descriptor; it runs inside the transaction, and more than once if PostgreSQL asks for
    /// another try. Asking again for a committed upload gives the same version and signs nothing.
    ///
    /// # Errors
    /// [`DbError::Sign`] where `sign` fails (nothing is stored then), [`DbError::WrongState`]
    /// where the upload was cancelled or has expired, [`DbError::NotInPrincipal`] where the cloud is the
    /// principal and lacks the content.
    pub async fn commit_upload<S, E>(
        &self,
        id: UploadId,
        found: &IngestResult,
        new_file: FileId,
        now: Timestamp,
        sign: S,
    ) -> Result<Commit, DbError>
    where
        S: Fn(&VersionFacts) -> Result<Vec<u8>, E>,
        E: std::error::Error + Send + Sync + 'static,
    {
        change!(self, "committing an upload", |tx| {
            let row = uploads::find(tx, id).await?;
            if let Some(done) = earlier_commit(tx, id, &row).await? {
                return Ok(done);
            }
            let upload = Upload::try_from(row.clone())?;
            if let Some(reason) = moved_away(tx, &upload, found).await? {
                return fail(tx, row, reason, now).await;
            }
            let place = match place(tx, &upload, found).await? {
                Ok(place) => place,
                Err(reason) => return fail(tx, row, reason, now).await,
            };
            let version = match place {
                Place::Same(version) => {
                    let actor = Actor::new(&upload.actor);
                    uploads::sort_as_declared(tx, &upload.declared, &actor, now).await?;
                    version
                }
                Place::Next(file) => {
                    cloud_points::require_in_principal(tx, found.blake3, now).await?;
                    let facts = facts(tx, &upload, found, &file, new_file, now).await?;
                    let descriptor = checked_signature(&sign, &facts)?;
                    store(tx, &upload, found, &facts, descriptor, file).await?
                }
            };
            if let Some(index) = &found.index {
                indexes::store(tx, found.blake3, index).await?;
            }
            move_on(tx, row, &version, now).await?;
            Ok(Commit::Committed(Box::new(version.try_into()?)))
        })
    }
}

/// Why an upload cannot be committed at the server it is for: new files enter elsewhere by now. What
/// is committed at a former principal might go nowhere.
///
/// # Errors
/// [`DbError::Behind`] where the server speaks of another root epoch than the one in force: it may
/// believe to be what it is no longer, or be so again without knowing.
async fn moved_away(
    tx: &DatabaseTransaction,
    upload: &Upload,
    found: &IngestResult,
) -> Outcome<Option<String>> {
    let server = require_live(tx, upload.declared.server).await?;
    let now = convert::uint("root epoch", state::row(tx).await?.root_epoch)?;
    let is_behind = found.root_epoch.is_some_and(|said| said != now);
    if is_behind || found.server.is_some_and(|it| it != upload.declared.server) {
        return Err(DbError::Behind { name: server.name, now }.into());
    }
    if server.is_principal {
        return Ok(None);
    }
    Ok(Some(format!("new files do not enter at `{}` any more: send it again", server.name)))
}

/// The signed descriptor of a version, if it can be kept.
pub(crate) fn checked_signature<S, E>(sign: &S, facts: &VersionFacts) -> Result<Vec<u8>, DbError>
where
    S: Fn(&VersionFacts) -> Result<Vec<u8>, E>,
    E: std::error::Error + Send + Sync + 'static,
{
    let signed = sign(facts).map_err(|error| DbError::Sign(Box::new(error)))?;
    convert::bounded("descriptor", signed.len())?;
    Ok(signed)
}

/// Where an upload belongs.
enum Place {
    /// The version in its place has this content already.
    Same(version::Model),
    /// It is the next version of this file, or the first of a new one.
    Next(Option<file::Model>),
}

/// The answer given when this upload was completed before.
async fn earlier_commit(
    tx: &DatabaseTransaction,
    id: UploadId,
    row: &upload::Model,
) -> Outcome<Option<Commit>> {
    match uploads::state(row)? {
        UploadState::Declared => Ok(None),
        UploadState::Failed => Ok(Some(Commit::Failed(Box::new(row.clone().try_into()?)))),
        UploadState::Committed | UploadState::Published => {
            let (Some(file), Some(number)) = (row.file_id, row.version) else {
                let problem = format!("upload {id} is committed but names no version");
                return Err(DbError::Corrupt { what: "upload", problem }.into());
            };
            let version = version_row(tx, file, number).await?.ok_or_else(|| {
                let name = format!("{} version {number}", row.name);
                DbError::NotFound { what: "version", name }
            })?;
            Ok(Some(Commit::Committed(Box::new(version.try_into()?))))
        }
        present => Err(uploads::wrong_state(id, present, "committed").into()),
    }
}

/// Finds the place of an upload, or the reason why it has none.
async fn place(
    tx: &DatabaseTransaction,
    upload: &Upload,
    found: &IngestResult,
) -> Outcome<Result<Place, String>> {
    if let Some(reason) = mismatch(upload, found) {
        return Ok(Err(reason));
    }
    let new = &upload.declared;
    if new.test && !found.knows_marks {
        return Ok(Err(
            "the distribution server where new files enter is too old for versions for testing: \
             upgrade it, then send the file again"
                .to_owned(),
        ));
    }
    let Some(file) = live_by_key(tx, &new.name.collision_key()).await? else {
        return Ok(Ok(Place::Next(None)));
    };
    if let Some((name, kind)) = uploads::other_name(&file, new.kind, &new.name)? {
        return Ok(Err(format!(
            "the {kind} `{name}` has taken this name meanwhile: choose another name"
        )));
    }
    if new.test {
        let same = uploads::same_content(tx, &file, found.blake3).await?;
        return Ok(Ok(same.map_or(Place::Next(Some(file)), Place::Same)));
    }
    let Some(number) = file.production else { return Ok(Ok(Place::Next(Some(file)))) };
    let newest = version_row(tx, file.id, number).await?;
    Ok(match newest {
        Some(newest) if newest.content_id == found.blake3.as_bytes() => Ok(Place::Same(newest)),
        // Without declared digests it was announced when all of it had arrived. Whoever wrote the
        // newer one since, and was told that it is published, is not to find this one in its place.
        // A promotion or a rollback since then is no less.
        Some(newest)
            if new.blake3.is_none()
                && newest.created_at.max(file.production_since.unwrap_or(i64::MIN))
                    > upload.created.unix_ms() =>
        {
            Err(format!(
                "another version of `{}` went into production meanwhile: send it again if it is to \
                 replace that one",
                new.name
            ))
        }
        _ if new.replace => Ok(Place::Next(Some(file))),
        _ => Err(format!(
            "there is already other content under the name `{}`: choose another name or replace it with --replace",
            new.name
        )),
    })
}

/// What differs between the declaration and the bytes that arrived.
fn mismatch(upload: &Upload, found: &IngestResult) -> Option<String> {
    let new = &upload.declared;
    if new.size != found.size {
        return Some(format!("{} bytes arrived, {} were declared", found.size, new.size));
    }
    if let Some(declared) = new.blake3.filter(|declared| *declared != found.blake3) {
        return Some(format!(
            "what arrived has the content id {}, declared was {declared}: send it again",
            found.blake3
        ));
    }
    let declared = new.sha256.filter(|declared| *declared != found.sha256)?;
    Some(format!(
        "what arrived has the SHA-256 {}, declared was {declared}: send it again",
        found.sha256
    ))
}

async fn fail(
    tx: &DatabaseTransaction,
    row: upload::Model,
    reason: String,
    now: Timestamp,
) -> Outcome<Commit> {
    let actor = Actor::new(&row.actor);
    let detail = json!({ "id": row.id, "reason": reason });
    audit::append(tx, &actor, now, "upload.fail", &row.name, &detail).await?;
    let failed = uploads::end(tx, row, UploadState::Failed, Some(reason), now).await?;
    Ok(Commit::Failed(Box::new(failed.try_into()?)))
}

/// Allocates the version and raises the generation.
async fn facts(
    tx: &DatabaseTransaction,
    upload: &Upload,
    found: &IngestResult,
    file: &Option<file::Model>,
    new_file: FileId,
    now: Timestamp,
) -> Outcome<VersionFacts> {
    let source = |declared: bool| match declared {
        true => DigestSource::Declared,
        false => DigestSource::ComputedByIngest,
    };
    let number = match file {
        Some(file) => convert::count("version number", file.latest)?.saturating_add(1),
        None => 1,
    };
    Ok(VersionFacts {
        file: file.as_ref().map_or(new_file, |file| FileId::from_uuid(file.id)),
        kind: upload.declared.kind,
        name: upload.declared.name.clone(),
        number,
        content: found.blake3,
        sha256: found.sha256,
        size: found.size,
        priority: upload.declared.priority,
        mark: upload.declared.test.then_some(VersionMark::Test),
        content_source: source(upload.declared.blake3.is_some()),
        sha256_source: source(upload.declared.sha256.is_some()),
        stamp: raise(tx).await?,
        created: now,
    })
}

async fn store(
    tx: &DatabaseTransaction,
    upload: &Upload,
    found: &IngestResult,
    facts: &VersionFacts,
    descriptor: Vec<u8>,
    file: Option<file::Model>,
) -> Outcome<version::Model> {
    let (site, category) = (upload.declared.site, upload.declared.category);
    let replaces = file.as_ref().and_then(|row| row.production);
    let warnings = match &file {
        Some(row) => compared::warnings(tx, row, found.inspected(), facts.created).await?,
        None => Vec::new(),
    };
    match file {
        None => {
            let mut row = file_row(facts, facts.stamp)?;
            row.site_id = site.map(xylem_model::SiteId::uuid);
            row.category_id = category.map(xylem_model::CategoryId::uuid);
            file::Entity::insert(row.into_active_model()).exec_without_returning(tx).await?;
        }
        Some(row) => {
            let mut change = next_version(row.clone(), facts)?;
            // A version for testing is no leave to sort what is in production.
            let may_sort = upload.declared.replace || row.production.is_none();
            // A replacement that names no site or category leaves them as they are.
            if let Some(site) = site.filter(|_| may_sort) {
                change.site_id = Set(Some(site.uuid()));
            }
            if let Some(category) = category.filter(|_| may_sort) {
                let actor = Actor::new(&upload.actor);
                note_category(tx, &row, Some(category), &actor, facts.created).await?;
                change.category_id = Set(Some(category.uuid()));
            }
            change.update(tx).await?;
        }
    }
    let mut row = version_row_of(facts, facts.stamp, &found.inspection, descriptor)?;
    row.replaces = replaces;
    version::Entity::insert(row.clone().into_active_model()).exec_without_returning(tx).await?;
    search::renew(tx, row.file_id).await?;
    let actor = Actor::new(&upload.actor);
    let detail = json!({
        "file": facts.file, "version": facts.number, "content": facts.content,
        "size": facts.size, "generation": facts.stamp.generation, "mark": facts.mark,
        "warnings": warnings,
    });
    let name = facts.name.as_str();
    audit::append(tx, &actor, facts.created, "upload.commit", name, &detail).await?;
    Ok(row)
}

/// A file's row with this version as its newest: the one in production at once, which leaves none
/// to test or to go back to, or the one that waits to be promoted.
pub(crate) fn next_version(
    row: file::Model,
    facts: &VersionFacts,
) -> Result<file::ActiveModel, DbError> {
    let (epoch, generation) = convert::columns(facts.stamp)?;
    let mut change = row.into_active_model();
    let number = convert::small("version number", facts.number)?;
    change.latest = Set(number);
    if facts.mark == Some(VersionMark::Test) {
        change.test = Set(Some(number));
    } else {
        change.production = Set(Some(number));
        change.production_since = Set(Some(facts.created.unix_ms()));
        change.test = Set(None);
        change.previous = Set(None);
        change.previous_since = Set(None);
    }
    change.epoch = Set(epoch);
    change.generation = Set(generation);
    Ok(change)
}

/// A new file's row.
pub(crate) fn file_row(facts: &VersionFacts, stamp: Stamp) -> Result<file::Model, DbError> {
    let (epoch, generation) = convert::columns(stamp)?;
    let collision_key = facts.name.collision_key();
    let number = convert::small("version number", facts.number)?;
    Ok(file::Model {
        id: facts.file.uuid(),
        kind: facts.kind.as_str().into(),
        name: facts.name.as_str().into(),
        live_key: Some(collision_key.clone()),
        collision_key,
        category_id: None,
        site_id: None,
        marked_sites: None,
        latest: number,
        production: facts.mark.is_none().then_some(number),
        production_since: facts.mark.is_none().then_some(facts.created.unix_ms()),
        test: (facts.mark == Some(VersionMark::Test)).then_some(number),
        previous: None,
        previous_since: None,
        created_at: facts.created.unix_ms(),
        deleted_at: None,
        epoch,
        generation,
    })
}

/// A new version's row.
pub(crate) fn version_row_of(
    facts: &VersionFacts,
    stamp: Stamp,
    inspection: &Value,
    descriptor: Vec<u8>,
) -> Result<version::Model, DbError> {
    let (epoch, generation) = convert::columns(stamp)?;
    Ok(version::Model {
        file_id: facts.file.uuid(),
        number: convert::small("version number", facts.number)?,
        content_id: facts.content.as_bytes().to_vec(),
        sha256: facts.sha256.as_bytes().to_vec(),
        size: int("size", facts.size)?,
        content_id_source: facts.content_source.as_str().into(),
        sha256_source: facts.sha256_source.as_str().into(),
        inspection: convert::json("inspection", inspection)?,
        descriptor,
        created_at: facts.created.unix_ms(),
        published_at: None,
        epoch,
        generation,
        priority: facts.priority.as_str().into(),
        replaces: None,
    })
}

/// Declared → committed.
async fn move_on(
    tx: &DatabaseTransaction,
    row: upload::Model,
    version: &version::Model,
    now: Timestamp,
) -> Outcome<()> {
    let file: Uuid = version.file_id;
    let mut change = row.into_active_model();
    change.file_id = Set(Some(file));
    change.version = Set(Some(version.number));
    change.state = Set(UploadState::Committed.as_str().into());
    // Content that was published before needs no second publication.
    if version.published_at.is_some() {
        change.state = Set(UploadState::Published.as_str().into());
        change.ended_at = Set(Some(now.unix_ms()));
    }
    change.update(tx).await?;
    Ok(())
}
