//! What a user sees first: the folder at the top of the volume. Then all that is in it.

use std::io;

use xylem_model::FoundIndex;

use super::disk::Disk;
use super::facts::{ApplicationFacts, FileSystem, RootFacts, VolumeFacts, shown};
use super::files::{Apfs, Entry, EntryKind, FIRST_NUMBER, Files, Hfs, ROOT, Window};
use super::info_plist;
use crate::index::{Listing, Names, NoIndex, Top, missing};
use crate::warning::{Warning, WarningCode};

/// Most bytes that may be decoded and read to look into the file system.
const MAX_READ_BYTES: u64 = 256 << 20;
/// Most bytes that may be decoded and read for the names of all files, counted anew: a volume with too
/// many is still looked into at its top.
const MAX_WALK_BYTES: u64 = 256 << 20;
/// Decoded chunks that are kept meanwhile, in bytes: trees are walked in the order of their keys, and
/// their nodes may lie anywhere. So much holds the names of a hundred thousand files.
const WALK_CACHE_BYTES: usize = 64 << 20;
/// Why there is no index of an image with more than one volume: what is looked into is the first, and
/// a list of that alone would be no list of the image.
pub(super) const SEVERAL_VOLUMES: &str =
    "the image holds several volumes, of which only one is looked into";
/// Most names of the top that are reported.
const MAX_NAMES: usize = 256;
/// Most applications, and packages, at the top that are reported.
const MAX_ITEMS: usize = 32;
/// Folders that only a startup disk has at its top.
const STARTUP_FOLDERS: [&str; 12] = [
    "Applications",
    "Developer",
    "Library",
    "Network",
    "System",
    "Users",
    "bin",
    "etc",
    "opt",
    "private",
    "sbin",
    "usr",
];
const USERS: &str = "Users";
const SHARED: &str = "Shared";
/// In the order of the fields that they fill.
const INFO_KEYS: [&str; 4] = [
    "CFBundleIdentifier",
    "CFBundleShortVersionString",
    "CFBundleVersion",
    "LSMinimumSystemVersion",
];

/// A volume with what was found at its top.
pub(super) struct Contents {
    pub(super) volume: VolumeFacts,
    pub(super) root: Option<RootFacts>,
    /// All that is in it, or why that cannot be told.
    pub(super) index: FoundIndex,
}

impl Contents {
    /// Looks into the volume that starts at a byte of the disk. One that cannot be read is not
    /// refused: a Mac may read it.
    pub(super) fn read(
        disk: &mut Disk,
        start: u64,
        mut volume: VolumeFacts,
        warnings: &mut Vec<Warning>,
    ) -> Self {
        disk.allow(MAX_READ_BYTES);
        let window = Window { disk, start };
        let found = match volume.file_system {
            FileSystem::Apfs => apfs(window, &mut volume, warnings),
            FileSystem::HfsPlus | FileSystem::Hfsx => hfs(window, &mut volume, warnings),
            _ => Err(io::Error::other("there is no reader for it")),
        };
        let (root, index) = found.unwrap_or_else(|error| {
            let reason =
                format!("the volume ({}) could not be looked into: {error}", volume.file_system);
            let message = format!("{reason}; a Mac may read it");
            warnings.push(Warning::new(WarningCode::FileSystemUnread, message));
            (None, missing(reason))
        });
        Self { volume, root, index }
    }
}

fn hfs(
    window: Window<'_>,
    volume: &mut VolumeFacts,
    warnings: &mut Vec<Warning>,
) -> io::Result<(Option<RootFacts>, FoundIndex)> {
    let mut files = Hfs::open(window)?;
    volume.journaled = files.journaled;
    volume.name = files.name()?.map(|name| shown(&name));
    let root = look_around(&mut files, warnings)?;
    Ok((Some(root), index(&mut files)))
}

fn apfs(
    window: Window<'_>,
    volume: &mut VolumeFacts,
    warnings: &mut Vec<Warning>,
) -> io::Result<(Option<RootFacts>, FoundIndex)> {
    let mut files = Apfs::open(window)?;
    volume.name = Some(shown(&files.name));
    volume.encrypted = files.encrypted;
    if files.encrypted {
        let message = "the volume is encrypted, so nothing can be said of what it holds, and it \
                       cannot be installed without its password";
        warnings.push(Warning::new(WarningCode::EncryptedVolume, message));
        return Ok((None, missing("the volume is encrypted")));
    }
    let root = look_around(&mut files, warnings)?;
    let index = match files.volumes {
        1 => index(&mut files),
        _ => missing(SEVERAL_VOLUMES),
    };
    Ok((Some(root), index))
}

/// What an image puts on a startup disk that it is unpacked onto: all that is on the volume.
fn index(files: &mut dyn Files) -> FoundIndex {
    match list_all(files) {
        Ok(listing) => listing.finish(),
        Err(reason) => missing(format!("not all of the volume can be listed: {reason}")),
    }
}

