//! Dates as HTTP and access logs write them.

use time::OffsetDateTime;
use xylem_model::Timestamp;

const MONTHS: [&str; 12] =
    ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

/// RFC 9110 section 5.6.7: `Sun, 06 Nov 1994 08:49:37 GMT`.
pub fn http_date(moment: Timestamp) -> String {
    let moment = broken_down(moment);
    let weekday: String = moment.weekday().to_string().chars().take(3).collect();
    let (hour, minute, second) = moment.to_hms();
    let (day, month, year) = (moment.day(), month_of(moment), moment.year());
    format!("{weekday}, {day:02} {month} {year:04} {hour:02}:{minute:02}:{second:02} GMT")
}

/// The date of the common log format, in UTC: `06/Nov/1994:08:49:37 +0000`.
pub(crate) fn log_date(moment: Timestamp) -> String {
    let moment = broken_down(moment);
    let (hour, minute, second) = moment.to_hms();
    let (day, month, year) = (moment.day(), month_of(moment), moment.year());
    format!("{day:02}/{month}/{year:04}:{hour:02}:{minute:02}:{second:02} +0000")
}

fn broken_down(moment: Timestamp) -> OffsetDateTime {
    OffsetDateTime::from_unix_timestamp(moment.unix_seconds()).unwrap_or(OffsetDateTime::UNIX_EPOCH)
}

fn month_of(moment: OffsetDateTime) -> &'static str {
    MONTHS.get(usize::from(u8::from(moment.month())) - 1).copied().unwrap_or("Jan")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_written_as_their_readers_want_them() {
        let moment = Timestamp::from_unix_ms(784_111_777_000);
        assert_eq!(http_date(moment), "Sun, 06 Nov 1994 08:49:37 GMT");
        assert_eq!(log_date(moment), "06/Nov/1994:08:49:37 +0000");
    }
}
