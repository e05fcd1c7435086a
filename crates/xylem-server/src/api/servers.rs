//! Distribution servers.

use std::collections::HashMap;

use axum::Json;
use axum::extract::State;
use http::StatusCode;
use xylem_api::error::ErrorCode;
use xylem_api::tree::{
    ChangeDistributionServer, ChildrenMoved, DistributionServer, MoveChildren, SetParent,
};
use xylem_db::{DbError, ServerChange};
use xylem_http::ApiJson;
use xylem_model::{DistributionServerId, MAX_PARENTS, Stamp, Tree, TreeError};

use super::enrollment::parse_url;
use crate::app::App;
use crate::extract::ApiPath;
use crate::failure::Failure;
use crate::names::Names;
use crate::permission::Caller;

/// Distribution servers, root first.
#[utoipa::path(
    get, path = "/v1/distribution-servers", tag = "distribution-servers",
    responses((status = 200, description = "The servers.", body = Vec<DistributionServer>))
)]
pub(super) async fn distribution_servers(
    State(app): State<App>,
) -> Result<Json<Vec<DistributionServer>>, Failure> {
    let view = View::read(&app).await?;
    let mut servers = Vec::new();
    for server in app.database.distribution_servers().await? {
        servers.push(view.wire(&app, server).await?);
    }
    servers.sort_by(|a, b| (a.depth, &a.name).cmp(&(b.depth, &b.name)));
    Ok(Json(servers))
}

/// One distribution server.
#[utoipa::path(
    get, path = "/v1/distribution-servers/{name}", tag = "distribution-servers",
    params(("name" = String, Path, description = "Its name.")),
    responses((status = 200, description = "The server.", body = DistributionServer))
)]
pub(super) async fn distribution_server(
    State(app): State<App>,
    ApiPath(name): ApiPath<String>,
) -> Result<Json<DistributionServer>, Failure> {
    let server = app.database.distribution_server_by_name(&name).await?;
    Ok(Json(View::read(&app).await?.wire(&app, server).await?))
}

/// Changes name, URL, site, parents, or settings.
#[utoipa::path(
    patch, path = "/v1/distribution-servers/{name}", tag = "distribution-servers",
    params(("name" = String, Path, description = "Its present name.")),
    request_body = ChangeDistributionServer,
    responses((status = 200, description = "The server.", body = DistributionServer))
)]
pub(super) async fn change_distribution_server(
    State(app): State<App>,
    caller: Caller,
    ApiPath(name): ApiPath<String>,
    ApiJson(asked): ApiJson<ChangeDistributionServer>,
) -> Result<Json<DistributionServer>, Failure> {
    let id = app.database.distribution_server_by_name(&name).await?.id;
    let site = app.site_change(asked.site.as_deref()).await?;
    let public_url = match asked.public_url.as_deref() {
        None => None,
        Some(url) => Some(parse_url(url)?.to_string()),
    };
    let parents = match &asked.parents {
        None => None,
        Some(names) => Some(app.parent_ids(names).await?),
    };
    let change = ServerChange {
        name: asked.name,
        site,
        public_url,
        parents,
        settings: asked.settings,
        selection: None,
        add_rules: false,
    };
    let actor = caller.actor();
    let changed = app.database.update_distribution_server(id, &change, &actor, app.now()).await?;
    Ok(Json(View::read(&app).await?.wire(&app, changed).await?))
}

/// Gives a distribution server, with its branch, another first parent.
#[utoipa::path(
    put, path = "/v1/distribution-servers/{name}/parent", tag = "distribution-servers",
    params(("name" = String, Path, description = "Its name.")), request_body = SetParent,
    responses((status = 204, description = "Moved."))
)]
pub(super) async fn set_parent(
    State(app): State<App>,
    caller: Caller,
    ApiPath(name): ApiPath<String>,
    ApiJson(asked): ApiJson<SetParent>,
) -> Result<StatusCode, Failure> {
    let id = app.database.distribution_server_by_name(&name).await?.id;
    let parent = app.database.distribution_server_by_name(&asked.parent).await?.id;
    app.database.set_parent(id, parent, &caller.actor(), app.now()).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Lets a distribution server in again whose key was found on two machines.
#[utoipa::path(
    post, path = "/v1/distribution-servers/{name}/reinstate", tag = "distribution-servers",
    params(("name" = String, Path, description = "Its name.")),
    responses((status = 200, description = "It is let in.", body = DistributionServer))
)]
pub(super) async fn reinstate(
    State(app): State<App>,
    caller: Caller,
    ApiPath(name): ApiPath<String>,
) -> Result<Json<DistributionServer>, Failure> {
    let server = app.database.distribution_server_by_name(&name).await?;
    if server.set_aside.is_none() {
        let message = format!("{} is let in already", server.name);
        return Err(Failure::new(ErrorCode::Conflict, message));
    }
    let (actor, now) = (caller.actor(), app.now());
    let changed = app.database.set_aside(server.id, false, &actor, now).await?;
    Ok(Json(View::read(&app).await?.wire(&app, changed).await?))
}

