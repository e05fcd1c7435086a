//! Which management server is meant, and with what token.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use xylem_client::enroll::{Anchor, resolve_anchor};
use xylem_client::{AdminClient, BaseUrl, Transport};
use xylem_pki::{TrustAnchors, client_config};
use xylem_runtime::{Environment, RealFs, replace_private_file};

use crate::Failure;
use crate::cli::{AccessOptions, LoginOptions};
use crate::output::Output;

/// What `xylem login` remembers.
#[derive(Debug, Serialize, Deserialize)]
struct Login {
    server: String,
    token: String,
    ca_pem: String,
}

/// A way to the management server, and to distribution servers as somebody without certificate.
#[derive(Clone)]
pub struct Access {
    /// The management server's API.
    pub admin: AdminClient,
    /// Connections that show no certificate.
    pub transport: Transport,
}

impl Access {
    /// Resolves options, environment and the remembered login, in that order.
    pub(crate) fn resolve(options: &AccessOptions) -> Result<Self, Failure> {
        let remembered = remembered()?;
        let server = options
            .server_url
            .clone()
            .or_else(|| remembered.as_ref().map(|login| login.server.clone()))
            .ok_or_else(|| {
                Failure::configuration(
                    "no management server is named: set XYLEM_SERVER, or use `xylem login URL`",
                )
            })?;
        let token = match (&options.token, &options.token_file) {
            (Some(token), _) => token.clone(),
            (None, Some(file)) => read_text(file, "the API token")?,
            (None, None) => {
                remembered.as_ref().map(|login| login.token.clone()).ok_or_else(|| {
                    Failure::configuration(
                        "no API token: set XYLEM_TOKEN or XYLEM_TOKEN_FILE, or use `xylem login URL`",
                    )
                })?
            }
        };
        let anchors = match &options.ca_file {
            Some(file) => TrustAnchors::read(&RealFs, file).map_err(configuration)?,
            None => {
                let login = remembered.as_ref().ok_or_else(|| {
                    Failure::configuration(
                        "no root certificate to recognise the server by: set XYLEM_CA to its \
                         ca.pem, or use `xylem login URL`",
                    )
                })?;
                TrustAnchors::from_pem(login.ca_pem.as_bytes()).map_err(configuration)?
            }
        };
        Self::new(&server, token.trim(), &anchors)
    }

    /// Access with everything at hand.
    ///
    /// # Errors
    /// When the address or the token cannot be used.
    pub fn new(server: &str, token: &str, anchors: &TrustAnchors) -> Result<Self, Failure> {
        let server: BaseUrl = server.parse().map_err(configuration)?;
        let environment = Environment::real();
        let tls = client_config(anchors, None, environment.clock.clone())?;
        let transport = Transport::new(environment, tls);
        let admin = AdminClient::new(transport.clone(), server, token).map_err(configuration)?;
        Ok(Self { admin, transport })
    }
}

/// `xylem login`: tries the token, then remembers it in the user's configuration folder.
pub(crate) async fn login(options: &LoginOptions, output: &Output) -> Result<(), Failure> {
    let server: BaseUrl = options.url.parse().map_err(configuration)?;
    let anchor = anchor(options.ca.as_deref(), options.fingerprint.as_deref())?;
    let anchors = resolve_anchor(&Environment::real(), &server, anchor).await?;
    let token = read_text(&options.token_file, "the API token")?;
    let access = Access::new(&options.url, token.trim(), &anchors)?;
    let status = access.admin.status().await?;

    let login = Login {
        server: options.url.clone(),
        token: token.trim().to_owned(),
        ca_pem: anchors.to_pem(),
    };
    let path = remember(&login)?;
    output.say(&format!(
        "Logged in to {} ({}); remembered in {}.",
        status.organization,
        server,
        path.display()
    ))
}

/// Remembers the root certificates of a server that are believed now, where a login to it is
/// remembered.
pub(crate) fn refresh_login(server: &BaseUrl, ca_pem: &str) -> Result<(), Failure> {
    let is_its = |login: &Login| login.server.parse().is_ok_and(|known: BaseUrl| known == *server);
    match remembered()? {
        Some(login) if is_its(&login) && login.ca_pem != ca_pem => {
            remember(&Login { ca_pem: ca_pem.to_owned(), ..login }).map(drop)
        }
        _ => Ok(()),
    }
}

fn remember(login: &Login) -> Result<PathBuf, Failure> {
    let path = login_path()?;
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder)?;
    }
    replace_private_file(&RealFs, &path, toml::to_string(login)?.as_bytes())?;
    Ok(path)
}

/// How a management server is recognised: by a file or by a fingerprint.
pub(crate) fn anchor(ca: Option<&Path>, fingerprint: Option<&str>) -> Result<Anchor, Failure> {
    match (ca, fingerprint) {
        (Some(file), _) => {
            Ok(Anchor::Certificates(TrustAnchors::read(&RealFs, file).map_err(configuration)?))
        }
        (None, Some(text)) => Ok(Anchor::Fingerprint(text.parse().map_err(configuration)?)),
        (None, None) => Err(Failure::configuration("give --ca FILE or --fingerprint SHA256")),
    }
}

/// An error that is the fault of a setting.
pub(crate) fn configuration(error: impl Into<anyhow::Error>) -> Failure {
    Failure::Configuration(error.into())
}

fn remembered() -> Result<Option<Login>, Failure> {
    let Ok(path) = login_path() else { return Ok(None) };
    match std::fs::read_to_string(&path) {
        Ok(text) => match toml::from_str(&text) {
            Ok(login) => Ok(Some(login)),
            Err(error) => Err(Failure::configuration(format!(
                "{} is damaged ({}): use `xylem login URL` again",
                path.display(),
                error.message()
            ))),
        },
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => {
            Err(Failure::configuration(format!("cannot read {}: {error}", path.display())))
        }
    }
}

/// `$XDG_CONFIG_HOME/xylem/login.toml`, or below `~/.config` (XDG base directory specification).
fn login_path() -> Result<PathBuf, Failure> {
    let absolute = |name: &str| {
        std::env::var_os(name).map(PathBuf::from).filter(|folder| folder.is_absolute())
    };
    absolute("XDG_CONFIG_HOME")
        .or_else(|| absolute("HOME").map(|home| home.join(".config")))
        .map(|folder| folder.join("xylem/login.toml"))
        .ok_or_else(|| Failure::configuration("neither HOME nor XDG_CONFIG_HOME is set"))
}

fn read_text(path: &Path, what: &str) -> Result<String, Failure> {
    std::fs::read_to_string(path).map_err(|error| {
        Failure::configuration(format!("cannot read {what} from {}: {error}", path.display()))
    })
}
