//! Months, and how much may be used in one. Pure but for the reading of what was counted.

use time::{Date, Month as CalendarMonth, OffsetDateTime};
use xylem_db::{CloudUsage, Month};
use xylem_model::{ByteSize, CloudPointId, Timestamp};

use super::store::CloudStore;
use crate::wish::WishError;

/// The ceiling of a month is reached: nothing is sent until the next one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct CeilingReached {
    /// Bytes that were sent and read back.
    pub(crate) used: u64,
    /// How many may be.
    pub(crate) ceiling: u64,
    /// When it goes on.
    pub(crate) until: Timestamp,
}

impl std::fmt::Display for CeilingReached {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "this month's ceiling of {} is reached ({} were sent and read back): nothing is sent \
             until {}; clients go on",
            ByteSize(self.ceiling),
            ByteSize(self.used),
            self.until
        )
    }
}

/// Whether no more is to be sent in this month, because so much may be and was.
pub(crate) async fn ceiling_reached(
    store: &dyn CloudStore,
    point: CloudPointId,
    ceiling: Option<u64>,
    now: Timestamp,
) -> Result<Option<CeilingReached>, WishError> {
    let Some(ceiling) = ceiling else { return Ok(None) };
    Ok(reached(ceiling, &store.usage(point).await?, now))
}

fn reached(ceiling: u64, usage: &[(Month, CloudUsage)], now: Timestamp) -> Option<CeilingReached> {
    let month = month_of(now);
    let counted = usage.iter().find(|(counted, _)| *counted == month);
    let used = counted.map_or(0, |(_, usage)| usage.sent.saturating_add(usage.read_back));
    let until = beginning_of(Month(month.0.saturating_add(1)));
    (used >= ceiling).then_some(CeilingReached { used, ceiling, until })
}

/// The calendar month (UTC) of a moment.
pub(crate) fn month_of(now: Timestamp) -> Month {
    let moment = OffsetDateTime::from_unix_timestamp(now.unix_seconds());
    let moment = moment.unwrap_or(OffsetDateTime::UNIX_EPOCH);
    let year = u32::try_from(moment.year()).unwrap_or(0);
    let months = u32::from(u8::from(moment.month())).saturating_sub(1);
    Month(year.saturating_mul(12).saturating_add(months))
}

/// When a month begins; the end of time for one beyond the year 9999.
pub(crate) fn beginning_of(month: Month) -> Timestamp {
    let date = year_and_month(month).and_then(|(year, month)| {
        let month = CalendarMonth::try_from(month).ok()?;
        Date::from_calendar_date(year, month, 1).ok()
    });
    let end = Timestamp::from_unix_ms(i64::MAX);
    date.map_or(end, |date| {
        let seconds = date.midnight().assume_utc().unix_timestamp();
        Timestamp::from_unix_ms(seconds.saturating_mul(1000))
    })
}

/// A month as it is written: `2026-01`.
pub(crate) fn month_text(month: Month) -> String {
    let (year, month) = year_and_month(month).unwrap_or_default();
    format!("{year:04}-{month:02}")
}

fn year_and_month(month: Month) -> Option<(i32, u8)> {
    let year = i32::try_from(month.0 / 12).ok()?;
    Some((year, u8::try_from(month.0 % 12).ok()?.saturating_add(1)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    #[test]
    fn months_are_those_of_the_calendar_and_end_with_it() {
        let december = month_of(at("2026-12-31T23:59:59Z"));
        assert_eq!(december, Month(2026 * 12 + 11));
        assert_eq!(month_text(december), "2026-12");
        assert_eq!(beginning_of(december), at("2026-12-01T00:00:00Z"));
        assert_eq!(beginning_of(Month(december.0 + 1)), at("2027-01-01T00:00:00Z"));
        assert_eq!(beginning_of(Month(u32::MAX)), Timestamp::from_unix_ms(i64::MAX));
    }

    #[test]
    fn a_ceiling_counts_what_was_sent_and_read_back_in_this_month() {
        let now = at("2026-02-10T08:00:00Z");
        let used = |sent, read_back| CloudUsage { sent, read_back, ..CloudUsage::default() };
        let told = CloudUsage { told_by_agents: 1000, ..used(60, 30) };
        let usage = [(month_of(now), told), (Month(month_of(now).0 - 1), used(1000, 0))];
        assert_eq!(reached(100, &usage, now), None, "what clients fetch is not ours");
        let found = reached(90, &usage, now).unwrap();
        assert_eq!((found.used, found.until), (90, at("2026-03-01T00:00:00Z")));
        assert!(found.to_string().contains("until 2026-03-01"), "{found}");
        assert!(reached(0, &[], now).is_some(), "a ceiling of nothing is reached at once");
    }
}
