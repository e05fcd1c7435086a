//! What the writer makes is read back by the readers, byte for byte.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use xylem_artifact::ChecksumStyle;
use xylem_artifact::build::{
    BuildError, ComponentBuilder, PackageBuilder, PayloadFormat, ProductBuilder, Source,
};
use xylem_artifact::package::{Component, FlatPackage, PackageKind, PayloadKind, RestartAction};
use xylem_artifact::payload::{Budget, MemberKind, PayloadReader};

const FORMATS: [(PayloadFormat, PayloadKind); 3] = [
    (PayloadFormat::Gzip, PayloadKind::Gzip),
    (PayloadFormat::Plain, PayloadKind::Cpio),
    (PayloadFormat::Pbzx, PayloadKind::Pbzx),
];

fn tool(identifier: &str) -> ComponentBuilder {
    ComponentBuilder::new(identifier, "1.2")
        .file("usr/local/bin/tool", 0o755, Source::bytes(b"#!/bin/sh\necho tool\n"))
        .file("usr/local/share/data", 0o640, Source::random(1, 100_001))
        .symlink("usr/local/bin/link", "tool")
        .hard_link("usr/local/bin/twin", "usr/local/bin/tool")
        .directory("private/empty", 0o700)
        .script("postinstall", "#!/bin/sh\nexit 0\n")
        .must_close("org.example.tool")
}

fn write(package: &PackageBuilder, folder: &Path) -> FlatPackage {
    let path = folder.join("written.pkg");
    let bytes = package.write_to(&path).unwrap();
    assert_eq!(std::fs::metadata(&path).unwrap().len(), bytes);
    let package = FlatPackage::open(File::open(&path).unwrap()).unwrap();
    let verified = package.verify().unwrap();
    assert_eq!((verified.unprotected_entries, verified.not_decoded_entries), (0, 0));
    assert_eq!(package.warnings(), []);
    package
}

/// Every member of a component's payload as text: path, kind, mode, content.
fn list(package: &FlatPackage, component: &Component) -> Vec<String> {
    let entry = component.payload.as_ref().unwrap();
    let budget = Budget::for_declared_kbytes(component.facts.install_kbytes);
    let mut payload = PayloadReader::open(package.open_entry(entry).unwrap(), budget).unwrap();
    let mut lines = Vec::new();
    while let Some(member) = payload.next_member().unwrap() {
        let mut content = Vec::new();
        payload.body().read_to_end(&mut content).unwrap();
        let kind = match &member.kind {
            MemberKind::File => "file".to_owned(),
            MemberKind::Directory => "folder".to_owned(),
            MemberKind::Symlink { target } => format!("-> {target}"),
            MemberKind::HardLink { target } => format!("= {}", target.as_str()),
        };
        lines.push(format!("{} {kind} {:o} {}", member.path.as_str(), member.mode, content.len()));
    }
    lines
}

#[test]
fn a_component_is_read_back_in_every_payload_format_and_checksum() {
    let folder = tempfile::tempdir().unwrap();
    for (format, kind) in FORMATS {
        for style in
            [ChecksumStyle::Sha1, ChecksumStyle::Sha256, ChecksumStyle::Sha512, ChecksumStyle::Md5]
        {
            let builder =
                PackageBuilder::component(tool("org.example.tool").payload_format(format));
            let package = write(&builder.checksum_style(style), folder.path());
            assert_eq!(package.kind(), PackageKind::Component);
            let component = &package.components()[0];
            assert_eq!(component.facts.payload, Some(kind));
            assert_eq!(component.facts.script_names, ["postinstall"]);
            assert_eq!(component.facts.must_close, ["org.example.tool"]);
            assert_eq!(component.facts.install_kbytes, 98);
            assert!(component.scripts.is_some() && component.facts.bom_present);
            let members = list(&package, component);
            assert_eq!(component.facts.number_of_files as usize, members.len());
            for expected in [
                "private/empty folder 700 0",
                "usr/local/bin/link -> tool 755 0",
                "usr/local/bin/tool file 755 20",
                "usr/local/bin/twin = usr/local/bin/tool 755 20",
                "usr/local/share/data file 640 100001",
            ] {
                assert!(members.iter().any(|line| line == expected), "{expected} in {members:?}");
            }
        }
    }
}

