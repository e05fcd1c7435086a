//! The description of a component package, and how its parts are packed.

use std::collections::BTreeMap;
use std::io::{self, Write};

use flate2::Compression;
use flate2::write::GzEncoder;

use super::bom::{BomPath, write_bom};
use super::cpio::{CpioMember, CpioWriter};
use super::pbzx::{DEFAULT_BLOCK_BYTES, PbzxWriter};
use super::{BuildError, Source, XarWriter, documents};
use crate::package::RestartAction;

/// Bits of a mode that tell the type of file, and the types.
const FILE_TYPE: u32 = 0o170_000;
const DIRECTORY: u32 = 0o040_000;
const REGULAR: u32 = 0o100_000;
const SYMLINK: u32 = 0o120_000;
/// Bits of a mode that can be chosen.
const PERMISSIONS: u32 = 0o7777;

/// How a payload is packed around its cpio archive.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum PayloadFormat {
    /// gzip, which every macOS reads.
    #[default]
    Gzip,
    /// Not at all: the fastest, right for content that does not compress.
    Plain,
    /// LZMA blocks, for macOS 10.10 and later.
    Pbzx,
}

/// A component package to be written.
#[derive(Clone, Debug)]
pub struct ComponentBuilder {
    pub(super) identifier: String,
    pub(super) version: String,
    pub(super) install_location: String,
    pub(super) minimum_os: Option<String>,
    pub(super) postinstall_action: RestartAction,
    pub(super) must_close: Vec<String>,
    pub(super) scripts: BTreeMap<String, Source>,
    pub(super) install_kbytes: u64,
    folder: Option<String>,
    payload_format: PayloadFormat,
    members: BTreeMap<String, Member>,
}

#[derive(Clone, Debug)]
enum Member {
    Directory { mode: u32 },
    File { mode: u32, source: Source },
    Symlink { target: String },
    HardLink { existing: String },
}

impl ComponentBuilder {
    /// A component that installs nothing yet, at `/`.
    #[must_use]
    pub fn new(identifier: impl Into<String>, version: impl Into<String>) -> Self {
        Self {
            identifier: identifier.into(),
            version: version.into(),
            install_location: "/".to_owned(),
            minimum_os: None,
            postinstall_action: RestartAction::None,
            must_close: Vec::new(),
            scripts: BTreeMap::new(),
            install_kbytes: 0,
            folder: None,
            payload_format: PayloadFormat::default(),
            members: BTreeMap::new(),
        }
    }

    /// The name of its folder in a product archive, by default the identifier and `.pkg`.
    #[must_use]
    pub fn in_folder(mut self, name: impl Into<String>) -> Self {
        self.folder = Some(name.into());
        self
    }

    /// Where the payload goes.
    #[must_use]
    pub fn install_location(mut self, location: impl Into<String>) -> Self {
        self.install_location = location.into();
        self
    }

    /// The lowest macOS version allowed.
    #[must_use]
    pub fn minimum_os(mut self, version: impl Into<String>) -> Self {
        self.minimum_os = Some(version.into());
        self
    }

    /// What has to happen after the installation.
    #[must_use]
    pub fn postinstall_action(mut self, action: RestartAction) -> Self {
        self.postinstall_action = action;
        self
    }

    /// Asks for an application to be quit first.
    #[must_use]
    pub fn must_close(mut self, bundle_identifier: impl Into<String>) -> Self {
        self.must_close.push(bundle_identifier.into());
        self
    }

    /// How the payload is packed.
    #[must_use]
    pub fn payload_format(mut self, format: PayloadFormat) -> Self {
        self.payload_format = format;
        self
    }

    /// Installs a folder. Folders on the way to other members need not be named.
    #[must_use]
    pub fn directory(self, path: &str, mode: u32) -> Self {
        self.member(path, Member::Directory { mode })
    }

    /// Installs a file.
    #[must_use]
    pub fn file(self, path: &str, mode: u32, source: Source) -> Self {
        self.member(path, Member::File { mode, source })
    }

    /// Installs a symbolic link.
    #[must_use]
    pub fn symlink(self, path: &str, target: impl Into<String>) -> Self {
        self.member(path, Member::Symlink { target: target.into() })
    }

