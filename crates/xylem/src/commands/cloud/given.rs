//! What was typed, as the API takes it.

use std::path::Path;

use serde_json::{Map, Value, json};
use xylem_api::cloud::{CloudKeys, SetCloud};
use xylem_runtime::{RealFs, read_bounded};

use super::edgerc::api_client;
use crate::Failure;
use crate::cli::{
    AkamaiKeys, AkamaiPlace, CommonOptions, FolderPlace, PolicyProvider, ProviderKeys,
    RackspacePlace, S3Keys, S3Place, SetProvider, SwiftAuthKind, SwiftPlace, bytes, duration,
};
use crate::commands::certificates::text;
use crate::commands::{set_twice, setting};

/// The setting that is no provider's, and takes no test.
const MONTH_CEILING: &str = "month-ceiling";
/// The domain that users and projects of Keystone are in where nobody made another.
const DEFAULT_DOMAIN: &str = "Default";
/// Most steps of a setting's name: `auth.keystone3-password.user` has three.
const MAX_STEPS: usize = 3;
/// Largest file of one key that is read.
const MAX_KEY_BYTES: u64 = 16 << 10;
/// Settings that are numbers.
const NUMBERS: [&str; 4] = ["cp_code", "largest_delivered", "ttl_seconds", "verify_days"];
/// Settings that are yes or no.
const SWITCHES: [&str; 3] = ["bind_address", "path_style", "public"];

/// A point to be set.
pub(super) fn point(provider: SetProvider) -> Result<SetCloud, Failure> {
    let (storage, keys, common) = match provider {
        SetProvider::S3 { place, keys, common } => (s3_place(place), s3_keys(keys)?, common),
        SetProvider::Swift { place, keys, common } => {
            (swift_place(place), swift_keys(&keys.password_file)?, common)
        }
        SetProvider::Rackspace { place, keys, common } => {
            (rackspace_place(place), swift_keys(&keys.api_key_file)?, common)
        }
        SetProvider::Akamai { place, keys, common } => {
            (akamai_place(place), akamai_keys(keys)?, common)
        }
        SetProvider::Folder { place, common } => {
            (folder_place(place), CloudKeys(json!({ "provider": "folder" })), common)
        }
    };
    let CommonOptions { ca, url_lifetime, offer, verify, verify_days, replace, adopt } = common;
    Ok(SetCloud {
        storage,
        keys,
        ca_pem: ca.as_deref().map(text).transpose()?,
        url_lifetime_seconds: url_lifetime.map(|life| life.as_secs()),
        offer,
        verify,
        verify_days,
        replace,
        adopt,
    })
}

/// Keys to be set.
pub(super) fn keys(provider: ProviderKeys) -> Result<CloudKeys, Failure> {
    match provider {
        ProviderKeys::S3(keys) => s3_keys(keys),
        ProviderKeys::Swift(keys) => swift_keys(&keys.password_file),
        ProviderKeys::Rackspace(keys) => swift_keys(&keys.api_key_file),
        ProviderKeys::Akamai(keys) => akamai_keys(keys),
    }
}

/// A place that a policy is printed for.
pub(super) fn place(provider: PolicyProvider) -> Value {
    match provider {
        PolicyProvider::S3(place) => s3_place(place),
        PolicyProvider::Swift(place) => swift_place(place),
        PolicyProvider::Rackspace(place) => rackspace_place(place),
        PolicyProvider::Akamai(place) => akamai_place(place),
        PolicyProvider::Folder(place) => folder_place(place),
    }
}

fn s3_place(place: S3Place) -> Value {
    let cloudfront = place.cloudfront.map(|url| {
        some(json!({
            "url": url,
            "key_pair_id": place.key_pair,
            "distribution_id": place.distribution,
            "hash": place.hash,
        }))
    });
    some(json!({
        "provider": "s3",
        "bucket": place.bucket,
        "region": place.region,
        "endpoint": place.endpoint,
        "prefix": place.prefix,
        "path_style": place.path_style.then_some(true),
        "cloudfront": cloudfront,
    }))
}

fn s3_keys(keys: S3Keys) -> Result<CloudKeys, Failure> {
    Ok(CloudKeys(some(json!({
        "provider": "s3",
        "key_id": keys.key_id,
        "secret": key(&keys.secret_file)?,
        "cloudfront_key": keys.private_key_file.as_deref().map(key).transpose()?,
    }))))
}

