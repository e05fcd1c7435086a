//! The agent as a service of its system.

use std::path::absolute;

use xylem_service::{Manager, Role, Service, install, uninstall};

use super::CommandError;
use super::arguments::{InstallService, UninstallService};
use super::show;

/// Installs the agent as a service, and starts it.
pub(super) fn put(asked: &InstallService) -> Result<(), CommandError> {
    let system = |source| CommandError::System { doing: "find the program and its folder", source };
    let program = std::env::current_exe().map_err(system)?;
    let data = absolute(&asked.data.data).map_err(system)?;
    let folder = data.display().to_string();
    let service = Service {
        role: Role::Agent,
        program,
        arguments: vec!["run".into(), "--data".into(), folder],
        data,
        also_writes: Vec::new(),
        user: "root".into(),
        has_low_port: false,
    };
    let done = install(Manager::of_this_system(), &service, asked.root.as_deref())?;
    show::line(&match done.is_started {
        true => format!("The agent runs, and will after a restart ({}).", done.file.display()),
        false => format!("Wrote {}.", done.file.display()),
    })
}

/// Takes the service away.
pub(super) fn take_away(asked: &UninstallService) -> Result<(), CommandError> {
    let (purge, root) = (asked.purge.as_deref(), asked.root.as_deref());
    let done = uninstall(Manager::of_this_system(), Role::Agent, purge, root)?;
    let service = match done.file {
        Some(file) => format!("The agent is gone ({}).", file.display()),
        None => "The agent was not installed.".to_owned(),
    };
    let data = match done.purged {
        Some(data) => format!("{} was removed.", data.display()),
        None => "What it keeps is where it was; --purge DIR removes it.".to_owned(),
    };
    show::line(&format!("{service} {data}"))
}
