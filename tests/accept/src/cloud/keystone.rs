//! Keystone 3, by a double in front of a real Swift: Debian's own wants a database and a web server. It
//! is proven by `python-keystoneclient` first ([`proof`]), and refuses whatever is not as that asks.
//!
//! Its catalogue has two regions. Both lead to the same Swift; the point is set in the second one, and
//! whoever goes to the first one is refused there. Swift behind it knows tempauth alone, so a good token
//! is put in the place of another; what a TempURL asks for passes as it is.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use serde::Deserialize;
use serde_json::{Value, json};
use xylem_bench::debian::{self, Tool};

use super::authority::{Authority, HOST};
use super::bucket::{Names, Object};
use super::front::{Asked, Desk, Does, Front, Reply};
use super::ground::{path, secret_file};
use super::store::Store;
use super::swift::{Swift, python, swift_words};
use super::tokens::{TOKEN_LIFE, Tokens, now};
use super::tools::{Tools, ask};
use crate::pair::stage;

/// Where a file shows that OpenStack's own client is there: it has no program.
const CLIENT: &[Tool] = &[Tool::new(
    "/usr/lib/python3/dist-packages/keystoneclient/__init__.py",
    "python3-keystoneclient",
)];

/// What runs with that client.
const SCRIPT: &str = include_str!("keystone.py");

/// The user, the project, and the domains of each.
const USER: &str = "xylem";
const USER_DOMAIN: &str = "People";
const PROJECT: &str = "macs";
const PROJECT_DOMAIN: &str = "Default";
const PASSWORD: &str = "acceptance \"pass\" w\u{f6}rd";
/// The application credential.
const CREDENTIAL: &str = "6fd1ab6d4e1f4f2c9d1b7f0a6a1e2c34";
const CREDENTIAL_SECRET: &str = "acceptance-secret-of-the-credential";

/// The region that is used, and the other one.
const REGION: &str = "two";
const OTHER_REGION: &str = "one";

/// How long a token of the proof is good for.
const SHORT_LIFE: Duration = Duration::from_secs(10);

/// How a token is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Login {
    Password,
    Application,
}

/// A Swift whose tokens come from Keystone.
pub(super) struct Keystone {
    swift: Swift,
    front: Front,
    authority: Authority,
    desk: Arc<Identity>,
    login: Login,
}

impl Keystone {
    /// Puts it in front of a Swift.
    pub(super) fn before(
        swift: Swift,
        authority: &Authority,
        login: Login,
    ) -> anyhow::Result<Self> {
        let tokens = Tokens::before(&swift, TOKEN_LIFE, true)?;
        Self::with(swift, authority, login, tokens)
    }

    fn with(
        swift: Swift,
        authority: &Authority,
        login: Login,
        tokens: Tokens,
    ) -> anyhow::Result<Self> {
        let desk = Arc::new(Identity { tokens });
        let front = Front::open(authority, swift.plain_port, &desk)?;
        Ok(Self { swift, front, authority: authority.clone(), desk, login })
    }

    fn auth_url(port: u16) -> String {
        format!("https://{HOST}:{port}/identity/v3")
    }
}

impl Store for Keystone {
    fn provider(&self) -> &'static str {
        match self.login {
            Login::Password => "keystone",
            Login::Application => "keystone-application",
        }
    }

    fn port(&self) -> u16 {
        self.front.port
    }

    fn set_words(&self, folder: &Path, port: u16) -> anyhow::Result<Vec<String>> {
        let (login, secret) = match self.login {
            Login::Password => {
                let whose = ["--user", USER, "--user-domain", USER_DOMAIN, "--project", PROJECT];
                let more = ["--project-domain", PROJECT_DOMAIN];
                ([&["--auth", "keystone3-password"], &whose[..], &more].concat(), PASSWORD)
            }
            Login::Application => {
                let words = ["--auth", "keystone3-application", "--credential-id", CREDENTIAL];
                (words.to_vec(), CREDENTIAL_SECRET)
            }
        };
        let login = [&login[..], &["--region", REGION]].concat();
        let secret = secret_file(folder, "keystone", secret)?;
        swift_words(&login, &Self::auth_url(port), &secret, &self.authority)
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
        self.desk.tokens.were_renewed()
    }
}

