//! The cloud distribution point.
//!
//! * [`given`]: what was typed, as the API takes it.
//! * [`shown`]: what is set and what a test found, as text. [`files`]: what lies there, what it
//!   takes. [`principal`]: making it that. [`leaving`]: how a point goes.

mod edgerc;
mod files;
mod given;
mod leaving;
mod principal;
mod shown;

pub(super) use files::remark;
use serde_json::Value;
use xylem_api::cloud::{AskCloudPolicy, ChangeCloud, CloudKeys, CloudPoint, RemoveCloud};
use xylem_api::selection::SelectFiles;

use crate::Failure;
use crate::access::Access;
use crate::cli::CloudCommand;
use crate::commands::selection;
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
        CloudCommand::Change { settings, adopt } => {
            change_settings(settings, adopt, access, output).await
        }
        CloudCommand::Keys { provider } => {
            let changed = change(None, Some(given::keys(provider)?), false, access).await?;
            output.value(&changed, shown::point)
        }
        CloudCommand::Files { state } => files::list(state, access, output).await,
        CloudCommand::Usage => output.value(&admin.cloud_usage().await?, files::usage),
        CloudCommand::Inventory => files::inventory(access, output).await,
        CloudCommand::Estimate(options) => files::estimate(options, access, output).await,
        CloudCommand::Select { everything: true, .. } => {
            output.value(&admin.select_everything_for_cloud().await?, shown::progress)
        }
        CloudCommand::Select { rules, add, .. } => {
            let asked = SelectFiles { rules: selection::rules(&rules)?, add };
            output.value(&admin.select_for_cloud(&asked).await?, shown::progress)
        }
        CloudCommand::Pause => output.value(&admin.pause_cloud(true).await?, shown::progress),
        CloudCommand::Resume => output.value(&admin.pause_cloud(false).await?, shown::progress),
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
        CloudCommand::MakePrincipal { fill } => principal::make(fill, access, output).await,
        CloudCommand::Leave { now: _ } => output.value(&admin.leave_cloud().await?, leaving::text),
        CloudCommand::Remove { former, delete_objects, forget } => {
            let asked = RemoveCloud { former, delete_objects, forget };
            leaving::remove(asked, access, output).await
        }
    }
}

/// Changes settings. The ceiling of a month is none of the provider's, so nothing is tested for it.
async fn change_settings(
    mut settings: Vec<String>,
    adopt: bool,
    access: &Access,
    output: &Output,
) -> Result<(), Failure> {
    let ceiling = given::ceiling(&mut settings)?;
    let patch = given::change(&settings)?;
    let is_rest = adopt || !settings.is_empty();
    if let Some(ceiling) = ceiling {
        let progress = access.admin.set_cloud_ceiling(ceiling).await?;
        if !is_rest {
            return output.value(&progress, shown::progress);
        }
    }
    output.value(&change(Some(patch), None, adopt, access).await?, shown::point)
}

/// Changes the point as it is at present.
async fn change(
    settings: Option<Value>,
    keys: Option<CloudKeys>,
    adopt: bool,
    access: &Access,
) -> Result<CloudPoint, Failure> {
    let point = access.admin.cloud().await?.point.ok_or_else(|| {
        Failure::new("no cloud distribution point is set: set one with `xylem cloud set`")
    })?;
    let asked = ChangeCloud { revision: point.revision, settings, keys, adopt };
    Ok(access.admin.change_cloud(&asked).await?)
}
