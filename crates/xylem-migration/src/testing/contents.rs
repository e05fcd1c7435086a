//! What is in the files of the made-up share: genuine where that is cheap.

use std::fs;
use std::io;
use std::path::Path;

use xylem_artifact::build::{BundleWriter, ComponentBuilder, PackageBuilder, Source};

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

/// A raw image with the mark of HFS+ where it belongs.
pub(super) fn image(number: u64) -> Vec<u8> {
    let mut bytes = vec![0; 1024];
    bytes.extend_from_slice(b"H+\0\x04");
    bytes.extend_from_slice(&number.to_le_bytes());
    bytes.resize(2048, 0);
    bytes
}

pub(super) fn pdf(number: u64) -> Vec<u8> {
    format!("%PDF-1.4\n% {number}\n1 0 obj<</Type/Catalog>>endobj\ntrailer<</Root 1 0 R>>\n%%EOF\n")
        .into_bytes()
}

/// The archive that an app for mobile devices is.
pub(super) fn mobile_app(number: u64) -> io::Result<Vec<u8>> {
    let mut archive = BundleWriter::new(Vec::new());
    let info = info(number);
    archive.folder("Payload").map_err(io::Error::other)?;
    archive.folder("Payload/Made.app").map_err(io::Error::other)?;
    let name = "Payload/Made.app/Info.plist";
    archive.file(name, false, info.len() as u64, &*info).map_err(io::Error::other)?;
    archive.finish().map_err(io::Error::other)
}

fn info(number: u64) -> Vec<u8> {
    format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<plist version=\"1.0\"><dict>\
         <key>CFBundleIdentifier</key><string>org.example.n{number}</string>\
         <key>CFBundleShortVersionString</key><string>1.0</string></dict></plist>\n"
    )
    .into_bytes()
}

/// Fills a folder that is a package or application.
pub(super) fn bundle(folder: &Path, number: u64, is_package: bool) -> io::Result<()> {
    let contents = folder.join("Contents");
    fs::create_dir_all(contents.join("Resources"))?;
    fs::write(contents.join("Info.plist"), info(number))?;
    fs::write(contents.join("PkgInfo"), if is_package { "pmkrpkg1" } else { "APPL????" })?;
    fs::write(contents.join("._PkgInfo"), "side")?;
    if is_package {
        fs::write(contents.join("Archive.bom"), b"BOMStore")?;
        fs::write(
            contents.join("Archive.pax.gz"),
            [b"\x1f\x8b", &number.to_le_bytes()[..]].concat(),
        )?;
        fs::write(contents.join("Resources/postflight"), "#!/bin/sh\n")?;
    }
    std::os::unix::fs::symlink("Info.plist", contents.join("Same.plist"))
}
