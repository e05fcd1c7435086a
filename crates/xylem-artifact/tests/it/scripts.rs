//! Archives of scripts: listed, or refused.

use std::io::Write;

use flate2::Compression;
use flate2::write::GzEncoder;
use xylem_artifact::build::{ComponentBuilder, CpioMember, CpioWriter, PackageBuilder};
use xylem_artifact::inspect::{Content, Inspection};
use xylem_artifact::package::{ComponentFacts, MAX_LISTED_SCRIPTS};
use xylem_artifact::{RefusalCode, WarningCode};

use crate::raw::{Raw, inspect};

const PACKAGE_INFO: &str = r#"<pkg-info identifier="org.example.s" auth="root">
    <scripts><preinstall file="./preinstall"/><postinstall file="./run.sh"/></scripts></pkg-info>"#;

fn cpio(members: &[(&str, u32, &[u8])]) -> Vec<u8> {
    let mut archive = CpioWriter::new(Vec::new());
    for (name, mode, content) in members {
        let member = CpioMember {
            name,
            mode: *mode,
            uid: 0,
            gid: 0,
            inode: 1,
            links: 1,
            size_bytes: content.len() as u64,
        };
        archive.append(&member, *content).unwrap();
    }
    archive.finish().unwrap()
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn with_scripts(archive: &[u8]) -> Vec<u8> {
    Raw::default().stored("PackageInfo", PACKAGE_INFO.as_bytes()).stored("Scripts", archive).bytes()
}

fn inspected(archive: &[u8]) -> (ComponentFacts, Vec<WarningCode>) {
    let Inspection { content, warnings, .. } = inspect(&with_scripts(archive)).unwrap();
    let Content::FlatPackage(mut facts) = content else { panic!("no flat package") };
    (facts.components.remove(0), warnings.iter().map(|warning| warning.code).collect())
}

#[test]
fn scripts_are_listed_with_what_tells_them_apart() {
    let members: [(&str, u32, &[u8]); 6] = [
        (".", 0o040_755, b""),
        ("./._preinstall", 0o100_644, b"attributes"),
        ("./preinstall", 0o100_755, b"#!/bin/bash -e\nexit 0\n"),
        ("./run.sh", 0o100_644, b"echo"),
        ("./tools", 0o040_755, b""),
        ("./tools/link", 0o120_755, b"../run.sh"),
    ];
    for archive in [cpio(&members), gzip(&cpio(&members))] {
        let (facts, warnings) = inspected(&archive);
        assert_eq!(warnings, [WarningCode::WithoutVersion]);
        assert_eq!(facts.script_names, ["preinstall", "postinstall"]);
        assert_eq!(facts.auth.as_deref(), Some("root"));
        assert_eq!(facts.script_files, 2);
        let [first, second] = facts.scripts.as_slice() else { panic!("{:?}", facts.scripts) };
        assert!(first.declared && second.declared);
        assert_eq!((first.name.as_str(), first.bytes, first.executable), ("preinstall", 22, true));
        assert_eq!(first.first_line, "#!/bin/bash -e");
        assert_eq!(
            first.sha256,
            "36b75107115da64feb4f9884874272c6f51f3cf09fbb725e29087f7fa9c7353e",
        );
        assert_eq!((second.name.as_str(), second.executable), ("run.sh", false));
    }
}

#[test]
fn a_declared_script_that_is_not_there_is_a_warning() {
    let (_, warnings) = inspected(&gzip(&cpio(&[("./preinstall", 0o100_755, b"")])));
    assert_eq!(warnings, [WarningCode::WithoutVersion, WarningCode::MissingScripts]);
    let (_, warnings) = inspected(&cpio(&[
        ("./PreInstall", 0o100_755, b""),
        ("./run.sh", 0o120_755, b"preinstall"),
    ]));
    assert_eq!(warnings, [WarningCode::WithoutVersion], "another case, or a link, will do");
}

#[test]
fn of_many_files_the_declared_ones_are_listed_still() {
    let names: Vec<String> = (0..3 * MAX_LISTED_SCRIPTS).map(|n| format!("./a{n}")).collect();
    let mut members: Vec<(&str, u32, &[u8])> =
        names.iter().map(|name| (name.as_str(), 0o100_644, &b"x"[..])).collect();
    members.push(("./preinstall", 0o100_755, b"x"));
    members.push(("./run.sh", 0o100_755, b"x"));
    let (facts, warnings) = inspected(&gzip(&cpio(&members)));
    assert_eq!(warnings, [WarningCode::WithoutVersion]);
    assert_eq!(facts.script_files, members.len());
    assert_eq!(facts.scripts.len(), MAX_LISTED_SCRIPTS + 2);
    assert_eq!(facts.scripts.last().unwrap().name, "run.sh");
    assert_eq!(facts.scripts.iter().filter(|script| script.declared).count(), 2);
}

#[test]
fn of_declared_scripts_of_one_name_the_last_is_told() {
    let names: Vec<String> = (0..MAX_LISTED_SCRIPTS).map(|n| format!("./a{n}")).collect();
    let mut members: Vec<(&str, u32, &[u8])> = vec![("./PREINSTALL", 0o100_755, b"first")];
    members.extend(names.iter().map(|name| (name.as_str(), 0o100_644, &b"x"[..])));
    members.push(("./preinstall", 0o100_755, b"second"));
    members.push(("./run.sh", 0o100_755, b"x"));
    let (facts, _) = inspected(&gzip(&cpio(&members)));
    let declared = facts.scripts.iter().filter(|script| script.declared);
    let declared: Vec<(&str, u64)> = declared.map(|it| (it.name.as_str(), it.bytes)).collect();
    assert_eq!(declared, [("preinstall", 6), ("run.sh", 1)]);
    assert!(facts.script_files > facts.scripts.len(), "the other one was not listed");

    // A link in its place starts something else.
    let linked: [(&str, u32, &[u8]); 3] = [
        ("./preinstall", 0o100_755, b"harmless"),
        ("./run.sh", 0o100_755, b"x"),
        ("./preinstall", 0o120_755, b"run.sh"),
    ];
    let (facts, _) = inspected(&gzip(&cpio(&linked)));
    let told: Vec<&str> = facts.scripts.iter().map(|script| script.name.as_str()).collect();
    assert_eq!(told, ["run.sh"]);
}

#[test]
fn archives_that_no_mac_could_use_are_refused() {
    let good = gzip(&cpio(&[("./preinstall", 0o100_755, b"#!/bin/sh\n")]));
    let mut changed = good.clone();
    let middle = changed.len() / 2;
    changed[middle] ^= 0x55;
    let bomb = cpio(&[("./preinstall", 0o100_755, &vec![0; 65 << 20])]);
    let behind = [cpio(&[("./preinstall", 0o100_755, b"")]), vec![0; 65 << 20]].concat();
    let cases = [
        ("no archive", b"#!/bin/sh\n".to_vec(), RefusalCode::Damaged),
        ("cut short", good[..good.len() - 9].to_vec(), RefusalCode::Damaged),
        ("a changed byte", changed, RefusalCode::Damaged),
        ("a way out", cpio(&[("../preinstall", 0o100_755, b"")]), RefusalCode::UnsafeName),
        ("a device", cpio(&[("./preinstall", 0o020_755, b"")]), RefusalCode::Damaged),
        ("a bomb", gzip(&bomb), RefusalCode::TooLarge),
        ("a bomb behind the last script", gzip(&behind), RefusalCode::TooLarge),
    ];
    for (name, archive, code) in cases {
        let refusal = inspect(&with_scripts(&archive)).expect_err(name);
        assert_eq!(refusal.code, code, "{name}: {refusal}");
        assert!(
            refusal.message.contains("Scripts") || code == RefusalCode::UnsafeName,
            "{refusal}"
        );
    }
}

#[test]
fn scripts_in_a_form_that_only_macs_know_are_passed_over() {
    let (facts, warnings) = inspected(b"AA01 whatever");
    assert_eq!(warnings, [WarningCode::WithoutVersion, WarningCode::UnlistedScripts]);
    assert_eq!((facts.scripts.len(), facts.script_files), (0, 0));
}

#[test]
fn what_the_writer_packs_is_listed() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.pkg");
    let component = ComponentBuilder::new("org.example.a", "1").script("postinstall", "#!/bin/sh");
    PackageBuilder::component(component).write_to(&path).unwrap();
    let inspection = inspect(&std::fs::read(path).unwrap()).unwrap();
    let Content::FlatPackage(facts) = inspection.content else { panic!("no flat package") };
    assert_eq!(facts.components[0].scripts[0].first_line, "#!/bin/sh");
    assert_eq!(inspection.warnings, []);
}
