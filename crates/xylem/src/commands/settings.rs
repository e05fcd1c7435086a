//! Settings of distribution servers, as they are written and shown.

use serde_json::{Map, Value, json};
use xylem_api::tree::ChangeDistributionServer;
use xylem_model::{ParentPolicy, UnknownWord};
use xylem_sync::{Class, DirectionRates, ServerSettings, WeeklyRate};

use super::setting;
use crate::Failure;
use crate::cli::duration;

/// How each setting is called on the command line and in a [`ServerSettings`], and how its value is
/// written. Rates have more words to a name, and come by themselves.
const SETTINGS: [(&str, &str, Written); 8] = [
    ("policy", "parent_policy", Written::Policy),
    ("certificates", "client_certificates", Written::Switch),
    ("open-to-all", "open_to_all", Written::Switch),
    ("maintenance", "maintenance", Written::Switch),
    ("fill-from-cloud", "fill_from_cloud", Written::Switch),
    ("check-in", "check_in_seconds", Written::Seconds),
    ("keep-unwanted", "keep_unwanted_seconds", Written::Seconds),
    ("time-zone", "rates.time_zone", Written::Text),
];

/// The directions of rates.
const DIRECTIONS: [(&str, &str); 4] = [
    ("from-parents", "from_parents"),
    ("to-children", "to_children"),
    ("to-clients", "to_clients"),
    ("to-cloud", "to_cloud"),
];

/// How a value is written.
#[derive(Debug, Clone, Copy)]
enum Written {
    Policy,
    Switch,
    Seconds,
    Text,
}

/// What `KEY=VALUE` settings ask for.
pub(super) fn change(settings: &[String]) -> Result<ChangeDistributionServer, Failure> {
    let mut change = ChangeDistributionServer::default();
    let mut patch = Value::Null;
    for text in settings {
        let (key, value) = setting(text)?;
        match key {
            "name" => change.name = Some(value.to_owned()),
            "public-url" => change.public_url = Some(value.to_owned()),
            "site" => change.site = Some(value.to_owned()),
            "parents" => {
                let names = value.split(',').map(|name| name.trim().to_owned());
                change.parents = Some(names.filter(|name| !name.is_empty()).collect());
            }
            _ => put_setting(&mut patch, key, value)?,
        }
    }
    change.settings = Some(patch).filter(|patch| !patch.is_null());
    Ok(change)
}

fn put_setting(patch: &mut Value, key: &str, value: &str) -> Result<(), Failure> {
    if let Some((_, path, written)) = SETTINGS.iter().find(|(name, ..)| *name == key) {
        put(patch, path, read(*written, key, value)?);
        return Ok(());
    }
    let (direction, of) = key.split_once('.').unwrap_or((key, "server"));
    let place = match of {
        "server" | "link" => Some(of.to_owned()),
        _ => Class::ALL.into_iter().find(|class| word(*class) == of).map(|_| format!("class.{of}")),
    };
    match (DIRECTIONS.iter().find(|(name, _)| *name == direction), place) {
        (Some((_, field)), Some(place)) => {
            put(patch, &format!("rates.{field}.{place}"), read_rate(value)?);
            Ok(())
        }
        (Some(_), None) => Err(Failure::configuration(format!(
            "`{of}` has no rate: write {direction} for the whole server, {direction}.link for each \
             link, or {direction}.urgent, .small, .normal or .bulk for a class"
        ))),
        _ => Err(Failure::configuration(format!(
            "`{key}` is no setting of a distribution server: use name, public-url, site, parents, \
             policy, certificates, open-to-all, maintenance, fill-from-cloud, check-in, \
             keep-unwanted, time-zone, from-parents, to-children, to-clients or to-cloud"
        ))),
    }
}

fn read(written: Written, key: &str, value: &str) -> Result<Value, Failure> {
    match written {
        Written::Policy => {
            let policy: Result<ParentPolicy, UnknownWord> = value.parse();
            Ok(json!(policy.map_err(|error| Failure::configuration(error.to_string()))?))
        }
        Written::Switch => match value {
            "on" => Ok(json!(true)),
            "off" => Ok(json!(false)),
            _ => Err(Failure::configuration(format!(
                "`{value}` cannot be set for {key}: write {key}=on or {key}=off"
            ))),
        },
        Written::Seconds => {
            let span = duration(value).map_err(|error| {
                Failure::configuration(format!("`{value}` cannot be set for {key}: {error}"))
            })?;
            Ok(json!(span.as_secs()))
        }
        Written::Text => Ok(json!(value)),
    }
}