fn swift_place(place: SwiftPlace) -> Value {
    let domain = |given: Option<String>| given.unwrap_or_else(|| DEFAULT_DOMAIN.to_owned());
    // What does not belong to a kind is sent all the same, and refused by its name.
    let auth = match place.auth {
        SwiftAuthKind::Tempauth => json!({ "tempauth": some(json!({
            "user": place.user,
            "user_domain": place.user_domain,
            "project": place.project,
            "project_domain": place.project_domain,
            "id": place.credential_id,
        })) }),
        SwiftAuthKind::Keystone3Password => json!({ "keystone3_password": some(json!({
            "user": place.user,
            "user_domain": domain(place.user_domain),
            "project": place.project,
            "project_domain": domain(place.project_domain),
            "id": place.credential_id,
        })) }),
        SwiftAuthKind::Keystone3Application => json!({ "keystone3_application": some(json!({
            "id": place.credential_id,
            "user": place.user,
            "user_domain": place.user_domain,
            "project": place.project,
            "project_domain": place.project_domain,
        })) }),
    };
    some(json!({
        "provider": "swift",
        "auth": auth,
        "auth_url": place.auth_url,
        "region": place.region,
        "container": place.container,
        "prefix": place.prefix,
        "key_scope": place.key_scope,
    }))
}

fn rackspace_place(place: RackspacePlace) -> Value {
    some(json!({
        "provider": "rackspace",
        "auth_url": place.auth_url,
        "user": place.user,
        "region": place.region,
        "container": place.container,
        "prefix": place.prefix,
        "public": place.public.then_some(true),
        "ttl_seconds": place.ttl.map(|ttl| ttl.as_secs()),
    }))
}

fn swift_keys(file: &Path) -> Result<CloudKeys, Failure> {
    Ok(CloudKeys(json!({ "provider": "swift", "password": key(file)? })))
}

fn akamai_place(place: AkamaiPlace) -> Value {
    some(json!({
        "provider": "akamai",
        "upload_host": place.upload_host,
        "account": place.account,
        "cp_code": place.cp_code,
        "directory": place.directory,
        "delivery_url": place.delivery_url,
        "token_name": place.token_name,
    }))
}

fn folder_place(place: FolderPlace) -> Value {
    some(json!({ "provider": "folder", "prefix": place.prefix }))
}

fn akamai_keys(keys: AkamaiKeys) -> Result<CloudKeys, Failure> {
    Ok(CloudKeys(some(json!({
        "provider": "akamai",
        "key": key(&keys.key_file)?,
        "token_secret": key(&keys.token_secret_file)?,
        "token_salt": keys.token_salt_file.as_deref().map(key).transpose()?,
        "edgegrid": keys.edgerc.as_deref().map(edgegrid).transpose()?,
    }))))
}

/// The API client in Akamai's own file.
fn edgegrid(file: &Path) -> Result<Value, Failure> {
    let unusable =
        |why: String| Failure::configuration(format!("cannot use {}: {why}", file.display()));
    api_client(&key(file)?).map_err(unusable)
}

/// The fields that were given: what was left out has its first value.
fn some(mut value: Value) -> Value {
    if let Value::Object(fields) = &mut value {
        fields.retain(|_, value| !value.is_null());
    }
    value
}

/// A key out of a file, without the end of its line. It is in no message.
fn key(file: &Path) -> Result<String, Failure> {
    let unreadable = |problem: &dyn std::fmt::Display| {
        Failure::configuration(format!("cannot read {}: {problem}", file.display()))
    };
    let bytes = read_bounded(&RealFs, file, MAX_KEY_BYTES).map_err(|error| unreadable(&error))?;
    let text = String::from_utf8(bytes).map_err(|_| unreadable(&"it is no text"))?;
    Ok(text.trim_end_matches(['\r', '\n']).to_owned())
}

