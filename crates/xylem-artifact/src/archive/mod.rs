//! Zip archives with something to install in them: a bundle package or an application.
//!
//! Both are folders, which no server can hand out as one file: zipped they can be. What the archive
//! holds has to be alone in it, but for what the Finder adds.

mod bundle;
mod facts;
mod mac_app;
mod macho;

use std::collections::BTreeMap;
use std::fs::File;

pub use facts::{
    AppBundleFacts, BundleFacts, BundleKind, BundlePartFacts, ScriptFacts, agrees_with_name,
};

use crate::Form;
use crate::error::ArtifactError;
use crate::inspect::{Content, Inspection};
use crate::text::shown;
use crate::warning::{Warning, WarningCode};
use crate::xar;
use crate::zip::ZipArchive;

/// What the Finder puts beside whatever is compressed.
const BESIDE: [&str; 2] = ["__MACOSX", ".DS_Store"];
/// Names listed of an archive that holds something else.
const MAX_NAMED: usize = 5;
/// Longest of those names, in characters.
const MAX_NAMED_CHARACTERS: usize = 80;

const ADVICE: &str = "compress one bundle package (.pkg or .mpkg folder) or one application with \
                      the Finder, and nothing else";

/// Reads and verifies a zip archive.
pub(crate) fn inspect(file: File) -> Result<Inspection, ArtifactError> {
    let archive = ZipArchive::open(file, Form::Archive)?;
    let top = Top::of(&archive)?;
    let verified = archive.verify()?;
    let mut warnings = archive.warnings(&verified);
    let (display_name, version, content) = match top.kind {
        Kind::Bundle(kind) => {
            let facts = bundle::read(&archive, top.name, kind)?;
            warnings.push(Warning::new(
                WarningCode::BundlePackage,
                "this is a bundle package, a folder that was zipped: MDM, imaging and programs \
                 that install flat packages alone cannot deploy it; a flat package made of it \
                 with pkgbuild or productbuild can be deployed by all",
            ));
            let name = facts.title.clone().or_else(|| facts.identifier.clone());
            (name, facts.version.clone(), Content::BundlePackage(facts))
        }
        Kind::App => {
            let facts = mac_app::read(&archive, top.name)?;
            let name = facts.name.clone().or_else(|| facts.identifier.clone());
            let version = facts.version.clone().or_else(|| facts.build_version.clone());
            (name, version, Content::ZippedApp(facts))
        }
    };
    Ok(Inspection {
        size_bytes: archive.file_bytes(),
        display_name: display_name.or_else(|| Some(shown(top.name))),
        version,
        content,
        warnings,
        index: None,
    })
}

/// The only thing in the archive.
struct Top<'a> {
    name: &'a str,
    kind: Kind,
}

enum Kind {
    App,
    Bundle(BundleKind),
}

impl<'a> Top<'a> {
    fn of(archive: &'a ZipArchive) -> Result<Self, ArtifactError> {
        // Each name at the top, and whether anything lies in it.
        let mut tops: BTreeMap<&str, bool> = BTreeMap::new();
        for member in archive.members() {
            let (top, below) = match member.name().split_once('/') {
                Some((top, _)) => (top, true),
                None => (member.name(), false),
            };
            if !BESIDE.contains(&top) {
                *tops.entry(top).or_default() |= below;
            }
        }
        let mut names = tops.iter();
        let (Some((name, filled)), None) = (names.next(), names.next()) else {
            return Err(wrong(not_one(tops.keys().copied()), ADVICE));
        };
        let kind = match bundle_kind(name) {
            Some(_) if !filled => return Err(flat_inside(archive, name)),
            Some(kind) => kind,
            None => return Err(wrong(not_one(tops.keys().copied()), ADVICE)),
        };
        if archive.find_file(&format!("{name}/Contents/Info.plist")).is_none() {
            let reason = format!("the folder {:?} has no Contents/Info.plist", shown(name));
            return Err(wrong(reason, "compress it anew from an intact copy"));
        }
        Ok(Self { name, kind })
    }
}

fn bundle_kind(name: &str) -> Option<Kind> {
    let (stem, ending) = name.rsplit_once('.')?;
    if stem.is_empty() {
        return None;
    }
    match ending.to_ascii_lowercase().as_str() {
        "app" => Some(Kind::App),
        "pkg" => Some(Kind::Bundle(BundleKind::Package)),
        "mpkg" => Some(Kind::Bundle(BundleKind::Metapackage)),
        _ => None,
    }
}

/// Why a single file that is called like a bundle is refused.
fn flat_inside(archive: &ZipArchive, name: &str) -> ArtifactError {
    let head = archive.find_file(name).map(|member| archive.head(member, xar::MAGIC.len()));
    match head {
        Some(Err(error)) => error,
        Some(Ok(head)) if head == xar::MAGIC => wrong(
            format!("the archive holds a flat package, {:?}", shown(name)),
            "unzip it and upload the package itself, which gains nothing by being zipped",
        ),
        _ => wrong(
            format!("{:?} in the archive is neither a package nor an application", shown(name)),
            ADVICE,
        ),
    }
}

fn not_one<'a>(mut names: impl Iterator<Item = &'a str>) -> String {
    let short = |name: &str| -> String { shown(name).chars().take(MAX_NAMED_CHARACTERS).collect() };
    let first: Vec<String> =
        names.by_ref().take(MAX_NAMED).map(|name| format!("{:?}", short(name))).collect();
    let more = match names.count() {
        0 => String::new(),
        count => format!(" and {count} more"),
    };
    if first.is_empty() {
        "the archive holds nothing to install: it is empty".to_owned()
    } else {
        format!(
            "the archive is to hold one bundle package or application, but holds {}{more}",
            first.join(", ")
        )
    }
}

fn wrong(reason: String, advice: &'static str) -> ArtifactError {
    ArtifactError::WrongContent { reason, advice }
}
