//! Filling a distribution server from the cloud.

use std::time::Duration;

use serde_json::json;
use xylem_api::tree::{ChangeDistributionServer, DistributionServer};

use crate::Failure;
use crate::access::Access;
use crate::output::Output;

/// How often it is asked how far it is.
const ASK_EVERY: Duration = Duration::from_secs(3);

/// Has a server fetch from the cloud what nobody else gives, until it lacks nothing.
pub(super) async fn fill(name: &str, access: &Access, output: &Output) -> Result<(), Failure> {
    let Some(point) = access.admin.cloud().await?.point else {
        let why = "no cloud distribution point is set, so nothing can be fetched from there";
        return Err(Failure::new(why));
    };
    if point.storage.get("provider").is_some_and(|provider| provider == "folder") {
        let why = "the cloud distribution point is a folder of the root's own, which no server is filled \
                   from: copy what is in it by hand, with `xylem distribution seed`";
        return Err(Failure::new(why));
    }
    let mut server = set(name, true, access).await?;
    // What it said before it heard of this may be of before it lost something.
    let heard = Some(access.admin.status().await?.stamp);
    let mut bar = None;
    while server.applied < heard || server.files_present < server.files_wanted {
        if server.settings.maintenance {
            return Err(Failure::new(format!(
                "{name} is in maintenance, so nothing new comes to it: end that with `xylem ds set \
                 {name} maintenance=off`, and ask again"
            )));
        }
        let bar = bar.get_or_insert_with(|| output.count_bar(name, server.files_wanted));
        bar.set_length(server.files_wanted);
        bar.set_position(server.files_present);
        tokio::time::sleep(ASK_EVERY).await;
        server = access.admin.distribution_server(name).await?;
    }
    let server = set(name, false, access).await?;
    output.value(&server, |it| {
        format!(
            "{} holds all {} files; nothing more comes from the cloud.\n",
            it.name, it.files_wanted
        )
    })
}

async fn set(name: &str, is_on: bool, access: &Access) -> Result<DistributionServer, Failure> {
    let settings = Some(json!({ "fill_from_cloud": is_on }));
    let change = ChangeDistributionServer { settings, ..ChangeDistributionServer::default() };
    Ok(access.admin.change_distribution_server(name, &change).await?)
}
