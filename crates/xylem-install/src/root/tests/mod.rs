//! Installations as a caller sees them.

mod hostile;
mod rollback;

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};

use xylem_artifact::build::{
    ComponentBuilder, MODIFIED_UNIX_SECONDS, PackageBuilder, PayloadFormat, ProductBuilder, Source,
};
use xylem_artifact::package::RestartAction;

use super::*;
use crate::plist;
use crate::request::HostFacts;
use crate::testing::{Raw, Scene, Thing, cpio, install};

fn sample() -> ComponentBuilder {
    ComponentBuilder::new("org.example.tool", "1.2")
        .directory("opt/tool", 0o755)
        .directory("opt/tool/private", 0o750)
        .file("opt/tool/bin", 0o755, Source::bytes("#!/bin/sh\n"))
        .file("opt/tool/root-helper", 0o4755, Source::random(7, 300_000))
        .hard_link("opt/tool/other-name", "opt/tool/bin")
        .symlink("opt/tool/link", "../elsewhere")
}

/// With a directory that its owner may not write to; only root can install that twice.
fn sealed_sample() -> ComponentBuilder {
    sample().directory("opt/tool/sealed", 0o555).file(
        "opt/tool/sealed/text",
        0o444,
        Source::bytes("text"),
    )
}

fn file(scene: &Scene, path: &str) -> (u32, Vec<u8>) {
    match scene.picture().remove(path) {
        Some(Thing::File { mode, content, .. }) => (mode, content.0),
        other => panic!("{path} is {other:?}"),
    }
}

#[test]
fn every_payload_format_installs_the_same_tree() {
    let mut pictures = Vec::new();
    for format in [PayloadFormat::Gzip, PayloadFormat::Plain, PayloadFormat::Pbzx] {
        let scene = Scene::new();
        let report = install(&scene.build(sealed_sample().payload_format(format))).unwrap();
        let component = &report.components[0];
        assert_eq!((component.identifier.as_str(), component.version.as_str()), {
            ("org.example.tool", "1.2")
        });
        assert_eq!((component.files, component.hard_links, component.symlinks), (3, 1, 1));

        assert_eq!(file(&scene, "opt/tool/bin"), (0o755, b"#!/bin/sh\n".to_vec()));
        assert_eq!(file(&scene, "opt/tool/root-helper").0, 0o4755);
        let bin = fs::metadata(scene.at("opt/tool/bin")).unwrap();
        assert_eq!(bin.mtime(), i64::from(MODIFIED_UNIX_SECONDS));
        let other = fs::metadata(scene.at("opt/tool/other-name")).unwrap();
        assert_eq!((bin.ino(), bin.nlink()), (other.ino(), 2));
        let link = fs::read_link(scene.at("opt/tool/link")).unwrap();
        assert_eq!(link.to_str(), Some("../elsewhere"));
        for (path, mode) in
            [("opt", 0o755), ("opt/tool/private", 0o750), ("opt/tool/sealed", 0o555)]
        {
            let found = fs::metadata(scene.at(path)).unwrap();
            assert_eq!(found.mode() & 0o7777, mode, "{path}");
            assert_eq!(found.mtime(), i64::from(MODIFIED_UNIX_SECONDS), "{path}");
        }
        pictures.push(scene.picture());
    }
    assert_eq!(pictures[0], pictures[1]);
    assert_eq!(pictures[0], pictures[2]);
    // What the payload holds, the receipt, and nothing else: no staging directory.
    assert!(pictures[0].keys().all(|path| path.starts_with("opt") || path.starts_with("var")));
}

#[test]
fn hard_links_share_their_data_wherever_it_stands() {
    for content in [[&b"data"[..], b"", b""], [b"", b"", b"data"], [b"data", b"data", b"data"]] {
        let scene = Scene::new();
        let member =
            |name, content| Raw { inode: 9, links: 3, ..Raw::new(name, 0o100_444, content) };
        let payload = cpio(&[
            member("a", content[0]),
            member("sub/b", content[1]),
            member("sub/deep/c", content[2]),
        ]);
        let report = install(&scene.build_raw(1, &payload)).unwrap();
        assert_eq!((report.components[0].files, report.components[0].hard_links), (1, 2));
        for path in ["a", "sub/b", "sub/deep/c"] {
            assert_eq!(file(&scene, path), (0o444, b"data".to_vec()), "{path}");
            assert_eq!(fs::metadata(scene.at(path)).unwrap().nlink(), 3, "{path}");
        }
    }
}

