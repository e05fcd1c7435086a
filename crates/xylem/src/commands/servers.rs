//! Distribution servers.

use xylem_api::tree::{ChangeDistributionServer, DistributionServer};
use xylem_model::ByteSize;

use super::setting;
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
        DsCommand::Show { name } => output.value(&admin.distribution_server(&name).await?, detail),
        DsCommand::Set { name, settings } => {
            let mut change = ChangeDistributionServer::default();
            for text in &settings {
                let (key, value) = setting(text)?;
                let field = match key {
                    "name" => &mut change.name,
                    "public-url" => &mut change.public_url,
                    "site" => &mut change.site,
                    _ => {
                        return Err(Failure::configuration(format!(
                            "`{key}` is no setting of a distribution server: use name, \
                             public-url or site"
                        )));
                    }
                };
                *field = Some(value.to_owned());
            }
            output.value(&admin.change_distribution_server(&name, &change).await?, detail)
        }
        DsCommand::SetParent { name, parent } => {
            admin.set_parent(&name, &parent).await?;
            output.say(&format!("{name} now hangs below {parent}."))
        }
        DsCommand::Remove { name } => {
            admin.remove_distribution_server(&name).await?;
            output.say(&format!("Removed {name}; its certificate counts no more."))
        }
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
                or_dash(server.last_seen),
                server.public_url.clone(),
            ]
        })
        .collect();
    table(&["NAME", "ROLE", "SITE", "FILES", "FREE", "LAST SEEN", "URL"], &rows)
}

fn roles(server: &DistributionServer) -> String {
    match (server.is_root, server.is_principal) {
        (true, true) => "root, principal".to_owned(),
        (true, false) => "root".to_owned(),
        (false, true) => "principal".to_owned(),
        (false, false) => "-".to_owned(),
    }
}

fn detail(server: &DistributionServer) -> String {
    facts(&[
        ("Name", server.name.clone()),
        ("Id", server.id.to_string()),
        ("Role", roles(server)),
        ("Site", or_dash(server.site.as_ref())),
        ("Parent", or_dash(server.parent.as_ref())),
        ("URL", server.public_url.clone()),
        ("Enrolled", server.enrolled_at.to_string()),
        ("Last seen", or_dash(server.last_seen)),
        ("Program", or_dash(server.program_version.as_ref())),
        ("Files", format!("{} of {} present", server.files_present, server.files_wanted)),
        ("Used", or_dash(server.used_bytes.map(ByteSize))),
        ("Free", or_dash(server.free_bytes.map(ByteSize))),
        ("Applied state", or_dash(server.applied)),
    ])
}
