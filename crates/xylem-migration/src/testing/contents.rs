//! What is in the files of the made-up share: genuine, so that the server takes it.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::Path;

use aws_lc_rs::digest::{SHA256, digest};
use xylem_artifact::build::{BundleError, BundleWriter, ComponentBuilder, PackageBuilder, Source};
use xylem_model::{ContentId, Digests, Sha256};

use crate::digest::Content;

/// The unit in which a disk is as long as it is.
const SECTOR_BYTES: usize = 512;

/// What bytes are known by, without the code that is tested.
pub(super) fn content_of(bytes: &[u8]) -> Content {
    let mut sha256 = [0; 32];
    sha256.copy_from_slice(digest(&SHA256, bytes).as_ref());
    let blake3 = ContentId::from_bytes(*blake3::hash(bytes).as_bytes());
    let digests = Digests { blake3, sha256: Sha256::from_bytes(sha256) };
    Content { size: bytes.len() as u64, digests }
}

/// A genuine flat package of a few kilobytes, different for each number.
pub(super) fn package(number: u64) -> io::Result<Vec<u8>> {
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("made.pkg");
    let component = ComponentBuilder::new(format!("org.example.n{number}"), "1.0").file(
        "usr/local/share/made",
        0o644,
        Source::random(number, 512),
    );
    PackageBuilder::component(component).write_to(&path).map_err(io::Error::other)?;
    fs::read(path)
}

/// A package of which the second half is missing, as after a copy that broke off.
pub(super) fn half_a_package(number: u64) -> io::Result<Vec<u8>> {
    let mut bytes = package(number)?;
    bytes.truncate(bytes.len() / 2);
    Ok(bytes)
}

/// A disk with one partition, of no kind that anybody would look into.
pub(super) fn image(number: u64) -> Vec<u8> {
    let mut bytes = vec![0; SECTOR_BYTES];
    let fields: [(usize, &[u8]); 4] = [
        (450, &[0xda]),
        (454, &1_u32.to_le_bytes()),
        (458, &1_u32.to_le_bytes()),
        (510, &[0x55, 0xaa]),
    ];
    for (at, value) in fields {
        let room = bytes.iter_mut().skip(at);
        room.zip(value).for_each(|(to, from)| *to = *from);
    }
    bytes.extend_from_slice(&number.to_le_bytes());
    bytes.resize(2 * SECTOR_BYTES, 0);
    bytes
}

/// A document of one empty page.
pub(super) fn pdf(number: u64) -> Vec<u8> {
    let objects = [
        "<</Type/Catalog/Pages 2 0 R>>".to_owned(),
        "<</Type/Pages/Kids[3 0 R]/Count 1>>".to_owned(),
        "<</Type/Page/Parent 2 0 R/MediaBox[0 0 9 9]>>".to_owned(),
    ];
    let mut text = format!("%PDF-1.4\n% {number}\n");
    let mut table = "xref\n0 4\n0000000000 65535 f \n".to_owned();
    for (index, object) in objects.iter().enumerate() {
        table += &format!("{:010} 00000 n \n", text.len());
        text += &format!("{} 0 obj{object}endobj\n", index + 1);
    }
    let begin = text.len();
    text += &format!("{table}trailer<</Size 4/Root 1 0 R>>\nstartxref\n{begin}\n%%EOF\n");
    text.into_bytes()
}

/// The archive that an app for mobile devices is.
pub(super) fn mobile_app(number: u64) -> io::Result<Vec<u8>> {
    let info = Member::File(info(number), false);
    let mut folder = Folder::default();
    folder.add("Made.app/Info.plist", info);
    folder.archive("Payload")
}

/// An archive with nothing to install in it.
pub(super) fn archive_of_notes(number: u64) -> io::Result<Vec<u8>> {
    let mut folder = Folder::default();
    folder.add("read me.txt", Member::File(number.to_string().into_bytes(), false));
    folder.archive("Notes")
}