#[test]
fn existing_directories_are_merged_and_files_and_links_replaced() {
    let scene = Scene::new();
    scene.put("opt/tool/bin", "old");
    scene.put("opt/tool/kept", "kept");
    scene.put("opt/tool/link", "a file where a link goes");
    scene.put("elsewhere", "not to be written through");
    symlink("../../elsewhere", scene.at("opt/tool/root-helper")).unwrap();
    fs::set_permissions(scene.at("opt/tool"), fs::Permissions::from_mode(0o711)).unwrap();

    install(&scene.build(sample())).unwrap();
    assert_eq!(file(&scene, "opt/tool/bin").1, b"#!/bin/sh\n");
    assert_eq!(file(&scene, "opt/tool/kept").1, b"kept");
    assert_eq!(file(&scene, "elsewhere").1, b"not to be written through");
    assert_eq!(file(&scene, "opt/tool/root-helper").0, 0o4755);
    let picture = scene.picture();
    assert_eq!(picture["opt/tool/link"], Thing::Symlink { target: "../elsewhere".into() });
    assert_eq!(picture["opt/tool"], Thing::Directory { mode: 0o711 });
}

#[test]
fn a_second_installation_changes_nothing_but_the_receipt() {
    let scene = Scene::new();
    let request = scene.build(sample());
    let first = install(&request).unwrap();
    let picture = scene.picture();
    let second = install(&request).unwrap();
    assert_eq!(scene.picture().keys().collect::<Vec<_>>(), picture.keys().collect::<Vec<_>>());
    assert_eq!(first.receipts[0].before, None);
    assert_eq!(first.receipts[0].after.as_deref(), Some("1.2"));
    assert_eq!(second.receipts[0].before.as_deref(), Some("1.2"));
    assert!(second.warnings.is_empty(), "{:?}", second.warnings);
}

#[test]
fn links_of_the_target_are_followed_below_it_only() {
    let scene = Scene::new();
    fs::create_dir_all(scene.at("private/opt")).unwrap();
    symlink("/private/opt", scene.at("opt")).unwrap();
    install(&scene.build(sample())).unwrap();
    assert_eq!(file(&scene, "private/opt/tool/bin").0, 0o755);
    assert!(scene.picture()["opt"] == Thing::Symlink { target: "/private/opt".into() });

    let scene = Scene::new();
    fs::create_dir(scene.folder.path().join("outside")).unwrap();
    symlink("../outside", scene.at("opt")).unwrap();
    let before = scene.picture();
    let error = install(&scene.build(sample())).unwrap_err();
    assert_eq!(error.result_word(), "refused", "{error}");
    assert_eq!(scene.picture(), before);
    assert_eq!(fs::read_dir(scene.folder.path().join("outside")).unwrap().count(), 0);
}

#[test]
fn a_product_installs_its_components_one_over_the_other() {
    let scene = Scene::new();
    let product = ProductBuilder::new("Suite", "org.example.suite", "3.0")
        .restart(RestartAction::Restart)
        .with(
            ComponentBuilder::new("org.example.suite.base", "3.0")
                .file("shared/config", 0o644, Source::bytes("base"))
                .file("shared/base", 0o644, Source::bytes("base"))
                .script("preinstall", "#!/bin/sh\nexit 3\n"),
        )
        .with(
            ComponentBuilder::new("org.example.suite.more", "3.1")
                .install_location("/shared")
                .payload_format(PayloadFormat::Pbzx)
                .file("config", 0o600, Source::bytes("more"))
                .file("sub/more", 0o644, Source::bytes("more")),
        )
        .with(ComponentBuilder::new("org.example.suite.empty", "1").script("postinstall", "#!"));
    PackageBuilder::product(product).write_to(&scene.package_path()).unwrap();
    let report = install(&scene.request()).unwrap();

    assert_eq!(file(&scene, "shared/config"), (0o600, b"more".to_vec()));
    assert_eq!(file(&scene, "shared/base").1, b"base");
    assert_eq!(file(&scene, "shared/sub/more").1, b"more");
    assert_eq!(report.restart, RestartAction::Restart);
    let scripts: Vec<_> = report.components.iter().map(|one| &one.scripts_not_run).collect();
    assert_eq!(scripts, [&vec!["preinstall".to_owned()], &vec![], &vec!["postinstall".to_owned()]]);
    assert_eq!(report.log[0], "installer: Package name is Suite");
    assert_eq!(report.log.last().unwrap(), "installer: The install was successful.");
    assert!(report.log.iter().any(|line| line == "installer:%100.000000"));
}

