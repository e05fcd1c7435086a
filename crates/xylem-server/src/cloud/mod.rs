//! The cloud distribution point, as far as this server works for it (`docs/design/cloud.md`).
//!
//! * Here: keys, which are opened for one piece of work and then dropped, and the client that
//!   reaches the provider.
//! * [`session`]: tokens, where a provider takes some.
//! * [`probe`]: what a test asks the provider. [`opening`]: what comes before where there are tokens.
//!   [`test`]: its steps, in order; [`prove`]: when they are done, and what is taken back after. [`steps`]: how they are
//!   told.
//! * [`service`]: filling it, with the root distribution server.
//! * [`upload`]: where it is the principal, what is to be there before it is committed.
//! * [`store`]: what is remembered of what is there and of what is on its way.
//! * [`claim`]: whose a prefix is. [`upkeep`]: when it is looked after. [`duty`]: rounds of that.
//!   [`round`]: what they are done with; [`inventory`], [`recheck`], [`remove`] and [`sweep`] are what is done.
//! * [`folder`]: what is asked of the root, where the point is a folder of its own.
//! * [`leave`]: how a point goes that another one replaced, or that was removed. [`apart`]: whether two
//!   points are two places.
//! * [`used`]: what one piece of work used. [`usage`]: months and their ceiling. [`estimate`]: what filling would take.
//! * [`told`]: what computers told of it, in their reports.
//! * [`offer`]: giving out, by an address for whoever asks where to fetch something. [`address`]: the
//!   same for a server that is filled from there.

mod address;
mod apart;
mod at;
mod breaker;
mod claim;
mod clear;
mod duty;
pub(crate) mod estimate;
mod finish;
mod folder;
mod follow;
mod inventory;
pub(crate) mod leave;
mod next;
mod offer;
mod opening;
mod pace;
mod parts;
mod probe;
mod prove;
mod read_back;
mod recheck;
mod remove;
mod round;
mod service;
mod session;
mod steps;
mod store;
mod sweep;
mod test;
mod told;
mod trouble;
mod upkeep;
mod upload;
pub(crate) mod usage;
mod used;

use std::sync::Arc;

use serde_json::Value;
use xylem_api::error::ErrorCode;
use xylem_client::CloudClient;
use xylem_cloud::{Moment, PointSettings, Secret, Secrets, SettingsError, SwiftSecrets};
use xylem_db::CloudPoint;
use xylem_http::ApiError;
use xylem_model::CloudPointId;
use xylem_pki::{PublicRoots, public_client_config};
use xylem_runtime::{Environment, random_array};

pub(crate) use apart::{Apart, Place};
pub(crate) use claim::{Claim, marker_of};
pub(crate) use duty::Duty;
pub use duty::{Duty as CloudDuty, RoundTerms as CloudRoundTerms};
pub(crate) use offer::CloudWanted;
pub(crate) use opening::KeyWish;
pub(crate) use prove::ProvedCloud;
pub use round::Memory as CloudMemory;
pub use service::CloudService;
pub use store::{Broken, CloudStore, DatabaseCloudStore, MemoryCloudStore, OpenPoint, Work};
pub(crate) use upkeep::Upkeep;

use crate::app::App;
use crate::failure::Failure;

impl App {
    /// What is remembered of the cloud distribution point.
    pub(crate) fn cloud_store(&self) -> DatabaseCloudStore {
        DatabaseCloudStore::new(self.database.clone(), Arc::clone(&self.sealer))
    }

    /// The keys of a point as it was read, to be used and dropped.
    pub(crate) async fn cloud_keys(&self, point: &CloudPoint) -> Result<Secrets, Failure> {
        let keys = self.cloud_store().keys(point).await?;
        keys.ok_or_else(|| {
            let why = "the cloud distribution point was changed at this moment: try again";
            Failure::new(ErrorCode::Conflict, why)
        })
    }

    /// The keys of a point, sealed for its row.
    pub(crate) fn seal_cloud_keys(
        &self,
        id: CloudPointId,
        keys: &Secrets,
    ) -> Result<String, Failure> {
        Ok(self.sealer.seal(&row(id), &keys.to_sealable_json())?)
    }

