//! Moments as signatures name them.

use time::OffsetDateTime;
use xylem_model::Timestamp;

/// A moment in UTC, to the second: `20260131` and `08:00:00`.
pub(crate) struct Stamp {
    pub(crate) day: String,
    pub(crate) time: String,
}

impl Stamp {
    pub(crate) fn of(now: Timestamp) -> Self {
        // Beyond the year 9999 there is no form; what is signed for 1970 is refused as any wrong
        // clock's requests are.
        let moment = OffsetDateTime::from_unix_timestamp(now.unix_seconds())
            .unwrap_or(OffsetDateTime::UNIX_EPOCH);
        let (hour, minute, second) = moment.to_hms();
        let month = u8::from(moment.month());
        Self {
            day: format!("{:04}{month:02}{:02}", moment.year(), moment.day()),
            time: format!("{hour:02}:{minute:02}:{second:02}"),
        }
    }

    /// `20260131T080000Z`, as Amazon has it.
    pub(crate) fn amazon(&self) -> String {
        format!("{}T{}Z", self.day, self.time.replace(':', ""))
    }

    /// `20260131T08:00:00+0000`, as Akamai's EdgeGrid has it.
    pub(crate) fn edgegrid(&self) -> String {
        format!("{}T{}+0000", self.day, self.time)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_have_the_forms_that_are_signed() {
        let stamp = Stamp::of("2026-01-02T03:04:05.999Z".parse().unwrap());
        assert_eq!(stamp.day, "20260102");
        assert_eq!(stamp.amazon(), "20260102T030405Z");
        assert_eq!(stamp.edgegrid(), "20260102T03:04:05+0000");
        assert_eq!(Stamp::of(Timestamp::from_unix_ms(i64::MAX)).day, "19700101");
    }
}