fn info(number: u64) -> Vec<u8> {
    format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<plist version=\"1.0\"><dict>\
         <key>CFBundleIdentifier</key><string>org.example.n{number}</string>\
         <key>CFBundleName</key><string>Made {number}</string>\
         <key>CFBundleVersion</key><string>1</string>\
         <key>CFBundleShortVersionString</key><string>1.0</string></dict></plist>\n"
    )
    .into_bytes()
}

/// Something in a folder, and in the archive that is made of it.
#[derive(Debug, Clone)]
enum Member {
    Folder,
    /// Bytes, and whether it is a program.
    File(Vec<u8>, bool),
    Link(&'static str),
}

/// A folder that is one package or application.
#[derive(Debug, Clone, Default)]
pub(super) struct Folder {
    /// By the names on the way to them, which is the order of the archive.
    members: BTreeMap<Vec<String>, Member>,
}

impl Folder {
    /// What a package or an application has in it, different for each number.
    pub(super) fn bundle(number: u64, is_package: bool) -> Self {
        let mut folder = Self::default();
        folder.add("Contents/Info.plist", Member::File(info(number), false));
        let mark: &[u8] = if is_package { b"pmkrpkg1" } else { b"APPL????" };
        folder.add("Contents/PkgInfo", Member::File(mark.to_vec(), false));
        folder.add("Contents/Same.plist", Member::Link("Info.plist"));
        let notes = number.to_string().into_bytes();
        folder.add("Contents/Resources/R\u{e9}sum\u{e9}.txt", Member::File(notes, false));
        if is_package {
            let packed = [b"\x1f\x8b", &number.to_le_bytes()[..]].concat();
            folder.add("Contents/Archive.bom", Member::File(b"BOMStore".to_vec(), false));
            folder.add("Contents/Archive.pax.gz", Member::File(packed, false));
            let script = Member::File(b"#!/bin/sh\n".to_vec(), true);
            folder.add("Contents/Resources/postflight", script);
        }
        folder
    }

    /// Puts another one into it.
    pub(super) fn put(&mut self, at: &str, other: Self) {
        for (names, member) in other.members {
            self.add(&format!("{at}/{}", names.join("/")), member);
        }
    }

    fn add(&mut self, path: &str, member: Member) {
        let names: Vec<String> = path.split('/').map(str::to_owned).collect();
        for end in 1..names.len() {
            let above = names.iter().take(end).cloned().collect();
            self.members.insert(above, Member::Folder);
        }
        self.members.insert(names, member);
    }

    /// Writes it as old Macs left it on a share: names in decomposed Unicode, and side files.
    pub(super) fn write_to(&self, whole: &Path) -> io::Result<()> {
        fs::create_dir_all(whole)?;
        for (names, member) in &self.members {
            let path = whole.join(names.join("/").replace('\u{e9}', "e\u{301}"));
            match member {
                Member::Folder => fs::create_dir_all(path)?,
                Member::Link(target) => symlink(target, path)?,
                Member::File(bytes, is_program) => {
                    fs::write(&path, bytes)?;
                    let mode = if *is_program { 0o755 } else { 0o644 };
                    fs::set_permissions(path, fs::Permissions::from_mode(mode))?;
                }
            }
        }
        fs::write(whole.join("Contents/._PkgInfo"), "side")
    }

    /// The archive that has to become of it: everything but the side files, under this name.
    pub(super) fn archive(&self, name: &str) -> io::Result<Vec<u8>> {
        self.zipped(name).map_err(io::Error::other)
    }

    fn zipped(&self, name: &str) -> Result<Vec<u8>, BundleError> {
        let mut archive = BundleWriter::new(Vec::new());
        archive.folder(name)?;
        for (names, member) in &self.members {
            let path = format!("{name}/{}", names.join("/"));
            match member {
                Member::Folder => archive.folder(&path)?,
                Member::Link(target) => archive.link(&path, target)?,
                Member::File(bytes, is_program) => {
                    archive.file(&path, *is_program, bytes.len() as u64, bytes.as_slice())?;
                }
            }
        }
        archive.finish()
    }
}
