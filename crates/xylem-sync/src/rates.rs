//! How fast bytes may go between a server and others.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::settings::in_range;
use crate::{Class, SettingsError, WeeklyRate, Zone};

/// How fast bytes may go. Everything that is left out is as fast as it goes.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct RateLimits {
    /// The time zone of the calendars, such as `Europe/Lisbon`: where the server stands.
    pub time_zone: Zone,
    /// What is fetched from other distribution servers.
    pub from_parents: DirectionRates,
    /// What other distribution servers fetch from here.
    pub to_children: DirectionRates,
    /// What computers and everybody else fetch from here.
    pub to_clients: DirectionRates,
    /// What the root sends to the cloud distribution point.
    pub to_cloud: DirectionRates,
}

/// How fast bytes may go in one direction; where several rates apply, all must allow it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct DirectionRates {
    /// Of the whole server.
    pub server: Option<WeeklyRate>,
    /// Of each link: to one child, from one parent, to one address, to one point.
    pub link: Option<WeeklyRate>,
    /// Of each class.
    pub class: BTreeMap<Class, WeeklyRate>,
}

/// The lowest and the highest rate, in bytes per second: less than 1 KiB/s is a server that is
/// better taken into maintenance, more than 1 TiB/s is a slip of the finger.
const RATE: (u64, u64) = (1024, 1 << 40);

/// The most windows of one calendar.
const MAX_WINDOWS: usize = 100;

impl RateLimits {
    pub(crate) fn check(&self) -> Result<(), SettingsError> {
        let directions = [&self.from_parents, &self.to_children, &self.to_clients, &self.to_cloud];
        for direction in directions {
            let rates = direction.server.iter().chain(&direction.link);
            for rate in rates.chain(direction.class.values()) {
                check(rate)?;
            }
        }
        Ok(())
    }
}

fn check(rate: &WeeklyRate) -> Result<(), SettingsError> {
    let windows = rate.windows.len() as u64;
    in_range("the number of windows of a calendar", windows, 0, MAX_WINDOWS as u64)?;
    let rates = rate.windows.iter().map(|window| window.bytes_per_second);
    for rate in rates.chain([rate.bytes_per_second]).flatten() {
        in_range("a rate in bytes per second", rate, RATE.0, RATE.1)?;
    }
    Ok(())
}
