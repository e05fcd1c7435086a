//! How many parts are under way at once, and whose turn is next.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;
use xylem_sync::Class;

/// Most parts under way at once. Each holds at most 2 MiB: as many frames as a channel of a request
/// and a connection hold.
pub(super) const MAX_AT_ONCE: u32 = 16;

/// The parts of all contents together.
#[derive(Debug)]
pub(super) struct Slots {
    state: Mutex<State>,
    changed: Notify,
}

#[derive(Debug)]
struct State {
    limit: u32,
    used: u32,
    /// Who waits: what is in more of a hurry first, then who came first.
    waiting: BTreeSet<(Class, u64)>,
    came: u64,
}

/// One part under way; over when dropped.
#[derive(Debug)]
pub(super) struct Slot(Arc<Slots>);

/// Somebody who waits; not any more when dropped.
struct Waiting<'a> {
    slots: &'a Slots,
    place: (Class, u64),
}

impl Default for Slots {
    fn default() -> Self {
        // One, until the management server says how many.
        let state = State { limit: 1, used: 0, waiting: BTreeSet::new(), came: 0 };
        Self { state: Mutex::new(state), changed: Notify::new() }
    }
}

impl State {
    /// Takes a slot for who waits at this place, if one is free and nobody is before it.
    fn take(&mut self, place: (Class, u64)) -> bool {
        let may = self.used < self.limit && self.waiting.first() == Some(&place);
        self.used += u32::from(may);
        may
    }
}

impl Slots {
    /// How many may be under way from now on. Those that are under way end as they would.
    pub(super) fn set_limit(&self, at_once: u32) {
        self.state().limit = at_once.clamp(1, MAX_AT_ONCE);
        self.changed.notify_waiters();
    }

    /// Returns once one more part may be under way, and nothing that waits is in more of a hurry.
    pub(super) async fn take(self: &Arc<Self>, class: Class) -> Slot {
        let waiting = self.wait_for(class);
        loop {
            // Made before it is looked, so that no change in between is missed.
            let changed = self.changed.notified();
            if self.state().take(waiting.place) {
                return Slot(Arc::clone(self));
            }
            changed.await;
        }
    }

    fn wait_for(&self, class: Class) -> Waiting<'_> {
        let mut state = self.state();
        state.came += 1;
        let place = (class, state.came);
        state.waiting.insert(place);
        Waiting { slots: self, place }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        let mut state = self.0.state();
        state.used = state.used.saturating_sub(1);
        drop(state);
        self.0.changed.notify_waiters();
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.slots.state().waiting.remove(&self.place);
        self.slots.changed.notify_waiters();
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::time::timeout;

    use super::*;

    const SOON: Duration = Duration::from_millis(10);

    #[tokio::test(start_paused = true)]
    async fn no_more_are_under_way_than_may_be() {
        let slots = Arc::new(Slots::default());
        let first = slots.take(Class::Normal).await;
        assert!(timeout(SOON, slots.take(Class::Urgent)).await.is_err(), "one, if nothing is said");
        slots.set_limit(u32::MAX);
        let mut more = Vec::new();
        for _ in 1..MAX_AT_ONCE {
            more.push(slots.take(Class::Normal).await);
        }
        assert!(timeout(SOON, slots.take(Class::Urgent)).await.is_err());
        slots.set_limit(2);
        more.truncate(1);
        assert!(timeout(SOON, slots.take(Class::Urgent)).await.is_err(), "two are under way");
        drop(first);
        let _third = timeout(SOON, slots.take(Class::Bulk)).await.unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_in_more_of_a_hurry_goes_first() {
        let slots = Arc::new(Slots::default());
        let first = slots.take(Class::Normal).await;
        let order = Arc::new(Mutex::new(Vec::new()));
        let mut waiting = Vec::new();
        for class in [Class::Bulk, Class::Normal, Class::Urgent] {
            let (slots, order) = (Arc::clone(&slots), Arc::clone(&order));
            waiting.push(tokio::spawn(async move {
                let _slot = slots.take(class).await;
                order.lock().unwrap().push(class);
            }));
            tokio::time::sleep(SOON).await;
        }
        drop(first);
        for waiting in waiting {
            waiting.await.unwrap();
        }
        assert_eq!(*order.lock().unwrap(), [Class::Urgent, Class::Normal, Class::Bulk]);
    }
}
