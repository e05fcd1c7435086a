//! Sites and categories.

use axum::Json;
use axum::extract::State;
use http::StatusCode;
use xylem_api::catalogue::Named;
use xylem_db::{Category, Site};
use xylem_http::ApiJson;

use crate::app::App;
use crate::extract::ApiPath;
use crate::failure::Failure;
use crate::permission::Caller;

/// The same five calls for each kind of plain record.
macro_rules! named {
    (
        $Record:ident, $collection:literal, $member:literal, $tag:literal,
        $list:ident, $add:ident, $rename:ident, $remove:ident,
        $db_list:ident, $db_add:ident, $db_rename:ident, $db_remove:ident
    ) => {
        /// All of them, by name.
        #[utoipa::path(
            get, path = $collection, tag = $tag,
            responses((status = 200, description = "All of them, by name.", body = Vec<Named>))
        )]
        pub(super) async fn $list(State(app): State<App>) -> Result<Json<Vec<Named>>, Failure> {
            let all = app.database.$db_list().await?;
            let name = |record: $Record| Named { name: record.name };
            Ok(Json(all.into_iter().map(name).collect()))
        }

        /// Adds one.
        #[utoipa::path(
            post, path = $collection, tag = $tag, request_body = Named,
            responses((status = 204, description = "Added."))
        )]
        pub(super) async fn $add(
            State(app): State<App>,
            caller: Caller,
            ApiJson(new): ApiJson<Named>,
        ) -> Result<StatusCode, Failure> {
            let id = app.environment.new_id(|ms, random| FromParts::from_parts(ms, random));
            app.database.$db_add(id, &new.name, &caller.actor(), app.now()).await?;
            Ok(StatusCode::NO_CONTENT)
        }

        /// Renames one.
        #[utoipa::path(
            patch, path = $member, tag = $tag, request_body = Named,
            params(("name" = String, Path, description = "Its present name.")),
            responses((status = 204, description = "Renamed."))
        )]
        pub(super) async fn $rename(
            State(app): State<App>,
            caller: Caller,
            ApiPath(name): ApiPath<String>,
            ApiJson(new): ApiJson<Named>,
        ) -> Result<StatusCode, Failure> {
            app.database.$db_rename(&name, &new.name, &caller.actor(), app.now()).await?;
            Ok(StatusCode::NO_CONTENT)
        }

        /// Removes one that nothing uses.
        #[utoipa::path(
            delete, path = $member, tag = $tag,
            params(("name" = String, Path, description = "Its name.")),
            responses((status = 204, description = "Removed."))
        )]
        pub(super) async fn $remove(
            State(app): State<App>,
            caller: Caller,
            ApiPath(name): ApiPath<String>,
        ) -> Result<StatusCode, Failure> {
            app.database.$db_remove(&name, &caller.actor(), app.now()).await?;
            Ok(StatusCode::NO_CONTENT)
        }
    };
}

named! {
    Site, "/v1/sites", "/v1/sites/{name}", "sites",
    sites, add_site, rename_site, remove_site,
    sites, add_site, rename_site, remove_site
}

named! {
    Category, "/v1/categories", "/v1/categories/{name}", "categories",
    categories, add_category, rename_category, remove_category,
    categories, add_category, rename_category, remove_category
}

/// Makes an id of either kind.
trait FromParts {
    fn from_parts(unix_ms: u64, random: &[u8; 10]) -> Self;
}

impl FromParts for xylem_model::SiteId {
    fn from_parts(unix_ms: u64, random: &[u8; 10]) -> Self {
        Self::from_parts(unix_ms, random)
    }
}

impl FromParts for xylem_model::CategoryId {
    fn from_parts(unix_ms: u64, random: &[u8; 10]) -> Self {
        Self::from_parts(unix_ms, random)
    }
}
