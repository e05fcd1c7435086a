//! The places a content can be fetched from, and what is thought of each.

use std::time::Duration;

use xylem_api::agent::CLOUD_SOURCE;
use xylem_api::catalogue::{Candidate, CloudCandidate, Sources as Offered};
use xylem_client::{BaseUrlError, ClientError, ContentAuth, ContentUrl};
use xylem_model::Timestamp;

use super::cloud::Cloud;

/// Most distribution servers that are tried for one content. The cloud is one place more.
const MAX_SERVERS: usize = 6;

/// One place.
pub(super) struct Source {
    /// The distribution server's name, or the word for the cloud.
    name: String,
    pub(super) way: Way,
    standing: Standing,
    tries: u32,
}

/// How a place is asked.
pub(super) enum Way {
    /// A distribution server.
    Server { address: Result<ContentUrl, BaseUrlError>, auth: ContentAuth },
    /// The cloud.
    Cloud(Cloud),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Standing {
    /// May be tried.
    Good,
    /// Turned the ticket, or the address, down. A fresh one may help: they live minutes only.
    Refused,
    /// No use for this content: wrong bytes, no trusted connection, not there any more.
    GivenUp,
}

impl Source {
    fn new(name: String, way: Way) -> Self {
        Self { name, way, standing: Standing::Good, tries: 0 }
    }

    fn server(candidate: Candidate) -> Self {
        let address = candidate.url.parse();
        let way = Way::Server { address, auth: ContentAuth::Ticket(candidate.ticket) };
        Self::new(candidate.name, way)
    }

    fn cloud(candidate: CloudCandidate) -> Self {
        Self::new(CLOUD_SOURCE.to_owned(), Way::Cloud(Cloud::new(candidate)))
    }

    const fn is_cloud(&self) -> bool {
        matches!(self.way, Way::Cloud(_))
    }

    /// Puts what is fresh in the place of what is not. Returns whether it was turned down, and may be
    /// tried again.
    fn renew(&mut self, fresh: &Offered) -> bool {
        let is_renewed = match &mut self.way {
            Way::Server { auth, .. } => {
                let same = fresh.candidates.iter().find(|candidate| candidate.name == self.name);
                same.map(|same| *auth = ContentAuth::Ticket(same.ticket.clone())).is_some()
            }
            Way::Cloud(cloud) => fresh.cloud.clone().map(|fresh| cloud.renew(fresh)).is_some(),
        };
        if self.standing != Standing::Refused {
            return false;
        }
        match (is_renewed, self.is_cloud()) {
            (true, _) => self.standing = Standing::Good,
            // Nobody is sent there any more.
            (false, true) => self.standing = Standing::GivenUp,
            (false, false) => {}
        }
        is_renewed
    }

    /// Never tries it again for this content.
    pub(super) const fn give_up(&mut self) {
        self.standing = Standing::GivenUp;
    }