/// Gives all children of a distribution server another parent in its place, in one step: all of
/// them or none.
#[utoipa::path(
    post, path = "/v1/distribution-servers/{name}/move-children", tag = "distribution-servers",
    params(("name" = String, Path, description = "Its name.")), request_body = MoveChildren,
    responses((status = 200, description = "Moved.", body = ChildrenMoved))
)]
pub(super) async fn move_children(
    State(app): State<App>,
    caller: Caller,
    ApiPath(name): ApiPath<String>,
    ApiJson(asked): ApiJson<MoveChildren>,
) -> Result<Json<ChildrenMoved>, Failure> {
    let server = app.database.distribution_server_by_name(&name).await?;
    let to = match (&asked.to, server.parent) {
        (Some(to), _) => app.database.distribution_server_by_name(to).await?,
        (None, Some(parent)) => app.database.distribution_server(parent).await?,
        (None, None) => {
            let message = "the root has no parent to take its children: name one of the others";
            return Err(Failure::new(ErrorCode::BadRequest, message));
        }
    };
    let moved = app.database.move_children(server.id, to.id, &caller.actor(), app.now()).await?;
    let servers = app.database.distribution_servers().await?;
    let children = servers.into_iter().filter(|it| moved.contains(&it.id)).map(|it| it.name);
    Ok(Json(ChildrenMoved { to: to.name, children: children.collect() }))
}

/// Has a distribution server look through everything it holds, from the beginning: each byte is
/// read from its disk and compared. How far it is shows in the server's `scrub`.
#[utoipa::path(
    post, path = "/v1/distribution-servers/{name}/scrub", tag = "distribution-servers",
    params(("name" = String, Path, description = "Its name.")),
    responses((status = 200, description = "The server, with `scrub_asked`.",
               body = DistributionServer))
)]
pub(super) async fn scrub(
    State(app): State<App>,
    caller: Caller,
    ApiPath(name): ApiPath<String>,
) -> Result<Json<DistributionServer>, Failure> {
    let id = app.database.distribution_server_by_name(&name).await?.id;
    let server = app.database.ask_for_scrub(id, &caller.actor(), app.now()).await?;
    Ok(Json(View::read(&app).await?.wire(&app, server).await?))
}

/// Removes a distribution server and revokes its certificates.
#[utoipa::path(
    delete, path = "/v1/distribution-servers/{name}", tag = "distribution-servers",
    params(("name" = String, Path, description = "Its name.")),
    responses((status = 204, description = "Removed."))
)]
pub(super) async fn remove_distribution_server(
    State(app): State<App>,
    caller: Caller,
    ApiPath(name): ApiPath<String>,
) -> Result<StatusCode, Failure> {
    let id = app.database.distribution_server_by_name(&name).await?.id;
    app.database.remove_distribution_server(id, &caller.actor(), app.now()).await?;
    Ok(StatusCode::NO_CONTENT)
}

impl App {
    async fn parent_ids(&self, names: &[String]) -> Result<Vec<DistributionServerId>, Failure> {
        if names.is_empty() {
            let message = "no parent is named: only the root has none, so name at least one";
            return Err(Failure::new(ErrorCode::BadRequest, message));
        }
        if names.len() > MAX_PARENTS {
            return Err(DbError::from(TreeError::TooManyParents { parents: names.len() }).into());
        }
        let mut ids = Vec::with_capacity(names.len());
        for name in names {
            ids.push(self.database.distribution_server_by_name(name).await?.id);
        }
        Ok(ids)
    }
}

/// What is the same for all servers that are shown.
pub(super) struct View {
    tree: Tree,
    names: Names,
    names_of_servers: HashMap<DistributionServerId, String>,
    /// How many contents each server holds, wanted or not.
    present: HashMap<DistributionServerId, u64>,
    /// How many files each server is to hold.
    wanted: HashMap<DistributionServerId, u64>,
}

impl View {
    pub(super) async fn read(app: &App) -> Result<Self, Failure> {
        let servers = app.database.distribution_servers().await?;
        Ok(Self {
            tree: app.database.tree().await?,
            names: app.names().await?,
            names_of_servers: servers.into_iter().map(|it| (it.id, it.name)).collect(),
            present: app.database.present_counts().await?,
            wanted: app.control.wanted_counts().await?,
        })
    }

    pub(super) async fn wire(
        &self,
        app: &App,
        server: xylem_db::DistributionServer,
    ) -> Result<DistributionServer, Failure> {
        let counted = self.present.get(&server.id).copied().unwrap_or(0);
        // Programs from before it was reported: what waits for its grace time counts too.
        let present = server.set.map_or(counted, |set| set.wanted.saturating_sub(set.missing));
        let files_wanted = self.wanted.get(&server.id).copied().unwrap_or(0);
        let selection = match &server.selection {
            Some(selection) => Some(app.selection_wire(selection, &self.names).await?),
            None => None,
        };
        let named = self.tree.parents(server.id).iter();
        let parents: Vec<String> =
            named.filter_map(|id| self.names_of_servers.get(id).cloned()).collect();
        let used =
            server.total.zip(server.free).map(|(total, free)| total.0.saturating_sub(free.0));
        Ok(DistributionServer {
            id: server.id,
            site: self.names.site(server.site),
            parent: parents.first().cloned(),
            parents,
            depth: self.tree.depth(server.id) as u64,
            is_root: server.is_root,
            is_principal: server.is_principal,
            enrolled_at: server.enrolled,
            last_seen: server.last_seen,
            program_version: server.program_version,
            free_bytes: server.free.map(|free| free.0),
            used_bytes: used,
            applied: server.last_seen.map(|_| server.held).filter(|held| *held > Stamp::default()),
            settings: server.settings,
            selection,
            filling: server.filling,
            // It may not have heard of the newest of them yet.
            files_present: present.min(files_wanted),
            files_wanted,
            scrub_asked: server.scrub_asked,
            scrub: server.scrub,
            inventory: server.inventory.and_then(|text| serde_json::from_str(&text).ok()),
            set_aside: server.set_aside,
            certificate: server
                .shown_certificate
                .and_then(|shown| serde_json::from_str(&shown).ok()),
            name: server.name,
            public_url: server.public_url,
        })
    }
}
