//! The places a content can be fetched from, and what is thought of each.

use std::time::Duration;

use xylem_api::catalogue::Candidate;
use xylem_client::{BaseUrlError, ClientError, ContentAuth, ContentUrl};

/// Most places that are tried for one content.
const MAX_SOURCES: usize = 6;

/// One place.
pub(super) struct Source {
    /// The distribution server's name.
    pub(super) name: String,
    pub(super) address: Result<ContentUrl, BaseUrlError>,
    pub(super) auth: ContentAuth,
    standing: Standing,
    tries: u32,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Standing {
    /// May be tried.
    Good,
    /// Turned the ticket down. A fresh one may help: they live ten minutes only.
    TicketRefused,
    /// No use for this content: wrong bytes, no trusted connection, not there any more.
    GivenUp,
}

impl Source {
    fn new(candidate: Candidate) -> Self {
        Self {
            address: candidate.url.parse(),
            name: candidate.name,
            auth: ContentAuth::Ticket(candidate.ticket),
            standing: Standing::Good,
            tries: 0,
        }
    }

    /// Never tries it again for this content.
    pub(super) const fn give_up(&mut self) {
        self.standing = Standing::GivenUp;
    }

    /// Notes how a try failed.
    pub(super) fn note_failure(&mut self, error: &ClientError) {
        self.standing = match error {
            ClientError::Answer { status: 401 | 403, .. } => Standing::TicketRefused,
            ClientError::Answer { status: 410, .. } => Standing::GivenUp,
            // Among these is 404: the server may be about to get the content.
            ClientError::Answer { .. }
            | ClientError::Connect { .. }
            | ClientError::Timeout { .. }
            | ClientError::Broken { .. } => Standing::Good,
            ClientError::Address(_)
            | ClientError::Tls { .. }
            | ClientError::Protocol { .. }
            | ClientError::Source(_) => Standing::GivenUp,
        };
    }
}

/// All places for one content, the nearest first.
pub(super) struct Sources {
    all: Vec<Source>,
    tries_each: u32,
    tries_left: u32,
    round: u32,
}

/// What to do next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Next {
    /// Try this place at once.
    Try(usize),
    /// Every place had its turn: wait, then try this one.
    WaitThenTry(usize),
    /// Places turned down their tickets and none other is left: fresh tickets may help.
    NeedTickets,
    /// There is nothing more to try.
    Exhausted,
}

impl Sources {
    pub(super) fn new(candidates: Vec<Candidate>, tries_each: u32, tries: u32) -> Self {
        let all = candidates.into_iter().take(MAX_SOURCES).map(Source::new).collect();
        Self { all, tries_each, tries_left: tries, round: 0 }
    }

    pub(super) const fn is_empty(&self) -> bool {
        self.all.is_empty()
    }

    pub(super) fn get_mut(&mut self, index: usize) -> Option<&mut Source> {
        self.all.get_mut(index)
    }

    pub(super) fn name(&self, index: usize) -> String {
        self.all.get(index).map(|source| source.name.clone()).unwrap_or_default()
    }

    /// Chooses the next place and counts the try: all in order, then, after a wait, all again.
    pub(super) fn next(&mut self) -> Next {
        let least_tried = self
            .all
            .iter_mut()
            .enumerate()
            .filter(|(_, source)| {
                source.standing == Standing::Good && source.tries < self.tries_each
            })
            .min_by_key(|(_, source)| source.tries);
        let Some((index, source)) = least_tried else {
            let refused = self.all.iter().any(|source| source.standing == Standing::TicketRefused);
            return if refused { Next::NeedTickets } else { Next::Exhausted };
        };
        if self.tries_left == 0 {
            return Next::Exhausted;
        }
        self.tries_left -= 1;
        let begins_round = source.tries > self.round;
        self.round = self.round.max(source.tries);
        source.tries += 1;
        if begins_round { Next::WaitThenTry(index) } else { Next::Try(index) }
    }

    /// Puts fresh tickets in the place of those that were turned down. Returns whether any place
    /// got one.
    pub(super) fn renew_tickets(&mut self, fresh: &[Candidate]) -> bool {
        let mut any = false;
        for source in &mut self.all {
            let candidate = fresh.iter().find(|candidate| candidate.name == source.name);
            if let (Standing::TicketRefused, Some(candidate)) = (source.standing, candidate) {
                source.auth = ContentAuth::Ticket(candidate.ticket.clone());
                source.standing = Standing::Good;
                any = true;
            }
        }
        any
    }
}

/// How long a refusal asks to stay away.
pub(super) const fn retry_after(error: &ClientError) -> Option<Duration> {
    match error {
        ClientError::Answer { retry_after, .. } => *retry_after,
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;
    use xylem_model::DistributionServerId;

    use super::*;

    fn candidates(names: &[&str]) -> Vec<Candidate> {
        names
            .iter()
            .map(|name| Candidate {
                server: DistributionServerId::from_uuid(Uuid::nil()),
                name: (*name).to_owned(),
                url: format!("https://{name}.example:8443/v1/blob/00"),
                ticket: "t".into(),
            })
            .collect()
    }

    #[test]
    fn all_places_have_their_turn_before_any_has_a_second() {
        let mut sources = Sources::new(candidates(&["a", "b"]), 2, 8);
        let order: Vec<Next> = (0..5).map(|_| sources.next()).collect();
        assert_eq!(
            order,
            [Next::Try(0), Next::Try(1), Next::WaitThenTry(0), Next::Try(1), Next::Exhausted]
        );
    }

    #[test]
    fn tries_are_limited_over_all_places_and_places_are_limited() {
        let names = ["a", "b", "c", "d", "e", "f", "g"];
        let mut sources = Sources::new(candidates(&names), 3, 8);
        let tried = (0..20).filter(|_| sources.next() != Next::Exhausted).count();
        assert_eq!(tried, 8);
        let mut sources = Sources::new(candidates(&names), 1, 8);
        let tried = (0..20).filter(|_| sources.next() != Next::Exhausted).count();
        assert_eq!(tried, MAX_SOURCES);
    }

    #[test]
    fn a_place_that_turned_a_ticket_down_is_tried_again_with_a_fresh_one() {
        let mut sources = Sources::new(candidates(&["a"]), 3, 8);
        assert_eq!(sources.next(), Next::Try(0));
        let body = xylem_api::error::ErrorBody {
            code: xylem_api::error::ErrorCode::Unauthorized,
            message: "the ticket has expired".into(),
            request_id: String::new(),
        };
        let refusal = ClientError::Answer { status: 401, body, retry_after: None };
        sources.get_mut(0).unwrap().note_failure(&refusal);
        assert_eq!(sources.next(), Next::NeedTickets);
        assert!(!sources.renew_tickets(&candidates(&["b"])));
        assert!(sources.renew_tickets(&candidates(&["a"])));
        assert_eq!(sources.next(), Next::WaitThenTry(0));
    }
}
