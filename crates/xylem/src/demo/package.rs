//! Genuine packages for a demo without files.

use std::path::{Path, PathBuf};

use xylem_artifact::build::{
    ComponentBuilder, PackageBuilder, PayloadFormat, ProductBuilder, Source,
};

use crate::Failure;

/// A product archive with an app, a link and a compressed payload.
pub(crate) fn build_small(folder: &Path) -> Result<PathBuf, Failure> {
    let info = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<plist version=\"1.0\"><dict>\
                <key>CFBundleIdentifier</key><string>org.example.orchard</string>\
                <key>CFBundleShortVersionString</key><string>2.4</string></dict></plist>\n";
    let component = ComponentBuilder::new("org.example.orchard", "2.4")
        .in_folder("orchard.pkg")
        .install_location("/Applications")
        .payload_format(PayloadFormat::Pbzx)
        .directory("Orchard.app", 0o755)
        .directory("Orchard.app/Contents", 0o755)
        .file("Orchard.app/Contents/Info.plist", 0o644, Source::bytes(info))
        .directory("Orchard.app/Contents/MacOS", 0o755)
        .file("Orchard.app/Contents/MacOS/Orchard", 0o755, Source::random(7, 24 << 20))
        .symlink("Orchard.app/Contents/CurrentVersion", "MacOS")
        .script("postinstall", "#!/bin/sh\nexit 0\n");
    let product = ProductBuilder::new("Orchard", "org.example.orchard", "2.4").with(component);
    let path = folder.join("Orchard-2.4.pkg");
    PackageBuilder::product(product).write_to(&path)?;
    Ok(path)
}

/// A component package with an uncompressed payload of random bytes, written in bounded memory.
pub(crate) fn build_large(folder: &Path, mib: u64) -> Result<PathBuf, Failure> {
    let mut component = ComponentBuilder::new("org.example.library", "1.0")
        .install_location("/Library/Example")
        .payload_format(PayloadFormat::Plain);
    // In parts, since a cpio archive of the old character format holds no file over 8 GiB.
    const PART_MIB: u64 = 512;
    for (number, begin) in (0..mib).step_by(512).enumerate() {
        let bytes = PART_MIB.min(mib - begin) << 20;
        let source = Source::random(number as u64 + 1, bytes);
        component = component.file(&format!("part-{number}.bin"), 0o644, source);
    }
    let path = folder.join(format!("Library-{mib}MiB.pkg"));
    PackageBuilder::component(component).write_to(&path)?;
    Ok(path)
}