/// No limit at all is no entry.
fn read_rate(value: &str) -> Result<Value, Failure> {
    let rate: WeeklyRate = value
        .parse()
        .map_err(|error: xylem_sync::RateTextError| Failure::configuration(error.to_string()))?;
    Ok(if rate == WeeklyRate::default() { Value::Null } else { json!(rate) })
}

/// Puts a value at a place of a patch, such as `rates.time_zone`.
fn put(patch: &mut Value, path: &str, value: Value) {
    let mut at = patch;
    for name in path.split('.') {
        if !at.is_object() {
            *at = Value::Object(Map::new());
        }
        at = &mut at[name];
    }
    *at = value;
}

fn word(class: Class) -> String {
    json!(class).as_str().unwrap_or_default().to_owned()
}

/// The settings, as `ds show` prints them.
pub(super) fn shown(settings: &ServerSettings) -> Vec<(&'static str, String)> {
    let switch = |on: bool| if on { "on" } else { "off" }.to_owned();
    let seconds = |seconds: u32| format!("{seconds} s");
    let rates = &settings.rates;
    let mut rows = vec![
        ("Parent policy", settings.parent_policy.to_string()),
        ("Certificates", switch(settings.client_certificates)),
        ("Open to all", switch(settings.open_to_all)),
        ("Maintenance", switch(settings.maintenance)),
        ("Fill from cloud", switch(settings.fill_from_cloud)),
        ("Check-in", seconds(settings.check_in_seconds)),
        ("Keep unwanted", seconds(settings.keep_unwanted_seconds)),
        ("From parents", rates_text(&rates.from_parents)),
        ("To children", rates_text(&rates.to_children)),
        ("To clients", rates_text(&rates.to_clients)),
        ("To the cloud", rates_text(&rates.to_cloud)),
    ];
    rows.push(("Time zone", String::from(rates.time_zone.clone())));
    rows
}

fn rates_text(rates: &DirectionRates) -> String {
    let server = rates.server.iter().map(ToString::to_string);
    let link = rates.link.iter().map(|rate| format!("each link {rate}"));
    let class = rates.class.iter().map(|(class, rate)| format!("{} {rate}", word(*class)));
    let all: Vec<String> = server.chain(link).chain(class).collect();
    if all.is_empty() { "unlimited".to_owned() } else { all.join(" | ") }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(settings: &[&str]) -> Result<ChangeDistributionServer, String> {
        let settings: Vec<String> = settings.iter().map(|&text| text.to_owned()).collect();
        change(&settings).map_err(|failure| failure.into_error().to_string())
    }

    fn refused(setting: &str) -> String {
        asked(&[setting]).unwrap_err()
    }

    #[test]
    fn what_is_written_is_a_change_that_can_be_made() {
        let change = asked(&[
            "parents=South, North",
            "policy=by-hash",
            "certificates=off",
            "check-in=5m",
            "keep-unwanted=48h",
            "time-zone=Europe/Lisbon",
            "from-parents=2MiB; mon-fri 08:00-18:00 256KiB",
            "to-clients.link=1MiB",
            "to-children.bulk=512KiB",
            "to-cloud=3MiB; mon-fri 08:00-18:00 128KiB",
            "to-children=unlimited",
        ])
        .unwrap();
        assert_eq!(change.parents, Some(vec!["South".to_owned(), "North".to_owned()]));
        let settings = ServerSettings::default().changed(&change.settings.unwrap()).unwrap();
        assert_eq!(settings.parent_policy, ParentPolicy::ByHash);
        assert!(!settings.client_certificates);
        assert_eq!((settings.check_in_seconds, settings.keep_unwanted_seconds), (300, 172_800));
        let shown: Vec<String> = shown(&settings).into_iter().map(|(_, text)| text).collect();
        for text in [
            "2MiB; mon,tue,wed,thu,fri 08:00-18:00 256KiB",
            "each link 1MiB",
            "bulk 512KiB",
            "3MiB; mon,tue,wed,thu,fri 08:00-18:00 128KiB",
            "Europe/Lisbon",
        ] {
            assert!(shown.iter().any(|row| row == text), "{text}: {shown:?}");
        }
        assert_eq!(asked(&["name=x"]).unwrap().settings, None);
    }

    #[test]
    fn what_cannot_be_set_is_refused_with_what_can() {
        assert!(refused("policy=fastest").contains("first-available, sticky, by-hash"));
        assert!(refused("colour=red").contains("to-clients or to-cloud"));
        assert!(refused("parents").contains("KEY=VALUE"));
        assert!(refused("open-to-all=true").contains("open-to-all=on or open-to-all=off"));
        assert!(refused("from-parents=fast").contains("256KiB"));
        assert!(refused("from-parents.huge=1MiB").contains(".urgent, .small"));
        assert!(refused("check-in=soon").contains("check-in"));
    }
}
