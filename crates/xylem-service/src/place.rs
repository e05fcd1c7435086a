//! Putting a service in place, and taking it away.

use std::fs;
use std::io;
use std::os::unix::fs::{MetadataExt as _, lchown};
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::{Role, Service, launchd_plist, systemd_unit};

/// Who runs services on this system.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Manager {
    /// Linux.
    Systemd,
    /// macOS.
    Launchd,
}

impl Manager {
    /// The one of the system that this was built for.
    pub const fn of_this_system() -> Self {
        if cfg!(target_os = "macos") { Self::Launchd } else { Self::Systemd }
    }

    /// Where the file of a service lies.
    pub fn file(self, role: Role) -> PathBuf {
        match self {
            Self::Systemd => {
                Path::new("/etc/systemd/system").join(format!("{}.service", role.unit()))
            }
            Self::Launchd => {
                Path::new("/Library/LaunchDaemons").join(format!("{}.plist", role.label()))
            }
        }
    }

    /// What the file says.
    pub fn text(self, service: &Service) -> String {
        match self {
            Self::Systemd => systemd_unit(service),
            Self::Launchd => launchd_plist(service),
        }
    }
}

/// Why a service is not in place, or still is.
#[derive(Debug, thiserror::Error)]
pub enum ServiceError {
    /// Only root may.
    #[error("services are installed by root: use sudo, or --root FOLDER to only write the file")]
    NotRoot,
    /// The program has no fixed place.
    #[error("{} is not where a service could find it: give an absolute path", path.display())]
    NotAbsolute {
        /// The path.
        path: PathBuf,
    },
    /// A file or folder.
    #[error("cannot {doing} {}", path.display())]
    File {
        /// What was attempted.
        doing: &'static str,
        /// On what.
        path: PathBuf,
        /// Why not.
        #[source]
        source: io::Error,
    },
    /// Another program of the system.
    #[error("`{command}` failed: {reason}")]
    Command {
        /// The command.
        command: String,
        /// What it said.
        reason: String,
    },
    /// The folder is not one of ours.
    #[error(
        "{} is not the data folder of a {what}, so nothing was removed from it",
        path.display()
    )]
    NotOurs {
        /// The folder.
        path: PathBuf,
        /// Whose it should be.
        what: &'static str,
    },
}

/// What was put in place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Installed {
    /// The file that describes the service.
    pub file: PathBuf,
    /// Whether it was started.
    pub is_started: bool,
}

/// What was taken away.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Uninstalled {
    /// The file that described the service, where there was one.
    pub file: Option<PathBuf>,
    /// The data folder, where it was removed.
    pub purged: Option<PathBuf>,
}

/// Installs a service and starts it. With `root`, only writes its file below that folder: for
/// packages and images.
///
/// # Errors
/// When not root, or something cannot be written or started.
pub fn install(
    manager: Manager,
    service: &Service,
    root: Option<&Path>,
) -> Result<Installed, ServiceError> {
    for path in [&service.program, &service.data] {
        if !path.is_absolute() {
            return Err(ServiceError::NotAbsolute { path: path.clone() });
        }
    }
    let file = below(root, &manager.file(service.role));
    if root.is_none() {
        require_root()?;
        // Else a folder of somebody else would be given away.
        check_ours(service.role, &service.data)?;
        if service.role != Role::Agent {
            prepare_user(manager, service)?;
        }
    }
    if let Some(folder) = file.parent() {
        let made = fs::create_dir_all(folder);
        made.map_err(|source| file_error("make", folder, source))?;
    }
    fs::write(&file, manager.text(service)).map_err(|source| file_error("write", &file, source))?;
    let is_started = root.is_none();
    if is_started {
        start(manager, service.role, &file)?;
    }
    Ok(Installed { file, is_started })
}

