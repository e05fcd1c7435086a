//! Invitations to enrol.

use axum::Json;
use axum::extract::State;
use http::StatusCode;
use xylem_api::MAX_PAGE;
use xylem_api::enrollment::{CreatedInvitation, Invitation, InvitationKind, NewInvitation};
use xylem_http::ApiJson;
use xylem_model::InvitationId;

use crate::api::new_invitation;
use crate::app::App;
use crate::extract::ApiPath;
use crate::failure::Failure;
use crate::names::Names;
use crate::permission::Caller;

/// Invitations that can still be used, newest first.
#[utoipa::path(
    get, path = "/v1/invitations", tag = "enrollment",
    responses((status = 200, description = "Open invitations.", body = Vec<Invitation>))
)]
pub(super) async fn invitations(State(app): State<App>) -> Result<Json<Vec<Invitation>>, Failure> {
    let now = app.now();
    let names = app.names().await?;
    let mut all = app.database.invitations(MAX_PAGE).await?;
    all.retain(|known| known.revoked.is_none() && known.uses_left > 0 && known.expires > now);
    Ok(Json(all.into_iter().map(|known| wire(known, &names)).collect()))
}

/// Makes an invitation. Its code is shown this once.
#[utoipa::path(
    post, path = "/v1/invitations", tag = "enrollment", request_body = NewInvitation,
    responses((status = 200, description = "The invitation.", body = CreatedInvitation))
)]
pub(super) async fn invite(
    State(app): State<App>,
    caller: Caller,
    ApiJson(new): ApiJson<NewInvitation>,
) -> Result<Json<CreatedInvitation>, Failure> {
    let (code, stored) = new_invitation(&app, &new, &caller.actor()).await?;
    let invitation = wire(stored, &app.names().await?);
    Ok(Json(CreatedInvitation { code, invitation }))
}

/// Takes an invitation back. Who came with it stays.
#[utoipa::path(
    delete, path = "/v1/invitations/{id}", tag = "enrollment",
    params(("id" = uuid::Uuid, Path, description = "The invitation.")),
    responses((status = 204, description = "Taken back."))
)]
pub(super) async fn revoke_invitation(
    State(app): State<App>,
    caller: Caller,
    ApiPath(id): ApiPath<InvitationId>,
) -> Result<StatusCode, Failure> {
    app.database.revoke_invitation(id, &caller.actor(), app.now()).await?;
    Ok(StatusCode::NO_CONTENT)
}

fn wire(stored: xylem_db::Invitation, names: &Names) -> Invitation {
    Invitation {
        id: stored.id,
        kind: match stored.kind {
            xylem_db::InvitationKind::Computer => InvitationKind::Computer,
            xylem_db::InvitationKind::Distribution => InvitationKind::Distribution,
        },
        site: names.site(stored.site),
        uses_left: stored.uses_left,
        expires_at: stored.expires,
    }
}
