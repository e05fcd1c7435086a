//! Whether keys fit where protocols put them.

use super::{AkamaiSecrets, S3Secrets, Secret, Secrets};
use crate::akamai::EdgeTokenError;
use crate::cloudfront::CloudFrontKey;
use crate::endpoint::Endpoint;
use crate::settings::SettingsError;

/// Longest key that is taken, bytes: private keys have limits of their own.
const MAX_SECRET_BYTES: usize = 4096;

impl Secrets {
    /// Checks what a type alone cannot: that keys fit where protocols put them, and that those
    /// which have a form have it.
    ///
    /// # Errors
    /// The first key that cannot be used, by its name and never by its text.
    pub fn check(&self) -> Result<(), SettingsError> {
        match self {
            Self::S3(keys) => keys.check(),
            // Whether a password goes into a header depends on the settings, which check it there.
            Self::Swift(keys) => {
                text("password", &keys.password)?;
                let ours = [&keys.temp_url_key, &keys.former_temp_url_key];
                ours.into_iter().flatten().try_for_each(|key| visible("temp_url_key", key))
            }
            Self::Akamai(keys) => keys.check(),
            Self::Folder(_) => Ok(()),
        }
    }
}

impl S3Secrets {
    fn check(&self) -> Result<(), SettingsError> {
        // The id stands in a list that these two characters part.
        let plain = |byte: u8| byte.is_ascii_graphic() && !matches!(byte, b'/' | b',');
        if !(1..=128).contains(&self.key_id.len()) || !self.key_id.bytes().all(plain) {
            return Err(unusable("key_id", "give the access key's id"));
        }
        text("secret", &self.secret)?;
        match &self.cloudfront_key {
            Some(key) => CloudFrontKey::parse(key.reveal())
                .map(drop)
                .map_err(|error| unusable("cloudfront_key", &error.to_string())),
            None => Ok(()),
        }
    }
}

impl AkamaiSecrets {
    fn check(&self) -> Result<(), SettingsError> {
        text("key", &self.key)?;
        if self.token_secret.reveal().is_empty() || hex::decode(self.token_secret.reveal()).is_err()
        {
            return Err(unusable("token_secret", &EdgeTokenError.to_string()));
        }
        if let Some(salt) = &self.token_salt {
            // An empty one is signed by some and left out by others.
            text("token_salt", salt)?;
        }
        let Some(client) = &self.edgegrid else { return Ok(()) };
        let host = Endpoint::parse(&format!("https://{}", client.host));
        if host.is_err() || client.host.contains('/') {
            return Err(unusable("edgegrid", "its host is no host"));
        }
        visible("edgegrid", &client.client_token)?;
        visible("edgegrid", &client.access_token)?;
        text("edgegrid", &client.client_secret)
    }
}

fn unusable(field: &'static str, why: &str) -> SettingsError {
    SettingsError { field, why: why.to_owned() }
}

/// What is only signed with.
fn text(field: &'static str, secret: &Secret) -> Result<(), SettingsError> {
    let text = secret.reveal();
    if text.is_empty() || text.len() > MAX_SECRET_BYTES || text.chars().any(char::is_control) {
        return Err(unusable(field, "give 1 to 4,096 bytes without control characters"));
    }
    Ok(())
}

/// What is sent in a header.
fn visible(field: &'static str, secret: &Secret) -> Result<(), SettingsError> {
    text(field, secret)?;
    if !secret.reveal().bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(unusable(field, "give it as it was shown, without blanks"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_that_fit_nowhere_are_refused_without_being_repeated() {
        let good = [
            r#"{"provider":"s3","key_id":"a:b","secret":"s+/="}"#,
            r#"{"provider":"swift","password":"p w é"}"#,
            r#"{"provider":"akamai","key":"k","token_secret":"aabb"}"#,
        ];
        for text in good {
            let keys: Secrets = serde_json::from_str(text).unwrap();
            assert_eq!(keys.check(), Ok(()), "{text}");
        }
        let wrong = [
            (r#"{"provider":"s3","key_id":"plan/ted","secret":"s"}"#, "key_id"),
            (r#"{"provider":"s3","key_id":"","secret":"s"}"#, "key_id"),
            (r#"{"provider":"s3","key_id":"k","secret":""}"#, "secret"),
            (
                r#"{"provider":"s3","key_id":"k","secret":"s","cloudfront_key":"planted"}"#,
                "cloudfront",
            ),
            (r#"{"provider":"swift","password":"plan\nted"}"#, "password"),
            (r#"{"provider":"swift","password":"p","temp_url_key":"plan\r\nted"}"#, "temp_url_key"),
            (r#"{"provider":"swift","password":"p","temp_url_key":"planté"}"#, "temp_url_key"),
            (
                r#"{"provider":"akamai","key":"k","token_secret":"aa","token_salt":""}"#,
                "token_salt",
            ),
            (
                r#"{"provider":"akamai","key":"k","token_secret":"aa","token_salt":"plan\nted"}"#,
                "token_salt",
            ),
            (r#"{"provider":"akamai","key":"k","token_secret":"planted"}"#, "token_secret"),
            (r#"{"provider":"akamai","key":"k","token_secret":""}"#, "token_secret"),
            (
                r#"{"provider":"akamai","key":"k","token_secret":"aa","edgegrid":{"host":"plan/ted",
                "client_token":"t","client_secret":"s","access_token":"t"}}"#,
                "edgegrid",
            ),
        ];
        for (text, field) in wrong {
            let keys: Secrets = serde_json::from_str(text).unwrap();
            let error = keys.check().unwrap_err().to_string();
            assert!(error.contains(field) && !error.contains("plan"), "{error}");
        }
    }
}
