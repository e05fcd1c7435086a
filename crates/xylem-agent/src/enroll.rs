//! Joining the system.

use std::path::PathBuf;

use serde::Serialize;
use xylem_client::BaseUrl;
use xylem_client::enroll::{Anchor, Membership};
use xylem_model::{Party, Timestamp};
use xylem_pki::Identity;
use xylem_runtime::{Environment, Fs};

use crate::agent::Settings;
use crate::error::AgentError;
use crate::folder::{DataFolder, write_json};
use crate::ledger;

/// What an agent needs to know to join.
#[derive(Debug, Clone)]
pub struct EnrollOptions {
    /// The management server.
    pub server: BaseUrl,
    /// How it is recognised.
    pub anchor: Anchor,
    /// The invitation's code.
    pub invitation: String,
    /// The folder to keep everything in; made if it is not there.
    pub data: PathBuf,
    /// This computer's name, unique in the system.
    pub name: String,
    /// The hardware's serial number, where it is known.
    pub serial_number: Option<String>,
}

/// Who this computer is from now on.
#[derive(Debug, Clone, Serialize)]
pub struct Enrollment {
    /// Its identity, as in its certificate.
    pub party: Party,
    /// Its name.
    pub name: String,
    /// The management server.
    pub server: String,
    /// When its certificate runs out; it is renewed long before.
    pub certificate_not_after: Timestamp,
}

/// Joins as a computer. The folder is tried out before the invitation is sent, and the identity is
/// written last: where it is, all is.
///
/// # Errors
/// When the folder cannot be used or is enrolled already, and every refusal of the server.
pub async fn enroll(
    environment: &Environment,
    options: EnrollOptions,
) -> Result<Enrollment, AgentError> {
    let folder = DataFolder::new(&options.data);
    let at = folder.clone();
    environment.disk.run(move |fs| prepare(fs, &at)).await?;
    let EnrollOptions { server, anchor, invitation, name, serial_number, .. } = options;
    let joined = xylem_client::enroll::computer(
        environment,
        &server,
        anchor,
        &invitation,
        &name,
        serial_number,
    );
    let membership =
        joined.await.map_err(|source| AgentError::Enroll { server: server.clone(), source })?;
    let settings = Settings { server: server.to_string(), name: name.clone() };
    let certificate = membership.credentials.certificate();
    let enrollment = Enrollment {
        party: certificate.party,
        name,
        server: server.to_string(),
        certificate_not_after: certificate.not_after,
    };
    if !matches!(enrollment.party, Party::Computer(_)) {
        return Err(AgentError::NotAComputer { party: enrollment.party });
    }
    environment.disk.run(move |fs| save(fs, &folder, &membership, &settings)).await?;
    Ok(enrollment)
}

fn prepare(fs: &dyn Fs, folder: &DataFolder) -> Result<(), AgentError> {
    folder.create(fs)?;
    let store = folder.identity();
    if store.exists(fs).map_err(xylem_pki::StoreError::File)? {
        let (identity, _): (Identity, _) = store.load(fs)?;
        let path = folder.path().to_owned();
        return Err(AgentError::AlreadyEnrolled { path, party: identity.party() });
    }
    Ok(())
}

fn save(
    fs: &dyn Fs,
    folder: &DataFolder,
    membership: &Membership,
    settings: &Settings,
) -> Result<(), AgentError> {
    write_json(fs, &folder.settings(), settings)?;
    write_json(fs, &folder.trust(), membership.trust.envelope())?;
    ledger::create(fs, folder)?;
    Ok(folder.identity().save(fs, &membership.credentials, &membership.anchors)?)
}