#[test]
fn receipts_say_what_was_installed_where_and_when() {
    let scene = Scene::new();
    install(&scene.build(sample().install_location("/Library"))).unwrap();
    let (mode, receipt) = file(&scene, "var/db/receipts/org.example.tool.plist");
    assert_eq!(mode, 0o644);
    let expected = [
        ("PackageIdentifier", "org.example.tool"),
        ("PackageVersion", "1.2"),
        ("InstallDate", "2026-01-01T00:00:00Z"),
        ("InstallPrefixPath", "Library"),
        ("InstallProcessName", "xylem-agent"),
        ("PackageFileName", "Example Package.pkg"),
    ];
    for (key, value) in expected {
        assert_eq!(plist::value_of(&receipt, key).as_deref(), Some(value), "{key}");
    }
    assert!(file(&scene, "var/db/receipts/org.example.tool.bom").1.starts_with(b"BOMStore"));
    assert_eq!(file(&scene, "Library/opt/tool/bin").0, 0o755);
}

#[test]
fn packages_without_files_leave_a_receipt() {
    for payload in [&b""[..], &cpio(&[])] {
        let scene = Scene::new();
        let report = install(&scene.build_raw(0, payload)).unwrap();
        assert_eq!(report.components[0].files, 0);
        assert!(scene.at("var/db/receipts/org.example.raw.plist").exists());
    }
}

#[test]
fn names_that_differ_in_case_are_two_files_where_the_file_system_says_so() {
    let scene = Scene::new();
    let component = ComponentBuilder::new("org.example.case", "1")
        .file("Readme", 0o644, Source::bytes("upper"))
        .file("readme", 0o644, Source::bytes("lower"));
    let request = scene.build(component);
    fs::write(scene.folder.path().join("PROBE"), b"").unwrap();
    if scene.folder.path().join("probe").exists() {
        assert_eq!(install(&request).unwrap_err().result_word(), "refused");
    } else {
        install(&request).unwrap();
        assert_eq!(file(&scene, "Readme").1, b"upper");
        assert_eq!(file(&scene, "readme").1, b"lower");
    }
}

#[test]
fn declared_owners_are_set_by_root_on_request_only() {
    if !geteuid().is_root() {
        return;
    }
    let payload = cpio(&[
        Raw::new("d", 0o040_755, b""),
        Raw::new("d/f", 0o106_755, b"x"),
        Raw::new("d/l", 0o120_755, b"f"),
    ]);
    for (set_owner, owner, mode) in [(Some(true), (501, 20), 0o6755), (None, (0, 0), 0o755)] {
        let scene = Scene::new();
        let mut request = scene.build_raw(1, &payload);
        request.set_owner = set_owner;
        let report = install(&request).unwrap();
        for path in ["d", "d/f", "d/l"] {
            let found = fs::symlink_metadata(scene.at(path)).unwrap();
            assert_eq!((found.uid(), found.gid()), owner, "{path}");
        }
        assert_eq!(fs::metadata(scene.at("d/f")).unwrap().mode() & 0o7777, mode);
        assert_eq!(report.warnings.len(), usize::from(set_owner.is_none()));
    }
}

#[test]
fn demands_are_checked_only_against_what_is_known() {
    let scene = Scene::new();
    let product = ProductBuilder::new("Suite", "org.example.suite", "3.0")
        .minimum_os("13.0")
        .host_architectures(["arm64"])
        .with(sample());
    PackageBuilder::product(product).write_to(&scene.package_path()).unwrap();
    let host = |os: &str, architecture: &str| {
        let mut request = scene.request();
        request.host = Some(HostFacts {
            os_version: Some(os.to_owned()),
            architecture: Some(architecture.to_owned()),
        });
        install(&request)
    };
    assert_eq!(host("12.7.1", "arm64").unwrap_err().result_word(), "not-applicable");
    assert_eq!(host("14.0", "x86_64").unwrap_err().result_word(), "not-applicable");
    assert!(scene.picture().is_empty());
    host("13", "arm64").unwrap();
    install(&scene.request()).unwrap();
}

#[test]
fn work_that_survives_a_power_cut_is_the_same_work() {
    let (careful, quick) = (Scene::new(), Scene::new());
    RootInstaller::new().install(&careful.build(sample())).unwrap();
    install(&quick.build(sample())).unwrap();
    assert_eq!(careful.picture().keys().len(), quick.picture().keys().len());
}
