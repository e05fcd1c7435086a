//! Apps for mobile devices: what is read, and what is no app that a device installs.

use xylem_artifact::Form;
use xylem_artifact::RefusalCode::{Damaged, TooLarge, WrongContent};
use xylem_artifact::app::{AppFacts, DeviceFamily, DistributionKind};
use xylem_artifact::inspect::{Content, Inspection};

use crate::zipped::{Member, Zip, assert_refused, inspect, plist, text, warnings};

const FOLDER: &str = "Payload/Depot.app";

fn info() -> String {
    text("CFBundleIdentifier", "org.example.depot")
        + &text("CFBundleDisplayName", "Depot")
        + &text("CFBundleShortVersionString", "2.1")
        + &text("CFBundleVersion", "2107")
        + &text("MinimumOSVersion", "15.0")
}

fn app(info: &str) -> Zip {
    Zip::of([
        Member::stored("Payload/", b"").mode(0o040_755),
        Member::deflated(format!("{FOLDER}/Info.plist"), plist(info)),
    ])
}

fn element(tag: u8, parts: &[&[u8]]) -> Vec<u8> {
    let content = parts.concat();
    let mut bytes = vec![tag, 0x83];
    bytes.extend_from_slice(&(content.len() as u32).to_be_bytes()[1..]);
    bytes.extend_from_slice(&content);
    bytes
}

/// A signed message around a property list; nobody has signed it.
fn message(inside: &str) -> Vec<u8> {
    let number = |last: u8| [0x06, 9, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 7, last];
    let content = element(0x04, &[plist(inside).as_bytes()]);
    let inner = element(0x30, &[&number(1), &element(0xa0, &[&content])]);
    let signed = element(0x30, &[&[2, 1, 1], &[0x31, 0], &inner, &[0x31, 0]]);
    element(0x30, &[&number(2), &element(0xa0, &[&signed])])
}

fn profile(inside: &str) -> Member {
    Member::deflated(format!("{FOLDER}/embedded.mobileprovision"), message(inside))
}

fn read(zip: &Zip) -> (Inspection, AppFacts) {
    let inspection = inspect(Form::MobileApp, &zip.bytes());
    let inspection = inspection.unwrap_or_else(|refusal| panic!("{refusal}"));
    match inspection.content.clone() {
        Content::MobileApp(facts) => (inspection, facts),
        other => panic!("{other:?}"),
    }
}

#[test]
fn an_app_tells_what_it_is() {
    let info = info()
        + "<key>UIDeviceFamily</key><array><integer>1</integer><integer>2</integer></array>\
           <key>CFBundleSupportedPlatforms</key><array><string>iPhoneOS</string></array>";
    let (inspection, facts) = read(&app(&info));
    assert_eq!(inspection.display_name.as_deref(), Some("Depot"));
    assert_eq!(inspection.version.as_deref(), Some("2.1"));
    assert_eq!(facts.inner_name, "Depot.app");
    assert_eq!(facts.identifier, "org.example.depot");
    assert_eq!(facts.build_version.as_deref(), Some("2107"));
    assert_eq!(facts.minimum_os.as_deref(), Some("15.0"));
    assert_eq!(facts.device_families, [DeviceFamily::Phone, DeviceFamily::Pad]);
    assert_eq!(facts.platforms, ["iPhoneOS"]);
    assert_eq!(facts.expanded_bytes, plist(&info).len() as u64);
    assert_eq!(warnings(&inspection), ["without_profile"]);
}

#[test]
fn an_app_that_says_little_is_named_by_its_identifier() {
    let (inspection, facts) = read(&app(&text("CFBundleIdentifier", "org.example.depot")));
    assert_eq!(inspection.display_name.as_deref(), Some("org.example.depot"));
    assert_eq!((inspection.version, facts.name), (None, None));
}

#[test]
fn the_profile_says_who_may_install_the_app() {
    let everyone = "<key>ProvisionsAllDevices</key><true/>";
    let devices =
        "<key>ProvisionedDevices</key><array><string>a</string><string>b</string></array>";
    let debugged =
        format!("{devices}<key>Entitlements</key><dict><key>get-task-allow</key><true/></dict>");
    for (inside, kind, count, words) in [
        (everyone, DistributionKind::InHouse, 0, &[][..]),
        (devices, DistributionKind::AdHoc, 2, &["not_in_house"]),
        (&debugged, DistributionKind::Development, 2, &["not_in_house"]),
        ("", DistributionKind::AppStore, 0, &["not_in_house"]),
    ] {
        let inside = inside.to_owned()
            + &text("Name", "Depot In House")
            + &text("UUID", "0C7B1F6E")
            + &text("TeamName", "Example")
            + "<key>TeamIdentifier</key><array><string>TEST123456</string></array>\
               <key>ExpirationDate</key><date>2019-04-07T01:27:21Z</date>";
        let (inspection, facts) = read(&app(&info()).with(profile(&inside)));
        let facts = facts.profile.unwrap();
        assert_eq!(facts.distribution, kind);
        assert_eq!(facts.provisioned_devices, count);
        assert_eq!(facts.all_devices, kind == DistributionKind::InHouse);
        assert_eq!(facts.name.as_deref(), Some("Depot In House"));
        assert_eq!(facts.uuid.as_deref(), Some("0C7B1F6E"));
        assert_eq!(facts.team.as_deref(), Some("TEST123456"));
        assert_eq!(facts.team_name.as_deref(), Some("Example"));
        // Long past: whether that matters now is said by whoever knows what time it is.
        assert_eq!(facts.expires_unix_seconds, Some(1_554_600_441));
        assert_eq!(warnings(&inspection), words, "{kind:?}");
    }
}

