//! Distribution servers.

use xylem_api::tree::DistributionServer;
use xylem_model::ByteSize;

use super::{
    accounts, certificates, from_cloud, hand_over, inventory, scrub, selection, settings, upgrade,
};
use crate::Failure;
use crate::access::Access;
use crate::cli::DsCommand;
use crate::output::{Output, facts, or_dash, table};

pub(crate) async fn run(
    command: DsCommand,
    access: &Access,
    output: &Output,
) -> Result<(), Failure> {
    let admin = &access.admin;
    match command {
        DsCommand::List => {
            output.value(&admin.distribution_servers().await?, |servers| tree(servers))
        }
        DsCommand::Show { name, why: None } => {
            output.value(&admin.distribution_server(&name).await?, detail)
        }
        DsCommand::Show { name, why: Some(file) } => {
            output.value(&admin.why_held(&name, &file).await?, selection::why)
        }
        DsCommand::Inventory => {
            output.value(&admin.distribution_servers().await?, |servers| inventory::all(servers))
        }
        DsCommand::UpgradePlan { to } => upgrade::plan(to, access, output).await,
        DsCommand::Reinstate { name } => output.value(&admin.reinstate(&name).await?, detail),
        DsCommand::Select(asked) => output.value(&selection::select(&asked, access).await?, detail),
        DsCommand::Set { name, settings } => {
            let change = settings::change(&settings)?;
            output.value(&admin.change_distribution_server(&name, &change).await?, detail)
        }
        DsCommand::Certificate(it) => certificates::of_server(it, access, output).await,
        DsCommand::Account(it) => accounts::run(it, access, output).await,
        DsCommand::SetParent { name, parent } => {
            admin.set_parent(&name, &parent).await?;
            output.say(&format!("{name} now fetches from {parent} first."))
        }
        DsCommand::MoveChildren { name, to } => {
            let moved = admin.move_children(&name, to.as_deref()).await?;
            output.value(&moved, |moved| match moved.children.is_empty() {
                true => format!("{name} has no children.\n"),
                false => format!("{} now fetch from {}.\n", moved.children.join(", "), moved.to),
            })
        }
        DsCommand::Fill { name, from_cloud: _ } => from_cloud::fill(&name, access, output).await,
        DsCommand::MakeRoot { asked, keep_children } => {
            hand_over::make_root(&asked, keep_children, access, output).await
        }
        DsCommand::Scrub { name, wait } => scrub::run(&name, wait, access, output).await,
        DsCommand::Remove { name } => {
            admin.remove_distribution_server(&name).await?;
            output.say(&format!("Removed {name}; its certificate counts no more."))
        }
    }
}

fn parents(server: &DistributionServer) -> String {
    match server.parents.is_empty() {
        true => "-".to_owned(),
        false => server.parents.join(", "),
    }
}

fn tree(servers: &[DistributionServer]) -> String {
    let rows: Vec<Vec<String>> = servers
        .iter()
        .map(|server| {
            let indent = "  ".repeat(usize::try_from(server.depth).unwrap_or(0));
            vec![
                format!("{indent}{}", server.name),
                roles(server),
                or_dash(server.site.as_ref()),
                format!("{}/{}", server.files_present, server.files_wanted),
                or_dash(server.free_bytes.map(ByteSize)),
                or_dash(server.program_version.as_ref()),
                or_dash(server.last_seen),
                server.public_url.clone(),
            ]
        })
        .collect();
    table(&["NAME", "ROLE", "SITE", "FILES", "FREE", "VERSION", "LAST SEEN", "URL"], &rows)
}

fn roles(server: &DistributionServer) -> String {
    let roles = [
        (server.is_root, "root"),
        (server.is_principal, "principal"),
        (server.settings.maintenance, "in maintenance"),
        (server.set_aside.is_some(), "set aside: its key is on two machines"),
    ];
    let roles: Vec<&str> = roles.iter().filter(|(is, _)| *is).map(|(_, word)| *word).collect();
    if roles.is_empty() { "-".to_owned() } else { roles.join(", ") }
}

pub(super) fn detail(server: &DistributionServer) -> String {
    let mut rows = vec![
        ("Name", server.name.clone()),
        ("Id", server.id.to_string()),
        ("Role", roles(server)),
        ("Site", or_dash(server.site.as_ref())),
        ("Parents", parents(server)),
        ("URL", server.public_url.clone()),
        ("Enrolled", server.enrolled_at.to_string()),
        ("Last seen", or_dash(server.last_seen)),
        ("Program", or_dash(server.program_version.as_ref())),
        ("Files", format!("{} of {} present", server.files_present, server.files_wanted)),
        ("Used", or_dash(server.used_bytes.map(ByteSize))),
        ("Free", or_dash(server.free_bytes.map(ByteSize))),
        ("Applied state", or_dash(server.applied)),
        ("Scrub", scrub::current(server)),
        ("Last scrub", scrub::last(server)),
    ];
    rows.extend(inventory::shown(server));
    rows.extend(server.certificate.iter().flat_map(certificates::rows));
    rows.extend(selection::shown(server));
    rows.extend(settings::shown(&server.settings));
    facts(&rows)
}
