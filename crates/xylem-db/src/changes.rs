//! Changes of files that bring no new bytes: renaming, copying, deleting.
//!
//! A descriptor holds the name, so a new name is a new version of the same content: signed and
//! stored in the one transaction that raises the generation, as at the commit of an upload. The
//! history stays with the file. Where a change touches two files, each gets a generation of its
//! own, for who reads the wishes in pages goes by it.

use sea_orm::{ActiveModelTrait, DatabaseTransaction, EntityTrait, IntoActiveModel, Set};
use serde_json::json;
use xylem_model::{FileId, FileKind, FileName, InspectedVersion, Stamp, Timestamp};

use crate::audit::{self, Actor};
use crate::commits::{VersionFacts, checked_signature, file_row, next_version, version_row_of};
use crate::convert;
use crate::entity::{file, version};
use crate::files::{Version, delete, live_by_key, version_row};
use crate::marks::sign_anew;
use crate::state::{current_stamp, raise};
use crate::transaction::{Outcome, change};
use crate::uploads::other_name;
use crate::{Database, DbError, compared, search};

/// What becomes of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FileChange {
    /// It has another name from now on.
    Rename {
        /// The name.
        to: FileName,
        /// Whether what has that name now is replaced: it gets the content as its next version.
        replace: bool,
    },
    /// Its content has one more name from now on.
    Copy {
        /// The name.
        to: FileName,
        /// As for renaming.
        replace: bool,
    },
    /// It is deleted; it can be restored until it is forgotten.
    Delete,
}

/// A change of a live file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChangeFile {
    /// What the file is.
    pub kind: FileKind,
    /// Its name. Names that differ only by case or Unicode form are the same.
    pub name: FileName,
    /// What becomes of it.
    pub change: FileChange,
    /// The id of the new file, where a copy makes one.
    pub new_file: FileId,
}

/// How a change ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Changed {
    /// It is made, or there was nothing to do; the state that has it.
    Made(Stamp),
    /// The name stands for another file, and replacing was not asked for.
    Exists {
        /// What is there.
        existing: Box<Version>,
    },
    /// The name differs from another file's by case or Unicode form only, or is that of a file of
    /// another kind.
    NameTaken {
        /// The other file's name.
        existing: FileName,
        /// The other file's kind.
        kind: FileKind,
    },
}

impl Database {
    /// Changes a live file. `sign` turns the facts of a new version into its signed descriptor; it
    /// runs inside the transaction, and more than once if PostgreSQL asks for another try.
    ///
    /// # Errors
    /// [`DbError::NotFound`] where no live file of that kind has the name, [`DbError::Sign`] where
    /// `sign` fails. Nothing is changed then.
    pub async fn change_file<S, E>(
        &self,
        asked: &ChangeFile,
        actor: &Actor,
        now: Timestamp,
        sign: S,
    ) -> Result<Changed, DbError>
    where
        S: Fn(&VersionFacts) -> Result<Vec<u8>, E>,
        E: std::error::Error + Send + Sync + 'static,
    {
        change!(self, "changing a file", |tx| {
            let source = require_file(tx, asked).await?;
            let (to, replace, is_move) = match &asked.change {
                FileChange::Delete => {
                    return Ok(Changed::Made(delete(tx, source, actor, now).await?));
                }
                FileChange::Rename { to, replace } => (to, *replace, true),
                FileChange::Copy { to, replace } => (to, *replace, false),
            };
            let content = shown(tx, &source).await?;
            let place = match place(tx, &source, to, replace, is_move).await? {
                Ok(place) => place,
                Err(answer) => return Ok(answer),
            };
            let place = match place {
                // What only waits there goes as if it were deleted; the file keeps all that is its own.
                Place::Other(other) if is_move && other.production.is_none() => {
                    delete(tx, *other, actor, now).await?;
                    Place::Own
                }
                place => place,
            };
            let is_other = matches!(place, Place::Other(_));
            let has_it = match &place {
                Place::Same => return Ok(Changed::Made(current_stamp(tx).await?)),
                // What only waits is not what the name means, also where it is the same.
                Place::Other(other) => {
                    other.production.is_some() && shown(tx, other).await?.content == content.content
                }
                Place::Own | Place::New => false,
            };
            if !has_it {
                let warnings = match &place {
                    Place::Other(other) => {
                        let new = InspectedVersion {
                            content: content.content,
                            size: content.size,
                            inspection: &content.inspection,
                        };
                        compared::warnings(tx, other, new, now).await?
                    }
                    Place::Same | Place::Own | Place::New => Vec::new(),
                };
                let facts = facts(tx, asked, to, &source, &place, &content, now).await?;
                let descriptor = checked_signature(&sign, &facts)?;
                store(tx, &source, place, &content, &facts, descriptor, &sign).await?;
                let detail = json!({
                    "to": to, "file": facts.file, "version": facts.number,
                    "content": facts.content, "generation": facts.stamp.generation,
                    "warnings": warnings,
                });
                let action = if is_move { "file.rename" } else { "file.copy" };
                audit::append(tx, actor, now, action, &source.name, &detail).await?;
            }
            if is_move && is_other {
                delete(tx, source, actor, now).await?;
            }
            Ok(Changed::Made(current_stamp(tx).await?))
        })
    }
}