    /// Installs a second name of another file of this component.
    #[must_use]
    pub fn hard_link(self, path: &str, existing: impl Into<String>) -> Self {
        self.member(path, Member::HardLink { existing: existing.into() })
    }

    /// Adds a script, `preinstall` or `postinstall`.
    #[must_use]
    pub fn script(mut self, name: impl Into<String>, body: impl AsRef<[u8]>) -> Self {
        self.scripts.insert(name.into(), Source::bytes(body));
        self
    }

    fn member(mut self, path: &str, member: Member) -> Self {
        self.members.insert(path.to_owned(), member);
        self
    }

    /// The folder in a product archive.
    pub(super) fn folder(&self) -> String {
        self.folder.clone().unwrap_or_else(|| format!("{}.pkg", self.identifier))
    }

    /// Sums up what the component takes on the disk.
    pub(super) fn measure(&mut self) -> Result<(), BuildError> {
        let mut bytes: u64 = 0;
        for (path, member) in &self.members {
            if let Member::File { source, .. } = member {
                bytes += source.len_bytes().map_err(pack_error(path))?;
            }
        }
        self.install_kbytes = bytes.div_ceil(1024);
        Ok(())
    }

    /// Packs every part into the archive, each path beginning with `prefix`.
    pub(super) fn add_to(&self, archive: &mut XarWriter, prefix: &str) -> Result<(), BuildError> {
        let mut component = self.clone();
        component.measure()?;
        let members = component.complete_members()?;
        if !members.is_empty() {
            let mut paths = Vec::new();
            let path = format!("{prefix}Payload");
            archive
                .add_stored(&path, |output| {
                    paths = pack(&members, self.payload_format, output)?;
                    Ok(())
                })
                .map_err(pack_error(&path))?;
            let path = format!("{prefix}Bom");
            archive.add_compressed(&path, &write_bom(&paths)).map_err(pack_error(&path))?;
        }
        if !self.scripts.is_empty() {
            let scripts = self.script_members()?;
            let path = format!("{prefix}Scripts");
            archive
                .add_stored(&path, |output| pack(&scripts, PayloadFormat::Gzip, output).map(|_| ()))
                .map_err(pack_error(&path))?;
        }
        let document = documents::package_info(&component, members.len());
        let path = format!("{prefix}PackageInfo");
        archive.add_compressed(&path, document.as_bytes()).map_err(pack_error(&path))
    }

    /// The members with every folder on the way; none at all when nothing is installed.
    fn complete_members(&self) -> Result<BTreeMap<String, Member>, BuildError> {
        let mut members = self.members.clone();
        for (path, member) in &self.members {
            check_path(path)?;
            if let Member::HardLink { existing } = member
                && !matches!(self.members.get(existing), Some(Member::File { .. }))
            {
                let reason = "it is a hard link to something that is no file of the component";
                return Err(BuildError::Invalid { what: path.clone(), reason });
            }
            for (end, _) in path.match_indices('/') {
                let parent = path.get(..end).unwrap_or_default();
                let folder =
                    members.entry(parent.to_owned()).or_insert(Member::Directory { mode: 0o755 });
                if !matches!(folder, Member::Directory { .. }) {
                    let reason = "something on the way to it is no folder";
                    return Err(BuildError::Invalid { what: path.clone(), reason });
                }
            }
        }
        if !members.is_empty() {
            members.insert(".".to_owned(), Member::Directory { mode: 0o755 });
        }
        Ok(members)
    }

    fn script_members(&self) -> Result<BTreeMap<String, Member>, BuildError> {
        let mut members = BTreeMap::from([(".".to_owned(), Member::Directory { mode: 0o755 })]);
        for (name, source) in &self.scripts {
            // The name becomes an element of the PackageInfo, too.
            if !matches!(name.as_str(), "preinstall" | "postinstall") {
                let reason = "scripts are called preinstall or postinstall";
                return Err(BuildError::Invalid { what: name.clone(), reason });
            }
            members.insert(name.clone(), Member::File { mode: 0o755, source: source.clone() });
        }
        Ok(members)
    }
}

