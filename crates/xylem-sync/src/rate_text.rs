//! Weekly calendars of rates as a person writes them: `2MiB; mon-fri 08:00-18:00 256KiB`.
//!
//! First the rate outside all windows, then windows of days, hours and a rate, separated by
//! semicolons. A rate is a number of bytes per second with `KiB`, `MiB` or `GiB` behind it, or
//! `unlimited`. Days are `mon` to `sun`, ranges of them (`mon-fri`) and lists (`sat,sun`), or
//! `daily`.

use std::fmt;
use std::str::FromStr;

use crate::{RateWindow, TimeOfDay, TimeOfDayError, Weekday, WeeklyRate};

/// A text that is no weekly calendar of rates.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RateTextError {
    /// Not a rate.
    #[error(
        "`{0}` is no rate: write bytes per second such as 256KiB, 2.5MiB or 1GiB, or unlimited"
    )]
    Rate(String),
    /// Not a window.
    #[error("`{0}` is no window: write days, hours and a rate, such as mon-fri 08:00-18:00 256KiB")]
    Window(String),
    /// Not a day.
    #[error("`{0}` is no day: write mon, tue, wed, thu, fri, sat, sun, mon-fri, sat,sun or daily")]
    Days(String),
    /// Not a time.
    #[error(transparent)]
    Time(#[from] TimeOfDayError),
}

const NAMES: [(&str, Weekday); 7] = [
    ("mon", Weekday::Monday),
    ("tue", Weekday::Tuesday),
    ("wed", Weekday::Wednesday),
    ("thu", Weekday::Thursday),
    ("fri", Weekday::Friday),
    ("sat", Weekday::Saturday),
    ("sun", Weekday::Sunday),
];

const DAILY: &str = "daily";

const UNLIMITED: &str = "unlimited";

/// Units, the largest first.
const UNITS: [(&str, u64); 4] = [("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10), ("B", 1)];

/// As much of a wrong text as an error repeats.
fn clip(text: &str) -> String {
    text.chars().take(40).collect()
}

impl FromStr for WeeklyRate {
    type Err = RateTextError;

    fn from_str(text: &str) -> Result<Self, RateTextError> {
        let (first, windows) = text.split_once(';').unwrap_or((text, ""));
        let windows = windows.split(';').map(str::trim).filter(|window| !window.is_empty());
        Ok(Self {
            bytes_per_second: rate(first.trim())?,
            windows: windows.map(window).collect::<Result<_, _>>()?,
        })
    }
}

fn rate(text: &str) -> Result<Option<u64>, RateTextError> {
    let wrong = || RateTextError::Rate(clip(text));
    if text.eq_ignore_ascii_case(UNLIMITED) {
        return Ok(None);
    }
    let number = text.trim_end_matches("/s");
    let (number, unit) = UNITS
        .into_iter()
        .find_map(|(unit, bytes)| Some((number.strip_suffix(unit)?.trim_end(), bytes)))
        .ok_or_else(wrong)?;
    let value: f64 = number.parse().map_err(|_| wrong())?;
    let bytes = value * unit as f64;
    match bytes.is_finite() && (0.0..1e18).contains(&bytes) {
        true => Ok(Some(bytes.round() as u64)),
        false => Err(wrong()),
    }
}

fn window(text: &str) -> Result<RateWindow, RateTextError> {
    let wrong = || RateTextError::Window(clip(text));
    let mut words = text.splitn(3, char::is_whitespace);
    let (Some(named), Some(hours), Some(speed)) = (words.next(), words.next(), words.next()) else {
        return Err(wrong());
    };
    let (from, to) = hours.split_once('-').ok_or_else(wrong)?;
    // The end of the day is the beginning of the next one.
    let to = if to == "24:00" { "00:00" } else { to };
    Ok(RateWindow {
        days: days(named)?,
        from: TimeOfDay::try_from(from.to_owned())?,
        to: TimeOfDay::try_from(to.to_owned())?,
        bytes_per_second: rate(speed.trim())?,
    })
}

fn days(text: &str) -> Result<Vec<Weekday>, RateTextError> {
    if text.eq_ignore_ascii_case(DAILY) {
        return Ok(Weekday::ALL.to_vec());
    }
    let wrong = || RateTextError::Days(clip(text));
    let place = |name: &str| {
        let same = |(known, _): &(&str, Weekday)| name.eq_ignore_ascii_case(known);
        NAMES.iter().position(same).ok_or_else(wrong)
    };
    let mut named = Vec::new();
    for part in text.split(',') {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        let (first, last) = (place(first)?, place(last)?);
        // From Saturday to Monday leads over the end of the week.
        let count = (last + NAMES.len() - first) % NAMES.len() + 1;
        let days = NAMES.iter().cycle().skip(first).take(count).map(|(_, day)| *day);
        named.extend(days.filter(|day| !named.contains(day)).collect::<Vec<_>>());
    }
    Ok(named)
}

impl fmt::Display for WeeklyRate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&rate_text(self.bytes_per_second))?;
        for window in &self.windows {
            let days = days_text(&window.days);
            let (from, to) = (String::from(window.from), String::from(window.to));
            write!(f, "; {days} {from}-{to} {}", rate_text(window.bytes_per_second))?;
        }
        Ok(())
    }
}

