//! The administrator's commands, one file for each noun.

mod accounts;
mod authorities;
mod certificates;
mod cloud;
mod comparison;
mod computers;
mod files;
mod follow;
mod from_cloud;
mod hand_over;
mod index;
mod inventory;
mod manifests;
mod marks;
mod migrate;
mod names;
mod placement;
mod records;
mod scripts;
mod scrub;
mod selection;
mod servers;
mod settings;
mod status;
mod upgrade;
mod uploads;
mod wait;

use xylem_client::NamedKind;
use xylem_model::FileKind;

pub(crate) use wait::wait_for_copies;

use crate::Failure;
use crate::access::Access;
use crate::cli::{AccessOptions, Administer};
use crate::output::Output;

pub(crate) async fn run(
    command: Administer,
    options: &AccessOptions,
    output: &Output,
) -> Result<(), Failure> {
    let access = Access::resolve(options)?;
    match command {
        Administer::Package(it) => files::run(it, FileKind::Package, &access, output).await,
        Administer::App(it) => files::run(it, FileKind::App, &access, output).await,
        Administer::Ebook(it) => files::run(it, FileKind::Ebook, &access, output).await,
        Administer::Upload(it) => uploads::run(it, &access, output).await,
        Administer::Script(it) => scripts::run(it, &access, output).await,
        Administer::Install(it) => computers::install(it, &access, output).await,
        Administer::Invite(it) => status::invite(it, &access, output).await,
        Administer::Invitations => status::invitations(&access, output).await,
        Administer::RevokeInvitation { id } => Ok(access.admin.revoke_invitation(id).await?),
        Administer::Ds(it) => servers::run(it, &access, output).await,
        Administer::Principal(it) => hand_over::principal(it, &access, output).await,
        Administer::Cloud(it) => cloud::run(it, &access, output).await,
        Administer::Certificate(it) => certificates::run(it, &access, output).await,
        Administer::Ca(it) => authorities::run(it, &access, output).await,
        Administer::Site(it) => names::run(it, NamedKind::Site, &access, output).await,
        Administer::Category(it) => names::run(it, NamedKind::Category, &access, output).await,
        Administer::Computer(it) => computers::run(it, &access, output).await,
        Administer::Token(it) => status::token(it, &access, output).await,
        Administer::Audit(it) => status::audit(&it, &access, output).await,
        Administer::Migrate(it) => Box::pin(migrate::run(it, &access, output)).await,
        Administer::Status => status::status(&access, output).await,
        Administer::ConfirmRestore => Ok(access.admin.confirm_restore().await?),
    }
}

/// Splits `KEY=VALUE`.
fn setting(text: &str) -> Result<(&str, &str), Failure> {
    text.split_once('=')
        .ok_or_else(|| Failure::configuration(format!("`{text}` is no setting: write KEY=VALUE")))
}

/// Why a setting that is there already is refused.
fn set_twice(key: &str) -> Failure {
    Failure::configuration(format!("`{key}` is set twice: write it once"))
}