fn list_all(files: &mut dyn Files) -> Result<Listing, NoIndex> {
    files.disk().allow(MAX_WALK_BYTES);
    files.disk().keep(WALK_CACHE_BYTES);
    let mut names = Names::default();
    files.walk(&mut names)?;
    let left_out = files.own_names();
    let top = Top { numbers: &[ROOT], first_number: FIRST_NUMBER, path: &[], left_out };
    let mut listing = Listing::default();
    names.place(&top, &mut listing)?;
    Ok(listing)
}

fn look_around(files: &mut dyn Files, warnings: &mut Vec<Warning>) -> io::Result<RootFacts> {
    let entries: Vec<Entry> = files.list(ROOT)?.into_iter().filter(is_visible).collect();
    let mut root = RootFacts {
        names: entries.iter().take(MAX_NAMES).map(|entry| shown(&entry.name)).collect(),
        entries: entries.len(),
        ..RootFacts::default()
    };
    for entry in &entries {
        let name = entry.name.to_ascii_lowercase();
        if name.ends_with(".app") && entry.kind == EntryKind::Folder {
            if root.applications.len() < MAX_ITEMS {
                root.applications.push(application(files, entry, warnings));
            }
        } else if (name.ends_with(".pkg") || name.ends_with(".mpkg"))
            && entry.kind != EntryKind::Link
            && root.packages.len() < MAX_ITEMS
        {
            root.packages.push(shown(&entry.name));
        }
    }
    let is_startup_folder = |entry: &&Entry| {
        entry.kind == EntryKind::Folder && STARTUP_FOLDERS.contains(&entry.name.as_str())
    };
    let mut startup_folders = entries.iter().filter(is_startup_folder);
    root.startup_disk_folders = root.applications.is_empty()
        && root.packages.is_empty()
        && startup_folders.clone().next().is_some();
    if root.startup_disk_folders
        && let Some(users) = startup_folders.find(|entry| entry.name == USERS)
    {
        root.homes = homes(files, users)?;
    }
    warn(&root, warnings);
    Ok(root)
}

/// Neither hidden by its name nor one of the file system's own.
fn is_visible(entry: &Entry) -> bool {
    !entry.name.starts_with('.') && !entry.name.contains(char::is_control)
}

fn homes(files: &mut dyn Files, users: &Entry) -> io::Result<Vec<String>> {
    let homes = files.list(users.id)?.into_iter().filter(is_visible);
    let homes = homes.filter(|home| home.kind == EntryKind::Folder && home.name != SHARED);
    Ok(homes.take(MAX_ITEMS).map(|home| shown(&home.name)).collect())
}

fn application(
    files: &mut dyn Files,
    bundle: &Entry,
    warnings: &mut Vec<Warning>,
) -> ApplicationFacts {
    let mut facts =
        ApplicationFacts { file_name: shown(&bundle.name), ..ApplicationFacts::default() };
    match info_texts(files, bundle) {
        Ok(texts) => {
            let [identifier, short_version, version, minimum_os] = texts;
            facts = ApplicationFacts { identifier, short_version, version, minimum_os, ..facts };
        }
        Err(error) => {
            let message =
                format!("the Info.plist of {} could not be read: {error}", facts.file_name);
            warnings.push(Warning::new(WarningCode::FileSystemUnread, message));
        }
    }
    facts
}

fn info_texts(files: &mut dyn Files, bundle: &Entry) -> io::Result<[Option<String>; 4]> {
    let contents = child(files, bundle.id, "Contents")?;
    let info = child(files, contents.id, "Info.plist")?;
    let bytes = files.read(&info, info_plist::MAX_BYTES)?;
    let texts = info_plist::texts(&bytes, &INFO_KEYS)?;
    Ok(INFO_KEYS.map(|key| texts.get(key).map(|text| shown(text.trim()))))
}

fn child(files: &mut dyn Files, folder: u64, name: &str) -> io::Result<Entry> {
    let mut entries = files.list(folder)?.into_iter();
    entries
        .find(|entry| entry.name.eq_ignore_ascii_case(name))
        .ok_or_else(|| io::Error::other(format!("it has no {name}")))
}

fn warn(root: &RootFacts, warnings: &mut Vec<Warning>) {
    let mut items = root.applications.iter().map(|facts| &facts.file_name).chain(&root.packages);
    if let Some(first) = items.next() {
        let more = match items.count() {
            0 => String::new(),
            more => format!(" and {more} more"),
        };
        let message = format!(
            "the image holds {first}{more} for a user to install: where images are unpacked onto \
             the startup disk, it would land at the top of the disk"
        );
        warnings.push(Warning::new(WarningCode::InstalledByHand, message));
    }
    if !root.homes.is_empty() {
        let message = format!(
            "the image holds the home folders {}: unless the policy fills user templates or \
             existing homes with them, each Mac gets these homes, which belong to nobody",
            root.homes.join(", ")
        );
        warnings.push(Warning::new(WarningCode::HomeFolders, message));
    }
}
