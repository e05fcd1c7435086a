//! Managed Macs.

use axum::Json;
use axum::extract::State;
use http::StatusCode;
use xylem_api::MAX_PAGE;
use xylem_api::agent::Computer;

use crate::app::App;
use crate::extract::ApiPath;
use crate::failure::Failure;
use crate::names::Names;
use crate::permission::Caller;

/// Computers, by name.
#[utoipa::path(
    get, path = "/v1/computers", tag = "computers",
    responses((status = 200, description = "The computers.", body = Vec<Computer>))
)]
pub(super) async fn computers(State(app): State<App>) -> Result<Json<Vec<Computer>>, Failure> {
    let names = app.names().await?;
    let mut all = Vec::new();
    let mut after = None;
    loop {
        let page = app.database.computers(after, MAX_PAGE).await?;
        let is_full = u64::try_from(page.len()).is_ok_and(|count| count >= MAX_PAGE);
        after = page.last().map(|last| last.id);
        all.extend(page.into_iter().map(|computer| wire(computer, &names)));
        if !is_full {
            break;
        }
    }
    all.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(Json(all))
}

/// One computer.
#[utoipa::path(
    get, path = "/v1/computers/{name}", tag = "computers",
    params(("name" = String, Path, description = "Its name.")),
    responses((status = 200, description = "The computer.", body = Computer))
)]
pub(super) async fn computer(
    State(app): State<App>,
    ApiPath(name): ApiPath<String>,
) -> Result<Json<Computer>, Failure> {
    let found = app.database.computer_by_name(&name).await?;
    Ok(Json(wire(found, &app.names().await?)))
}

/// Removes a computer and revokes its certificates.
#[utoipa::path(
    delete, path = "/v1/computers/{name}", tag = "computers",
    params(("name" = String, Path, description = "Its name.")),
    responses((status = 204, description = "Removed."))
)]
pub(super) async fn remove_computer(
    State(app): State<App>,
    caller: Caller,
    ApiPath(name): ApiPath<String>,
) -> Result<StatusCode, Failure> {
    let id = app.database.computer_by_name(&name).await?.id;
    app.database.remove_computer(id, &caller.actor(), app.now()).await?;
    Ok(StatusCode::NO_CONTENT)
}

fn wire(computer: xylem_db::Computer, names: &Names) -> Computer {
    Computer {
        id: computer.id,
        name: computer.name,
        site: names.site(computer.site),
        serial_number: computer.serial_number,
        os: computer.os,
        program_version: computer.program_version,
        enrolled_at: computer.enrolled,
        last_seen: computer.last_seen,
    }
}
