//! Digests that are computed once an upload is acknowledged, by content: `docs/design/digests.md`.

use sea_orm::{
    ColumnTrait, Condition, DatabaseTransaction, EntityTrait, ExprTrait, IntoActiveModel, JoinType,
    PaginatorTrait, QueryFilter, QueryOrder, QuerySelect, QueryTrait, sea_query::Expr,
};
use xylem_model::{
    ChunkDigests, ContentId, DistributionServerId, FurtherDigests, Generation, Md5, Sha3_512,
    Sha256, Sha512, Timestamp,
};

use crate::convert::{self, bytes32, fixed, int, uint};
use crate::entity::{chunk_digest, content_digest, file, placement, version};
use crate::marks::held_versions;
use crate::placements::PlacementState;
use crate::servers::require_live;
use crate::transaction::{Outcome, change, query};
use crate::{Database, DbError, indexes};

/// Parts whose digests are in one row: 48 kB, which every backend's column of bytes holds, and a page
/// of a backup in memory.
const CHUNKS_OF_A_ROW: usize = 1_000;

/// Rows stored by one statement: at most some 5 MB.
const ROWS_AT_ONCE: usize = 100;

/// Further digests of the whole of a content.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ContentDigests {
    /// MD5.
    pub md5: Md5,
    /// SHA-512.
    pub sha512: Sha512,
    /// SHA3-512.
    pub sha3_512: Sha3_512,
    /// Who computed them.
    pub server: DistributionServerId,
    /// When they came.
    pub computed: Timestamp,
}

impl Database {
    /// Contents of the versions of live files that servers hold and that have no further digests yet,
    /// each with the generation of its file: the latest change first, then by content, from behind
    /// `after` on; at most [`MAX_PAGE`](crate::MAX_PAGE). Of two files with the same content both are
    /// named.
    pub async fn lacking_digests(
        &self,
        after: Option<(Generation, ContentId)>,
        limit: u64,
    ) -> Result<Vec<(ContentId, Generation)>, DbError> {
        let place = |(it, content): (Generation, ContentId)| {
            Ok::<_, DbError>((int("generation", it.0)?, key(content)))
        };
        let after = after.map(place).transpose()?;
        let rows: Vec<(Vec<u8>, i64)> = query!(self, "listing contents without digests", |db| {
            // Looked up one by one, not listed: there are as many as there are contents.
            let same = Expr::col((content_digest::Entity, content_digest::Column::ContentId))
                .eq(Expr::col((version::Entity, version::Column::ContentId)));
            let known = content_digest::Entity::find()
                .select_only()
                .column(content_digest::Column::ContentId)
                .filter(same)
                .into_query();
            let lacking = file::Entity::find()
                .select_only()
                .column(version::Column::ContentId)
                .column(file::Column::Generation)
                .filter(file::Column::DeletedAt.is_null())
                .join(JoinType::InnerJoin, held_versions())
                .filter(Expr::exists(known).not());
            let lacking = match &after {
                None => lacking,
                Some((generation, content)) => lacking.filter(
                    Condition::any().add(file::Column::Generation.lt(*generation)).add(
                        file::Column::Generation
                            .eq(*generation)
                            .and(version::Column::ContentId.gt(content.as_slice())),
                    ),
                ),
            };
            let newest = lacking
                .order_by_desc(file::Column::Generation)
                .order_by_asc(version::Column::ContentId);
            Ok(newest.limit(convert::page(limit)).into_tuple().all(db).await?)
        })?;
        let read = |(content, generation): (Vec<u8>, i64)| {
            let content = ContentId::from_bytes(bytes32("content id", &content)?);
            Ok((content, Generation(uint("generation", generation)?)))
        };
        rows.into_iter().map(read).collect()
    }

    /// Stores what a server computed from its copy. The same again changes nothing.
    ///
    /// # Errors
    /// [`DbError::NotFound`] where no version has the content, [`DbError::Invalid`] where size or
    /// SHA-256 are not those of the version or the parts do not fit the size,
    /// [`DbError::WrongState`] where the server does not hold the content or other digests are
    /// stored.
    pub async fn store_digests(
        &self,
        content: ContentId,
        server: DistributionServerId,
        found: &FurtherDigests,
        now: Timestamp,
    ) -> Result<(), DbError> {
        let row = row(content, server, found, now);
        let chunks = chunk_rows(content, &found.chunks)?;
        // Not beside other changes: the last version with this content may just be removed.
        change!(self, "storing digests", |tx| {
            require_live(tx, server).await?;
            check(tx, content, server, found).await?;
            let stored = content_digest::Entity::find_by_id(row.content_id.clone()).one(tx).await?;
            if let Some(stored) = stored {
                return same(content, &stored, &row);
            }
            let new = row.clone().into_active_model();
            content_digest::Entity::insert(new).exec_without_returning(tx).await?;
            for rows in chunks.chunks(ROWS_AT_ONCE) {
                let rows = rows.iter().map(|row| row.clone().into_active_model());
                chunk_digest::Entity::insert_many(rows).exec_without_returning(tx).await?;
            }
            Ok(())
        })
    }

    /// Further digests of the whole of a content; none while they are not computed.
    pub async fn content_digests(
        &self,
        content: ContentId,
    ) -> Result<Option<ContentDigests>, DbError> {
        let row = query!(self, "looking up digests", |db| {
            Ok(content_digest::Entity::find_by_id(key(content)).one(db).await?)
        })?;
        row.map(ContentDigests::try_from).transpose()
    }

