//! Rackspace Cloud Files, by a double in front of a real Swift: Identity 2.0, two regions with catalogues
//! of storage and of the delivery network ([`super::rackspace_cdn`]). It is proven by requests as
//! Rackspace's guides print them ([`proof`]): there is no server to be had, and no client any more that
//! is still looked after.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use serde::Deserialize;
use serde_json::{Value, json};

use super::authority::{Authority, HOST};
use super::bucket::{Names, Object};
use super::front::{Asked, Desk, Does, Front, Reply};
use super::ground::{PREFIX, path, secret_file};
use super::rackspace_cdn::{Cdn, PUBLIC};
use super::store::Store;
use super::swift::{CONTAINER, Swift, python};
use super::tokens::{TOKEN_LIFE, Tokens};
use super::tools::{Tools, ask};
use crate::pair::stage;

/// What asks as the guides print it.
const SCRIPT: &str = include_str!("rackspace.py");

/// The user and its API key.
const USER: &str = "xylem.macs";
const API_KEY: &str = "a00000a000a0000000a000a00aaa0a0a";

/// The region that is used, and the other one.
const REGION: &str = "ORD";
const OTHER_REGION: &str = "DFW";

/// How long a token of the proof is good for, and a second of what caches keep.
const SHORT_LIFE: Duration = Duration::from_secs(60);
const SHORT_SECOND: Duration = Duration::from_millis(4);

/// A Swift that is Rackspace's.
pub(super) struct Rackspace {
    swift: Swift,
    front: Front,
    authority: Authority,
    desk: Arc<Cloud>,
}

impl Rackspace {
    /// Puts it in front of a Swift.
    pub(super) fn before(swift: Swift, authority: &Authority) -> anyhow::Result<Self> {
        let tokens = Tokens::before(&swift, TOKEN_LIFE, true)?;
        Self::with(swift, authority, tokens, Duration::from_secs(1))
    }

    fn with(
        swift: Swift,
        authority: &Authority,
        tokens: Tokens,
        second: Duration,
    ) -> anyhow::Result<Self> {
        let cdn = Cdn::before(swift.plain_port, second);
        let desk = Arc::new(Cloud { tokens, cdn });
        let front = Front::open(authority, swift.plain_port, &desk)?;
        Ok(Self { swift, front, authority: authority.clone(), desk })
    }
}

impl Store for Rackspace {
    fn provider(&self) -> &'static str {
        "rackspace"
    }

    fn port(&self) -> u16 {
        self.front.port
    }

    fn set_words(&self, folder: &Path, port: u16) -> anyhow::Result<Vec<String>> {
        let (auth_url, key) =
            (format!("https://{HOST}:{port}"), secret_file(folder, "rackspace", API_KEY)?);
        let place = ["--auth-url", &auth_url, "--user", USER, "--region", REGION];
        let below = ["--container", CONTAINER, "--prefix", PREFIX, "--public", "--ttl", "1h"];
        let keys = ["--api-key-file", &key, "--ca", path(&self.authority.ca)?];
        let words = [&["set", "rackspace"], &place[..], &below, &keys].concat();
        Ok(words.into_iter().map(str::to_owned).collect())
    }

    fn names(&self) -> anyhow::Result<Names> {
        self.swift.names()
    }

    fn read_all(&self) -> anyhow::Result<Vec<Object>> {
        self.swift.read_all()
    }

    fn read(&self, key: &str) -> anyhow::Result<Object> {
        self.swift.read(key)
    }

    fn lived(&self) -> anyhow::Result<()> {
        self.desk.tokens.were_renewed()?;
        ensure!(self.desk.cdn.given() > 0, "nobody fetched anything from the delivery network");
        Ok(())
    }
}

/// What the double knows and decides.
struct Cloud {
    tokens: Tokens,
    cdn: Cdn,
}

impl Desk for Cloud {
    fn reads(&self, asked: &Asked) -> bool {
        asked.path() == "/v2.0/tokens"
    }

