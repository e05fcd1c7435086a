//! Rates by the hour: "10 Mbit/s, but 2 Mbit/s on working days from 8 to 18, in Lisbon".

use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};
use xylem_model::Timestamp;

/// Minutes of a day.
const DAY_MINUTES: u16 = 24 * 60;

/// A weekly calendar of rates.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct WeeklyRate {
    /// Bytes per second outside all windows; none: as fast as it goes.
    #[serde(default)]
    pub bytes_per_second: Option<u64>,
    /// Times with another rate. Where two overlap, the first one counts.
    #[serde(default)]
    pub windows: Vec<RateWindow>,
}

/// Some hours of some days.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RateWindow {
    /// The days on which it begins.
    pub days: Vec<Weekday>,
    /// When it begins.
    pub from: TimeOfDay,
    /// When it ends; on the next day where that is not after `from`.
    pub to: TimeOfDay,
    /// Bytes per second; none: as fast as it goes.
    pub bytes_per_second: Option<u64>,
}

/// A day of the week.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[expect(missing_docs, reason = "the names say it")]
pub enum Weekday {
    Monday,
    Tuesday,
    Wednesday,
    Thursday,
    Friday,
    Saturday,
    Sunday,
}

impl Weekday {
    /// From Monday on.
    pub(crate) const ALL: [Self; 7] = [
        Self::Monday,
        Self::Tuesday,
        Self::Wednesday,
        Self::Thursday,
        Self::Friday,
        Self::Saturday,
        Self::Sunday,
    ];

    fn of(moment: &jiff::civil::DateTime) -> Self {
        let place = usize::try_from(moment.weekday().to_monday_zero_offset()).unwrap_or(0);
        Self::ALL.get(place).copied().unwrap_or(Self::Monday)
    }

    fn before(self) -> Self {
        let place = (self as usize + Self::ALL.len() - 1) % Self::ALL.len();
        Self::ALL.get(place).copied().unwrap_or(Self::Sunday)
    }
}

/// Hours and minutes, written `08:30`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct TimeOfDay(u16);

/// A text that is no time of day.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no time of day: write hours and minutes, such as 08:30")]
pub struct TimeOfDayError(String);

impl TryFrom<String> for TimeOfDay {
    type Error = TimeOfDayError;

    fn try_from(text: String) -> Result<Self, TimeOfDayError> {
        let minutes = || {
            let (hours, minutes) = text.split_once(':').filter(|_| text.len() == 5)?;
            let (hours, minutes): (u16, u16) = (hours.parse().ok()?, minutes.parse().ok()?);
            (hours < 24 && minutes < 60).then_some(hours * 60 + minutes)
        };
        minutes().map(Self).ok_or_else(|| TimeOfDayError(text.chars().take(40).collect()))
    }
}

impl From<TimeOfDay> for String {
    fn from(time: TimeOfDay) -> Self {
        format!("{:02}:{:02}", time.0 / 60, time.0 % 60)
    }
}

/// A time zone of the IANA database, which is built in: a server need not have one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Zone(TimeZone);

/// A name that is no time zone.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no time zone: use a name such as Europe/Lisbon or UTC")]
pub struct ZoneError(String);

impl Default for Zone {
    fn default() -> Self {
        Self(TimeZone::UTC)
    }
}

impl TryFrom<String> for Zone {
    type Error = ZoneError;

    fn try_from(name: String) -> Result<Self, ZoneError> {
        TimeZone::get(&name).map(Self).map_err(|_| ZoneError(name.chars().take(40).collect()))
    }
}

impl From<Zone> for String {
    fn from(zone: Zone) -> Self {
        zone.0.iana_name().unwrap_or("UTC").to_owned()
    }
}

impl Zone {
    /// What clock and calendar on the wall show there: day of the week, minute of the day.
    fn wall(&self, now: Timestamp) -> (Weekday, u16) {
        let moment = jiff::Timestamp::from_millisecond(now.unix_ms()).unwrap_or_default();
        let local = self.0.to_datetime(moment);
        let minute = i32::from(local.hour()) * 60 + i32::from(local.minute());
        (Weekday::of(&local), u16::try_from(minute).unwrap_or(0))
    }
}

