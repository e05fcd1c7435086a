//! The cloud distribution point.
//!
//! * [`given`]: what was typed, as the API takes it.
//! * [`shown`]: what is set and what a test found, as text.

mod given;
mod shown;

use serde_json::Value;
use xylem_api::cloud::{AskCloudPolicy, ChangeCloud, CloudKeys, CloudPoint};

use crate::Failure;
use crate::access::Access;
use crate::cli::CloudCommand;
use crate::output::Output;

pub(crate) async fn run(
    command: CloudCommand,
    access: &Access,
    output: &Output,
) -> Result<(), Failure> {
    let admin = &access.admin;
    match command {
        CloudCommand::Set { provider } => {
            let point = admin.set_cloud(&given::point(provider)?).await?;
            output.value(&point, shown::point)
        }
        CloudCommand::Show => output.value(&admin.cloud().await?, shown::state),
        CloudCommand::Change { settings } => {
            let changed = change(Some(given::change(&settings)?), None, access).await?;
            output.value(&changed, shown::point)
        }
        CloudCommand::Keys { provider } => {
            let changed = change(None, Some(given::keys(provider)?), access).await?;
            output.value(&changed, shown::point)
        }
        CloudCommand::Test => {
            let test = admin.test_cloud().await?;
            output.value(&test, shown::test)?;
            match test.passed {
                true => Ok(()),
                false => Err(Failure::new("the cloud distribution point did not pass its test")),
            }
        }
        CloudCommand::Policy { provider } => {
            let asked = AskCloudPolicy { storage: provider.map(given::place) };
            output.value(&admin.cloud_policy(&asked).await?, shown::policy)
        }
        CloudCommand::Remove { former } => {
            admin.remove_cloud(former).await?;
            output.say(
                "Forgotten, with its keys. Whatever lies at the provider stays there; delete it \
                 there where it is not wanted.",
            )
        }
    }
}

/// Changes the point as it is at present.
async fn change(
    settings: Option<Value>,
    keys: Option<CloudKeys>,
    access: &Access,
) -> Result<CloudPoint, Failure> {
    let point = access.admin.cloud().await?.point.ok_or_else(|| {
        Failure::new("no cloud distribution point is set: set one with `xylem cloud set`")
    })?;
    let asked = ChangeCloud { revision: point.revision, settings, keys };
    Ok(access.admin.change_cloud(&asked).await?)
}
