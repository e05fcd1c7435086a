//! Counts connections, in all and by address.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};

use crate::Limits;

#[derive(Debug, Default)]
struct Counts {
    all: usize,
    by_address: HashMap<IpAddr, usize>,
}

/// Lets connections in as long as there is room.
#[derive(Debug, Clone)]
pub(crate) struct Turnstile {
    counts: Arc<Mutex<Counts>>,
    all: usize,
    per_address: usize,
}

/// One connection's place; given back when dropped.
#[derive(Debug)]
pub(crate) struct Place {
    turnstile: Turnstile,
    address: IpAddr,
}

impl Turnstile {
    pub(crate) fn new(limits: &Limits) -> Self {
        Self {
            counts: Arc::default(),
            all: limits.connections,
            per_address: limits.connections_per_address,
        }
    }

    /// A place for a connection from `address`; none when it is full.
    pub(crate) fn enter(&self, address: IpAddr) -> Option<Place> {
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        if counts.all >= self.all {
            return None;
        }
        let from_there = counts.by_address.entry(address).or_insert(0);
        if *from_there >= self.per_address {
            return None;
        }
        *from_there += 1;
        counts.all += 1;
        Some(Place { turnstile: self.clone(), address })
    }
}

impl Place {
    /// How many connections there are now, in all.
    pub(crate) fn of_all(&self) -> usize {
        self.turnstile.counts.lock().unwrap_or_else(PoisonError::into_inner).all
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut counts = self.turnstile.counts.lock().unwrap_or_else(PoisonError::into_inner);
        counts.all = counts.all.saturating_sub(1);
        if let Some(left) = counts.by_address.get_mut(&self.address) {
            *left -= 1;
            if *left == 0 {
                counts.by_address.remove(&self.address);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_address_cannot_take_every_place() {
        let limits = Limits { connections: 3, connections_per_address: 2, ..Limits::default() };
        let turnstile = Turnstile::new(&limits);
        let (a, b): (IpAddr, IpAddr) = ([10, 0, 0, 1].into(), [10, 0, 0, 2].into());
        let first = turnstile.enter(a).unwrap();
        let _second = turnstile.enter(a).unwrap();
        assert!(turnstile.enter(a).is_none());
        let _third = turnstile.enter(b).unwrap();
        assert!(turnstile.enter(b).is_none(), "full in all");
        drop(first);
        assert!(turnstile.enter(a).is_some());
    }
}