    fn decide(&self, asked: &Asked) -> Does {
        if asked.path() == "/v2.0/tokens" {
            return Does::Answer(match asked.method.as_str() {
                "POST" => self.log_in(asked),
                _ => refused(405, "badMethod", "The method is not allowed."),
            });
        }
        if asked.path() == "/info" {
            return Does::Pass { target: asked.target.clone(), token: None };
        }
        if let Some(rest) = asked.target.strip_prefix(PUBLIC) {
            return self.cdn.give_out(asked, rest, self.tokens.behind());
        }
        if let Some(rest) = below(&asked.target, "cdn", REGION) {
            if !self.tokens.lets_in(asked) {
                return Does::Answer(Reply::text(401, "the token is not good, or not any more"));
            }
            return Does::Answer(self.cdn.manage(asked, rest));
        }
        match below(&asked.target, "storage", REGION) {
            Some(rest) => self.tokens.storage(asked, format!("/v1/{rest}")),
            None => Does::Answer(Reply::text(404, "nothing of yours is here")),
        }
    }
}

impl Cloud {
    /// Gives a token to who asks for it as Identity 2.0 says, to the letter.
    fn log_in(&self, asked: &Asked) -> Reply {
        if asked.header("content-type") != Some("application/json") {
            return refused(415, "unsupportedMediaType", "The body is not said to be JSON.");
        }
        let Some(body) = asked.json() else {
            return refused(400, "badRequest", "The body is no JSON.");
        };
        let credentials = json!({ "username": USER, "apiKey": API_KEY });
        if body != json!({ "auth": { "RAX-KSKEY:apiKeyCredentials": credentials } }) {
            let why = "Unable to authenticate user with credentials provided.";
            return refused(401, "unauthorized", why);
        }
        let (token, ends) = self.tokens.give();
        let (ends, tenant) = (ends.to_string(), "MossoCloudFS_casper");
        let endpoints = |kind: &str| {
            let one = |region: &str| {
                let url = format!("https://{}/{kind}/{region}/v1/AUTH_casper", asked.host());
                json!({ "region": region, "tenantId": tenant, "publicURL": url,
                        "internalURL": "https://snet.invalid/v1/AUTH_casper" })
            };
            json!([one(OTHER_REGION), one(REGION)])
        };
        let told = json!({ "access": {
            "token": { "id": token, "expires": ends, "tenant": { "id": tenant, "name": tenant } },
            "serviceCatalog": [
                { "name": "cloudFilesCDN", "type": "rax:object-cdn", "endpoints": endpoints("cdn") },
                { "name": "cloudFiles", "type": "object-store", "endpoints": endpoints("storage") },
            ],
            "user": { "id": "161418", "name": USER, "roles": [],
                      "RAX-AUTH:defaultRegion": OTHER_REGION },
        } });
        Reply::json(200, &told)
    }
}

/// What comes after the version at the address of a kind of service in a region.
fn below<'a>(target: &'a str, kind: &str, region: &str) -> Option<&'a str> {
    target.strip_prefix(&format!("/{kind}/{region}/v1/"))
}

/// A refusal as Identity 2.0 words it.
fn refused(code: u16, name: &str, why: &str) -> Reply {
    let told: Value = json!({ name: { "code": code, "message": why } });
    Reply::json(code, &told)
}

/// What was asked.
#[derive(Debug, Deserialize)]
struct Proved {
    golden: u32,
    refusals: u32,
}

/// The double does what the guides say with each of their requests, and refuses what is to be refused.
pub(super) fn proof() -> anyhow::Result<()> {
    stage(async |scratch| {
        let (tools, folder) = (Tools::require()?, scratch.path());
        let authority = Authority::make(&folder.join("authority"))?;
        let swift = Swift::start(&tools, &folder.join("store"), &authority, 0).await?;
        let tokens = Tokens::before(&swift, SHORT_LIFE, false)?;
        let double = Rackspace::with(swift, &authority, tokens, SHORT_SECOND)?;
        let settings = [
            ("CA", path(&authority.ca)?.to_owned()),
            ("AUTH_URL", format!("https://{HOST}:{}", double.front.port)),
            ("USERNAME", USER.to_owned()),
            ("API_KEY", API_KEY.to_owned()),
            ("REGION", REGION.to_owned()),
            ("OTHER_REGION", OTHER_REGION.to_owned()),
            ("CONTAINER", CONTAINER.to_owned()),
            ("SECOND", SHORT_SECOND.as_secs_f64().to_string()),
        ];
        let proved: Proved =
            ask(python(), SCRIPT, &settings, &[]).context("the requests of Rackspace's guides")?;
        let Proved { golden, refusals } = proved;
        println!("CLOUD rackspace-double golden={golden} refusals={refusals}");
        ensure!(golden >= 10 && refusals >= 8, "{proved:?}");
        Ok(())
    })
}