/// Takes the ceiling of a month out of `KEY=VALUE` settings; an empty one is none.
pub(super) fn ceiling(settings: &mut Vec<String>) -> Result<Option<Option<u64>>, Failure> {
    let mut found = None;
    let mut others = Vec::new();
    for given in settings.drain(..) {
        match given.split_once('=') {
            Some((MONTH_CEILING, _)) if found.is_some() => return Err(set_twice(MONTH_CEILING)),
            Some((MONTH_CEILING, "")) => found = Some(None),
            Some((MONTH_CEILING, value)) => {
                found = Some(Some(bytes(value).map_err(Failure::configuration)?));
            }
            _ => others.push(given),
        }
    }
    *settings = others;
    Ok(found)
}

/// What `KEY=VALUE` settings ask for, as a merge patch.
pub(super) fn change(settings: &[String]) -> Result<Value, Failure> {
    let (mut whole, mut storage) = (Map::new(), Map::new());
    for given in settings {
        let (key, value) = setting(given)?;
        let before = match key {
            "ca" if value.is_empty() => whole.insert("ca_pem".to_owned(), Value::Null),
            "ca" => whole.insert("ca_pem".to_owned(), text(Path::new(value))?.into()),
            "url-lifetime" if value.is_empty() => {
                whole.insert("url_lifetime_seconds".to_owned(), Value::Null)
            }
            "url-lifetime" => {
                let life = duration(value).map_err(Failure::configuration)?;
                whole.insert("url_lifetime_seconds".to_owned(), life.as_secs().into())
            }
            "offer" | "verify" | "verify-days" => {
                let name = key.replace('-', "_");
                let value = written(&name, value)?;
                whole.insert(name, value)
            }
            _ => put(&mut storage, key, value)?,
        };
        if before.is_some() {
            return Err(set_twice(key));
        }
    }
    if !storage.is_empty() {
        whole.insert("storage".to_owned(), Value::Object(storage));
    }
    Ok(Value::Object(whole))
}

/// Puts a setting of the provider where it belongs; gives what was there before.
fn put(storage: &mut Map<String, Value>, key: &str, value: &str) -> Result<Option<Value>, Failure> {
    let name = key.replace('-', "_");
    let steps: Vec<&str> = name.split('.').collect();
    if steps.len() > MAX_STEPS {
        return Err(Failure::configuration(format!("there is no setting `{key}`")));
    }
    let mut fields = storage;
    let (field, groups) = steps.split_last().unwrap_or((&"", &[]));
    for group in groups {
        let group = fields.entry(*group).or_insert_with(|| Value::Object(Map::new()));
        match group {
            Value::Object(below) => fields = below,
            other => return Ok(Some(other.clone())),
        }
    }
    Ok(fields.insert((*field).to_owned(), written(field, value)?))
}