impl WeeklyRate {
    /// Bytes per second that may go now; none: as fast as it goes.
    pub fn at(&self, now: Timestamp, zone: &Zone) -> Option<u64> {
        if self.windows.is_empty() {
            return self.bytes_per_second;
        }
        let (day, minute) = zone.wall(now);
        let window = self.windows.iter().find(|window| window.covers(day, minute));
        window.map_or(self.bytes_per_second, |window| window.bytes_per_second)
    }
}

impl RateWindow {
    fn covers(&self, day: Weekday, minute: u16) -> bool {
        let (from, to) = (self.from.0, self.to.0);
        if from < to {
            return self.days.contains(&day) && (from..to).contains(&minute);
        }
        // Over midnight: the rest of the day it begins on, and the beginning of the next.
        (self.days.contains(&day) && (from..DAY_MINUTES).contains(&minute))
            || (self.days.contains(&day.before()) && minute < to)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rates(json: &str) -> WeeklyRate {
        serde_json::from_str(json).unwrap()
    }

    fn zone(name: &str) -> Zone {
        Zone::try_from(name.to_owned()).unwrap()
    }

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    const OFFICE: &str = r#"{"bytes_per_second": 1000, "windows": [
        {"days": ["monday", "tuesday", "wednesday", "thursday", "friday"],
         "from": "08:00", "to": "18:00", "bytes_per_second": 10},
        {"days": ["friday"], "from": "22:00", "to": "02:30", "bytes_per_second": null}]}"#;

    #[test]
    fn windows_follow_the_wall_clock_of_their_zone_through_summer_time() {
        let (office, lisbon) = (rates(OFFICE), zone("Europe/Lisbon"));
        // A Monday in winter, UTC+0, and one in summer, UTC+1.
        assert_eq!(office.at(at("2026-01-05T07:59:00Z"), &lisbon), Some(1000));
        assert_eq!(office.at(at("2026-01-05T08:00:00Z"), &lisbon), Some(10));
        assert_eq!(office.at(at("2026-07-06T07:00:00Z"), &lisbon), Some(10));
        assert_eq!(office.at(at("2026-07-06T17:00:00Z"), &lisbon), Some(1000));
        assert_eq!(office.at(at("2026-07-06T07:00:00Z"), &Zone::default()), Some(1000));
        // A Sunday.
        assert_eq!(office.at(at("2026-01-04T12:00:00Z"), &lisbon), Some(1000));
    }

    #[test]
    fn a_window_over_midnight_belongs_to_the_day_it_begins_on() {
        let office = rates(OFFICE);
        let at = |text: &str| office.at(at(text), &Zone::default());
        assert_eq!(at("2026-01-09T23:00:00Z"), None, "Friday night");
        assert_eq!(at("2026-01-10T02:29:00Z"), None, "Saturday morning");
        assert_eq!(at("2026-01-10T02:30:00Z"), Some(1000));
        assert_eq!(at("2026-01-10T23:00:00Z"), Some(1000), "Saturday night");
        assert_eq!(at("2026-01-09T02:00:00Z"), Some(1000), "Friday morning");
    }

    #[test]
    fn what_is_no_time_or_zone_is_refused_by_name() {
        for wrong in ["8:30", "24:00", "08:60", "0830", "-1:30", "08:30:00", ""] {
            let error = TimeOfDay::try_from(wrong.to_owned()).unwrap_err().to_string();
            assert!(error.contains("08:30"), "{error}");
        }
        let error = Zone::try_from("Lissabon".to_owned()).unwrap_err().to_string();
        assert!(error.contains("`Lissabon`") && error.contains("Europe/Lisbon"), "{error}");
        for name in ["Europe/Lisbon", "UTC"] {
            assert_eq!(String::from(zone(name)), name);
        }
    }
}
