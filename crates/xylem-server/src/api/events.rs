//! `GET /v1/events`: what changes, for administrators and their tools.
//!
//! Two kinds of event: the catalogue's state, and copies that moved on. An event says where to
//! look, never what is there: whoever misses one looks a little later. Its id lets a stream that
//! broke go on where it was.

use std::convert::Infallible;
use std::time::Duration;

use axum::extract::State;
use axum::response::sse::{Event, Sse};
use futures_util::Stream;
use http::HeaderMap;
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};
use xylem_api::server::{ChangedFile, ServerEvent};
use xylem_model::Stamp;

use crate::app::App;
use crate::control::{ChangedCopies, heartbeat};
use crate::failure::Failure;

/// Events about copies are at least this far apart: progress that a person can follow, at a cost
/// that does not grow with the number of servers that report.
const COPIES_PAUSE: Duration = Duration::from_millis(250);

/// Files that one event names; above that it says that any may have changed.
const MAX_FILES: usize = 100;

/// A stream ends after this time, and is opened again by whoever still may: a token that was taken
/// back hears nothing longer than that.
const MAX_STREAM: Duration = Duration::from_secs(60 * 60);

/// Streams `state` and `placements` events: the present state at once, then every change. After a
/// break, `Last-Event-ID` names the last event that arrived: what came after it is told.
#[utoipa::path(
    get, path = "/v1/events", tag = "server",
    responses((status = 200, description = "A stream of events.",
        content_type = "text/event-stream", body = ServerEvent))
)]
pub(super) async fn events(
    State(app): State<App>,
    headers: HeaderMap,
) -> Result<Sse<impl Stream<Item = Result<Event, Infallible>>>, Failure> {
    let (newest, copies) = (app.control.newest(), app.control.copies().newest());
    app.control.refresh().await?;
    let resumed = headers.get("last-event-id").and_then(|id| id.to_str().ok()).map(EventId::parse);
    let seen = match resumed {
        // A new stream begins with the state, and with the copies as they are.
        None => Seen { stamp: None, number: Some(*copies.borrow()) },
        Some(id) => Seen::from(id, app.control.copies().life()),
    };
    let now = Instant::now();
    let watching = Watching { app, newest, copies, seen, quiet_until: now, end: now + MAX_STREAM };
    let stream = futures_util::stream::unfold(watching, async |mut watching| {
        let told = watching.next().await?;
        let name = match &told {
            ServerEvent::Placements { .. } => "placements",
            ServerEvent::State { .. } => "state",
        };
        let event = Event::default().event(name).id(watching.id().to_string());
        // Numbers and checked names always have a JSON form.
        Some((Ok(event.json_data(told).ok()?), watching))
    });
    Ok(Sse::new(stream).keep_alive(heartbeat()))
}

/// What a stream has told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Seen {
    stamp: Option<Stamp>,
    number: Option<u64>,
}

impl Seen {
    /// What whoever got an event has seen. Numbers of copies count in one life of a process only.
    fn from(id: Option<EventId>, life: u64) -> Self {
        Self {
            stamp: id.map(|id| id.stamp),
            number: id.filter(|id| id.life == life).map(|id| id.number),
        }
    }
}

/// Names an event: `EPOCH.GENERATION.LIFE.NUMBER`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct EventId {
    stamp: Stamp,
    life: u64,
    number: u64,
}

impl EventId {
    fn parse(text: &str) -> Option<Self> {
        let mut parts = text.split('.').map(|part| part.parse::<u64>().ok());
        let mut next = || parts.next().flatten();
        let stamp = Stamp::new(next()?, next()?);
        Some(Self { stamp, life: next()?, number: next()? })
    }
}

impl std::fmt::Display for EventId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}.{}.{}", self.stamp, self.life, self.number)
    }
}

/// An open stream.
struct Watching {
    app: App,
    newest: watch::Receiver<Stamp>,
    copies: watch::Receiver<u64>,
    seen: Seen,
    /// No event about copies before this.
    quiet_until: Instant,
    end: Instant,
}

impl Watching {
    /// The next event; none at the end of the stream.
    async fn next(&mut self) -> Option<ServerEvent> {
        loop {
            let stamp = *self.newest.borrow_and_update();
            if self.seen.stamp != Some(stamp) {
                self.seen.stamp = Some(stamp);
                return Some(ServerEvent::State { stamp });
            }
            let moved = self.seen.number != Some(*self.copies.borrow_and_update());
            if moved
                && Instant::now() >= self.quiet_until
                && let Some(event) = self.placements().await
            {
                return Some(event);
            }
            let pause = if moved { self.quiet_until } else { self.end };
            tokio::select! {
                changed = self.newest.changed() => changed.ok()?,
                changed = self.copies.changed() => changed.ok()?,
                () = sleep_until(pause.min(self.end)) => {}
                () = self.app.control.shutdown().begun() => return None,
            }
            if Instant::now() >= self.end {
                return None;
            }
        }
    }

    /// What moved since the last event; none where no file of the catalogue is concerned.
    async fn placements(&mut self) -> Option<ServerEvent> {
        let changed = self.app.control.copies().since(self.seen.number);
        self.seen.number = Some(changed.number);
        self.quiet_until = Instant::now() + COPIES_PAUSE;
        let (files, all) = self.app.files_of(&changed).await;
        (all || !files.is_empty()).then_some(ServerEvent::Placements { files, all })
    }

    fn id(&self) -> EventId {
        EventId {
            stamp: self.seen.stamp.unwrap_or_default(),
            life: self.app.control.copies().life(),
            number: self.seen.number.unwrap_or_default(),
        }
    }
}

impl App {
    /// The files whose copies changed, and whether any other may have.
    async fn files_of(&self, changed: &ChangedCopies) -> (Vec<ChangedFile>, bool) {
        let contents: Vec<_> = changed.contents.iter().copied().collect();
        if changed.all || contents.len() > MAX_FILES {
            return (Vec::new(), true);
        }
        match self.database.files_of_contents(&contents).await {
            Ok(files) => {
                let files = files.into_iter().map(|(kind, name)| ChangedFile { kind, name });
                (files.collect(), false)
            }
            Err(error) => {
                tracing::warn!(%error, "files whose copies changed cannot be named");
                (Vec::new(), true)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_read_back_and_no_other_text_is_one() {
        let id = EventId { stamp: Stamp::new(2, 41), life: u64::MAX, number: 7 };
        assert_eq!(EventId::parse(&id.to_string()), Some(id));
        for text in ["", "1", "1.2", "1.2.x.4", "-1.2.3.4", "1.2.3.99999999999999999999"] {
            assert_eq!(EventId::parse(text), None, "{text}");
        }
    }

    #[test]
    fn numbers_of_another_life_count_for_nothing() {
        let id = EventId { stamp: Stamp::new(1, 5), life: 8, number: 3 };
        let stamp = Some(id.stamp);
        assert_eq!(Seen::from(Some(id), 8), Seen { stamp, number: Some(3) });
        assert_eq!(Seen::from(Some(id), 9), Seen { stamp, number: None });
        assert_eq!(Seen::from(None, 8), Seen { stamp: None, number: None });
    }
}