/// A value as the API takes it; an empty one is none.
fn written(name: &str, value: &str) -> Result<Value, Failure> {
    if value.is_empty() {
        return Ok(Value::Null);
    }
    if NUMBERS.contains(&name) {
        let number: u64 = value
            .parse()
            .map_err(|_| Failure::configuration(format!("`{name}` is a number: give digits")))?;
        return Ok(number.into());
    }
    if SWITCHES.contains(&name) {
        return match value {
            "yes" => Ok(true.into()),
            "no" => Ok(false.into()),
            _ => Err(Failure::configuration(format!("`{name}` is yes or no"))),
        };
    }
    Ok(value.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn changes_are_merge_patches() {
        let words = [
            "bucket=b",
            "prefix=",
            "path-style=yes",
            "cloudfront.url=https://d",
            "cloudfront.largest-delivered=7",
            "auth.keystone3-password.user=u",
            "auth.keystone3-password.project=p",
            "public=no",
            "url-lifetime=20m",
            "offer=before-root",
            "verify=all",
            "verify-days=7",
            "ca=",
        ];
        let asked = change(&words.map(str::to_owned)).ok();
        let expected = json!({
            "storage": {
                "bucket": "b",
                "prefix": null,
                "path_style": true,
                "cloudfront": { "url": "https://d", "largest_delivered": 7 },
                "auth": { "keystone3_password": { "user": "u", "project": "p" } },
                "public": false,
            },
            "url_lifetime_seconds": 1200,
            "offer": "before-root",
            "verify": "all",
            "verify_days": 7,
            "ca_pem": null,
        });
        assert_eq!(asked, Some(expected));
        for wrong in [
            &["bucket"][..],
            &["bucket=a", "bucket=b"],
            &["cloudfront=", "cloudfront.url=https://d"],
            &["path-style=perhaps"],
            &["cp-code=x"],
            &["url-lifetime=soon"],
            &["a.b.c.d=x"],
            &["auth.tempauth.user=a", "auth.tempauth.user=b"],
            &["verify-days=x"],
        ] {
            let words: Vec<String> = wrong.iter().map(|word| (*word).to_owned()).collect();
            assert!(change(&words).is_err(), "{wrong:?}");
        }
    }

    /// What is typed after `xylem cloud policy`, as the API takes it.
    fn typed(words: &str) -> Result<Value, String> {
        #[derive(clap::Parser)]
        struct Typed {
            #[command(subcommand)]
            provider: PolicyProvider,
        }
        let words = std::iter::once("policy").chain(words.split(' '));
        let typed = <Typed as clap::Parser>::try_parse_from(words);
        typed.map(|typed| place(typed.provider)).map_err(|error| error.to_string())
    }

    #[test]
    fn places_of_swift_are_typed_in_every_kind() {
        let rest = "--auth-url https://h --container c";
        let all = typed(&format!(
            "swift --auth keystone3-password --user u --project p --project-domain d {rest} \
             --region r --prefix macs --key-scope container"
        ));
        let expected = json!({
            "provider": "swift",
            "auth": { "keystone3_password": {
                "user": "u", "user_domain": "Default", "project": "p", "project_domain": "d" } },
            "auth_url": "https://h",
            "region": "r",
            "container": "c",
            "prefix": "macs",
            "key_scope": "container",
        });
        assert_eq!(all, Ok(expected));
        let auth =
            |words: &str| typed(&format!("swift {words} {rest}")).map(|it| it["auth"].clone());
        let tempauth = json!({ "tempauth": { "user": "a:b" } });
        assert_eq!(auth("--auth tempauth --user a:b"), Ok(tempauth));
        let application = json!({ "keystone3_application": { "id": "i" } });
        assert_eq!(auth("--auth keystone3-application --credential-id i"), Ok(application));
        for lacking in [
            "--auth tempauth",
            "--auth keystone3-password --user u",
            "--auth keystone3-application --user u",
            "--auth basic --user u",
            "--auth tempauth --user u --key-scope nobody",
        ] {
            assert!(auth(lacking).is_err(), "{lacking}");
        }
    }

    #[test]
    fn places_at_rackspace_are_public_by_name_alone() {
        let plain = typed("rackspace --user u --region ORD --container c");
        let expected =
            json!({ "provider": "rackspace", "user": "u", "region": "ORD", "container": "c" });
        assert_eq!(plain, Ok(expected));
        let public = typed("rackspace --user u --region ORD --container c --public --ttl 1h");
        let public = public.unwrap();
        assert_eq!((&public["public"], &public["ttl_seconds"]), (&json!(true), &json!(3600)));
        assert!(typed("rackspace --user u --region ORD --container c --ttl 1h").is_err());
    }

    #[test]
    fn the_ceiling_is_taken_out_of_the_settings() {
        let taken = |words: &[&str]| {
            let mut words: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
            ceiling(&mut words).map(|found| (found, words)).ok()
        };
        let both = taken(&["bucket=b", "month-ceiling=2GiB"]);
        assert_eq!(both, Some((Some(Some(2 << 30)), vec!["bucket=b".to_owned()])));
        assert_eq!(taken(&["month-ceiling="]), Some((Some(None), vec![])));
        assert_eq!(taken(&["bucket=b"]).map(|(found, _)| found), Some(None));
        for wrong in [&["month-ceiling=2"][..], &["month-ceiling=", "month-ceiling=2GiB"]] {
            assert_eq!(taken(wrong), None, "{wrong:?}");
        }
    }

    #[test]
    fn keys_come_from_files_without_the_end_of_the_line() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("secret");
        std::fs::write(&file, "s+/=\n").unwrap();
        let keys = S3Keys { key_id: "k".to_owned(), secret_file: file, private_key_file: None };
        let keys = s3_keys(keys).ok().unwrap();
        assert_eq!(keys.0, json!({ "provider": "s3", "key_id": "k", "secret": "s+/=" }));
    }
}