    /// Notes how a try failed.
    pub(super) fn note_failure(&mut self, error: &ClientError) {
        self.standing = match error {
            ClientError::Answer { status: 401 | 403, .. } => Standing::Refused,
            ClientError::Answer { status: 410, .. } => Standing::GivenUp,
            // An object that is not there is not about to come, nor are the bytes that a shorter one
            // lacks.
            ClientError::Answer { status: 404 | 416, .. } if self.is_cloud() => Standing::GivenUp,
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
    /// The place that has its turn before all others.
    at_once: Option<usize>,
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
    pub(super) fn new(offered: Offered, tries_each: u32, tries: u32) -> Self {
        let Offered { mut candidates, cloud, .. } = offered;
        candidates.truncate(MAX_SERVERS);
        let before = cloud.as_ref().and_then(|cloud| cloud.before);
        let place = candidates.iter().position(|candidate| Some(candidate.server) == before);
        let mut all: Vec<Source> = candidates.into_iter().map(Source::server).collect();
        if let Some(cloud) = cloud {
            all.insert(place.unwrap_or(all.len()), Source::cloud(cloud));
        }
        Self { all, at_once: None, tries_each, tries_left: tries, round: 0 }
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

    /// Whether this place is the cloud, and its address is over.
    pub(super) fn is_over(&self, index: usize, now: Timestamp) -> bool {
        let source = self.all.get(index);
        source.is_some_and(|it| matches!(&it.way, Way::Cloud(cloud) if cloud.is_over(now)))
    }

    /// Whether this place is the cloud, and turned its address down.
    pub(super) fn is_refused_cloud(&self, index: usize) -> bool {
        let source = self.all.get(index);
        source.is_some_and(|it| it.is_cloud() && it.standing == Standing::Refused)
    }

    /// Has a place, if it got what it lacked, its turn at once. The try before is not counted.
    pub(super) fn try_at_once(&mut self, index: usize) {
        if let Some(source) = self.all.get_mut(index)
            && source.standing == Standing::Good
        {
            source.tries = source.tries.saturating_sub(1);
            self.tries_left = self.tries_left.saturating_add(1);
            self.at_once = Some(index);
        }
    }

    /// Chooses the next place and counts the try: all in order, then, after a wait, all again.
    pub(super) fn next(&mut self) -> Next {
        if let Some(index) = self.at_once.take()
            && let Some(source) = self.all.get_mut(index)
        {
            source.tries += 1;
            self.tries_left = self.tries_left.saturating_sub(1);
            return Next::Try(index);
        }
        let least_tried = self
            .all
            .iter_mut()
            .enumerate()
            .filter(|(_, source)| {
                source.standing == Standing::Good && source.tries < self.tries_each
            })
            .min_by_key(|(_, source)| source.tries);
        let Some((index, source)) = least_tried else {
            let refused = self.all.iter().any(|source| source.standing == Standing::Refused);
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

    /// Puts fresh tickets, and a fresh address, in the place of others. Returns whether any place
    /// that had turned one down may be tried again.
    pub(super) fn renew(&mut self, fresh: &Offered) -> bool {
        let mut any = false;
        for source in &mut self.all {
            any |= source.renew(fresh);
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
    use xylem_trust::Envelope;

    use super::*;

    fn id(name: &str) -> DistributionServerId {
        let number = name.bytes().map(u128::from).sum();
        DistributionServerId::from_uuid(Uuid::from_u128(number))
    }

    fn offered(names: &[&str]) -> Offered {
        let candidate = |name: &&str| Candidate {
            server: id(name),
            name: (*name).to_owned(),
            url: format!("https://{name}.example:8443/v1/blob/00"),
            ticket: "t".into(),
        };
        let descriptor =
            Envelope { kind: "descriptor".into(), payload: Vec::new(), signatures: Vec::new() };
        Offered { descriptor, candidates: names.iter().map(candidate).collect(), cloud: None }
    }

    fn with_cloud(names: &[&str], before: Option<&str>) -> Offered {
        let cloud = CloudCandidate {
            url: "https://s3.example.org/b/k?sig=x".into(),
            until: Timestamp::from_unix_ms(1000),
            ca_pem: None,
            before: before.map(id),
        };
        Offered { cloud: Some(cloud), ..offered(names) }
    }

    fn names(sources: &Sources) -> Vec<String> {
        (0..sources.all.len()).map(|index| sources.name(index)).collect()
    }

    fn refusal(status: u16) -> ClientError {
        let body = xylem_api::error::ErrorBody {
            code: xylem_api::error::ErrorCode::Unauthorized,
            message: "the ticket has expired".into(),
            request_id: String::new(),
        };
        ClientError::Answer { status, body, retry_after: None }
    }

    #[test]
    fn all_places_have_their_turn_before_any_has_a_second() {
        let mut sources = Sources::new(offered(&["a", "b"]), 2, 8);
        let order: Vec<Next> = (0..5).map(|_| sources.next()).collect();
        assert_eq!(
            order,
            [Next::Try(0), Next::Try(1), Next::WaitThenTry(0), Next::Try(1), Next::Exhausted]
        );
    }

    #[test]
    fn tries_are_limited_over_all_places_and_places_are_limited() {
        let names = ["a", "b", "c", "d", "e", "f", "g"];
        let mut sources = Sources::new(offered(&names), 3, 8);
        let tried = (0..20).filter(|_| sources.next() != Next::Exhausted).count();
        assert_eq!(tried, 8);
        let mut sources = Sources::new(offered(&names), 1, 8);
        let tried = (0..20).filter(|_| sources.next() != Next::Exhausted).count();
        assert_eq!(tried, MAX_SERVERS);
    }

    #[test]
    fn a_place_that_turned_a_ticket_down_is_tried_again_with_a_fresh_one() {
        let mut sources = Sources::new(offered(&["a"]), 3, 8);
        assert_eq!(sources.next(), Next::Try(0));
        sources.get_mut(0).unwrap().note_failure(&refusal(401));
        assert_eq!(sources.next(), Next::NeedTickets);
        assert!(!sources.renew(&offered(&["b"])));
        assert!(sources.renew(&offered(&["a"])));
        assert_eq!(sources.next(), Next::WaitThenTry(0));
    }

    #[test]
    fn the_cloud_is_one_place_more_and_has_the_place_that_was_named() {
        let place = |servers: &[&str], before| {
            let names = names(&Sources::new(with_cloud(servers, before), 3, 8));
            names.iter().position(|name| name == CLOUD_SOURCE)
        };
        assert_eq!(place(&["near", "root"], None), Some(2));
        assert_eq!(place(&["near", "root"], Some("root")), Some(1));
        assert_eq!(place(&["near"], Some("root")), Some(1), "the root is no candidate");
        assert_eq!(place(&[], None), Some(0));
        assert_eq!(place(&["a", "b", "c", "d", "e", "f", "g"], None), Some(MAX_SERVERS));
    }

    #[test]
    fn the_cloud_has_its_turn_at_once_with_a_fresh_address_and_the_refused_try_is_not_counted() {
        let mut sources = Sources::new(with_cloud(&["a"], None), 1, 8);
        assert_eq!((sources.next(), sources.next()), (Next::Try(0), Next::Try(1)));
        sources.get_mut(1).unwrap().note_failure(&refusal(403));
        assert!(sources.is_refused_cloud(1) && !sources.is_refused_cloud(0));
        assert!(sources.renew(&with_cloud(&["a"], None)));
        sources.try_at_once(1);
        assert_eq!((sources.next(), sources.next()), (Next::Try(1), Next::Exhausted));
    }

    #[test]
    fn a_cloud_that_is_offered_no_longer_or_lacks_the_object_is_given_up() {
        let mut sources = Sources::new(with_cloud(&[], None), 3, 8);
        sources.get_mut(0).unwrap().note_failure(&refusal(403));
        assert!(!sources.renew(&offered(&[])));
        sources.try_at_once(0);
        assert_eq!(sources.next(), Next::Exhausted);
        for status in [404, 416] {
            let mut sources = Sources::new(with_cloud(&["a"], None), 3, 8);
            for index in 0..2 {
                sources.get_mut(index).unwrap().note_failure(&refusal(status));
            }
            assert_eq!((sources.next(), sources.next()), (Next::Try(0), Next::WaitThenTry(0)));
        }
    }

    #[test]
    fn an_address_is_over_when_no_request_may_begin_by_it() {
        let sources = Sources::new(with_cloud(&["a"], None), 3, 8);
        let at = Timestamp::from_unix_ms;
        assert!(!sources.is_over(1, at(999)) && sources.is_over(1, at(1000)));
        assert!(!sources.is_over(0, at(1000)), "a ticket is looked at by its server");
    }
}