fn rate_text(rate: Option<u64>) -> String {
    let Some(rate) = rate else { return UNLIMITED.to_owned() };
    let whole = UNITS.into_iter().find(|(_, bytes)| rate >= *bytes && rate.is_multiple_of(*bytes));
    let (unit, bytes) = whole.unwrap_or(("B", 1));
    format!("{}{unit}", rate / bytes)
}

fn days_text(days: &[Weekday]) -> String {
    if Weekday::ALL.iter().all(|day| days.contains(day)) {
        return DAILY.to_owned();
    }
    let name = |day: &Weekday| NAMES.iter().find(|(_, other)| other == day).map(|(name, _)| *name);
    days.iter().filter_map(name).collect::<Vec<_>>().join(",")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<WeeklyRate, String> {
        text.parse().map_err(|error: RateTextError| error.to_string())
    }

    #[test]
    fn what_is_written_is_read_back() {
        for (text, shown) in [
            ("2MiB", "2MiB"),
            ("2.5 MiB/s", "2560KiB"),
            (
                "unlimited; mon-fri 08:00-18:00 256KiB",
                "unlimited; mon,tue,wed,thu,fri 08:00-18:00 256KiB",
            ),
            ("1500B; sat,sun 00:00-24:00 unlimited", "1500B; sat,sun 00:00-00:00 unlimited"),
            ("1GiB; daily 22:00-06:00 10MiB; ", "1GiB; daily 22:00-06:00 10MiB"),
            ("1MiB; sat-mon 01:00-02:00 2MiB", "1MiB; sat,sun,mon 01:00-02:00 2MiB"),
        ] {
            let rate = read(text).unwrap();
            assert_eq!(rate.to_string(), shown);
            assert_eq!(read(shown).unwrap(), rate);
        }
    }

    #[test]
    fn what_is_no_calendar_is_refused_with_how_to_write_one() {
        for (wrong, told) in [
            ("fast", "256KiB"),
            ("-1MiB", "256KiB"),
            ("NaNMiB", "256KiB"),
            ("1e300GiB", "256KiB"),
            ("5", "256KiB"),
            ("1MiB; mon-fri 08:00-18:00", "days, hours and a rate"),
            ("1MiB; mon 0800 1MiB", "days, hours and a rate"),
            ("1MiB; workdays 08:00-18:00 1MiB", "mon-fri"),
            ("1MiB; mon 08:00-25:00 1MiB", "no time of day"),
            ("", "256KiB"),
        ] {
            let error = read(wrong).unwrap_err();
            assert!(error.contains(told), "{wrong}: {error}");
        }
    }
}
