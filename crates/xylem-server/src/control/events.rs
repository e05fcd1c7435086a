//! Waiting for changes: server-sent events, and a long poll for proxies that break streams.

use std::convert::Infallible;
use std::time::Duration;

use axum::Json;
use axum::extract::State;
use axum::response::sse::{Event, KeepAlive, Sse};
use futures_util::Stream;
use serde::Deserialize;
use tokio::sync::watch;
use utoipa::IntoParams;
use xylem_api::control::StateChanged;
use xylem_model::{DistributionServerId, Stamp};

use super::ControlService;
use crate::extract::ApiQuery;
use crate::failure::Failure;
use crate::permission::Caller;

/// A comment is sent this often, so that both sides notice a dead connection.
const HEARTBEAT: Duration = Duration::from_secs(15);

/// The longest a long poll waits: below the idle limit of common proxies.
const MAX_WAIT: Duration = Duration::from_secs(50);

/// Streams `state` events, each a `StateChanged`: the present state at once, then every change.
#[utoipa::path(
    get, path = "/v1/control/events", tag = "control",
    responses((status = 200, description = "A stream of `state` events.",
        content_type = "text/event-stream", body = StateChanged))
)]
pub(super) async fn control_events(
    State(service): State<ControlService>,
    caller: Caller,
) -> Result<Sse<impl Stream<Item = Result<Event, Infallible>>>, Failure> {
    let server = caller.distribution_server()?;
    let mut newest = service.newest();
    service.refresh().await?;
    // What is there counts as seen only once the stream has sent it.
    newest.mark_changed();
    let following = Following { service, newest, server };
    let stream = futures_util::stream::unfold(following, async |mut following| {
        let stamp = following.next().await?;
        // A struct of two numbers always has a JSON form.
        let event = Event::default().event("state").json_data(StateChanged { stamp }).ok()?;
        Some((Ok(event), following))
    });
    Ok(Sse::new(stream).keep_alive(heartbeat()))
}

/// What every stream of events says while nothing happens.
pub(crate) fn heartbeat() -> KeepAlive {
    KeepAlive::new().interval(HEARTBEAT).text("heartbeat")
}

/// How long to wait for which change.
#[derive(Debug, Clone, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct LongPoll {
    /// Seconds to wait for a change; 50 at most.
    #[serde(default)]
    wait: u64,
    /// The epoch of the state the caller has.
    #[serde(default)]
    epoch: u64,
    /// The generation of the state the caller has.
    #[serde(default)]
    since: u64,
}

/// Answers with the newest state as soon as it differs from the caller's, or after the wait.
#[utoipa::path(
    get, path = "/v1/control/changes", tag = "control", params(LongPoll),
    responses((status = 200, description = "The newest state.", body = StateChanged))
)]
pub(super) async fn control_changes(
    State(service): State<ControlService>,
    ApiQuery(poll): ApiQuery<LongPoll>,
) -> Result<Json<StateChanged>, Failure> {
    Ok(Json(wait_for_change(&service, &poll).await?))
}

pub(crate) async fn wait_for_change(
    service: &ControlService,
    poll: &LongPoll,
) -> Result<StateChanged, Failure> {
    let known = Stamp::new(poll.epoch, poll.since);
    let mut newest = service.newest();
    service.refresh().await?;
    let changed = newest.wait_for(|stamp| *stamp != known);
    let limit = Duration::from_secs(poll.wait).min(MAX_WAIT);
    tokio::select! {
        _ = changed => {}
        () = tokio::time::sleep(limit) => {}
        () = service.shutdown().begun() => {}
    }
    let stamp = *newest.borrow();
    Ok(StateChanged { stamp })
}

/// An open stream; it ends when its server is removed.
struct Following {
    service: ControlService,
    newest: watch::Receiver<Stamp>,
    server: DistributionServerId,
}

impl Following {
    /// The next state; none once the server is removed or this program stops.
    async fn next(&mut self) -> Option<Stamp> {
        tokio::select! {
            changed = self.newest.changed() => changed.ok()?,
            () = self.service.shutdown().begun() => return None,
        }
        let stamp = *self.newest.borrow_and_update();
        self.service.is_member_at(self.server, stamp).await.then_some(stamp)
    }
}