    /// Digests of the parts of a content, in order; empty while they are not computed.
    pub async fn chunk_digests(&self, content: ContentId) -> Result<ChunkDigests, DbError> {
        let rows = query!(self, "looking up digests of parts", |db| {
            let of_content = chunk_digest::Column::ContentId.eq(key(content));
            let all = chunk_digest::Entity::find().filter(of_content);
            Ok(all.order_by_asc(chunk_digest::Column::FirstChunk).all(db).await?)
        })?;
        let mut chunks = ChunkDigests::default();
        for row in rows {
            chunks.sha256.extend(whole(&row.sha256s)?.iter().map(|it| Sha256::from_bytes(*it)));
            chunks.md5.extend(whole(&row.md5s)?.iter().map(|it| Md5::from_bytes(*it)));
        }
        Ok(chunks)
    }
}

/// Forgets the digests and indexes of those contents that no version has any more.
pub(crate) async fn forget_unnamed(
    tx: &DatabaseTransaction,
    contents: Vec<Vec<u8>>,
) -> Outcome<()> {
    for content in contents {
        let named = version::Entity::find().filter(version::Column::ContentId.eq(&*content));
        if named.count(tx).await? > 0 {
            continue;
        }
        let of_content = chunk_digest::Column::ContentId.eq(&*content);
        chunk_digest::Entity::delete_many().filter(of_content).exec(tx).await?;
        indexes::forget(tx, &content).await?;
        content_digest::Entity::delete_by_id(content).exec(tx).await?;
    }
    Ok(())
}

/// Checks that what was read is what was signed, by a server that holds it.
async fn check(
    tx: &DatabaseTransaction,
    content: ContentId,
    server: DistributionServerId,
    found: &FurtherDigests,
) -> Outcome<()> {
    let of_content = version::Entity::find().filter(version::Column::ContentId.eq(key(content)));
    let Some(version) = of_content.one(tx).await? else {
        return Err(DbError::NotFound { what: "content", name: content.to_string() }.into());
    };
    let invalid = |problem| DbError::Invalid { what: "further digests", problem };
    if version.size != int("size", found.size)? || version.sha256 != found.sha256.as_bytes() {
        return Err(invalid(format!(
            "{} bytes of SHA-256 {} were read, and other bytes are signed for {content}",
            found.size, found.sha256
        ))
        .into());
    }
    found.check_chunks().map_err(|error| invalid(error.to_string()))?;
    let placed = placement::Entity::find_by_id((server.uuid(), key(content))).one(tx).await?;
    if placed.is_some_and(|it| it.state == PlacementState::Present.as_str()) {
        return Ok(());
    }
    Err(refused(content, "not held by the server that computed them", "given digests by it").into())
}

/// Refuses digests that are other than those stored.
fn same(
    content: ContentId,
    stored: &content_digest::Model,
    new: &content_digest::Model,
) -> Outcome<()> {
    let is_same =
        (&stored.md5, &stored.sha512, &stored.sha3_512) == (&new.md5, &new.sha512, &new.sha3_512);
    if is_same {
        return Ok(());
    }
    Err(refused(content, "known by other digests already", "given these").into())
}

fn refused(content: ContentId, state: &'static str, wanted: &'static str) -> DbError {
    DbError::WrongState { what: "content", name: content.to_string(), state, wanted }
}

fn key(content: ContentId) -> Vec<u8> {
    content.as_bytes().to_vec()
}

fn row(
    content: ContentId,
    server: DistributionServerId,
    found: &FurtherDigests,
    now: Timestamp,
) -> content_digest::Model {
    content_digest::Model {
        content_id: key(content),
        md5: found.md5.as_bytes().to_vec(),
        sha512: found.sha512.as_bytes().to_vec(),
        sha3_512: found.sha3_512.as_bytes().to_vec(),
        server_id: server.uuid(),
        computed_at: now.unix_ms(),
    }
}

fn chunk_rows(
    content: ContentId,
    chunks: &ChunkDigests,
) -> Result<Vec<chunk_digest::Model>, DbError> {
    let sha256 = chunks.sha256.chunks(CHUNKS_OF_A_ROW);
    let md5 = chunks.md5.chunks(CHUNKS_OF_A_ROW);
    let mut rows = Vec::new();
    for (index, (sha256, md5)) in sha256.zip(md5).enumerate() {
        let first = u32::try_from(index * CHUNKS_OF_A_ROW).unwrap_or(u32::MAX);
        rows.push(chunk_digest::Model {
            content_id: key(content),
            first_chunk: convert::small("number of a part", first)?,
            sha256s: sha256.iter().flat_map(|it| *it.as_bytes()).collect(),
            md5s: md5.iter().flat_map(|it| *it.as_bytes()).collect(),
        });
    }
    Ok(rows)
}

/// Digests that are stored one after another.
fn whole<const BYTES: usize>(bytes: &[u8]) -> Result<&[[u8; BYTES]], DbError> {
    match bytes.as_chunks() {
        (whole, []) => Ok(whole),
        (_, rest) => Err(DbError::Corrupt {
            what: "digests of parts",
            problem: format!("{} bytes follow the last of {BYTES} bytes", rest.len()),
        }),
    }
}

impl TryFrom<content_digest::Model> for ContentDigests {
    type Error = DbError;

    fn try_from(row: content_digest::Model) -> Result<Self, DbError> {
        Ok(Self {
            md5: Md5::from_bytes(fixed("MD5 digest", &row.md5)?),
            sha512: Sha512::from_bytes(fixed("SHA-512 digest", &row.sha512)?),
            sha3_512: Sha3_512::from_bytes(fixed("SHA3-512 digest", &row.sha3_512)?),
            server: DistributionServerId::from_uuid(row.server_id),
            computed: Timestamp::from_unix_ms(row.computed_at),
        })
    }
}