/// Ends a service and takes its file away. The data folder stays, unless `purge` names it; end what
/// was started on it by hand first.
///
/// # Errors
/// When not root, something cannot be ended or removed, or the folder is not a data folder of ours;
/// that is found out first.
pub fn uninstall(
    manager: Manager,
    role: Role,
    purge: Option<&Path>,
    root: Option<&Path>,
) -> Result<Uninstalled, ServiceError> {
    if let Some(data) = purge {
        check_ours(role, data)?;
    }
    let file = below(root, &manager.file(role));
    if root.is_none() {
        require_root()?;
    }
    let is_there = file.exists();
    if is_there {
        if root.is_none() {
            stop(manager, role)?;
        }
        fs::remove_file(&file).map_err(|source| file_error("remove", &file, source))?;
        if root.is_none() && manager == Manager::Systemd {
            run("systemctl", &["daemon-reload"])?;
        }
    }
    if let Some(data) = purge {
        let data = resolved(data)?;
        fs::remove_dir_all(&data).map_err(|source| file_error("remove", &data, source))?;
    }
    Ok(Uninstalled { file: is_there.then_some(file), purged: purge.map(Path::to_owned) })
}

/// Whether a folder holds what a part of ours keeps: nothing else is ever removed.
fn check_ours(role: Role, data: &Path) -> Result<(), ServiceError> {
    let (marks, what): (&[&str], _) = match role {
        Role::Server => (&["format", "trust.json", "keys", "ca"], "management server"),
        Role::Distribution => {
            (&["format", "server.json", "identity", "repo"], "distribution server")
        }
        Role::Agent => (&["agent.json", "identity"], "agent"),
    };
    match data.is_absolute() && marks.iter().all(|mark| data.join(mark).exists()) {
        true => Ok(()),
        false => Err(ServiceError::NotOurs { path: data.to_owned(), what }),
    }
}

fn below(root: Option<&Path>, path: &Path) -> PathBuf {
    match (root, path.strip_prefix("/")) {
        (Some(root), Ok(relative)) => root.join(relative),
        _ => path.to_owned(),
    }
}

/// Sees to the user, and gives it the data folder: enrolment made that as root.
fn prepare_user(manager: Manager, service: &Service) -> Result<(), ServiceError> {
    if manager == Manager::Systemd && run("id", &["-u", &service.user]).is_err() {
        let shell =
            ["--system", "--user-group", "--no-create-home", "--shell", "/usr/sbin/nologin"];
        run("useradd", &[shell.as_slice(), &[&service.user]].concat())?;
    }
    let number = |flag| -> Result<u32, ServiceError> {
        let said = run("id", &[flag, &service.user])?;
        said.trim().parse().map_err(|_| ServiceError::Command {
            command: format!("id {flag} {}", service.user),
            reason: "it gives no number".into(),
        })
    };
    let (user, group) = (number("-u")?, number("-g")?);
    for folder in &service.also_writes {
        if folder.exists() {
            // Whoever made it, as the system did /var/log, says who may write there.
            continue;
        }
        fs::create_dir_all(folder).map_err(|source| file_error("make", folder, source))?;
        lchown(folder, Some(user), Some(group))
            .map_err(|source| file_error("change the owner of", folder, source))?;
    }
    give(&resolved(&service.data)?, user, group)
}

/// Where a folder really is: a data folder may be a link to another disk.
fn resolved(path: &Path) -> Result<PathBuf, ServiceError> {
    fs::canonicalize(path).map_err(|source| file_error("find", path, source))
}

/// Gives a folder and everything in it to a user; links themselves, not where they lead.
fn give(path: &Path, user: u32, group: u32) -> Result<(), ServiceError> {
    let metadata = fs::symlink_metadata(path).map_err(|source| file_error("read", path, source))?;
    if (metadata.uid(), metadata.gid()) != (user, group) {
        lchown(path, Some(user), Some(group))
            .map_err(|source| file_error("change the owner of", path, source))?;
    }
    if metadata.is_dir() {
        let entries = fs::read_dir(path).map_err(|source| file_error("read", path, source))?;
        for entry in entries {
            let entry = entry.map_err(|source| file_error("read", path, source))?;
            give(&entry.path(), user, group)?;
        }
    }
    Ok(())
}