#[test]
fn payload_content_is_the_content_that_was_given() {
    let folder = tempfile::tempdir().unwrap();
    let mut expected = Vec::new();
    Source::random(5, 3_000_000).open().unwrap().read_to_end(&mut expected).unwrap();
    for (format, _) in FORMATS {
        let component = ComponentBuilder::new("org.example.data", "1").payload_format(format).file(
            "data",
            0o644,
            Source::random(5, 3_000_000),
        );
        let package = write(&PackageBuilder::component(component), folder.path());
        let component = &package.components()[0];
        let entry = component.payload.as_ref().unwrap();
        let budget = Budget::for_declared_kbytes(component.facts.install_kbytes);
        let mut payload = PayloadReader::open(package.open_entry(entry).unwrap(), budget).unwrap();
        let mut found = Vec::new();
        while payload.next_member().unwrap().is_some() {
            payload.body().read_to_end(&mut found).unwrap();
        }
        assert!(found == expected, "{format:?}");
    }
}

#[test]
fn a_product_names_its_components_even_with_odd_folder_names() {
    let folder = tempfile::tempdir().unwrap();
    let product = ProductBuilder::new("Tools <& more>", "org.example.tools", "3.1")
        .minimum_os("12.0")
        .restart(RestartAction::Restart)
        .with(tool("org.example.a"))
        .with(
            tool("org.example.b")
                .in_folder("docs & help 100%.pkg")
                .payload_format(PayloadFormat::Pbzx),
        )
        .with(ComponentBuilder::new("org.example.c", "2").script("preinstall", "#!/bin/sh\n"));
    let package = write(&PackageBuilder::product(product), folder.path());
    let facts = package.facts();
    assert_eq!(facts.kind, PackageKind::Product);
    assert_eq!(facts.title.as_deref(), Some("Tools <& more>"));
    assert_eq!(facts.identifier.as_deref(), Some("org.example.tools"));
    assert_eq!(facts.minimum_os.as_deref(), Some("12.0"));
    assert_eq!(facts.restart, RestartAction::Restart);
    assert_eq!(facts.host_architectures, ["arm64", "x86_64"]);
    assert_eq!(facts.installed_kbytes, 2 * 98);
    let folders: Vec<&str> = facts.components.iter().map(|part| part.folder.as_str()).collect();
    assert_eq!(folders, ["org.example.a.pkg", "docs & help 100%.pkg", "org.example.c.pkg"]);
    let payload_free = &package.components()[2];
    assert!(payload_free.payload.is_none() && payload_free.bom.is_none());
    assert!(!list(&package, &package.components()[1]).is_empty());
}

#[test]
fn the_same_description_gives_the_same_bytes() {
    let folder = tempfile::tempdir().unwrap();
    let (first, second) = (folder.path().join("1.pkg"), folder.path().join("2.pkg"));
    for path in [&first, &second] {
        PackageBuilder::component(tool("org.example.tool")).write_to(path).unwrap();
    }
    assert_eq!(std::fs::read(first).unwrap(), std::fs::read(second).unwrap());
}

#[test]
fn descriptions_that_no_package_can_hold_are_refused_and_leave_nothing() {
    let empty = || ComponentBuilder::new("org.example.x", "1");
    let content = || Source::bytes(b"x");
    let cases = [
        ("an absolute path", empty().file("/etc/x", 0o644, content())),
        ("a path upwards", empty().file("../x", 0o644, content())),
        ("an empty path", empty().file("", 0o644, content())),
        ("a file inside a file", empty().file("a", 0o644, content()).file("a/b", 0o644, content())),
        ("a link to nothing", empty().hard_link("a", "b")),
        ("an unknown script", empty().script("whenever", "")),
        ("a file that is not there", empty().file("a", 0o644, Source::file("/nonexistent/file"))),
    ];
    for (name, component) in cases {
        let folder = tempfile::tempdir().unwrap();
        let result = PackageBuilder::component(component).write_to(&folder.path().join("x.pkg"));
        assert!(
            matches!(result, Err(BuildError::Invalid { .. } | BuildError::Pack { .. })),
            "{name}"
        );
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0, "{name} left files");
    }
}
