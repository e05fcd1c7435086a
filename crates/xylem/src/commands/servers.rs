//! Distribution servers.

use xylem_api::tree::{ChangeDistributionServer, DistributionServer};
use xylem_model::{ByteSize, ParentPolicy, UnknownWord};

use super::{accounts, scrub, setting};
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
            let change = change(&settings)?;
            output.value(&admin.change_distribution_server(&name, &change).await?, detail)
        }
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
        DsCommand::Scrub { name, wait } => scrub::run(&name, wait, access, output).await,
        DsCommand::Remove { name } => {
            admin.remove_distribution_server(&name).await?;
            output.say(&format!("Removed {name}; its certificate counts no more."))
        }
    }
}

/// What `KEY=VALUE` settings ask for.
fn change(settings: &[String]) -> Result<ChangeDistributionServer, Failure> {
    let mut change = ChangeDistributionServer::default();
    for text in settings {
        let (key, value) = setting(text)?;
        match key {
            "name" => change.name = Some(value.to_owned()),
            "public-url" => change.public_url = Some(value.to_owned()),
            "site" => change.site = Some(value.to_owned()),
            "parents" => {
                let names = value.split(',').map(|name| name.trim().to_owned());
                change.parents = Some(names.filter(|name| !name.is_empty()).collect());
            }
            "policy" => {
                let policy: ParentPolicy = value
                    .parse()
                    .map_err(|error: UnknownWord| Failure::configuration(error.to_string()))?;
                change.parent_policy = Some(policy);
            }
            "open-to-all" => change.open_to_all = Some(switch(key, value)?),
            "maintenance" => change.maintenance = Some(switch(key, value)?),
            _ => {
                return Err(Failure::configuration(format!(
                    "`{key}` is no setting of a distribution server: use name, public-url, site, \
                     parents, policy, open-to-all or maintenance"
                )));
            }
        }
    }
    Ok(change)
}

/// `on` or `off`.
fn switch(key: &str, value: &str) -> Result<bool, Failure> {
    match value {
        "on" => Ok(true),
        "off" => Ok(false),
        _ => Err(Failure::configuration(format!(
            "`{value}` cannot be set for {key}: write {key}=on or {key}=off"
        ))),
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
        (server.maintenance, "in maintenance"),
    ];
    let roles: Vec<&str> = roles.iter().filter(|(is, _)| *is).map(|(_, word)| *word).collect();
    if roles.is_empty() { "-".to_owned() } else { roles.join(", ") }
}

fn detail(server: &DistributionServer) -> String {
    facts(&[
        ("Name", server.name.clone()),
        ("Id", server.id.to_string()),
        ("Role", roles(server)),
        ("Site", or_dash(server.site.as_ref())),
        ("Parents", parents(server)),
        ("Parent policy", server.parent_policy.to_string()),
        ("URL", server.public_url.clone()),
        ("Open to all", if server.open_to_all { "on" } else { "off" }.to_owned()),
        ("Maintenance", if server.maintenance { "on" } else { "off" }.to_owned()),
        ("Enrolled", server.enrolled_at.to_string()),
        ("Last seen", or_dash(server.last_seen)),
        ("Program", or_dash(server.program_version.as_ref())),
        ("Files", format!("{} of {} present", server.files_present, server.files_wanted)),
        ("Used", or_dash(server.used_bytes.map(ByteSize))),
        ("Free", or_dash(server.free_bytes.map(ByteSize))),
        ("Applied state", or_dash(server.applied)),
        ("Scrub", scrub::current(server)),
        ("Last scrub", scrub::last(server)),
    ])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(settings: &[&str]) -> Result<ChangeDistributionServer, String> {
        let settings: Vec<String> = settings.iter().map(|&text| text.to_owned()).collect();
        change(&settings).map_err(|failure| failure.into_error().to_string())
    }

    #[test]
    fn parents_are_a_list_in_order_and_a_policy_is_one_of_five_words() {
        let change = asked(&["parents=South, North", "policy=by-hash"]).unwrap();
        assert_eq!(change.parents, Some(vec!["South".to_owned(), "North".to_owned()]));
        assert_eq!(change.parent_policy, Some(ParentPolicy::ByHash));
        let told = asked(&["policy=fastest"]).unwrap_err();
        assert!(told.contains("first-available, sticky, by-hash, round-robin or random"), "{told}");
        assert!(asked(&["colour=red"]).unwrap_err().contains("open-to-all or maintenance"));
        assert!(asked(&["parents"]).is_err());
    }

    #[test]
    fn a_server_is_opened_to_all_with_on_and_closed_with_off() {
        assert_eq!(asked(&["open-to-all=on"]).unwrap().open_to_all, Some(true));
        assert_eq!(asked(&["open-to-all=off"]).unwrap().open_to_all, Some(false));
        assert_eq!(asked(&["name=x"]).unwrap().open_to_all, None);
        let told = asked(&["open-to-all=true"]).unwrap_err();
        assert!(told.contains("open-to-all=on or open-to-all=off"), "{told}");
    }
}
