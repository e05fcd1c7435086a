//! Which distribution servers to try, in which order. Pure.

use std::collections::HashMap;

use xylem_model::{DistributionServerId, MAX_DEPTH};

/// Most candidates a client is told.
pub(crate) const MAX_CANDIDATES: usize = 6;

/// A distribution server, as far as the question goes.
#[derive(Debug, Clone)]
pub(crate) struct Holder {
    pub(crate) id: DistributionServerId,
    pub(crate) parent: Option<DistributionServerId>,
    pub(crate) is_root: bool,
    /// Whether it stands at the client's site.
    pub(crate) is_near: bool,
    /// Whether it holds a verified copy.
    pub(crate) holds: bool,
}

/// Holders at the client's site, deepest in the tree first; then those above these; then all
/// others; the root, which feeds everybody, last. The root is named even when it has not reported
/// the copy yet: it has everything first.
pub(crate) fn nearest_first(servers: &[Holder]) -> Vec<DistributionServerId> {
    let by_id: HashMap<_, _> = servers.iter().map(|server| (server.id, server)).collect();
    let mut near: Vec<(usize, &Holder)> = servers
        .iter()
        .filter(|server| server.is_near && server.holds)
        .map(|server| (ancestors(server, &by_id).len(), server))
        .collect();
    near.sort_by_key(|(depth, server)| (std::cmp::Reverse(*depth), server.id));
    let above = near.iter().flat_map(|(_, server)| ancestors(server, &by_id));
    let far = servers.iter();
    let order = near.iter().map(|(_, server)| *server).chain(above).chain(far);
    let mut chosen: Vec<DistributionServerId> = Vec::new();
    for server in order.filter(|server| server.holds && !server.is_root) {
        if !chosen.contains(&server.id) && chosen.len() < MAX_CANDIDATES - 1 {
            chosen.push(server.id);
        }
    }
    chosen.extend(servers.iter().find(|server| server.is_root).map(|root| root.id));
    chosen
}

/// From a server's parent up to the root.
fn ancestors<'a>(
    server: &Holder,
    by_id: &HashMap<DistributionServerId, &'a Holder>,
) -> Vec<&'a Holder> {
    let mut above: Vec<&Holder> = Vec::new();
    let mut next = server.parent;
    while let Some(parent) = next.and_then(|id| by_id.get(&id)) {
        if above.len() > MAX_DEPTH {
            break;
        }
        above.push(parent);
        next = parent.parent;
    }
    above
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(n: u8) -> DistributionServerId {
        DistributionServerId::from_parts(u64::from(n), &[n; 10])
    }

    fn holder(n: u8, parent: Option<u8>, is_near: bool, holds: bool) -> Holder {
        let is_root = parent.is_none();
        Holder { id: id(n), parent: parent.map(id), is_root, is_near, holds }
    }

    #[test]
    fn the_site_comes_first_then_what_is_above_it_then_the_rest_and_the_root_last() {
        let servers = [
            holder(1, None, false, true),
            holder(2, Some(1), false, true),
            holder(3, Some(2), true, true),
            holder(4, Some(3), true, true),
            holder(5, Some(1), false, true),
            holder(6, Some(3), true, false),
        ];
        assert_eq!(nearest_first(&servers), [id(4), id(3), id(2), id(5), id(1)]);
    }

    #[test]
    fn there_is_no_candidate_without_a_server_and_never_more_than_six() {
        assert_eq!(nearest_first(&[]), []);
        let mut servers = vec![holder(1, None, false, false)];
        assert_eq!(nearest_first(&servers), [id(1)]);
        servers.extend((2..30).map(|n| holder(n, Some(1), false, true)));
        let chosen = nearest_first(&servers);
        assert_eq!((chosen.len(), chosen.last()), (MAX_CANDIDATES, Some(&id(1))));
    }
}
