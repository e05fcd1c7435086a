//! Servers of this machine as services.

use std::path::{Path, PathBuf};

use xylem_distribution::Settings;
use xylem_runtime::RealFs;
use xylem_service::{Manager, Role, Service, install, uninstall};

use crate::Failure;
use crate::access::configuration;
use crate::cli::{InstallService, ServiceCommand, ServiceManager, ServiceRole};
use crate::output::Output;
use crate::roles::read_config;

/// Ports below this take a right of their own (ip(7), `ip_unprivileged_port_start`).
const FIRST_FREE_PORT: u16 = 1024;

pub(crate) fn run(command: ServiceCommand, output: &Output) -> Result<(), Failure> {
    let here = Manager::of_this_system();
    match command {
        ServiceCommand::Print { service, manager } => {
            let manager = manager.map_or(here, |manager| match manager {
                ServiceManager::Systemd => Manager::Systemd,
                ServiceManager::Launchd => Manager::Launchd,
            });
            let text = manager.text(&described(&service, manager)?);
            output.generated(|out| {
                out.extend_from_slice(text.as_bytes());
            })
        }
        ServiceCommand::Install(asked) => {
            let service = described(&asked, here)?;
            let done = install(here, &service, asked.root.as_deref()).map_err(failure)?;
            output.say(&match done.is_started {
                true => format!(
                    "{} runs as {}, and will after a restart of the machine ({}).",
                    service.role.unit(),
                    service.user,
                    done.file.display()
                ),
                false => format!("Wrote {}.", done.file.display()),
            })
        }
        ServiceCommand::Uninstall(asked) => {
            let role = role(asked.role);
            let (purge, root) = (asked.purge.as_deref(), asked.root.as_deref());
            let done = uninstall(here, role, purge, root).map_err(failure)?;
            let service = match &done.file {
                Some(file) => format!("{} is gone ({}).", role.unit(), file.display()),
                None => format!("{} was not installed.", role.unit()),
            };
            let data = match &done.purged {
                Some(data) => format!("{} was removed.", data.display()),
                None => "Its data is where it was; --purge DATA removes it.".to_owned(),
            };
            output.say(&format!("{service} {data}"))
        }
    }
}

/// What is to be run, with absolute paths.
fn described(asked: &InstallService, manager: Manager) -> Result<Service, Failure> {
    let program = std::env::current_exe()?;
    let user = asked.user.clone().unwrap_or_else(|| {
        // On a Mac a user of its own is for its administrator to make.
        let user = if manager == Manager::Launchd { "daemon" } else { "xylem" };
        user.to_owned()
    });
    let words = |all: &[&str]| all.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>();
    let role = role(asked.role);
    let mut also_writes = Vec::new();
    let (arguments, data, port) = match (asked.role, &asked.config, &asked.data) {
        (ServiceRole::Server, Some(config), _) => {
            let config = absolute(config)?;
            let settings = read_config(&config)?;
            let arguments = words(&["server", "run", "--config", text(&config)?]);
            if !settings.data.is_absolute() {
                return Err(Failure::configuration(format!(
                    "`data` in {} is a relative path: a service has no folder of its own to begin \
                     at, so write an absolute one",
                    config.display()
                )));
            }
            (arguments, settings.data, settings.listen.port())
        }
        (ServiceRole::Distribution, _, Some(data)) => {
            let data = absolute(data)?;
            let settings = Settings::read(&RealFs, &data).map_err(configuration)?;
            let mut arguments = words(&["distribution", "run", "--data", text(&data)?]);
            if let Some(log) = &asked.access_log {
                let log = absolute(log)?;
                arguments.extend(words(&["--access-log", text(&log)?]));
                also_writes.extend(log.parent().map(Path::to_owned));
            }
            (arguments, data, settings.listen.port())
        }
        _ => return Err(Failure::configuration("give --config FILE or --data FOLDER")),
    };
    let has_low_port = (1..FIRST_FREE_PORT).contains(&port);
    Ok(Service { role, program, arguments, data, also_writes, user, has_low_port })
}

const fn role(role: ServiceRole) -> Role {
    match role {
        ServiceRole::Server => Role::Server,
        ServiceRole::Distribution => Role::Distribution,
    }
}

fn absolute(path: &Path) -> Result<PathBuf, Failure> {
    Ok(std::path::absolute(path)?)
}

fn text(path: &Path) -> Result<&str, Failure> {
    path.to_str().ok_or_else(|| {
        Failure::configuration(format!("{} is not Unicode, as service files are", path.display()))
    })
}

fn failure(error: xylem_service::ServiceError) -> Failure {
    Failure::new(xylem_telemetry::chain(&error).to_string())
}
