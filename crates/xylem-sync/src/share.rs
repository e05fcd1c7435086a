//! Which class may send next on one link.
//!
//! While a higher class is sending, a lower one gets a tenth of the bytes: enough not to starve,
//! too little to be in the way. No rate needs to be known for that: the share is one of bytes, not
//! of time. A class that has gone quiet for a moment, because its reader is slow or its file is
//! still arriving, holds back nobody.

use std::time::Duration;

use crate::Class;

/// For so many bytes that leave for a higher class, a lower one that waits may send one.
const HIGHER_BYTES_FOR_ONE: u64 = 9;

/// Most bytes that a waiting class can save up: a frame must fit, a second of a fast link must not.
const MAX_CREDIT: u64 = 1 << 20;

/// A class that sent nothing for this long does not count as sending: longer than a frame takes
/// on a slow link's socket, short against what a person notices.
const QUIET: Duration = Duration::from_millis(250);

/// What leaves on one link, by class.
#[derive(Debug, Clone, Default)]
pub struct LinkShare {
    classes: [Sending; Class::ALL.len()],
}

#[derive(Debug, Clone, Copy, Default)]
struct Sending {
    /// Answers under way.
    open: u32,
    /// When a frame last left, or an answer began.
    active_at: Duration,
    /// Bytes it may send although a higher class is sending.
    credit: u64,
}

impl Sending {
    fn is_active(&self, now: Duration) -> bool {
        self.open > 0 && now.saturating_sub(self.active_at) < QUIET
    }
}

impl LinkShare {
    /// An answer begins. Times are since some fixed moment, by a clock that does not go back.
    pub fn open(&mut self, class: Class, now: Duration) {
        let sending = self.of(class);
        sending.open += 1;
        sending.active_at = now;
    }

    /// An answer is over, whole or broken off. Returns whether others may have waited for it.
    pub fn close(&mut self, class: Class) -> bool {
        let sending = self.of(class);
        sending.open = sending.open.saturating_sub(1);
        sending.open == 0
    }

    /// Whether any answer is under way.
    pub fn is_idle(&self) -> bool {
        self.classes.iter().all(|sending| sending.open == 0)
    }

    /// Lets a frame of this class leave, or says how long to wait at most before asking again.
    ///
    /// # Errors
    /// The wait. Something may change earlier.
    pub fn ask(&mut self, class: Class, bytes: u64, now: Duration) -> Result<(), Duration> {
        let higher = self.classes.iter().take(class.index()).filter(|higher| higher.is_active(now));
        let quiet_at = higher.map(|higher| higher.active_at + QUIET).max();
        let sending = self.of(class);
        match quiet_at {
            None => sending.credit = 0,
            Some(quiet_at) if sending.credit < bytes => return Err(quiet_at.saturating_sub(now)),
            Some(_) => sending.credit -= bytes,
        }
        sending.active_at = now;
        for lower in self.classes.iter_mut().skip(class.index() + 1) {
            if lower.open > 0 {
                lower.credit = (lower.credit + bytes / HIGHER_BYTES_FOR_ONE).min(MAX_CREDIT);
            }
        }
        Ok(())
    }

    fn of(&mut self, class: Class) -> &mut Sending {
        let [urgent, small, normal, bulk] = &mut self.classes;
        match class {
            Class::Urgent => urgent,
            Class::Small => small,
            Class::Normal => normal,
            Class::Bulk => bulk,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FRAME: u64 = 1000;

    fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    #[test]
    fn a_lone_class_is_never_held_back() {
        let mut link = LinkShare::default();
        link.open(Class::Bulk, ms(0));
        for at in 0..100 {
            assert_eq!(link.ask(Class::Bulk, FRAME, ms(at)), Ok(()));
        }
    }

    #[test]
    fn a_lower_class_gets_a_tenth_while_a_higher_one_sends() {
        let mut link = LinkShare::default();
        link.open(Class::Bulk, ms(0));
        link.open(Class::Urgent, ms(0));
        let (mut urgent, mut bulk) = (0, 0);
        for at in 0..1000 {
            link.ask(Class::Urgent, FRAME, ms(at)).unwrap();
            urgent += 1;
            bulk += u64::from(link.ask(Class::Bulk, FRAME, ms(at)).is_ok());
        }
        assert!((108..=112).contains(&bulk), "{bulk} beside {urgent}");
    }

    #[test]
    fn a_class_that_ends_or_goes_quiet_holds_back_nobody() {
        let mut link = LinkShare::default();
        link.open(Class::Bulk, ms(0));
        link.open(Class::Small, ms(0));
        link.ask(Class::Small, FRAME, ms(0)).unwrap();
        let wait = link.ask(Class::Bulk, FRAME, ms(10)).unwrap_err();
        assert_eq!(wait, ms(240));
        assert_eq!(link.ask(Class::Bulk, FRAME, ms(250)), Ok(()), "it went quiet");
        link.ask(Class::Small, FRAME, ms(260)).unwrap();
        assert!(link.ask(Class::Bulk, FRAME, ms(261)).is_err(), "it is back");
        assert!(link.close(Class::Small));
        assert_eq!(link.ask(Class::Bulk, FRAME, ms(262)), Ok(()), "it is over");
    }

    #[test]
    fn bytes_of_long_ago_give_no_claim_to_a_share() {
        let mut link = LinkShare::default();
        link.open(Class::Urgent, ms(0));
        for at in 0..1000 {
            link.ask(Class::Urgent, FRAME, ms(at)).unwrap();
        }
        link.open(Class::Bulk, ms(1000));
        link.ask(Class::Urgent, FRAME, ms(1000)).unwrap();
        assert!(link.ask(Class::Bulk, FRAME, ms(1000)).is_err());
    }
}
