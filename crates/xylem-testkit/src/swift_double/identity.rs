//! Tokens: who gets one, and how long it is good for.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::{Value, json};
use xylem_model::Timestamp;

use super::{
    ACCOUNT, Answer, Asked, Refusal, SWIFT_CREDENTIAL, SWIFT_DOMAIN, SWIFT_PASSWORD, SWIFT_PROJECT,
    SWIFT_REGION, SWIFT_USER, State, SwiftFault, json_answer, locked, plain, refused, tell,
};

/// Tokens that were given, with their ends.
pub(super) struct Tokens {
    ends: BTreeMap<String, Timestamp>,
    pub(super) life_seconds: u64,
    /// How many were given.
    pub(super) given: usize,
}

impl Default for Tokens {
    fn default() -> Self {
        Self { ends: BTreeMap::new(), life_seconds: 86_400, given: 0 }
    }
}

impl Tokens {
    pub(super) fn forget(&mut self) {
        self.ends.clear();
    }

    fn give(&mut self, now: Timestamp) -> (String, Timestamp) {
        self.given += 1;
        let (token, ends) = (
            format!("token-{}-planted", self.given),
            now.plus(Duration::from_secs(self.life_seconds)),
        );
        self.ends.insert(token.clone(), ends);
        (token, ends)
    }
}

impl State {
    /// Refuses who shows no token that is good.
    pub(super) fn require_token(&self, asked: &Asked) -> Result<(), Refusal> {
        let shown = asked.header("x-auth-token").unwrap_or_default();
        let mut tokens = locked(&self.tokens);
        let is_good = tokens.ends.get(shown).is_some_and(|ends| *ends > self.now());
        if self.fault() == SwiftFault::TokensEnd {
            tokens.ends.remove(shown);
        }
        match is_good && self.fault() != SwiftFault::TokensRefused {
            true => Ok(()),
            false => Err(refused(401, "this server could not verify that you are authorized")),
        }
    }

    fn log_in(&self, is_right: bool) -> Result<(String, Timestamp), Refusal> {
        if !is_right || self.fault() == SwiftFault::LoginRefused {
            return Err(refused(401, "the credentials are not valid"));
        }
        Ok(locked(&self.tokens).give(self.now()))
    }

    pub(super) fn tempauth(&self, asked: &Asked) -> Answer {
        let (user, key) = (asked.header("x-auth-user"), asked.header("x-auth-key"));
        let (token, _) = self.log_in((user, key) == (Some(SWIFT_USER), Some(SWIFT_PASSWORD)))?;
        let life = locked(&self.tokens).life_seconds.to_string();
        let mut response = plain(200, "");
        tell(&mut response, "x-auth-token", &token);
        tell(&mut response, "x-storage-url", &self.url(&format!("/v1/{ACCOUNT}")));
        tell(&mut response, "x-auth-token-expires", &life);
        Ok(response)
    }

    /// Keystone 3: the two forms that we know, to the letter.
    pub(super) fn keystone(&self, asked: &Asked) -> Answer {
        let body: Value =
            serde_json::from_slice(&asked.body).map_err(|_| refused(400, "it is no JSON"))?;
        let domain = json!({ "name": SWIFT_DOMAIN });
        let password = json!({ "auth": {
            "identity": {
                "methods": ["password"],
                "password": { "user": {
                    "name": SWIFT_USER, "domain": domain, "password": SWIFT_PASSWORD } },
            },
            "scope": { "project": { "name": SWIFT_PROJECT, "domain": domain } },
        } });
        let application = json!({ "auth": { "identity": {
            "methods": ["application_credential"],
            "application_credential": { "id": SWIFT_CREDENTIAL, "secret": SWIFT_PASSWORD },
        } } });
        let (token, ends) = self.log_in(body == password || body == application)?;
        let endpoint = |region: &str, interface: &str, url: String| json!({ "region": region, "region_id": region, "interface": interface, "url": url });
        let catalog = json!([
            { "type": "identity", "name": "keystone",
              "endpoints": [endpoint(SWIFT_REGION, "public", self.url("/identity"))] },
            { "type": "object-store", "name": "swift", "endpoints": [
                endpoint(SWIFT_REGION, "internal", "http://10.0.0.1/v1/internal".to_owned()),
                endpoint("elsewhere", "public", self.url("/v1/AUTH_elsewhere")),
                endpoint(SWIFT_REGION, "public", self.url(&format!("/v1/{ACCOUNT}"))),
            ] },
        ]);
        let told = json!({ "token": { "expires_at": ends.to_string(), "catalog": catalog } });
        let mut response = json_answer(201, &told);
        tell(&mut response, "x-subject-token", &token);
        Ok(response)
    }

    /// Identity 2.0, with an API key; both catalogues have two regions.
    pub(super) fn rackspace(&self, asked: &Asked) -> Answer {
        let body: Value =
            serde_json::from_slice(&asked.body).map_err(|_| refused(400, "it is no JSON"))?;
        let right = json!({ "auth": { "RAX-KSKEY:apiKeyCredentials": {
            "username": SWIFT_USER, "apiKey": SWIFT_PASSWORD } } });
        let (token, ends) = self.log_in(body == right)?;
        let endpoints = |path: &str| {
            json!([
                { "region": "DFW", "publicURL": self.url(&format!("{path}/AUTH_elsewhere")) },
                { "region": SWIFT_REGION, "publicURL": self.url(&format!("{path}/{ACCOUNT}")) },
            ])
        };
        let told = json!({ "access": {
            "token": { "id": token, "expires": ends.to_string(), "tenant": { "id": ACCOUNT } },
            "serviceCatalog": [
                { "name": "cloudFilesCDN", "type": "rax:object-cdn", "endpoints": endpoints("/cdn/v1") },
                { "name": "cloudFiles", "type": "object-store", "endpoints": endpoints("/v1") },
            ],
        } });
        Ok(json_answer(200, &told))
    }
}