/// What the double knows and decides.
struct Identity {
    tokens: Tokens,
}

impl Desk for Identity {
    fn reads(&self, asked: &Asked) -> bool {
        asked.path().starts_with("/identity/")
    }

    fn decide(&self, asked: &Asked) -> Does {
        if asked.path() == "/identity/v3/auth/tokens" {
            return Does::Answer(match asked.method.as_str() {
                "POST" => self.log_in(asked),
                "GET" => self.tell(asked),
                _ => refused(405, "The method is not allowed for the requested URL."),
            });
        }
        if asked.path() == "/info" {
            return Does::Pass { target: asked.target.clone(), token: None };
        }
        match asked.target.strip_prefix(&format!("/{REGION}")) {
            Some(target) if target.starts_with("/v1/") => {
                self.tokens.storage(asked, target.to_owned())
            }
            _ if asked.target.starts_with(&format!("/{OTHER_REGION}/v1/")) => {
                Does::Answer(Reply::text(403, "nothing of yours is in this region"))
            }
            _ => Does::Answer(refused(404, "Could not find what was asked for.")),
        }
    }
}

impl Identity {
    /// Gives a token to who asks for it as the Identity API says, to the letter.
    fn log_in(&self, asked: &Asked) -> Reply {
        if asked.header("content-type") != Some("application/json") {
            return refused(415, "The body is not said to be JSON.");
        }
        let Some(body) = asked.json() else { return refused(400, "The body is no JSON.") };
        if let Err(why) = check(&body) {
            return refused(401, why);
        }
        let method = body.pointer("/auth/identity/methods/0").cloned().unwrap_or_default();
        let (token, ends) = self.tokens.give();
        let told = self.token(asked, &ends.to_string(), &json!([method]));
        Reply::json(201, &told).with("x-subject-token", &token)
    }

    /// Tells of a token that is good, to who has one.
    fn tell(&self, asked: &Asked) -> Reply {
        if !self.tokens.lets_in(asked) {
            return refused(401, "The request you have made requires authentication.");
        }
        let subject = asked.header("x-subject-token").unwrap_or_default();
        match self.tokens.end_of(subject) {
            Some(ends) => {
                Reply::json(200, &self.token(asked, &ends.to_string(), &json!(["token"])))
                    .with("x-subject-token", subject)
            }
            None => refused(404, "Could not find token."),
        }
    }

    fn token(&self, asked: &Asked, ends: &str, methods: &Value) -> Value {
        let base = format!("https://{}", asked.host());
        let endpoint = |region: &str, interface: &str, url: String| {
            let id = format!("{region}-{interface}");
            json!({ "id": id, "interface": interface, "url": url,
                    "region": region, "region_id": region })
        };
        let storage = |region: &str| {
            [
                // What is not public is never to be asked.
                endpoint(region, "internal", "https://internal.invalid/v1/AUTH_casper".to_owned()),
                endpoint(region, "public", format!("{base}/{region}/v1/AUTH_casper")),
            ]
        };
        let storages = [storage(OTHER_REGION), storage(REGION)].concat();
        let identity = [endpoint(REGION, "public", format!("{base}/identity/v3"))];
        let domain = |name: &str| json!({ "id": name.to_lowercase(), "name": name });
        json!({ "token": {
            "methods": methods,
            "user": { "id": "u1", "name": USER, "domain": domain(USER_DOMAIN) },
            "project": { "id": "p1", "name": PROJECT, "domain": domain(PROJECT_DOMAIN) },
            "roles": [{ "id": "r1", "name": "member" }],
            "audit_ids": ["3T2dc1CGQxyJsHdDu1xkcw"],
            "issued_at": now().to_string(),
            "expires_at": ends,
            "catalog": [
                { "id": "s1", "type": "identity", "name": "keystone", "endpoints": identity },
                { "id": "s2", "type": "object-store", "name": "swift", "endpoints": storages },
            ],
        } })
    }
}