#[test]
fn the_widest_icon_is_found() {
    let png = |width: u8, crushed: bool| {
        let chunk: &[u8] = if crushed { b"\0\0\0\x04CgBI\0\0\0\0\0\0\0\0" } else { b"" };
        let header = [b"\0\0\0\x0dIHDR\0\0\0".as_slice(), &[width, 0, 0, 0, width]].concat();
        [b"\x89PNG\r\n\x1a\n", chunk, &header, &[8, 6, 0, 0, 0]].concat()
    };
    let icon = |name: &str, bytes: Vec<u8>| Member::stored(format!("{FOLDER}/{name}"), bytes);
    let info = info()
        + "<key>CFBundleIcons</key><dict><key>CFBundlePrimaryIcon</key><dict>\
           <key>CFBundleIconFiles</key><array><string>Icon</string></array></dict></dict>";
    let zip = app(&info)
        .with(icon("Icon@2x.png", png(120, false)))
        .with(icon("Icon@3x~ipad.png", png(180, true)))
        .with(icon("Icon.png", b"no picture".to_vec()))
        .with(icon("Iconic.png", png(250, false)))
        .with(icon("deeper/Icon.png", png(251, false)));
    let found = read(&zip).1.icon.unwrap();
    assert_eq!(found.path, format!("{FOLDER}/Icon@3x~ipad.png"));
    assert_eq!((found.width, found.height, found.crushed), (180, 180, true));
    assert_eq!(found.size_bytes, png(180, true).len() as u64);
    assert_eq!(read(&app(&info)).1.icon, None);
}

#[test]
fn what_no_device_installs_is_refused() {
    let info_at = |folder: &str| Member::stored(format!("{folder}/Info.plist"), plist(&info()));
    let broken =
        |bytes: &[u8]| Zip::of([Member::stored(format!("{FOLDER}/Info.plist"), bytes)]).bytes();
    let provisioned = |bytes: &[u8]| {
        let path = format!("{FOLDER}/embedded.mobileprovision");
        app(&info()).with(Member::stored(path, bytes)).bytes()
    };
    let long = format!("<!--{}-->", " ".repeat(1 << 20));
    assert_refused(
        Form::MobileApp,
        [
            ("empty", Zip::default().bytes(), WrongContent),
            ("no app", Zip::of([Member::stored("Payload/", b"")]).bytes(), WrongContent),
            ("an app elsewhere", Zip::of([info_at("A.app")]).bytes(), WrongContent),
            ("one folder too deep", Zip::of([info_at("x/Payload/A.app")]).bytes(), WrongContent),
            ("two apps", app(&info()).with(info_at("Payload/B.app")).bytes(), WrongContent),
            ("a file like an app", Zip::of([Member::stored(FOLDER, b"")]).bytes(), WrongContent),
            (
                "an app without Info.plist",
                Zip::of([Member::stored(format!("{FOLDER}/A"), b"")]).bytes(),
                WrongContent,
            ),
            ("no identifier", app("").bytes(), Damaged),
            ("an empty identifier", app(&text("CFBundleIdentifier", " ")).bytes(), Damaged),
            ("no property list", broken(b"not a list"), Damaged),
            ("a broken binary list", broken(b"bplist00 and nothing"), Damaged),
            ("a nested list", broken("<array>".repeat(50_000).as_bytes()), TooLarge),
            ("a long list", broken(long.as_bytes()), TooLarge),
            ("a profile that is none", provisioned(b"<plist/>"), Damaged),
            ("a profile around nothing", provisioned(&message("<")), Damaged),
        ],
    );
    let refusal = inspect(Form::MobileApp, &Zip::of([info_at("x/Payload/A.app")]).bytes());
    assert!(refusal.unwrap_err().message.contains("one folder too deep, in \"x\""));
    // What macOS puts beside everything is no app of its own.
    let beside = app(&info()).with(info_at("__MACOSX/Payload/Depot.app"));
    assert!(inspect(Form::MobileApp, &beside.bytes()).is_ok());
}
