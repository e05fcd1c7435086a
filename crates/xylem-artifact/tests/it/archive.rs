//! Zipped bundle packages and applications.

use xylem_artifact::Form;
use xylem_artifact::RefusalCode::{Damaged, TooLarge, WrongContent};
use xylem_artifact::archive::{AppBundleFacts, BundleFacts, BundleKind};
use xylem_artifact::inspect::{Content, Inspection};
use xylem_artifact::package::RestartAction;

use crate::zipped::{Member, Zip, assert_refused, inspect, plist, text, warnings};

fn list(folder: &str, inside: &str) -> Member {
    Member::deflated(format!("{folder}/Contents/Info.plist"), plist(inside))
}

fn resource(folder: &str, name: &str, content: &str) -> Member {
    Member::deflated(format!("{folder}/Contents/Resources/{name}"), content)
}

fn package_info(identifier: &str, kbytes: u32, restart: &str) -> String {
    text("CFBundleIdentifier", identifier)
        + &text("CFBundleShortVersionString", "1.5")
        + &text("IFPkgFlagDefaultLocation", "/Library")
        + &text("IFPkgFlagRestartAction", restart)
        + &format!("<key>IFPkgFlagInstalledSize</key><integer>{kbytes}</integer>")
}

fn accepted(zip: &Zip) -> Inspection {
    inspect(Form::Archive, &zip.bytes()).unwrap_or_else(|refusal| panic!("{refusal}"))
}

fn bundle(zip: &Zip) -> (Inspection, BundleFacts) {
    let inspection = accepted(zip);
    match inspection.content.clone() {
        Content::BundlePackage(facts) => (inspection, facts),
        other => panic!("{other:?}"),
    }
}

