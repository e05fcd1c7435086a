//! What may be asked at all, looked at before anything begins.

use http::HeaderMap;
use xylem_api::error::ErrorCode;
use xylem_http::ApiError;
use xylem_webdav::{Method, Question};

use super::session::Area;
use crate::accounts::Visitor;
use crate::node::Node;

/// Whether a visitor may change something.
pub(super) fn require_writer(visitor: &Visitor) -> Result<(), ApiError> {
    if visitor.writer().is_some() {
        return Ok(());
    }
    let message = "this needs an account that may write (`xylem ds account add NAME USER --write`)";
    let code = match visitor {
        Visitor::Account { .. } => ErrorCode::Forbidden,
        Visitor::Computer | Visitor::Anybody => ErrorCode::Unauthorized,
    };
    Err(ApiError::new(code, message))
}

/// The share's own folders stay as they are. Looked at before anything begins: a folder is deleted
/// by deleting all that is in it.
pub(super) fn require_changeable(question: &Question) -> Result<(), ApiError> {
    let is_fixed = |place| matches!(Area::of(place), Area::Top | Area::Kind(_) | Area::DropTop);
    let refused = |message: &str| Err(ApiError::new(ErrorCode::Forbidden, message));
    let moves = matches!(question.method, Method::Copy | Method::Delete | Method::Move);
    let places = [Some(&question.place), question.destination.as_ref()];
    if moves && places.into_iter().flatten().any(is_fixed) {
        return refused("the share's own folders cannot be moved, copied, replaced or deleted");
    }
    let Some(to) = &question.destination else { return Ok(()) };
    let from = &question.place;
    if from.is_within(to) || to.is_within(from) {
        return refused("it would take the place of itself, of what it is in, or of what is in it");
    }
    match (Area::of(from), Area::of(to)) {
        (Area::Drop(_), Area::Drop(_)) => Ok(()),
        (Area::Published(one, _), Area::Published(other, _)) if one == other => Ok(()),
        (Area::Published(..), Area::Published(..)) => {
            refused("a package stays among packages, an app among apps, an eBook among eBooks")
        }
        (Area::Drop(_), Area::Published(..)) => refused(
            "what lies in Drop is published from there by itself, as soon as it is complete",
        ),
        (Area::Published(..), Area::Drop(_)) => {
            refused("published files are not copied into Drop: download them instead")
        }
        (_, Area::Nowhere) => Err(ApiError::new(
            ErrorCode::Conflict,
            "there is no such folder: files go into Packages, Apps, eBooks or Drop",
        )),
        _ => refused("this cannot be moved or copied"),
    }
}

/// A lock is ended by whoever has it: its token alone may be seen by others.
pub(super) async fn require_own_lock(
    node: &Node,
    visitor: &Visitor,
    headers: &HeaderMap,
) -> Result<(), ApiError> {
    let token = headers.get("lock-token").and_then(|value| value.to_str().ok()).unwrap_or("");
    let owner = node.share.locks.owner_of(token.trim_matches(['<', '>'])).await;
    let mine = visitor.writer().map(xylem_model::AccountName::as_str);
    match owner {
        Some(owner) if Some(owner.as_str()) != mine => Err(ApiError::new(
            ErrorCode::Forbidden,
            "another account has this lock: it ends by itself",
        )),
        _ => Ok(()),
    }
}
