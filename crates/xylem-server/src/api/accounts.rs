//! WebDAV accounts of distribution servers.

use axum::Json;
use axum::extract::State;
use http::StatusCode;
use xylem_api::tree::{Account, AddAccount, NewPassword};
use xylem_db::NewAccount;
use xylem_http::{ApiError, ApiJson};
use xylem_model::AccountName;
use xylem_pki::{PasswordHash, new_password};

use crate::app::App;
use crate::extract::ApiPath;
use crate::failure::Failure;
use crate::permission::Caller;

/// The WebDAV accounts of a distribution server, by name.
#[utoipa::path(
    get, path = "/v1/distribution-servers/{name}/accounts", tag = "distribution-servers",
    params(("name" = String, Path, description = "The server's name.")),
    responses((status = 200, description = "Its accounts.", body = Vec<Account>))
)]
pub(super) async fn accounts(
    State(app): State<App>,
    ApiPath(server): ApiPath<String>,
) -> Result<Json<Vec<Account>>, Failure> {
    let id = app.database.distribution_server_by_name(&server).await?.id;
    let mut all: Vec<Account> = app.database.accounts(id).await?.into_iter().map(wire).collect();
    all.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(Json(all))
}

/// Adds a WebDAV account. Its password is made here and shown this once.
#[utoipa::path(
    post, path = "/v1/distribution-servers/{name}/accounts", tag = "distribution-servers",
    params(("name" = String, Path, description = "The server's name.")),
    request_body = AddAccount,
    responses((status = 200, description = "The account and its password.", body = NewPassword))
)]
pub(super) async fn add_account(
    State(app): State<App>,
    caller: Caller,
    ApiPath(server): ApiPath<String>,
    ApiJson(asked): ApiJson<AddAccount>,
) -> Result<Json<NewPassword>, Failure> {
    let server = app.database.distribution_server_by_name(&server).await?.id;
    let (password, hash) = app.new_password().await?;
    let AddAccount { name, access } = asked;
    let new = NewAccount { server, name, access, password: hash };
    let account = app.database.add_account(&new, &caller.actor(), app.now()).await?;
    Ok(Json(NewPassword { account: wire(account), password }))
}

/// Removes a WebDAV account: none of its passwords counts any more.
#[utoipa::path(
    delete, path = "/v1/distribution-servers/{name}/accounts/{account}",
    tag = "distribution-servers",
    params(("name" = String, Path, description = "The server's name."),
        ("account" = String, Path, description = "The account's name.")),
    responses((status = 204, description = "Removed."))
)]
pub(super) async fn remove_account(
    State(app): State<App>,
    caller: Caller,
    ApiPath((server, account)): ApiPath<(String, AccountName)>,
) -> Result<StatusCode, Failure> {
    let id = app.database.distribution_server_by_name(&server).await?.id;
    app.database.remove_account(id, &account, &caller.actor(), app.now()).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Makes a new password for a WebDAV account and shows it this once. The one before it counts
/// beside it until it is dropped; one older than that counts no more.
#[utoipa::path(
    post, path = "/v1/distribution-servers/{name}/accounts/{account}/password",
    tag = "distribution-servers",
    params(("name" = String, Path, description = "The server's name."),
        ("account" = String, Path, description = "The account's name.")),
    responses((status = 200, description = "The new password.", body = NewPassword))
)]
pub(super) async fn renew_password(
    State(app): State<App>,
    caller: Caller,
    ApiPath((server, account)): ApiPath<(String, AccountName)>,
) -> Result<Json<NewPassword>, Failure> {
    let id = app.database.distribution_server_by_name(&server).await?.id;
    let (password, hash) = app.new_password().await?;
    let actor = caller.actor();
    let account = app.database.renew_password(id, &account, &hash, &actor, app.now()).await?;
    Ok(Json(NewPassword { account: wire(account), password }))
}

/// Ends the rotation of a password: only the newest counts from now on.
#[utoipa::path(
    delete, path = "/v1/distribution-servers/{name}/accounts/{account}/password",
    tag = "distribution-servers",
    params(("name" = String, Path, description = "The server's name."),
        ("account" = String, Path, description = "The account's name.")),
    responses((status = 204, description = "Only the newest password counts."))
)]
pub(super) async fn drop_previous_password(
    State(app): State<App>,
    caller: Caller,
    ApiPath((server, account)): ApiPath<(String, AccountName)>,
) -> Result<StatusCode, Failure> {
    let id = app.database.distribution_server_by_name(&server).await?.id;
    app.database.drop_previous_password(id, &account, &caller.actor(), app.now()).await?;
    Ok(StatusCode::NO_CONTENT)
}

impl App {
    /// A password, and the hash that is kept of it.
    async fn new_password(&self) -> Result<(String, String), Failure> {
        let doing = "hashing a new password";
        let rng = self.environment.rng.clone();
        // Tens of milliseconds of work: not where requests are answered.
        let hashing = tokio::task::spawn_blocking(move || {
            let password = new_password(&*rng);
            let hash = PasswordHash::of(&password, &*rng)?;
            Ok((password, hash.as_str().to_owned()))
        });
        let made = hashing.await.map_err(|error| ApiError::internal(doing, error))?;
        made.map_err(|error: xylem_pki::PasswordError| ApiError::internal(doing, error).into())
    }
}

fn wire(account: xylem_db::Account) -> Account {
    Account {
        name: account.name,
        access: account.access,
        created_at: account.created,
        password_at: account.password_at,
        passwords: account.passwords.len() as u64,
    }
}
