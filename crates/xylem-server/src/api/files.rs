//! Files: what there is, where it is, and where to fetch it.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use http::StatusCode;
use serde::Deserialize;
use utoipa::IntoParams;
use xylem_api::MAX_PAGE;
use xylem_api::catalogue::{
    File, FileDetail, FilePage, FileVersion, Placement, PlacementState, ServerPlacement, Sources,
};
use xylem_api::digests::{FileDigests, WholeDigests};
use xylem_db::{ContentDigests, FileSearch, LiveFile, Version};
use xylem_http::Peer;
use xylem_model::{CHUNK_BYTES, ContentId, DistributionServerId, FileKind, FileName, SearchText};
use xylem_sync::Holdings;
use xylem_trust::DigestSource;

use super::comparison::{looked_at, with_the_one_before};
use super::placement::server_placement;
use crate::app::App;
use crate::extract::{ApiPath, ApiQuery};
use crate::failure::Failure;
use crate::names::Names;
use crate::permission::Caller;
use crate::tickets::Asker;
use crate::wish::digest_source;

/// Which page of which files.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Which {
    /// `package`, `app` or `ebook`; all kinds where left out.
    #[param(value_type = Option<String>)]
    kind: Option<FileKind>,
    /// Files after this name; from the first where left out.
    #[param(value_type = Option<String>)]
    after: Option<FileName>,
    /// Files with this text in their name, their display name, or what the inspection of the version
    /// that is served found: identifiers, versions, titles, team and name of the signer, applications
    /// inside, authors. Case makes no difference; at most 255 bytes.
    #[param(value_type = Option<String>)]
    search: Option<SearchText>,
    /// Files whose signer has this team identifier.
    #[param(value_type = Option<String>, example = "ABCDE12345")]
    team: Option<SearchText>,
    /// Files that have this identifier, or contain what has it.
    #[param(value_type = Option<String>, example = "org.mozilla.firefox")]
    identifier: Option<SearchText>,
}

/// A page of files, in the order of names: all of them, or those that are searched for.
#[utoipa::path(
    get, path = "/v1/files", tag = "files", params(Which),
    responses((status = 200, description = "A page of files.", body = FilePage))
)]
pub(super) async fn files(
    State(app): State<App>,
    ApiQuery(which): ApiQuery<Which>,
) -> Result<Json<FilePage>, Failure> {
    let Which { kind, after, search, team, identifier } = which;
    let search = FileSearch { kind, text: search, team, identifier };
    let found = app.database.find_files(&search, after.as_ref(), MAX_PAGE).await?;
    let is_full = u64::try_from(found.len()).is_ok_and(|count| count >= MAX_PAGE);
    let next = found.last().filter(|_| is_full).map(|live| live.file.name.to_string());
    let (names, holdings) = (app.names().await?, app.control.holdings().await?);
    let contents: Vec<ContentId> = found.iter().map(|live| live.version.content).collect();
    let holders = app.database.holders(&contents).await?;
    let view = View { names, holdings, holders };
    let items = found.into_iter().map(|live| view.wire(live)).collect();
    Ok(Json(FilePage { items, next }))
}

/// One file and its versions.
#[utoipa::path(
    get, path = "/v1/files/{kind}/{name}", tag = "files",
    params(("kind" = String, Path, description = "Its kind."),
        ("name" = String, Path, description = "Its name.")),
    responses((status = 200, description = "The file.", body = FileDetail))
)]
pub(super) async fn file(
    State(app): State<App>,
    ApiPath(file): ApiPath<(FileKind, String)>,
) -> Result<Json<FileDetail>, Failure> {
    let live = app.live_file(&file).await?;
    let versions = app.database.versions(live.file.id).await?;
    let name = live.file.name.clone();
    let told = looked_at(&live, &versions);
    let comparison = Some(with_the_one_before(&name, &versions, told, app.now()));
    let versions = versions.into_iter().map(|version| version_wire(&name, version)).collect();
    let digests = app.database.content_digests(live.version.content).await?.map(whole_digests);
    let index = app.index_summary(live.file.kind, &live.version).await?;
    Ok(Json(FileDetail { file: app.file_now(live).await?, digests, index, comparison, versions }))
}

