//! The certificate authorities, and changing them.

use std::path::Path;

use axum::Json;
use axum::extract::State;
use xylem_api::authorities::{
    AuthorityChange, AuthorityState, AuthorityStep, InstallIntermediate, IntermediateRequest,
};
use xylem_api::error::ErrorCode;
use xylem_ca::{Authority, CaError};
use xylem_http::ApiJson;
use xylem_runtime::Fs;

use crate::app::App;
use crate::authorities::{finishing, missing, switching};
use crate::failure::Failure;
use crate::permission::Caller;

/// The authorities of this system, and how far a change of them is.
#[utoipa::path(
    get, path = "/v1/ca/state", tag = "authorities",
    responses((status = 200, description = "The authorities.", body = AuthorityState))
)]
pub(super) async fn authority_state(
    State(app): State<App>,
) -> Result<Json<AuthorityState>, Failure> {
    Ok(Json(app.authority_state().await?))
}

/// Makes a new root that is to follow the present one.
#[utoipa::path(
    post, path = "/v1/ca/rotate", tag = "authorities",
    responses((status = 200, description = "It is made known.", body = AuthorityState))
)]
pub(super) async fn rotate(
    State(app): State<App>,
    caller: Caller,
) -> Result<Json<AuthorityState>, Failure> {
    let now = app.now();
    app.step(&caller, "ca.rotate", move |ca, fs, folder| ca.begin(fs, folder, now)).await
}

/// Writes a request for an intermediate certificate, for the organisation's own root to sign.
#[utoipa::path(
    post, path = "/v1/ca/request", tag = "authorities",
    responses((status = 200, description = "The request.", body = IntermediateRequest))
)]
pub(super) async fn request(State(app): State<App>) -> Result<Json<IntermediateRequest>, Failure> {
    let shared = app.clone();
    let asking =
        app.environment.disk.run(move |fs| shared.authority().request(fs, &shared.folder.ca()));
    let csr_pem = asking.await?;
    Ok(Json(IntermediateRequest { csr_pem }))
}

/// Takes the intermediate that the organisation's root signed as the authority to follow.
#[utoipa::path(
    post, path = "/v1/ca/install", tag = "authorities", request_body = InstallIntermediate,
    responses((status = 200, description = "It is made known.", body = AuthorityState))
)]
pub(super) async fn install(
    State(app): State<App>,
    caller: Caller,
    ApiJson(asked): ApiJson<InstallIntermediate>,
) -> Result<Json<AuthorityState>, Failure> {
    let now = app.now();
    let install = move |ca: &mut Authority, fs: &dyn Fs, folder: &Path| {
        ca.install(fs, folder, &asked.chain_pem, now)
    };
    app.step(&caller, "ca.install", install).await
}

/// Gives up the authority that is to follow.
#[utoipa::path(
    post, path = "/v1/ca/abandon", tag = "authorities",
    responses((status = 200, description = "It is given up.", body = AuthorityState))
)]
pub(super) async fn abandon(
    State(app): State<App>,
    caller: Caller,
) -> Result<Json<AuthorityState>, Failure> {
    app.step(&caller, "ca.abandon", |ca, fs, folder| ca.abandon(fs, folder)).await
}

/// Signs with the next authority from now on. Happens by itself once everybody believes it.
#[utoipa::path(
    post, path = "/v1/ca/switch", tag = "authorities", request_body = AuthorityChange,
    responses((status = 200, description = "It signs.", body = AuthorityState))
)]
pub(super) async fn switch(
    State(app): State<App>,
    caller: Caller,
    ApiJson(asked): ApiJson<AuthorityChange>,
) -> Result<Json<AuthorityState>, Failure> {
    let known = app.refuse_cutting_off(AuthorityStep::Announced, asked).await?;
    app.step(&caller, "ca.switch", switching(&known)).await
}

/// Believes the authority before no more. Happens by itself once all its certificates are replaced.
#[utoipa::path(
    post, path = "/v1/ca/finish", tag = "authorities", request_body = AuthorityChange,
    responses((status = 200, description = "It is history.", body = AuthorityState))
)]
pub(super) async fn finish(
    State(app): State<App>,
    caller: Caller,
    ApiJson(asked): ApiJson<AuthorityChange>,
) -> Result<Json<AuthorityState>, Failure> {
    let known = app.refuse_cutting_off(AuthorityStep::Switched, asked).await?;
    app.step(&caller, "ca.finish", finishing(&known)).await
}

impl App {
    /// Takes a step that somebody asked for, and gives what it led to.
    async fn step(
        &self,
        caller: &Caller,
        action: &'static str,
        step: impl FnOnce(&mut Authority, &dyn Fs, &Path) -> Result<(), CaError> + Send + 'static,
    ) -> Result<Json<AuthorityState>, Failure> {
        self.change_authority(action, &caller.actor(), step).await?;
        Ok(Json(self.authority_state().await?))
    }

    /// Refuses a step out of order, and one that would cut somebody off who was not given up.
    async fn refuse_cutting_off(
        &self,
        from: AuthorityStep,
        asked: AuthorityChange,
    ) -> Result<AuthorityState, Failure> {
        let state = self.authority_state().await?;
        let conflict = |message: String| Failure::new(ErrorCode::Conflict, message);
        if state.step != from {
            return Err(conflict(match state.step {
                AuthorityStep::Steady => "no change of authorities is under way".into(),
                AuthorityStep::Announced => {
                    "the next authority does not sign yet: `xylem ca switch` comes first".into()
                }
                AuthorityStep::Switched => "the next authority signs already".into(),
            }));
        }
        match missing(&state) {
            Some(missing) if !asked.despite_missing => Err(conflict(format!(
                "{missing} have not followed and would have to be enrolled again: wait, or \
                 remove them, or say --despite-missing"
            ))),
            _ => Ok(state),
        }
    }
}
