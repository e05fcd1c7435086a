//! `xylem demo`: the whole system on this machine, from nothing.
//!
//! Nothing is staged for the show: each part is a process of its own, started with the commands
//! an administrator would type, with real certificates, real enrollment and a real database, in
//! one folder. The table at the end is read from the system's own API.

mod package;
mod story;

use std::path::PathBuf;

use anyhow::Context as _;
use xylem_client::NamedKind;

use crate::Failure;
use crate::cli::DemoOptions;
use crate::output::Output;
use crate::system::{Programs, System};
use story::Story;

pub(crate) async fn run(options: DemoOptions, output: &Output) -> Result<(), Failure> {
    let folder = folder(&options)?;
    output.say(&format!("Everything goes into {}\n", folder.display()))?;
    let files = files(&options, &folder, output)?;

    let mut system = build(folder, output).await?;
    let told = Story::tell(&system, &files, output).await;
    match told {
        Ok(story) => {
            output.value(&story, Story::text)?;
            if options.keep {
                output.say(&how_to_go_on(&system))?;
            } else {
                system.stop().await;
                if options.folder.is_none() {
                    let folder = system.folder();
                    std::fs::remove_dir_all(folder)
                        .with_context(|| format!("cannot remove {}", folder.display()))?;
                }
            }
            Ok(())
        }
        Err(failure) => {
            // The folder stays: its logs say more.
            system.stop().await;
            let logs = system.folder().join("logs");
            output.say(&format!("\nThe logs are in {}", logs.display()))?;
            Err(failure)
        }
    }
}

/// The site of the lowest distribution server and of the computer.
const SITE: &str = "Campus";

/// The computer.
const COMPUTER: &str = "campus-mac-1";

/// Distribution servers: name, parent, site.
const SERVERS: [(&str, Option<&str>, Option<&str>); 3] =
    [("root", None, None), ("region", Some("root"), None), ("campus", Some("region"), Some(SITE))];

/// Management server, root, two children one below the other, one computer.
async fn build(folder: PathBuf, output: &Output) -> Result<System, Failure> {
    let mut system = System::start(Programs::here()?, folder).await?;
    output.say(&format!("management server    {}", system.server_url()))?;
    system.access().admin.add_name(NamedKind::Site, SITE).await?;
    for (name, parent, site) in SERVERS {
        let url = system.add_distribution_server(name, parent, site, None).await?;
        let below = parent.map(|parent| format!(", below {parent}")).unwrap_or_default();
        output.say(&format!("distribution server  {url}  {name}{below}"))?;
    }
    system.add_computer(COMPUTER, Some(SITE)).await?;
    output.say(&format!("computer             {COMPUTER}, at the site {SITE}\n"))?;
    Ok(system)
}

fn how_to_go_on(system: &System) -> String {
    let settings: Vec<String> =
        system.environment().iter().map(|(name, value)| format!("{name}={value}")).collect();
    let pids: Vec<String> = system.process_ids().iter().map(u32::to_string).collect();
    let programs = system.programs();
    let (xylem, agent) = (programs.xylem.display(), programs.agent.display());
    format!(
        "\nThe system goes on running. To use it:\n\n\
         \x20 export {}\n\
         \x20 {xylem} ds list\n\
         \x20 {xylem} package upload FILE.pkg --copies 3\n\
         \x20 {xylem} install FILE.pkg --on {COMPUTER}\n\
         \x20 {agent} check-in --data {} --target {}\n\n\
         To stop it and remove everything:\n\n\
         \x20 kill {} && rm -r {}\n",
        settings.join(" "),
        system.folder().join(COMPUTER).display(),
        system.disk_of(COMPUTER).display(),
        pids.join(" "),
        system.folder().display(),
    )
}

fn folder(options: &DemoOptions) -> Result<PathBuf, Failure> {
    let folder = match &options.folder {
        Some(folder) => folder.clone(),
        None => std::env::temp_dir().join(format!("xylem-demo-{}", std::process::id())),
    };
    let shown = folder.display();
    if std::fs::read_dir(&folder).is_ok_and(|mut entries| entries.next().is_some()) {
        return Err(Failure::new(format!("{shown} is not empty: give a new folder")));
    }
    std::fs::create_dir_all(&folder).with_context(|| format!("cannot make {shown}"))?;
    folder.canonicalize().with_context(|| format!("cannot use {shown}")).map_err(Failure::from)
}

/// The files to publish: the given ones, or genuine ones made here.
fn files(
    options: &DemoOptions,
    folder: &std::path::Path,
    output: &Output,
) -> Result<Vec<PathBuf>, Failure> {
    let mut files = Vec::new();
    for file in &options.files {
        let file =
            file.canonicalize().with_context(|| format!("cannot open {}", file.display()))?;
        files.push(file);
    }
    if let Some(mib) = options.size {
        output.say(&format!("Building a package of {mib} MiB …"))?;
        files.push(package::build_large(folder, mib)?);
    }
    if files.is_empty() {
        files.push(package::build_small(folder)?);
    }
    Ok(files)
}