/// All digests of the version that is served. There are none until they are computed, which is soon
/// after its upload.
#[utoipa::path(
    get, path = "/v1/files/{kind}/{name}/digests", tag = "files",
    params(("kind" = String, Path, description = "Its kind."),
        ("name" = String, Path, description = "Its name.")),
    responses((status = 200, description = "Its digests.", body = FileDigests))
)]
pub(super) async fn digests(
    State(app): State<App>,
    ApiPath(file): ApiPath<(FileKind, String)>,
) -> Result<Json<FileDigests>, Failure> {
    let LiveFile { file, version } = app.served_file(&file).await?;
    let Some(whole) = app.database.content_digests(version.content).await? else {
        return Err(xylem_http::ApiError::not_found(format!(
            "the digests of `{}` are not computed yet: a distribution server that holds it does so \
             in the background, as soon as its disk has the time",
            file.name
        ))
        .into());
    };
    let chunks = app.database.chunk_digests(version.content).await?;
    Ok(Json(FileDigests {
        version: u64::from(version.number),
        size: version.size,
        content: version.content,
        sha256: version.sha256,
        whole: whole_digests(whole),
        chunk_bytes: CHUNK_BYTES,
        chunk_sha256: chunks.sha256,
        chunk_md5: chunks.md5,
    }))
}

/// Deletes a file: it is unpublished everywhere at once, and can be restored for 30 days.
#[utoipa::path(
    delete, path = "/v1/files/{kind}/{name}", tag = "files",
    params(("kind" = String, Path, description = "Its kind."),
        ("name" = String, Path, description = "Its name.")),
    responses((status = 204, description = "Deleted."))
)]
pub(super) async fn delete_file(
    State(app): State<App>,
    caller: Caller,
    ApiPath(file): ApiPath<(FileKind, String)>,
) -> Result<StatusCode, Failure> {
    let live = app.live_file(&file).await?;
    app.database.delete_file(&live.file.name, &caller.actor(), app.now()).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Brings the last deleted file of this name back.
#[utoipa::path(
    post, path = "/v1/files/{kind}/{name}/restore", tag = "files",
    params(("kind" = String, Path, description = "Its kind."),
        ("name" = String, Path, description = "Its name.")),
    responses((status = 200, description = "The file.", body = File))
)]
pub(super) async fn restore_file(
    State(app): State<App>,
    caller: Caller,
    ApiPath(file): ApiPath<(FileKind, String)>,
) -> Result<Json<File>, Failure> {
    let name = FileName::new(&file.1)?;
    app.database.restore_file(&name, &caller.actor(), app.now()).await?;
    let live = app.live_file(&file).await?;
    Ok(Json(app.file_now(live).await?))
}

/// Where copies are of the version that the file is shown with.
#[utoipa::path(
    get, path = "/v1/files/{kind}/{name}/placement", tag = "files",
    params(("kind" = String, Path, description = "Its kind."),
        ("name" = String, Path, description = "Its name.")),
    responses((status = 200, description = "Where copies are.", body = Placement))
)]
pub(super) async fn placement(
    State(app): State<App>,
    ApiPath(file): ApiPath<(FileKind, String)>,
) -> Result<Json<Placement>, Failure> {
    let live = app.live_file(&file).await?;
    let known = app.database.placements_of_content(live.version.content).await?;
    let (servers, now) = (app.database.distribution_servers().await?, app.now());
    let (holdings, facts) = (app.control.holdings().await?, live.file.facts());
    let rows: Vec<ServerPlacement> = servers
        .into_iter()
        .filter(|server| holdings.of(server.id).is_some_and(|it| it.holds(&facts)))
        .map(|server| {
            let known = known.iter().find(|known| known.server == server.id);
            server_placement(server.name, known, live.version.size, now)
        })
        .collect();
    let present = rows.iter().filter(|row| row.state == PlacementState::Present).count() as u64;
    let (content, size) = (live.version.content, live.version.size);
    let cloud = app.cloud_file(content, size, &live.file.name, &facts).await?;
    Ok(Json(Placement {
        name: live.file.name,
        version: u64::from(live.version.number),
        size: live.version.size,
        present,
        wanted: rows.len() as u64,
        servers: rows,
        cloud,
    }))
}

