//! Moving the root and the principal.

use axum::Json;
use axum::extract::State;
use xylem_api::error::ErrorCode;
use xylem_api::tree::{DistributionServer, HandOver, HandedOver};
use xylem_db::{DbError, Missing};
use xylem_http::ApiJson;

use super::servers::View;
use crate::app::App;
use crate::extract::ApiPath;
use crate::failure::Failure;
use crate::permission::Caller;

/// Which role is handed over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Role {
    Root,
    Principal,
}

/// Makes a distribution server the root; the former root becomes its child, and serves on.
///
/// Refused until it holds everything. With `fill` it is first made to hold everything, whatever was
/// chosen for it; the answer says what is missing, and asking again goes on.
#[utoipa::path(
    post, path = "/v1/distribution-servers/{name}/make-root", tag = "distribution-servers",
    params(("name" = String, Path, description = "Its name.")), request_body = HandOver,
    responses((status = 200, description = "How far it is.", body = HandedOver))
)]
pub(super) async fn make_root(
    State(app): State<App>,
    caller: Caller,
    ApiPath(name): ApiPath<String>,
    ApiJson(asked): ApiJson<HandOver>,
) -> Result<Json<HandedOver>, Failure> {
    app.hand_over(Role::Root, &name, &asked, &caller).await.map(Json)
}

/// The principal: where new files enter.
#[utoipa::path(
    get, path = "/v1/principal", tag = "distribution-servers",
    responses((status = 200, description = "The principal.", body = DistributionServer))
)]
pub(super) async fn principal(State(app): State<App>) -> Result<Json<DistributionServer>, Failure> {
    let servers = app.database.distribution_servers().await?;
    let principal = servers.into_iter().find(|server| server.is_principal).ok_or_else(|| {
        Failure::new(ErrorCode::NotFound, "there is no distribution server yet, so no principal")
    })?;
    Ok(Json(View::read(&app).await?.wire(&app, principal).await?))
}

/// Makes a distribution server the principal, where new files enter. As for the root.
#[utoipa::path(
    post, path = "/v1/distribution-servers/{name}/make-principal", tag = "distribution-servers",
    params(("name" = String, Path, description = "Its name.")), request_body = HandOver,
    responses((status = 200, description = "How far it is.", body = HandedOver))
)]
pub(super) async fn make_principal(
    State(app): State<App>,
    caller: Caller,
    ApiPath(name): ApiPath<String>,
    ApiJson(asked): ApiJson<HandOver>,
) -> Result<Json<HandedOver>, Failure> {
    app.hand_over(Role::Principal, &name, &asked, &caller).await.map(Json)
}

impl App {
    async fn hand_over(
        &self,
        role: Role,
        name: &str,
        asked: &HandOver,
        caller: &Caller,
    ) -> Result<HandedOver, Failure> {
        let server = self.database.distribution_server_by_name(name).await?;
        let (id, actor, now) = (server.id, caller.actor(), self.now());
        let has_it = match role {
            Role::Root => server.is_root,
            // Where the cloud is that, files enter at a server all the same.
            Role::Principal => server.is_principal && !self.database.cloud_is_principal().await?,
        };
        // Looked at first without being in anybody's way: filling takes hours, and is asked after
        // every few seconds.
        let missing = match asked.fill && !has_it {
            true => self.database.missing_on(id).await?,
            false => Missing::default(),
        };
        let mut done = false;
        if missing.contents == 0 {
            let handed_over = match role {
                Role::Root => {
                    self.database.hand_over_root(id, asked.keep_children, &actor, now).await
                }
                Role::Principal => self.database.set_principal(id, &actor, now).await,
            };
            done = match handed_over {
                Ok(_) => true,
                Err(DbError::Incomplete { .. } | DbError::Unproven { .. }) if asked.fill => false,
                Err(error) => return Err(error.into()),
            };
        }
        if !done {
            self.database.fill_distribution_server(id, &actor, now).await?;
        }
        self.control.refresh().await?;
        Ok(HandedOver {
            server: server.name,
            done,
            missing: missing.contents,
            missing_bytes: missing.bytes,
            root_epoch: self.database.root_epoch().await?,
        })
    }
}
