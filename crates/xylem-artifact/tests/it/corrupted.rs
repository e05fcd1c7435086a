//! A genuine package with any byte changed, or cut anywhere, never passes and never panics.

use std::fs::File;
use std::os::unix::fs::FileExt;

use xylem_artifact::build::{ComponentBuilder, PackageBuilder, ProductBuilder, Source};
use xylem_artifact::{Form, inspect};

fn genuine() -> (tempfile::TempDir, Vec<u8>) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("genuine.pkg");
    let component = ComponentBuilder::new("org.example.a", "1")
        .file("a", 0o644, Source::bytes(b"content"))
        .script("postinstall", "#!/bin/sh\n");
    let product = ProductBuilder::new("A", "org.example", "1").with(component);
    PackageBuilder::product(product).write_to(&path).unwrap();
    let bytes = std::fs::read(&path).unwrap();
    (folder, bytes)
}

fn read_only(file: &File) -> File {
    file.try_clone().unwrap()
}

#[test]
fn every_changed_byte_is_noticed() {
    let (folder, bytes) = genuine();
    let path = folder.path().join("changed.pkg");
    std::fs::write(&path, &bytes).unwrap();
    let file = File::options().read(true).write(true).open(&path).unwrap();
    assert!(inspect::inspect(Form::FlatPackage, read_only(&file)).is_ok());
    for (position, byte) in bytes.iter().enumerate() {
        for change in [0x01, 0x80, 0xff] {
            file.write_all_at(&[byte ^ change], position as u64).unwrap();
            let result = inspect::inspect(Form::FlatPackage, read_only(&file));
            assert!(result.is_err(), "byte {position} changed by {change:#x} passed");
        }
        file.write_all_at(&[*byte], position as u64).unwrap();
    }
    assert!(
        inspect::inspect(Form::FlatPackage, read_only(&file)).is_ok(),
        "restored, it passes again"
    );
}

#[test]
fn every_cut_is_noticed() {
    let (folder, bytes) = genuine();
    let path = folder.path().join("cut.pkg");
    std::fs::write(&path, &bytes).unwrap();
    let file = File::options().read(true).write(true).open(&path).unwrap();
    for len in (0..bytes.len()).rev() {
        file.set_len(len as u64).unwrap();
        assert!(
            inspect::inspect(Form::FlatPackage, read_only(&file)).is_err(),
            "cut to {len} bytes it passed"
        );
    }
}
