use std::fs;

use xylem_migration::{Content, Layout, Line, Outcome, ReasonCode};

use crate::server::{Server, dry_run};

fn info(body: &str) -> String {
    format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<!DOCTYPE plist PUBLIC \"-//Apple//DTD PLIST \
         1.0//EN\" \"http://www.apple.com/DTDs/PropertyList-1.0.dtd\">\n\
         <plist version=\"1.0\"><dict>{body}</dict></plist>"
    )
}

fn of(location: &str, hash: &str, more: &str) -> String {
    info(&format!(
        "<key>name</key><string>N</string><key>installer_item_location</key>\
         <string>{location}</string><key>installer_item_hash</key><string>{hash}</string>{more}"
    ))
}

#[test]
fn a_repository_is_read_with_what_it_says_of_its_packages() {
    let source = tempfile::tempdir().unwrap();
    let write = |path: &str, bytes: &[u8]| {
        let path = source.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    };
    let image = [&[0; 1024][..], b"H+"].concat();
    let hash = Content::of(&image).digests.sha256.to_string();
    for name in ["apps/good-1.dmg", "apps/damaged-1.dmg", "apps/orphan-1.dmg", "remove.dmg"] {
        write(&format!("pkgs/{name}"), &image);
    }
    let more = "<key>category</key><string>Browsers</string><key>preinstall_script</key>\
                <string>#!/bin/sh</string>";
    write("pkgsinfo/apps/good-1.plist", of("apps/good-1.dmg", &hash, more).as_bytes());
    write("pkgsinfo/apps/good-2.plist", of("apps/good-1.dmg", &hash, "").as_bytes());
    let other = "0".repeat(64);
    write("pkgsinfo/damaged.plist", of("apps/damaged-1.dmg", &other, "").as_bytes());
    write("pkgsinfo/missing.plist", of("../../etc/passwd", &hash, "").as_bytes());
    let remover = "<key>uninstaller_item_location</key><string>remove.dmg</string>\
                   <key>installer_type</key><string>nopkg</string>";
    write("pkgsinfo/nopkg.plist", info(remover).as_bytes());
    write("pkgsinfo/broken.plist", b"<plist><dict>");
    write("catalogs/all", b"<plist/>");
    write("icons/good.png", b"\x89PNG");
    write("manifests/site_default", b"<plist/>");

    let state = tempfile::tempdir().unwrap();
    let (_, report) = dry_run(source.path(), state.path(), &Server::new());
    assert_eq!(report.document().outcomes.layout, Layout::Munki);
    let line =
        |path: &str| -> &Line { report.lines().iter().find(|line| line.path == path).unwrap() };
    let code = |path: &str| (line(path).outcome, line(path).reason.as_ref().map(|it| it.code));
    let good = line("pkgs/apps/good-1.dmg");
    let hints = good.hints.as_ref().unwrap();
    assert_eq!((good.outcome, hints.category.as_deref()), (Outcome::Taken, Some("Browsers")));
    assert!(good.warnings.iter().any(|it| it.contains("scripts inside")), "{:?}", good.warnings);
    assert!(good.warnings.iter().any(|it| it.contains("describes it too")), "{:?}", good.warnings);
    let damaged = code("pkgs/apps/damaged-1.dmg");
    assert_eq!(damaged, (Outcome::Refused, Some(ReasonCode::HashDiffers)));
    let text = &line("pkgs/apps/damaged-1.dmg").reason.as_ref().unwrap().text;
    assert!(text.contains(&hash) && text.contains(&other), "{text}");
    let is_orphan = |path: &str| line(path).warnings.iter().any(|it| it.contains("orphan"));
    assert!(is_orphan("pkgs/apps/orphan-1.dmg") && !is_orphan("pkgs/remove.dmg"));
    for (path, expected) in [
        ("pkgsinfo/apps/good-1.plist", (Outcome::LeftOut, Some(ReasonCode::PackageInfo))),
        ("pkgsinfo/missing.plist", (Outcome::Refused, Some(ReasonCode::Missing))),
        ("pkgsinfo/nopkg.plist", (Outcome::LeftOut, Some(ReasonCode::PackageInfo))),
        ("pkgsinfo/broken.plist", (Outcome::Refused, Some(ReasonCode::WrongContent))),
        ("catalogs/all", (Outcome::LeftOut, Some(ReasonCode::KnownFolder))),
        ("icons/good.png", (Outcome::LeftOut, Some(ReasonCode::KnownFolder))),
        ("manifests/site_default", (Outcome::LeftOut, Some(ReasonCode::KnownFolder))),
    ] {
        assert_eq!(code(path), expected, "{path}");
    }
}