fn app(zip: &Zip) -> (Inspection, AppBundleFacts) {
    let inspection = accepted(zip);
    match inspection.content.clone() {
        Content::ZippedApp(facts) => (inspection, facts),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_bundle_package_tells_what_it_installs() {
    let info = package_info("org.example.old", 12, "RequiredRestart");
    let zip = Zip::of([
        list("Old Suite.pkg", &(info + &text("CFBundleName", "Old Suite"))),
        Member::stored("Old Suite.pkg/Contents/Archive.pax.gz", b"payload"),
        resource("Old Suite.pkg", "postflight", "#!/bin/sh\nexit 0\n"),
        resource("Old Suite.pkg", "preflight", "\u{0}compiled"),
        resource("Old Suite.pkg", "helper", "#!/bin/sh\n"),
        Member::stored("__MACOSX/Old Suite.pkg/._Contents", b"attributes"),
        Member::stored(".DS_Store", b"view"),
    ]);
    let (inspection, facts) = bundle(&zip);
    assert_eq!(inspection.display_name.as_deref(), Some("Old Suite"));
    assert_eq!(inspection.version.as_deref(), Some("1.5"));
    assert_eq!(warnings(&inspection), ["bundle_package"]);
    assert_eq!(facts.kind, BundleKind::Package);
    assert_eq!(facts.inner_name, "Old Suite.pkg");
    assert_eq!(facts.identifier.as_deref(), Some("org.example.old"));
    assert_eq!(facts.install_location.as_deref(), Some("/Library"));
    assert_eq!(facts.restart, RestartAction::Restart);
    assert_eq!((facts.installed_kbytes, facts.payload_bytes), (12, 7));
    let [preflight, postflight] = facts.scripts.as_slice() else { panic!("{:?}", facts.scripts) };
    assert_eq!((preflight.name.as_str(), postflight.name.as_str()), ("preflight", "postflight"));
    assert_eq!(preflight.first_line, None);
    assert_eq!(postflight.first_line.as_deref(), Some("#!/bin/sh"));
    assert_eq!(postflight.size_bytes, 17);
    assert_eq!(
        postflight.sha256,
        hex::encode(aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, b"#!/bin/sh\nexit 0\n"))
    );
}

#[test]
fn a_metapackage_tells_what_it_holds() {
    let inner = "Suite.mpkg/Contents/Packages/Part.pkg";
    let zip = Zip::of([
        list("Suite.mpkg", &package_info("org.example.suite", 0, "NoRestart")),
        list(inner, &package_info("org.example.part", 30, "RequiredLogout")),
        resource(inner, "postinstall", "#!/usr/bin/perl\n"),
        Member::stored("Suite.mpkg/Contents/Packages/Flat.pkg", b"xar!"),
    ]);
    let (_, facts) = bundle(&zip);
    assert_eq!(facts.kind, BundleKind::Metapackage);
    assert_eq!(facts.restart, RestartAction::Logout, "the strongest of all parts");
    assert_eq!(facts.installed_kbytes, 30);
    let [part, flat] = facts.packages.as_slice() else { panic!("{:?}", facts.packages) };
    assert_eq!(part.path, "Contents/Packages/Part.pkg");
    assert_eq!(part.identifier.as_deref(), Some("org.example.part"));
    assert!(flat.flat && !part.flat);
    let [script] = facts.scripts.as_slice() else { panic!("{:?}", facts.scripts) };
    assert_eq!(script.package, part.path);
}

#[test]
fn restarts_are_read_as_bundles_call_them() {
    for (word, restart) in [
        ("NoRestart", RestartAction::None),
        ("RecommendedRestart", RestartAction::RecommendRestart),
        ("RequiredLogout", RestartAction::Logout),
        ("RequiredRestart", RestartAction::Restart),
        ("Shutdown", RestartAction::Shutdown),
        ("whatever", RestartAction::None),
    ] {
        let zip = Zip::of([list("A.pkg", &package_info("a", 0, word))]);
        assert_eq!(bundle(&zip).1.restart, restart, "{word}");
    }
}

#[test]
fn an_application_tells_what_it_is() {
    let info = text("CFBundleIdentifier", "org.example.depot")
        + &text("CFBundleName", "Depot")
        + &text("CFBundleShortVersionString", "1.2.3")
        + &text("CFBundleVersion", "45")
        + &text("CFBundleExecutable", "Depot")
        + &text("LSMinimumSystemVersion", "10.13");
    let program = [0xcf, 0xfa, 0xed, 0xfe, 0x0c, 0, 0, 1, 0, 0, 0, 0];
    let zip = Zip::of([
        list("Depot.app", &info),
        Member::stored("Depot.app/Contents/MacOS/Depot", program),
        Member::stored("Depot.app/Contents/_CodeSignature/CodeResources", b"seal"),
    ]);
    let (inspection, facts) = app(&zip);
    assert_eq!(inspection.display_name.as_deref(), Some("Depot"));
    assert_eq!(inspection.version.as_deref(), Some("1.2.3"));
    assert!(inspection.warnings.is_empty());
    assert_eq!(facts.inner_name, "Depot.app");
    assert_eq!(facts.identifier.as_deref(), Some("org.example.depot"));
    assert_eq!(facts.minimum_os.as_deref(), Some("10.13"));
    assert_eq!(facts.architectures, ["arm64"]);
    assert!(facts.sealed);
    let bare = Zip::of([list("Depot.app", &text("CFBundleExecutable", "../../../etc/passwd"))]);
    let (inspection, facts) = app(&bare);
    assert_eq!(inspection.display_name.as_deref(), Some("Depot.app"));
    assert!(facts.architectures.is_empty() && !facts.sealed);
}

#[test]
fn anything_else_is_refused_by_what_it_is() {
    let one = |name: &str, content: &[u8]| Zip::of([Member::stored(name, content)]).bytes();
    let two = |first: Member, second: Member| Zip::of([first, second]).bytes();
    let sound = || list("A.pkg", &package_info("a", 0, ""));
    let parts = (0..201).map(|n| list(&format!("A.mpkg/Contents/{n}.pkg"), ""));
    let suite = parts.fold(Zip::of([list("A.mpkg", "")]), Zip::with);
    assert_refused(
        Form::Archive,
        [
            ("empty", Zip::default().bytes(), WrongContent),
            ("only what the Finder adds", one("__MACOSX/x", b""), WrongContent),
            ("a flat package", one("A.pkg", b"xar!...."), WrongContent),
            ("a file like a package", one("A.pkg", b"text"), WrongContent),
            ("a file like an application", one("A.app", b"text"), WrongContent),
            ("a text", one("readme.txt", b"text"), WrongContent),
            ("a folder", one("A/Contents/Info.plist", b""), WrongContent),
            ("a folder without a name", one(".pkg/Contents/Info.plist", b""), WrongContent),
            ("an application for iOS", one("A.app/Info.plist", b""), WrongContent),
            (
                "a package one folder deeper",
                { Zip::of([list("x/A.pkg", "")]).bytes() },
                WrongContent,
            ),
            ("two packages", two(sound(), list("B.pkg", "")), WrongContent),
            ("a package and a text", two(sound(), Member::stored("x", b"")), WrongContent),
            ("a broken list", one("A.pkg/Contents/Info.plist", b"?"), Damaged),
            (
                "a broken list inside",
                {
                    let broken = Member::stored("A.mpkg/Contents/B.pkg/Contents/Info.plist", b"?");
                    two(list("A.mpkg", ""), broken)
                },
                Damaged,
            ),
            ("too many packages", suite.bytes(), TooLarge),
        ],
    );
    let message = |bytes: &[u8]| inspect(Form::Archive, bytes).unwrap_err().message;
    assert!(message(&one("A.pkg", b"xar!....")).contains("upload the package itself"));
    let many: Vec<Member> = (0..8).map(|n| Member::stored(n.to_string(), b"")).collect();
    assert!(
        message(&Zip::of(many).bytes()).contains("\"0\", \"1\", \"2\", \"3\", \"4\" and 3 more")
    );
}
