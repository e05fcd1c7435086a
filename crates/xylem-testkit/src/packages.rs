//! Genuine packages for stories.

use std::path::{Path, PathBuf};

use xylem_artifact::build::{ComponentBuilder, PackageBuilder, PayloadFormat, Source};

/// A component package with a few small files, a link and a script.
pub fn small_package(folder: &Path, name: &str) -> PathBuf {
    let identifier = format!("org.example.{}", name.trim_end_matches(".pkg").to_lowercase());
    let component = ComponentBuilder::new(identifier, "1.0")
        .install_location("/Library/Example")
        .payload_format(PayloadFormat::Gzip)
        .file("read me.txt", 0o644, Source::bytes(name))
        .directory("bin", 0o755)
        .file("bin/tool", 0o755, Source::random(1, 40_000))
        .symlink("tool", "bin/tool")
        .script("preinstall", "#!/bin/sh\nexit 3\n");
    write(folder, name, component)
}

/// A component package whose one file of random bytes has this size; another seed gives another
/// content.
pub fn package_of(folder: &Path, name: &str, seed: u64, bytes: u64) -> PathBuf {
    let component = ComponentBuilder::new("org.example.large", format!("{seed}.0"))
        .install_location("/Library/Example")
        .payload_format(PayloadFormat::Plain)
        .file("large.bin", 0o644, Source::random(seed, bytes));
    write(folder, name, component)
}

fn write(folder: &Path, name: &str, component: ComponentBuilder) -> PathBuf {
    let path = folder.join(name);
    PackageBuilder::component(component).write_to(&path).unwrap();
    path
}