/// Only relative paths without steps upwards can be installed.
fn check_path(path: &str) -> Result<(), BuildError> {
    let ordinary = |name: &str| !matches!(name, "" | "." | "..") && !name.contains('\0');
    if path.split('/').all(ordinary) {
        return Ok(());
    }
    let reason = "paths are relative, such as usr/local/bin/tool, without . or .. in them";
    Err(BuildError::Invalid { what: path.to_owned(), reason })
}

/// Writes the members as cpio in the given form and returns them as the Bom wants them.
fn pack(
    members: &BTreeMap<String, Member>,
    format: PayloadFormat,
    output: &mut dyn Write,
) -> io::Result<Vec<BomPath>> {
    match format {
        PayloadFormat::Plain => {
            let mut archive = CpioWriter::new(output);
            let paths = append_all(members, &mut archive)?;
            archive.finish()?;
            Ok(paths)
        }
        PayloadFormat::Gzip => {
            let mut archive = CpioWriter::new(GzEncoder::new(output, Compression::default()));
            let paths = append_all(members, &mut archive)?;
            archive.finish()?.finish()?;
            Ok(paths)
        }
        PayloadFormat::Pbzx => {
            let mut archive = CpioWriter::new(PbzxWriter::new(output, DEFAULT_BLOCK_BYTES)?);
            let paths = append_all(members, &mut archive)?;
            archive.finish()?.finish()?;
            Ok(paths)
        }
    }
}

fn append_all<W: Write>(
    members: &BTreeMap<String, Member>,
    archive: &mut CpioWriter<W>,
) -> io::Result<Vec<BomPath>> {
    let inodes: BTreeMap<&str, u32> =
        members.keys().zip(1..).map(|(path, inode)| (path.as_str(), inode)).collect();
    let mut links: BTreeMap<&str, u32> = BTreeMap::new();
    for original in members.values().filter_map(Member::link_target) {
        *links.entry(original).or_insert(1) += 1;
    }
    let mut paths = Vec::with_capacity(members.len());
    for (path, member) in members {
        // A hard link is written as the file it is, under the same inode number.
        let original = member.link_target().unwrap_or(path);
        let file = members.get(original).unwrap_or(member);
        let content = file.content();
        let name = if path == "." { path.clone() } else { format!("./{path}") };
        let header = CpioMember {
            name: &name,
            mode: file.mode(),
            uid: 0,
            gid: 0,
            inode: inodes.get(original).copied().unwrap_or(0),
            links: links.get(original).copied().unwrap_or(1),
            size_bytes: content.len_bytes()?,
        };
        let checksum = archive.append(&header, content.open()?)?;
        paths.push(BomPath {
            path: path.clone(),
            mode: header.mode,
            uid: header.uid,
            gid: header.gid,
            size_bytes: header.size_bytes,
            checksum: if header.mode & FILE_TYPE == DIRECTORY { 0 } else { checksum },
            link_target: file.symlink_target().map(str::to_owned),
        });
    }
    Ok(paths)
}

impl Member {
    fn mode(&self) -> u32 {
        match self {
            Self::Directory { mode } => DIRECTORY | (mode & PERMISSIONS),
            Self::File { mode, .. } => REGULAR | (mode & PERMISSIONS),
            Self::Symlink { .. } => SYMLINK | 0o755,
            Self::HardLink { .. } => REGULAR,
        }
    }

    /// The bytes that follow the header: a symbolic link's are its target.
    fn content(&self) -> Source {
        match self {
            Self::File { source, .. } => source.clone(),
            Self::Symlink { target } => Source::bytes(target),
            Self::Directory { .. } | Self::HardLink { .. } => Source::bytes(b""),
        }
    }

    fn link_target(&self) -> Option<&str> {
        match self {
            Self::HardLink { existing } => Some(existing),
            _ => None,
        }
    }

    fn symlink_target(&self) -> Option<&str> {
        match self {
            Self::Symlink { target } => Some(target),
            _ => None,
        }
    }
}

fn pack_error(path: &str) -> impl FnOnce(io::Error) -> BuildError {
    let what = path.to_owned();
    move |source| BuildError::Pack { what, source }
}