/// Where the version in production can be fetched, with tickets for whoever holds them.
#[utoipa::path(
    get, path = "/v1/files/{kind}/{name}/sources", tag = "files",
    params(("kind" = String, Path, description = "Its kind."),
        ("name" = String, Path, description = "Its name.")),
    responses((status = 200, description = "Where to fetch it.", body = Sources))
)]
pub(super) async fn sources(
    State(app): State<App>,
    peer: Peer,
    ApiPath(file): ApiPath<(FileKind, String)>,
) -> Result<Json<Sources>, Failure> {
    let live = app.served_file(&file).await?;
    let asker = Asker { holder: None, address: peer.address.ip() };
    Ok(Json(app.sources_of(&live, asker).await?))
}

impl App {
    /// The live file of this kind and name.
    pub(super) async fn live_file(&self, file: &(FileKind, String)) -> Result<LiveFile, Failure> {
        let (kind, name) = file;
        let live = self.database.file_by_name(&FileName::new(name)?).await?;
        match live.file.kind == *kind {
            true => Ok(live),
            false => Err(xylem_http::ApiError::not_found(format!(
                "there is no {kind} `{name}`, but a {} of that name",
                live.file.kind
            ))
            .into()),
        }
    }

    /// The live file of this kind and name, where a version of it is in production: what whoever
    /// asks for no other version gets.
    pub(super) async fn served_file(&self, file: &(FileKind, String)) -> Result<LiveFile, Failure> {
        let live = self.live_file(file).await?;
        match live.file.production {
            Some(_) => Ok(live),
            None => Err(xylem_http::ApiError::not_found(format!(
                "no version of `{}` is in production yet: version {} waits to be promoted (`xylem \
                 {} promote`)",
                live.file.name, live.version.number, live.file.kind
            ))
            .into()),
        }
    }

    pub(super) async fn file_now(&self, live: LiveFile) -> Result<File, Failure> {
        let (names, holdings) = (self.names().await?, self.control.holdings().await?);
        let holders = self.database.holders(&[live.version.content]).await?;
        Ok(View { names, holdings, holders }.wire(live))
    }
}

/// What is needed to show files, read once for all of a page.
struct View {
    names: Names,
    holdings: Arc<Holdings>,
    holders: HashMap<ContentId, Vec<DistributionServerId>>,
}

impl View {
    fn wire(&self, live: LiveFile) -> File {
        let facts = live.file.facts();
        let wanting = self.holdings.iter().filter(|(_, holding)| holding.holds(&facts));
        let wanted: HashSet<DistributionServerId> = wanting.map(|(id, _)| id).collect();
        let holders = self.holders.get(&live.version.content).map_or(&[][..], Vec::as_slice);
        let copies = holders.iter().filter(|holder| wanted.contains(holder)).count() as u64;
        File {
            id: live.file.id,
            kind: live.file.kind,
            category: self.names.category(live.file.category),
            site: self.names.site(live.file.site),
            marked_sites: live
                .file
                .marked_sites
                .iter()
                .filter_map(|id| self.names.site(Some(*id)))
                .collect(),
            deleted_at: live.file.deleted,
            production: live.file.production.map(u64::from),
            test: live.file.test.map(u64::from),
            previous: live.file.previous.map(u64::from),
            current: version_wire(&live.file.name, live.version),
            name: live.file.name,
            copies,
            wanted_copies: wanted.len() as u64,
        }
    }
}

fn whole_digests(known: ContentDigests) -> WholeDigests {
    let ContentDigests { md5, sha512, sha3_512, computed, .. } = known;
    WholeDigests { md5, sha512, sha3_512, computed_at: computed }
}

/// A version as callers see it.
pub(super) fn version_wire(name: &FileName, version: Version) -> FileVersion {
    let source = match digest_source(version.content_source, version.sha256_source) {
        DigestSource::Declared => "declared",
        DigestSource::ComputedByIngest => "computed-by-ingest",
    };
    FileVersion {
        file: version.file,
        name: name.clone(),
        version: u64::from(version.number),
        content: version.content,
        sha256: version.sha256,
        size: version.size,
        priority: version.priority,
        digest_source: source.to_owned(),
        created_at: version.created,
        inspection: version.inspection,
    }
}
