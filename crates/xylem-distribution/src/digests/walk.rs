//! Going through the list of what is lacking, which comes in pages.

use xylem_api::digests::{DigestsAfter, DigestsWanted};
use xylem_model::ContentId;

/// Where the list was left.
///
/// Each look begins with the first page, where what is newest stands, and goes on where the look
/// before ended. So what cannot be done now is in nobody's way, however much of it there is, and
/// what is published meanwhile need not wait for what is old.
#[derive(Debug, Default)]
pub(super) struct Walk {
    /// Behind which place it goes on; none from the front.
    after: Option<DigestsAfter>,
    is_front_seen: bool,
}

/// What a page comes to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Step {
    /// These are to be done next, in this order; at least one.
    Found(Vec<ContentId>),
    /// There may be something on pages that have not been seen.
    Further,
    /// That was all.
    Over,
}

impl Walk {
    /// Begins another look.
    pub(super) const fn begin(&mut self) {
        self.is_front_seen = false;
    }

    /// Behind which place the next page is asked for; none for the first.
    pub(super) fn place(&self) -> Option<DigestsAfter> {
        self.after.filter(|_| self.is_front_seen)
    }

    /// Looks through the page that was asked for, for what can be done.
    pub(super) fn see(&mut self, page: &DigestsWanted, can: impl Fn(&ContentId) -> bool) -> Step {
        let found: Vec<ContentId> =
            page.contents.iter().copied().filter(|content| can(content)).collect();
        if !found.is_empty() {
            // The page is asked for again: what is done is no longer on it, and what comes then is.
            return Step::Found(found);
        }
        let was_front = !std::mem::replace(&mut self.is_front_seen, true);
        if !was_front || self.after.is_none() || page.next.is_none() {
            self.after = page.next;
        }
        if self.after.is_some() { Step::Further } else { Step::Over }
    }
}

#[cfg(test)]
mod tests {
    use xylem_model::Generation;

    use super::*;

    /// Contents on one page.
    const PAGE: u16 = 16;

    fn content(n: u16) -> ContentId {
        ContentId::of(&n.to_be_bytes())
    }

    /// A page of a list that holds these, as the management server gives it.
    fn page(list: &[u16], after: Option<DigestsAfter>) -> DigestsWanted {
        let behind = after
            .map_or(0, |after| 1 + list.iter().position(|n| content(*n) == after.content).unwrap());
        let end = list.len().min(behind + usize::from(PAGE));
        let contents = list[behind..end].iter().map(|n| content(*n)).collect::<Vec<_>>();
        let place = |last: &ContentId| DigestsAfter { generation: Generation(1), content: *last };
        let next = contents.last().filter(|_| end < list.len()).map(place);
        DigestsWanted { contents, next }
    }

    /// One look of at most so many pages.
    fn look(walk: &mut Walk, list: &[u16], pages: usize, can: &[u16]) -> Step {
        let can: Vec<ContentId> = can.iter().map(|n| content(*n)).collect();
        walk.begin();
        for _ in 0..pages {
            match walk.see(&page(list, walk.place()), |content| can.contains(content)) {
                Step::Further => {}
                step => return step,
            }
        }
        Step::Further
    }

    fn found(numbers: &[u16]) -> Step {
        Step::Found(numbers.iter().map(|n| content(*n)).collect())
    }

    #[test]
    fn all_that_can_be_done_of_a_page_comes_in_its_order() {
        let list: Vec<u16> = (0..2 * PAGE).collect();
        let mut walk = Walk::default();
        assert_eq!(look(&mut walk, &list, 4, &[1, 7, 3, PAGE]), found(&[1, 3, 7]));
        assert_eq!(look(&mut walk, &list, 4, &[PAGE]), found(&[PAGE]));
    }

    #[test]
    fn what_cannot_be_done_is_in_nobodys_way_however_much_it_is() {
        let list: Vec<u16> = (0..100 * PAGE).collect();
        let (near, far) = (PAGE * 90, PAGE * 95);
        let mut walk = Walk::default();
        assert_eq!(look(&mut walk, &list, 64, &[near, far]), Step::Further);
        assert_eq!(look(&mut walk, &list, 64, &[near, far]), found(&[near]));
        assert_eq!(look(&mut walk, &list, 64, &[far]), found(&[far]));
        assert_eq!(look(&mut walk, &list, 64, &[]), Step::Over);
        // And from the front again.
        assert_eq!(look(&mut walk, &list, 64, &[near]), Step::Further);
        assert_eq!(look(&mut walk, &list, 64, &[near]), found(&[near]));
    }

    #[test]
    fn what_is_new_comes_before_what_is_old_and_costs_no_place() {
        let mut list: Vec<u16> = (0..10 * PAGE).collect();
        let old = 8 * PAGE;
        let mut walk = Walk::default();
        assert_eq!(look(&mut walk, &list, 4, &[old]), Step::Further);
        list.insert(0, 9_999);
        assert_eq!(look(&mut walk, &list, 4, &[9_999, old]), found(&[9_999]));
        list.remove(0);
        assert_eq!(look(&mut walk, &list, 4, &[old]), Step::Further);
        assert_eq!(look(&mut walk, &list, 4, &[old]), found(&[old]));
    }

    #[test]
    fn one_page_is_all_where_there_is_one_now() {
        let mut walk = Walk::default();
        let list: Vec<u16> = (0..10 * PAGE).collect();
        assert_eq!(look(&mut walk, &list, 4, &[]), Step::Further);
        assert_eq!(look(&mut walk, &list[..3], 4, &[]), Step::Over);
        assert_eq!(look(&mut walk, &[], 4, &[]), Step::Over);
    }
}