/// Whether a body asks for a token rightly, or why not.
fn check(body: &Value) -> Result<(), &'static str> {
    let password = |word: &str| {
        json!({ "auth": {
            "identity": { "methods": ["password"], "password": { "user": {
                "name": USER, "domain": { "name": USER_DOMAIN }, "password": word,
            } } },
            "scope": { "project": { "name": PROJECT, "domain": { "name": PROJECT_DOMAIN } } },
        } })
    };
    let application = json!({ "auth": { "identity": {
        "methods": ["application_credential"],
        "application_credential": { "id": CREDENTIAL, "secret": CREDENTIAL_SECRET },
    } } });
    if *body == password(PASSWORD) || *body == application {
        return Ok(());
    }
    let at = |place: &str| body.pointer(place).and_then(Value::as_str);
    let method = at("/auth/identity/methods/0");
    Err(match method {
        Some("application_credential")
            if at("/auth/identity/application_credential/id") == Some(CREDENTIAL) =>
        {
            "The application credential has another secret."
        }
        Some("application_credential") => "There is no such application credential.",
        Some("password") => {
            let word = at("/auth/identity/password/user/password").unwrap_or_default();
            match *body == password(word) {
                true => "The user has another password.",
                false => "There is no such user or project in such a domain, or no scope is named.",
            }
        }
        _ => "There is no such method.",
    })
}

/// A refusal as Keystone words it.
fn refused(code: u16, why: &str) -> Reply {
    let title = if code == 401 { "Unauthorized" } else { "Error" };
    let told = json!({ "error": { "code": code, "message": why, "title": title } });
    let reply = Reply::json(code, &told);
    if code == 401 {
        reply.with("www-authenticate", "Keystone uri=\"https://localhost\"")
    } else {
        reply
    }
}

/// What the client did.
#[derive(Debug, Deserialize)]
struct Proved {
    tokens: u32,
    refusals: u32,
    regions: u32,
}

/// OpenStack's own client gets tokens and finds the storage of both regions, and is refused what is to
/// be refused: by the double, and at the Swift behind it.
pub(super) fn proof() -> anyhow::Result<()> {
    debian::require(CLIENT)?;
    stage(async |scratch| {
        let (tools, folder) = (Tools::require()?, scratch.path());
        let authority = Authority::make(&folder.join("authority"))?;
        let swift = Swift::start(&tools, &folder.join("store"), &authority, 0).await?;
        let tokens = Tokens::before(&swift, SHORT_LIFE, false)?;
        let double = Keystone::with(swift, &authority, Login::Password, tokens)?;
        let settings = [
            ("CA", path(&authority.ca)?.to_owned()),
            ("AUTH_URL", Keystone::auth_url(double.front.port)),
            ("USERNAME", USER.to_owned()),
            ("USER_DOMAIN", USER_DOMAIN.to_owned()),
            ("PROJECT", PROJECT.to_owned()),
            ("PROJECT_DOMAIN", PROJECT_DOMAIN.to_owned()),
            ("PASSWORD", PASSWORD.to_owned()),
            ("CREDENTIAL", CREDENTIAL.to_owned()),
            ("CREDENTIAL_SECRET", CREDENTIAL_SECRET.to_owned()),
            ("LIFE_SECONDS", SHORT_LIFE.as_secs().to_string()),
        ];
        let proved: Proved = ask(python(), SCRIPT, &settings, &[]).context("keystoneclient")?;
        let Proved { tokens, refusals, regions } = proved;
        println!("CLOUD keystone-double tokens={tokens} refusals={refusals} regions={regions}");
        ensure!(tokens >= 2 && refusals >= 8 && regions == 2, "{proved:?}");
        Ok(())
    })
}
