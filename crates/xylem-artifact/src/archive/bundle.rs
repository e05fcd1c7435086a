//! Bundle packages: what was installed before packages became single files.
//!
//! A folder with `Contents/Info.plist`, a payload `Contents/Archive.pax.gz` and programs in
//! `Contents/Resources`. A metapackage holds further packages, bundles or flat ones.

use std::ops::ControlFlow;

use aws_lc_rs::digest;

use super::facts::{BundleFacts, BundleKind, BundlePartFacts, ScriptFacts};
use crate::error::ArtifactError;
use crate::package::RestartAction;
use crate::plist::{MAX_PLIST_BYTES, Value};
use crate::text::{shown, shown_some};
use crate::zip::{Member, ZipArchive};

/// Most packages in one metapackage; suites have some tens.
const MAX_PARTS: usize = 200;
/// Programs that the installer runs, by the names it knows.
const SCRIPTS: [&str; 8] = [
    "InstallationCheck",
    "VolumeCheck",
    "preflight",
    "preinstall",
    "preupgrade",
    "postinstall",
    "postupgrade",
    "postflight",
];
/// Most bytes of a program's first line that are kept.
const MAX_LINE_BYTES: usize = 256;

pub(super) fn read(
    archive: &ZipArchive,
    folder: &str,
    kind: BundleKind,
) -> Result<BundleFacts, ArtifactError> {
    let info = Info::read(archive, folder)?;
    let mut scripts = scripts(archive, folder, "")?;
    let mut packages = Vec::new();
    for found in parts(archive, folder)? {
        let part = part(archive, folder, &found)?;
        if !part.flat {
            scripts.extend(self::scripts(archive, found.path, &part.path)?);
        }
        packages.push(part);
    }
    let restart = packages.iter().map(|part| part.restart).fold(info.restart, RestartAction::max);
    let installed_kbytes = packages
        .iter()
        .fold(info.installed_kbytes, |total, part| total.saturating_add(part.installed_kbytes));
    Ok(BundleFacts {
        kind,
        inner_name: shown(folder),
        title: info.title,
        identifier: info.identifier,
        version: info.version,
        install_location: info.install_location,
        restart,
        installed_kbytes,
        payload_bytes: payload_bytes(archive, folder),
        packages,
        scripts,
    })
}

/// What a bundle's `Info.plist` says.
struct Info {
    title: Option<String>,
    identifier: Option<String>,
    version: Option<String>,
    install_location: Option<String>,
    restart: RestartAction,
    installed_kbytes: u64,
}

impl Info {
    fn read(archive: &ZipArchive, folder: &str) -> Result<Self, ArtifactError> {
        let path = format!("{folder}/Contents/Info.plist");
        let missing = || ArtifactError::malformed(shown(&path), "it is missing");
        let member = archive.find_file(&path).ok_or_else(missing)?;
        let list = Value::parse(&archive.read(member, MAX_PLIST_BYTES)?, &shown(&path))?;
        let restart = list.text("IFPkgFlagRestartAction");
        let kbytes = list.integer("IFPkgFlagInstalledSize").unwrap_or(0);
        Ok(Self {
            title: list.text("CFBundleName"),
            identifier: list.text("CFBundleIdentifier"),
            version: list
                .text("CFBundleShortVersionString")
                .or_else(|| list.text("CFBundleVersion")),
            install_location: list.text("IFPkgFlagDefaultLocation"),
            restart: restart.map_or_else(RestartAction::default, |action| parse_restart(&action)),
            installed_kbytes: u64::try_from(kbytes).unwrap_or(0),
        })
    }
}

/// Bundles call the actions otherwise than flat packages do.
fn parse_restart(action: &str) -> RestartAction {
    match action.to_ascii_lowercase().as_str() {
        "recommendedrestart" => RestartAction::RecommendRestart,
        "requiredlogout" => RestartAction::Logout,
        "requiredrestart" => RestartAction::Restart,
        "shutdown" => RestartAction::Shutdown,
        _ => RestartAction::None,
    }
}