/// Where the content of a file goes under its new name.
enum Place {
    /// It is there already.
    Same,
    /// The next version of the file itself, which has the name from now on.
    Own,
    /// The first version of a new file.
    New,
    /// The next version of the file that has the name.
    Other(Box<file::Model>),
}

async fn require_file(tx: &DatabaseTransaction, asked: &ChangeFile) -> Outcome<file::Model> {
    let row = live_by_key(tx, &asked.name.collision_key()).await?;
    // What waits to be promoted is not published: its name means nothing yet.
    let row = row.filter(|row| row.kind == asked.kind.as_str() && row.production.is_some());
    Ok(row.ok_or_else(|| DbError::NotFound {
        what: asked.kind.as_str(),
        name: asked.name.to_string(),
    })?)
}

/// The version in production, of a file that has one.
async fn shown(tx: &DatabaseTransaction, file: &file::Model) -> Outcome<Version> {
    let number = file.production.unwrap_or(file.latest);
    let row = version_row(tx, file.id, number).await?;
    let row = row.ok_or_else(|| DbError::Corrupt {
        what: "file",
        problem: format!("`{}` has no version {number}", file.name),
    })?;
    Ok(row.try_into()?)
}

/// Finds the place of a file under a name, or the answer where it has none.
async fn place(
    tx: &DatabaseTransaction,
    source: &file::Model,
    to: &FileName,
    replace: bool,
    is_move: bool,
) -> Outcome<Result<Place, Changed>> {
    let kind: FileKind = convert::parsed("file's kind", &source.kind)?;
    let Some(other) = live_by_key(tx, &to.collision_key()).await? else {
        return Ok(Ok(if is_move { Place::Own } else { Place::New }));
    };
    if other.id == source.id && other.name == to.as_str() {
        return Ok(Ok(Place::Same));
    }
    if other.id == source.id && is_move {
        return Ok(Ok(Place::Own));
    }
    if let Some((existing, kind)) = other_name(&other, kind, to)? {
        return Ok(Err(Changed::NameTaken { existing, kind }));
    }
    // A name under which something only waits to be promoted means nothing yet. It is as free as it is
    // to an upload: nothing of it shows, so nobody could say that it is to be replaced.
    Ok(match replace || other.production.is_none() {
        true => Ok(Place::Other(Box::new(other))),
        false => Err(Changed::Exists { existing: Box::new(shown(tx, &other).await?) }),
    })
}

/// Allocates the version and raises the generation.
async fn facts(
    tx: &DatabaseTransaction,
    asked: &ChangeFile,
    to: &FileName,
    source: &file::Model,
    place: &Place,
    content: &Version,
    now: Timestamp,
) -> Outcome<VersionFacts> {
    let of = match place {
        Place::New => None,
        Place::Other(other) => Some(&**other),
        Place::Same | Place::Own => Some(source),
    };
    let number = match of {
        Some(of) => convert::count("version number", of.latest)?.saturating_add(1),
        None => 1,
    };
    Ok(VersionFacts {
        file: of.map_or(asked.new_file, |of| FileId::from_uuid(of.id)),
        kind: asked.kind,
        name: to.clone(),
        number,
        content: content.content,
        sha256: content.sha256,
        size: content.size,
        priority: content.priority,
        mark: None,
        content_source: content.content_source,
        sha256_source: content.sha256_source,
        stamp: raise(tx).await?,
        created: now,
    })
}

async fn store<S, E>(
    tx: &DatabaseTransaction,
    source: &file::Model,
    place: Place,
    content: &Version,
    facts: &VersionFacts,
    descriptor: Vec<u8>,
    sign: &S,
) -> Outcome<()>
where
    S: Fn(&VersionFacts) -> Result<Vec<u8>, E>,
    E: std::error::Error + Send + Sync + 'static,
{
    let replaces = match &place {
        Place::New => None,
        Place::Other(other) => other.production,
        Place::Same | Place::Own => source.production,
    };
    match place {
        Place::New => {
            let mut row = file_row(facts, facts.stamp)?;
            row.site_id = source.site_id;
            row.category_id = source.category_id;
            file::Entity::insert(row.into_active_model()).exec_without_returning(tx).await?;
        }
        Place::Other(other) => {
            let means_nothing = other.production.is_none();
            let mut change = next_version(*other, facts)?;
            if means_nothing {
                // As under a free name.
                change.site_id = Set(source.site_id);
                change.category_id = Set(source.category_id);
            }
            change.update(tx).await?;
        }
        Place::Same | Place::Own => {
            let key = facts.name.collision_key();
            let mut change = next_version(source.clone(), facts)?;
            change.name = Set(facts.name.as_str().into());
            change.live_key = Set(Some(key.clone()));
            change.collision_key = Set(key);
            // Its marked versions go with it, and their descriptors hold the name.
            change.test = Set(source.test);
            change.previous = Set(source.previous);
            change.previous_since = Set(source.previous_since);
            let row = change.update(tx).await?;
            let marked = [source.test, source.previous].into_iter().flatten();
            sign_anew(tx, &row, marked, facts.stamp, facts.created, sign).await?;
        }
    }
    let mut row = version_row_of(facts, facts.stamp, &content.inspection, descriptor)?;
    // Where the content is offered already, it is offered under this name too.
    row.published_at = content.published.map(|_| facts.created.unix_ms());
    row.replaces = replaces;
    version::Entity::insert(row.into_active_model()).exec_without_returning(tx).await?;
    search::renew(tx, facts.file.uuid()).await
}
