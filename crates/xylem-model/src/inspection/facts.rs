//! What is known of a file, whatever its form.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::scripts::Scripts;

/// What has to happen once a package is installed, weakest first, as inspections write it.
const RESTARTS: [&str; 5] = ["none", "recommend_restart", "logout", "restart", "shutdown"];

/// What is asked of an inspection. What is `None` is not known; empty where there is none.
#[derive(Debug, Default)]
pub(super) struct Facts<'a> {
    pub(super) format: Option<&'a str>,
    pub(super) display_name: Option<&'a str>,
    pub(super) identifier: Option<&'a str>,
    pub(super) version: Option<&'a str>,
    pub(super) minimum_os: Option<&'a str>,
    /// Empty also where the file does not say.
    pub(super) architectures: BTreeSet<&'a str>,
    /// The kinds of device that an app is made for.
    pub(super) devices: BTreeSet<&'a str>,
    /// A place in the order of what has to happen afterwards.
    pub(super) restart: Option<usize>,
    pub(super) signing: Signing<'a>,
    /// Whether there is a seal of which nobody knows who made it.
    pub(super) sealed: Option<bool>,
    pub(super) ticket: Option<bool>,
    pub(super) license: Option<bool>,
    pub(super) scripts: Scripts<'a>,
    /// Identifiers of receipts, or names of packages inside.
    pub(super) parts: BTreeSet<&'a str>,
    /// Identifiers, else names, of applications and other bundles inside.
    pub(super) apps: BTreeSet<&'a str>,
    /// Whether there are applications that are not listed.
    pub(super) has_unlisted_apps: bool,
    pub(super) profile: Option<Profile<'a>>,
    /// Messages of the inspection's warnings, by their words.
    pub(super) warnings: BTreeMap<&'a str, &'a str>,
}

/// Who signed a file.
#[derive(Debug, Default)]
pub(super) enum Signing<'a> {
    /// The form of the file has no signature that is looked at.
    #[default]
    Unknown,
    /// Nobody.
    Unsigned,
    Signed(Signer<'a>),
}

/// The signer, as far as it is told; each fact by itself.
#[derive(Debug, Default)]
pub(super) struct Signer<'a> {
    pub(super) team: Option<&'a str>,
    pub(super) name: Option<&'a str>,
    /// What Apple certified it for.
    pub(super) kind: Option<&'a str>,
    /// The identifier that was signed with a disk image.
    pub(super) identifier: Option<&'a str>,
    /// Whether the signature fits the content, where that was looked at.
    pub(super) fits: Option<bool>,
    /// Whether the chain leads to Apple, where that was looked at.
    pub(super) by_apple: Option<bool>,
    /// In seconds since 1970.
    pub(super) valid_until: Option<i64>,
    pub(super) valid_when_signed: Option<bool>,
}

/// What a provisioning profile allows.
#[derive(Debug)]
pub(super) struct Profile<'a> {
    pub(super) distribution: Option<&'a str>,
    /// In seconds since 1970.
    pub(super) expires: Option<i64>,
}

impl<'a> Facts<'a> {
    /// Reads what is stored.
    pub(super) fn of(inspection: &'a Value) -> Self {
        let content = inspection.get("content").unwrap_or(&Value::Null);
        let mut facts = Self {
            format: text(content, "format"),
            display_name: text(inspection, "display_name"),
            identifier: text(content, "identifier"),
            version: text(inspection, "version").or_else(|| text(content, "version")),
            minimum_os: text(content, "minimum_os"),
            restart: text(content, "restart")
                .and_then(|word| RESTARTS.iter().position(|known| *known == word)),
            warnings: list(inspection, "warnings")
                .filter_map(|it| Some((text(it, "code")?, text(it, "message")?)))
                .collect(),
            ..Self::default()
        };
        match facts.format {
            Some("flat_package") => {
                facts.scripts = Scripts::of_components(content, inspection);
                facts.read_flat_package(content);
            }
            Some("bundle_package") => facts.read_bundle_package(content),
            Some("disk_image") => facts.read_disk_image(content),
            Some("mobile_app") => facts.read_mobile_app(content),
            Some("zipped_app") => {
                facts.architectures = texts(content, "architectures").collect();
                facts.sealed = flag(content, "sealed");
            }
            _ => {}
        }
        facts
    }

