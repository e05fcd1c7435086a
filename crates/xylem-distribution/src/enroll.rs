//! Joining a management server.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use xylem_client::BaseUrl;
use xylem_client::enroll::{Anchor, Membership, distribution_server};
use xylem_model::{DistributionServerId, Party};
use xylem_pki::StoreError;
use xylem_runtime::{Environment, Fs};

use crate::data::{DataError, DataFolder, Settings, write_json};

/// What is needed to join.
#[derive(Debug, Clone)]
pub struct EnrollOptions {
    /// The management server.
    pub server: BaseUrl,
    /// How it is recognised before the invitation is sent to it.
    pub anchor: Anchor,
    /// The invitation's code.
    pub invitation: String,
    /// The data folder; made where there is none.
    pub data: PathBuf,
    /// The address this server will listen on.
    pub listen: SocketAddr,
    /// Where computers and other servers will reach it.
    pub public_url: BaseUrl,
    /// Its display name, unique among distribution servers.
    pub name: String,
}

/// Why this machine could not join.
#[derive(Debug, thiserror::Error)]
pub enum EnrollError {
    /// The folder belongs to a distribution server already.
    #[error(
        "{} belongs to a distribution server that is enrolled already: start it with \
         `xylem distribution run`, or give another folder with --data",
        path.display()
    )]
    AlreadyEnrolled {
        /// The folder.
        path: PathBuf,
    },
    /// The data folder cannot be used.
    #[error(transparent)]
    Data(#[from] DataError),
    /// The management server could not be asked, or said no.
    #[error("cannot enroll with {server}")]
    Server {
        /// Which.
        server: BaseUrl,
        /// Why.
        #[source]
        source: Box<xylem_client::enroll::EnrollError>,
    },
    /// The management server gave somebody else's certificate.
    #[error("the management server gave a certificate for {given}, not for a distribution server")]
    WrongRole {
        /// Whom it names.
        given: Party,
    },
    /// The identity could not be saved.
    #[error(transparent)]
    Identity(#[from] StoreError),
}

/// Joins a management server and writes the data folder.
///
/// The folder is tried first, because an invitation may be good only once.
///
/// # Errors
/// When the folder is in use or cannot be written, and when the management server cannot be
/// reached, is not the expected one, or refuses.
pub async fn enroll(
    environment: &Environment,
    options: EnrollOptions,
) -> Result<DistributionServerId, EnrollError> {
    let folder = DataFolder::new(&options.data);
    let checked = folder.clone();
    environment.disk.run(move |fs| check_folder(fs, &checked)).await?;

    let public_url = options.public_url.to_string();
    let membership = distribution_server(
        environment,
        &options.server,
        options.anchor,
        &options.invitation,
        &options.name,
        &public_url,
    )
    .await
    .map_err(|source| {
        let source = Box::new(source);
        EnrollError::Server { server: options.server.clone(), source }
    })?;
    let Party::DistributionServer(id) = membership.credentials.certificate().party else {
        return Err(EnrollError::WrongRole { given: membership.credentials.certificate().party });
    };
    let settings = Settings {
        server: options.server.to_string(),
        name: options.name,
        public_url,
        listen: options.listen,
        cloud_private_hosts: Vec::new(),
        cloud_folder: None,
    };
    environment.disk.run(move |fs| save(fs, &folder, &settings, &membership)).await?;
    tracing::info!(dp.id = %id, server = %options.server, "enrolled");
    Ok(id)
}

fn check_folder(fs: &dyn Fs, folder: &DataFolder) -> Result<(), EnrollError> {
    folder.prepare(fs)?;
    if folder.is_enrolled(fs)? {
        return Err(EnrollError::AlreadyEnrolled { path: folder.root().to_owned() });
    }
    Ok(())
}

/// Writes the data folder of a member that did not join over the network, as simulated ones do.
/// A folder that has an identity stays as it is.
///
/// # Errors
/// When the folder cannot be used or written.
pub fn write_membership(
    fs: &dyn Fs,
    data: &Path,
    settings: &Settings,
    membership: &Membership,
) -> Result<(), EnrollError> {
    let folder = DataFolder::new(data);
    folder.prepare(fs)?;
    if folder.is_enrolled(fs)? {
        return Ok(());
    }
    save(fs, &folder, settings, membership)
}

/// The identity comes last: a folder that has one is complete.
fn save(
    fs: &dyn Fs,
    folder: &DataFolder,
    settings: &Settings,
    membership: &Membership,
) -> Result<(), EnrollError> {
    write_json(fs, &folder.settings(), settings)?;
    write_json(fs, &folder.trust(), membership.trust.envelope())?;
    folder.identity().save(fs, &membership.credentials, &membership.anchors)?;
    Ok(())
}