fn start(manager: Manager, role: Role, file: &Path) -> Result<(), ServiceError> {
    match manager {
        Manager::Systemd => {
            run("systemctl", &["daemon-reload"])?;
            run("systemctl", &["enable", role.unit()])?;
            run("systemctl", &["restart", role.unit()])?;
        }
        Manager::Launchd => {
            // One of an earlier installation would be in the way.
            let _ = run("launchctl", &["bootout", &format!("system/{}", role.label())]);
            run("launchctl", &["bootstrap", "system", &file.display().to_string()])?;
        }
    }
    Ok(())
}

fn stop(manager: Manager, role: Role) -> Result<(), ServiceError> {
    match manager {
        Manager::Systemd => run("systemctl", &["disable", "--now", role.unit()])?,
        // One that is not loaded is as good as ended.
        Manager::Launchd => {
            run("launchctl", &["bootout", &format!("system/{}", role.label())]).unwrap_or_default()
        }
    };
    Ok(())
}

fn require_root() -> Result<(), ServiceError> {
    match run("id", &["-u"])?.trim() {
        "0" => Ok(()),
        _ => Err(ServiceError::NotRoot),
    }
}

fn run(program: &str, words: &[&str]) -> Result<String, ServiceError> {
    let command = format!("{program} {}", words.join(" "));
    let failed = |reason: String| ServiceError::Command { command: command.clone(), reason };
    let output = Command::new(program).args(words).output();
    let output = output.map_err(|error| failed(error.to_string()))?;
    match output.status.success() {
        true => Ok(String::from_utf8_lossy(&output.stdout).into_owned()),
        false => Err(failed(String::from_utf8_lossy(&output.stderr).trim().to_owned())),
    }
}

fn file_error(doing: &'static str, path: &Path, source: io::Error) -> ServiceError {
    ServiceError::File { doing, path: path.to_owned(), source }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn service(data: &Path) -> Service {
        Service {
            role: Role::Distribution,
            program: "/usr/local/bin/xylem".into(),
            arguments: vec!["distribution".into(), "run".into()],
            data: data.to_owned(),
            also_writes: Vec::new(),
            user: "xylem".into(),
            has_low_port: false,
        }
    }

    #[test]
    fn the_file_comes_and_goes_and_data_stays() {
        let root = tempfile::tempdir().unwrap();
        let data = root.path().join("data");
        for folder in ["identity", "repo"] {
            fs::create_dir_all(data.join(folder)).unwrap();
        }
        for manager in [Manager::Systemd, Manager::Launchd] {
            let installed = install(manager, &service(&data), Some(root.path())).unwrap();
            assert!(!installed.is_started);
            assert!(installed.file.starts_with(root.path()) && installed.file.exists());
            let gone = uninstall(manager, Role::Distribution, None, Some(root.path())).unwrap();
            assert_eq!(gone.file.as_ref(), Some(&installed.file));
            assert!(!installed.file.exists() && data.exists());
            let again = uninstall(manager, Role::Distribution, None, Some(root.path())).unwrap();
            assert_eq!(again, Uninstalled { file: None, purged: None });
        }
    }

    #[test]
    fn only_a_data_folder_of_ours_is_purged() {
        let root = tempfile::tempdir().unwrap();
        let data = root.path().join("data");
        fs::create_dir_all(data.join("repo")).unwrap();
        let purge =
            || uninstall(Manager::Systemd, Role::Distribution, Some(&data), Some(root.path()));
        let error = purge().unwrap_err();
        assert!(matches!(error, ServiceError::NotOurs { .. }), "{error}");
        assert!(data.exists());
        for (name, folder) in [("format", false), ("server.json", false), ("identity", true)] {
            match folder {
                true => fs::create_dir(data.join(name)).unwrap(),
                false => fs::write(data.join(name), "").unwrap(),
            }
        }
        assert_eq!(purge().unwrap().purged.as_ref(), Some(&data));
        assert!(!data.exists());
    }

    #[test]
    fn a_service_needs_absolute_paths() {
        let error = install(Manager::Systemd, &service(Path::new("data")), None).unwrap_err();
        assert!(matches!(error, ServiceError::NotAbsolute { .. }), "{error}");
    }
}