    fn read_flat_package(&mut self, content: &'a Value) {
        self.architectures = texts(content, "host_architectures").collect();
        self.license = flag(content, "license_present");
        self.ticket = flag(content, "ticket_present");
        self.signing = signing(content, |signature| {
            let matches = [text(signature, "rsa"), text(signature, "cms")];
            let fits = matches.contains(&Some("matches")) && !matches.contains(&Some("differs"));
            Some(Signer {
                team: text(signature, "team"),
                name: text(signature, "signer"),
                kind: text(signature, "signer_kind"),
                fits: Some(fits),
                by_apple: flag(signature, "chain_to_apple_root"),
                valid_until: number(signature, "valid_until_unix_seconds"),
                valid_when_signed: flag(signature, "valid_when_signed"),
                ..Signer::default()
            })
        });
        for component in list(content, "components") {
            self.parts.extend(text(component, "identifier"));
            let bundles = list(component, "bundles");
            self.apps.extend(bundles.filter_map(|bundle| text(bundle, "identifier")));
            let listed = list(component, "bundles").count();
            self.has_unlisted_apps |= is_more(component, "bundle_count", listed);
        }
    }

    fn read_bundle_package(&mut self, content: &'a Value) {
        let inside = list(content, "packages");
        self.parts =
            inside.filter_map(|it| text(it, "identifier").or_else(|| text(it, "path"))).collect();
        self.scripts = Scripts::of_bundle(content);
    }

    fn read_disk_image(&mut self, content: &'a Value) {
        self.license = flag(content, "license_agreement");
        self.signing = signing(content, |signature| {
            // Without a certificate it is an ad-hoc one, which names nobody.
            (flag(signature, "cms") == Some(true)).then(|| Signer {
                team: text(signature, "team"),
                identifier: text(signature, "identifier"),
                ..Signer::default()
            })
        });
        let signature = content.get("signature").unwrap_or(&Value::Null);
        self.ticket = flag(signature, "ticket_present");
        let root = content.get("root").unwrap_or(&Value::Null);
        self.parts = texts(root, "packages").collect();
        let apps = list(root, "applications");
        self.apps = apps
            .filter_map(|app| text(app, "identifier").or_else(|| text(app, "file_name")))
            .collect();
        let mut apps = list(root, "applications");
        // An image of one application stands for it.
        if let (Some(only), None) = (apps.next(), apps.next()) {
            self.identifier = text(only, "identifier");
            self.minimum_os = text(only, "minimum_os");
        }
    }

    fn read_mobile_app(&mut self, content: &'a Value) {
        self.devices = texts(content, "device_families").collect();
        let Some(profile) = content.get("profile") else { return };
        self.signing = Signing::Unsigned;
        if profile.is_null() {
            return;
        }
        self.signing = Signing::Signed(Signer {
            team: text(profile, "team"),
            name: text(profile, "team_name"),
            ..Signer::default()
        });
        self.profile = Some(Profile {
            distribution: text(profile, "distribution"),
            expires: number(profile, "expires_unix_seconds"),
        });
    }
}

/// The word for what has to happen afterwards.
pub(super) fn restart_word(place: usize) -> &'static str {
    RESTARTS.get(place).copied().unwrap_or_default()
}

/// Reads the signature; `read` gives none where it names nobody.
fn signing<'a>(
    content: &'a Value,
    read: impl FnOnce(&'a Value) -> Option<Signer<'a>>,
) -> Signing<'a> {
    match content.get("signature") {
        Some(Value::Null) => Signing::Unsigned,
        Some(signature) if signature.is_object() => {
            read(signature).map_or(Signing::Unsigned, Signing::Signed)
        }
        _ => Signing::Unknown,
    }
}

/// A text that says something.
pub(super) fn text<'a>(of: &'a Value, key: &str) -> Option<&'a str> {
    of.get(key).and_then(Value::as_str).map(str::trim).filter(|text| !text.is_empty())
}

/// The entries of a list; none where there is no list.
pub(super) fn list<'a>(of: &'a Value, key: &str) -> impl Iterator<Item = &'a Value> + use<'a> {
    of.get(key).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default().iter()
}

/// The texts in a list.
pub(super) fn texts<'a>(of: &'a Value, key: &str) -> impl Iterator<Item = &'a str> + use<'a> {
    list(of, key).filter_map(Value::as_str).map(str::trim).filter(|text| !text.is_empty())
}

pub(super) fn flag(of: &Value, key: &str) -> Option<bool> {
    of.get(key).and_then(Value::as_bool)
}

fn number(of: &Value, key: &str) -> Option<i64> {
    of.get(key).and_then(Value::as_i64)
}

/// Whether a count is of more than was listed.
pub(super) fn is_more(of: &Value, key: &str, listed: usize) -> bool {
    let count = of.get(key).and_then(Value::as_u64);
    count.is_some_and(|count| usize::try_from(count).is_ok_and(|count| count > listed))
}