/// A package inside the bundle.
struct Found<'a> {
    path: &'a str,
    flat: bool,
}

/// The packages inside, wherever their folder is, in the archive's order.
fn parts<'a>(archive: &'a ZipArchive, folder: &str) -> Result<Vec<Found<'a>>, ArtifactError> {
    let mut found = Vec::new();
    for member in archive.members().iter().filter(|member| member.is_file()) {
        let Some(inner) =
            member.name().strip_prefix(folder).and_then(|rest| rest.strip_prefix('/'))
        else {
            continue;
        };
        let bundle = member.name().strip_suffix("/Contents/Info.plist");
        let (path, flat) = match bundle {
            Some(path) if inner != "Contents/Info.plist" => (path, false),
            _ => (member.name(), true),
        };
        if !(path.ends_with(".pkg") || path.ends_with(".mpkg")) {
            continue;
        }
        if found.len() == MAX_PARTS {
            return Err(ArtifactError::TooLarge {
                what: "the number of packages in the metapackage".to_owned(),
                found: found.len() as u64 + 1,
                limit: MAX_PARTS as u64,
            });
        }
        found.push(Found { path, flat });
    }
    Ok(found)
}

fn part(
    archive: &ZipArchive,
    folder: &str,
    found: &Found<'_>,
) -> Result<BundlePartFacts, ArtifactError> {
    let inner = found.path.strip_prefix(folder).and_then(|rest| rest.strip_prefix('/'));
    let path = shown(inner.unwrap_or(found.path));
    if found.flat {
        return Ok(BundlePartFacts {
            path,
            flat: true,
            identifier: None,
            version: None,
            install_location: None,
            installed_kbytes: 0,
            restart: RestartAction::None,
        });
    }
    let info = Info::read(archive, found.path)?;
    Ok(BundlePartFacts {
        path,
        flat: false,
        identifier: info.identifier,
        version: info.version,
        install_location: info.install_location,
        installed_kbytes: info.installed_kbytes,
        restart: info.restart,
    })
}

fn payload_bytes(archive: &ZipArchive, folder: &str) -> u64 {
    let names = ["Archive.pax.gz", "Archive.pax"];
    let mut payloads =
        names.iter().filter_map(|name| archive.find_file(&format!("{folder}/Contents/{name}")));
    payloads.next().map_or(0, Member::size_bytes)
}

fn scripts(
    archive: &ZipArchive,
    folder: &str,
    package: &str,
) -> Result<Vec<ScriptFacts>, ArtifactError> {
    let mut scripts = Vec::new();
    for name in SCRIPTS {
        let path = format!("{folder}/Contents/Resources/{name}");
        if let Some(member) = archive.find_file(&path) {
            scripts.push(script(archive, member, package, name)?);
        }
    }
    Ok(scripts)
}

fn script(
    archive: &ZipArchive,
    member: &Member,
    package: &str,
    name: &str,
) -> Result<ScriptFacts, ArtifactError> {
    let mut hasher = digest::Context::new(&digest::SHA256);
    let mut head = Vec::new();
    archive.stream(member, &mut |bytes| {
        hasher.update(bytes);
        let room = MAX_LINE_BYTES - head.len();
        head.extend_from_slice(bytes.get(..room).unwrap_or(bytes));
        ControlFlow::Continue(())
    })?;
    let line = head.split(|byte| matches!(byte, b'\n' | b'\r')).next().unwrap_or_default();
    // A program that is compiled has no lines.
    let line = std::str::from_utf8(line).ok().filter(|line| !line.contains('\0'));
    Ok(ScriptFacts {
        package: package.to_owned(),
        name: name.to_owned(),
        size_bytes: member.size_bytes(),
        sha256: hex::encode(hasher.finish()),
        first_line: shown_some(line),
    })
}