    /// A client of the provider, believing it by what was set.
    async fn cloud_client(&self, settings: &PointSettings) -> Result<CloudClient, Failure> {
        if !settings.storage.is_given_out() {
            return Ok(self.cloud.folder_client());
        }
        let net = Arc::new(self.cloud_net.clone());
        client_of(&Environment { net, ..self.environment.clone() }, settings).await
    }
}

/// A client of the provider on this machine, believing it by what was set.
async fn client_of(
    environment: &Environment,
    settings: &PointSettings,
) -> Result<CloudClient, Failure> {
    let pem = settings.ca_pem.clone();
    // Reading what the machine believes waits for a disk.
    let reading = environment.disk.run_reading(move |_| match pem {
        Some(pem) => PublicRoots::from_pem(pem.as_bytes()),
        None => PublicRoots::of_this_machine(),
    });
    let roots = reading.await.map_err(|error| {
        let why = xylem_telemetry::chain(&error);
        Failure::new(ErrorCode::BadRequest, format!("the provider is not believed: {why}"))
    })?;
    let tls = public_client_config(&roots, Arc::clone(&environment.clock))
        .map_err(|error| Failure(ApiError::internal("setting up TLS to the cloud", error)))?;
    Ok(CloudClient::new(environment.clone(), tls))
}

/// The TempURL keys that we made, the one that signs first.
pub(crate) fn temp_url_keys(keys: &Secrets) -> Vec<Secret> {
    match keys {
        Secrets::Swift(keys) => {
            let ours = [&keys.temp_url_key, &keys.former_temp_url_key];
            ours.into_iter().flatten().cloned().collect()
        }
        Secrets::S3(_) | Secrets::Akamai(_) | Secrets::Folder(_) => Vec::new(),
    }
}

/// What a request is made of at present.
fn moment(environment: &Environment) -> Moment {
    let nonce = u64::from_be_bytes(random_array(&*environment.rng));
    Moment { now: environment.clock.now(), nonce }
}

/// What the sealed keys of a point are bound to.
fn row(id: CloudPointId) -> String {
    format!("cloud_points.secrets {id}")
}

/// Keys as an administrator gave them, checked. No message repeats one.
pub(crate) fn read_keys(given: Value) -> Result<Secrets, Failure> {
    let keys: Secrets = serde_json::from_value(given).map_err(|error| {
        let why = error.to_string();
        // These two name fields; everything else that the reader says could hold a key.
        let names_a_field = ["unknown field", "missing field"].iter().any(|it| why.starts_with(it));
        let why = match names_a_field {
            true => why,
            false => {
                "give `provider` (s3, swift, akamai or folder) and that provider's keys".to_owned()
            }
        };
        Failure::new(ErrorCode::BadRequest, format!("the keys cannot be read: {why}"))
    })?;
    keys.check()?;
    if let Secrets::Swift(SwiftSecrets { temp_url_key, former_temp_url_key, .. }) = &keys
        && (temp_url_key.is_some() || former_temp_url_key.is_some())
    {
        let told = "the keys cannot be read: TempURL keys are made here and not given";
        return Err(Failure::new(ErrorCode::BadRequest, told));
    }
    Ok(keys)
}

impl From<SettingsError> for Failure {
    fn from(error: SettingsError) -> Self {
        Self::new(ErrorCode::BadRequest, error.to_string())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn keys_that_cannot_be_read_are_not_repeated() {
        let wrong = [
            json!({ "provider": "s3", "key_id": "k", "secret": 7_777_777 }),
            json!({ "provider": "7777777" }),
            json!({ "provider": "s3", "key_id": "7777777" }),
            json!({ "provider": "s3", "key_id": "k", "secret": "777\n7777" }),
            json!("7777777"),
            json!({ "provider": "s3", "key_id": "k", "secret": "7777777", "password": "7777777" }),
            json!({ "provider": "swift", "password": "p", "temp_url_key": "7777777" }),
        ];
        for given in wrong {
            let Err(failure) = read_keys(given) else { panic!("it is taken") };
            let told = failure.0.message().to_owned();
            assert!(!told.contains("777"), "{told}");
        }
        let good = json!({ "provider": "s3", "key_id": "k", "secret": "s" });
        assert!(read_keys(good).is_ok());
    }

    #[test]
    fn keys_are_bound_to_their_row() {
        let (one, other) =
            (CloudPointId::from_parts(1, &[1; 10]), CloudPointId::from_parts(1, &[2; 10]));
        assert_ne!(row(one), row(other));
    }
}
