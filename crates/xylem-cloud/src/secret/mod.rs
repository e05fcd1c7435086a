//! The provider's keys: read once from the sealed text, never printed, written for sealing only.

mod check;

use std::fmt;

use serde::Deserialize;
use serde_json::{Value, json};

/// A text that is never printed and never serialised by accident.
#[derive(Clone, PartialEq, Eq, Deserialize)]
#[serde(transparent)]
pub struct Secret(String);

/// The keys of a point, by provider.
#[derive(Clone, PartialEq, Eq, Deserialize)]
#[serde(tag = "provider", rename_all = "lowercase")]
pub enum Secrets {
    /// Amazon S3 or what speaks its protocol.
    S3(S3Secrets),
    /// OpenStack Swift, Rackspace Cloud Files among it.
    Swift(SwiftSecrets),
    /// Akamai NetStorage.
    Akamai(AkamaiSecrets),
    /// A folder at the root, which takes none.
    Folder(FolderSecrets),
}

/// Keys of S3, and of CloudFront in front of it. There are no keys that last for hours: nobody
/// renews them, and their token would go to the root and to every client in clear.
#[derive(Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct S3Secrets {
    /// The access key's id.
    pub key_id: String,
    /// The secret access key.
    pub secret: Secret,
    /// The private key of CloudFront, PEM or base64 of DER.
    #[serde(default)]
    pub cloudfront_key: Option<Secret>,
}

/// Keys of Swift.
#[derive(Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SwiftSecrets {
    /// The user's password, the API key at Rackspace, or the application credential's secret.
    pub password: Secret,
    /// The TempURL key that we made: what URLs are signed with. None until it was set there.
    #[serde(default)]
    pub temp_url_key: Option<Secret>,
    /// The one before it: URLs that are out are signed with it.
    #[serde(default)]
    pub former_temp_url_key: Option<Secret>,
}

/// Keys of NetStorage, of the edge in front of it, and of purging.
#[derive(Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AkamaiSecrets {
    /// The upload account's key.
    pub key: Secret,
    /// The edge token's secret: hexadecimal digits, an even number of them.
    pub token_secret: Secret,
    /// What is mixed into the token and not sent.
    #[serde(default)]
    pub token_salt: Option<Secret>,
    /// An API client that may purge.
    #[serde(default)]
    pub edgegrid: Option<EdgeGridSecrets>,
}

/// Keys of a folder: none. What lets the root in is its account on its own machine.
#[derive(Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FolderSecrets {}

/// An API client of Akamai.
#[derive(Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EdgeGridSecrets {
    /// The host that was made for the client: `akab-….luna.akamaiapis.net`, with a port where it is
    /// not 443.
    pub host: String,
    /// The client's token.
    pub client_token: Secret,
    /// The client's secret.
    pub client_secret: Secret,
    /// The access token.
    pub access_token: Secret,
}

impl Secret {
    /// Takes a text.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The text itself, to be used and dropped.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl Secrets {
    /// The JSON that is sealed. Whoever calls this has the keys in clear and seals them at once.
    pub fn to_sealable_json(&self) -> String {
        let value = match self {
            Self::S3(keys) => json!({
                "provider": "s3",
                "key_id": keys.key_id,
                "secret": keys.secret.reveal(),
                "cloudfront_key": optional(keys.cloudfront_key.as_ref()),
            }),
            Self::Swift(keys) => json!({
                "provider": "swift",
                "password": keys.password.reveal(),
                "temp_url_key": optional(keys.temp_url_key.as_ref()),
                "former_temp_url_key": optional(keys.former_temp_url_key.as_ref()),
            }),
            Self::Akamai(keys) => json!({
                "provider": "akamai",
                "key": keys.key.reveal(),
                "token_secret": keys.token_secret.reveal(),
                "token_salt": optional(keys.token_salt.as_ref()),
                "edgegrid": keys.edgegrid.as_ref().map(|client| json!({
                    "host": client.host,
                    "client_token": client.client_token.reveal(),
                    "client_secret": client.client_secret.reveal(),
                    "access_token": client.access_token.reveal(),
                })),
            }),
            Self::Folder(FolderSecrets {}) => json!({ "provider": "folder" }),
        };
        value.to_string()
    }
}

fn optional(secret: Option<&Secret>) -> Value {
    secret.map_or(Value::Null, |secret| Value::String(secret.reveal().to_owned()))
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

impl fmt::Debug for Secrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::S3(_) => "Secrets(s3)",
            Self::Swift(_) => "Secrets(swift)",
            Self::Akamai(_) => "Secrets(akamai)",
            Self::Folder(_) => "Secrets(folder)",
        })
    }
}

macro_rules! kind_alone {
    ($($name:ident),+) => {$(
        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(concat!(stringify!($name), "(…)"))
            }
        }
    )+};
}

kind_alone!(S3Secrets, SwiftSecrets, AkamaiSecrets, EdgeGridSecrets, FolderSecrets);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_survive_sealing_and_are_never_printed() {
        let texts = [
            r#"{"provider":"s3","key_id":"planted","secret":"planted","cloudfront_key":"planted"}"#,
            r#"{"provider":"swift","password":"planted","temp_url_key":"planted",
               "former_temp_url_key":"planted"}"#,
            r#"{"provider":"akamai","key":"planted","token_secret":"planted","edgegrid":
               {"host":"planted","client_token":"planted","client_secret":"planted",
                "access_token":"planted"}}"#,
            r#"{"provider":"folder"}"#,
        ];
        for text in texts {
            let keys: Secrets = serde_json::from_str(text).unwrap();
            assert!(!format!("{keys:?}").contains("planted"));
            let again: Secrets = serde_json::from_str(&keys.to_sealable_json()).unwrap();
            assert!(again == keys);
            match keys {
                Secrets::S3(keys) => assert_eq!(format!("{keys:?}"), "S3Secrets(…)"),
                Secrets::Swift(keys) => assert_eq!(format!("{keys:?}"), "SwiftSecrets(…)"),
                Secrets::Akamai(keys) => assert_eq!(format!("{keys:?}"), "AkamaiSecrets(…)"),
                Secrets::Folder(keys) => assert_eq!(format!("{keys:?}"), "FolderSecrets(…)"),
            }
        }
    }

    #[test]
    fn keys_of_another_provider_are_refused() {
        for other in ["password", "session_token"] {
            let text = format!(r#"{{"provider":"s3","key_id":"k","secret":"s","{other}":"p"}}"#);
            let error = serde_json::from_str::<Secrets>(&text).unwrap_err().to_string();
            assert!(error.contains(other), "{error}");
        }
    }
}
