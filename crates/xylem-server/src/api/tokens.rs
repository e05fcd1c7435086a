//! API tokens.

use std::time::Duration;

use axum::Json;
use axum::extract::State;
use http::StatusCode;
use xylem_api::MAX_PAGE;
use xylem_api::error::ErrorCode;
use xylem_api::server::{CreatedToken, NewToken, Token};
use xylem_db::{Actor, Database, DbError};
use xylem_http::ApiJson;
use xylem_model::TokenId;
use xylem_runtime::Environment;

use crate::app::App;
use crate::extract::ApiPath;
use crate::failure::Failure;
use crate::permission::Caller;
use crate::secret::{self, scope_of, scope_word};

/// Tokens that are good, newest first.
#[utoipa::path(
    get, path = "/v1/tokens", tag = "tokens",
    responses((status = 200, description = "Good tokens.", body = Vec<Token>))
)]
pub(super) async fn tokens(State(app): State<App>) -> Result<Json<Vec<Token>>, Failure> {
    let now = app.now();
    let mut all = app.database.tokens(MAX_PAGE).await?;
    all.retain(|token| token.revoked.is_none() && token.expires.is_none_or(|end| end > now));
    Ok(Json(all.into_iter().map(wire).collect()))
}

/// Makes a token. Its secret is shown this once.
#[utoipa::path(
    post, path = "/v1/tokens", tag = "tokens", request_body = NewToken,
    responses((status = 200, description = "The token.", body = CreatedToken))
)]
pub(super) async fn create_token(
    State(app): State<App>,
    caller: Caller,
    ApiJson(new): ApiJson<NewToken>,
) -> Result<Json<CreatedToken>, Failure> {
    if new.scopes.is_empty() {
        return Err(Failure::new(ErrorCode::BadRequest, "name at least one scope for the token"));
    }
    let (secret, stored) =
        new_token(&app.environment, &app.database, &new, &caller.actor()).await?;
    Ok(Json(CreatedToken { secret, token: wire(stored) }))
}

/// Takes a token back, for ever.
#[utoipa::path(
    delete, path = "/v1/tokens/{id}", tag = "tokens",
    params(("id" = uuid::Uuid, Path, description = "The token.")),
    responses((status = 204, description = "Taken back."))
)]
pub(super) async fn revoke_token(
    State(app): State<App>,
    caller: Caller,
    ApiPath(id): ApiPath<TokenId>,
) -> Result<StatusCode, Failure> {
    app.database.revoke_token(id, &caller.actor(), app.now()).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Makes a token and stores its hash; gives the secret, which is kept nowhere.
pub(crate) async fn new_token(
    environment: &Environment,
    database: &Database,
    new: &NewToken,
    actor: &Actor,
) -> Result<(String, xylem_db::Token), DbError> {
    let now = environment.clock.now();
    let secret = secret::new_token(&*environment.rng);
    let mut scopes: Vec<String> =
        new.scopes.iter().map(|scope| scope_word(*scope).to_owned()).collect();
    scopes.sort_unstable();
    scopes.dedup();
    let row = xylem_db::NewToken {
        id: environment.new_id(TokenId::from_parts),
        name: new.name.clone(),
        token_hash: secret::token_hash(&secret),
        scopes,
        expires: new.expires_in_seconds.map(|seconds| now.plus(Duration::from_secs(seconds))),
    };
    Ok((secret, database.add_token(&row, actor, now).await?))
}

fn wire(stored: xylem_db::Token) -> Token {
    Token {
        id: stored.id,
        name: stored.name,
        scopes: stored.scopes.iter().filter_map(|word| scope_of(word)).collect(),
        created_at: stored.created,
        expires_at: stored.expires,
    }
}
