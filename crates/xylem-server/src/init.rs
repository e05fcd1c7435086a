//! Setting up a management server.

use std::path::Path;
use std::sync::Arc;

use xylem_api::server::{NewToken, Scope};
use xylem_ca::Authority;
use xylem_db::{Actor, Database, Organization};
use xylem_model::TokenId;
use xylem_pki::Fingerprint;
use xylem_runtime::{Environment, read_bounded, replace_file, replace_private_file};

use crate::api;
use crate::config::{DatabaseAddress, ServerConfig};
use crate::folder::{CA_FILE, DataFolder};
use crate::{ServerError, trust};

/// Bytes of a file that holds a database address.
const MAX_URL_FILE_BYTES: u64 = 4096;

/// What a new server's administrator needs.
#[derive(Debug)]
pub struct Initialized {
    /// The first API token, with every right. Kept nowhere else.
    pub admin_token: String,
    /// The root certificate in PEM.
    pub ca_pem: String,
    /// SHA-256 of the root certificate in DER.
    pub ca_fingerprint: Fingerprint,
}

impl Initialized {
    /// Writes `ca.pem` and, for its owner only, `admin.token` into a folder.
    ///
    /// # Errors
    /// When the files cannot be written.
    pub async fn save(&self, environment: &Environment, folder: &Path) -> Result<(), ServerError> {
        let (ca, token) = (folder.join(CA_FILE), folder.join("admin.token"));
        let (ca_pem, admin_token) = (self.ca_pem.clone(), format!("{}\n", self.admin_token));
        let writing = environment.disk.run(move |fs| {
            replace_file(fs, &ca, ca_pem.as_bytes()).map_err(|e| ServerError::writing(&ca, e))?;
            replace_private_file(fs, &token, admin_token.as_bytes())
                .map_err(|e| ServerError::writing(&token, e))
        });
        writing.await
    }
}

/// Whether the data folder holds a management server.
///
/// # Errors
/// When it cannot be looked into, or was written by a newer version.
pub async fn is_initialized(
    environment: &Environment,
    config: &ServerConfig,
) -> Result<bool, ServerError> {
    let folder = DataFolder::new(&config.data);
    match environment.disk.run(move |fs| folder.check(fs)).await {
        Ok(()) => Ok(true),
        Err(ServerError::NotThere { .. }) => Ok(false),
        Err(error) => Err(error),
    }
}

/// Makes a management server: data folder, keys, certificate authority, trust document, database
/// and the first API token. A set-up that was interrupted is begun again.
///
/// # Errors
/// [`ServerError::AlreadyThere`] where there is one; otherwise what stands in the way.
pub async fn init(
    environment: &Environment,
    config: &ServerConfig,
) -> Result<Initialized, ServerError> {
    let folder = DataFolder::new(&config.data);
    let now = environment.clock.now();
    let rng = Arc::clone(&environment.rng);
    let (parts, organization) = (folder.clone(), config.organization.clone());
    let making = environment.disk.run(move |fs| {
        parts.prepare(fs)?;
        let keys = parts.create_keys(fs, &*rng)?;
        parts.save_trust(fs, trust::first(&keys, now)?.envelope())?;
        Ok::<_, ServerError>(Authority::open(fs, &parts.ca(), &organization, now, rng)?)
    });
    let authority = making.await?;
    let database = open_database(environment, config).await?;
    let organization = Organization {
        id: environment.new_id(TokenId::from_parts).uuid(),
        name: config.organization.clone(),
    };
    database.found_organization(&organization, &Actor::system(), now).await?;
    let token = NewToken {
        name: "first administrator".to_owned(),
        scopes: vec![Scope::Admin],
        expires_in_seconds: None,
    };
    let (admin_token, _) = api::new_token(environment, &database, &token, &Actor::system()).await?;
    database.close().await?;
    environment.disk.run(move |fs| folder.finish(fs)).await?;
    Ok(Initialized {
        admin_token,
        ca_pem: authority.root_pem(),
        ca_fingerprint: authority.root_fingerprint(),
    })
}

/// Opens the configured database.
pub(crate) async fn open_database(
    environment: &Environment,
    config: &ServerConfig,
) -> Result<Database, ServerError> {
    let url = match &config.database {
        DatabaseAddress::InDataFolder => {
            format!("sqlite://{}", config.data.join("xylem.db").display())
        }
        DatabaseAddress::Url(url) => url.clone(),
        DatabaseAddress::File(path) => {
            let path = path.clone();
            let reading = environment.disk.run(move |fs| {
                read_bounded(fs, &path, MAX_URL_FILE_BYTES)
                    .map_err(|e| ServerError::reading(&path, e))
            });
            String::from_utf8_lossy(&reading.await?).trim().to_owned()
        }
    };
    Ok(Database::connect(&url).await?)
}
