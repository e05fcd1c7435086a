//! Oddities of genuine packages, which have to be accepted.

use xylem_artifact::WarningCode;
use xylem_artifact::inspect::Content;
use xylem_artifact::package::{FlatPackage, MAX_LISTED_BUNDLES, PackageFacts, RestartAction};

use crate::raw::{PACKAGE_INFO, Raw, bzip2, file_of, inspect, sha1_hex};

fn facts(raw: &Raw) -> PackageFacts {
    match inspect(&raw.bytes()).unwrap().content {
        Content::FlatPackage(facts) => facts,
        other => panic!("{other:?} is no flat package"),
    }
}

#[test]
fn a_file_with_its_name_given_twice() {
    let raw = Raw::default();
    let data = raw.data(
        PACKAGE_INFO.as_bytes(),
        PACKAGE_INFO.len() as u64,
        "application/octet-stream",
        "",
    );
    let raw = raw.file("PackageInfo</name><name>PackageInfo", &data, PACKAGE_INFO.as_bytes());
    assert_eq!(facts(&raw).identifier.as_deref(), Some("org.example.raw"));
}

#[test]
fn an_extended_attribute_with_a_name_of_its_own() {
    let raw = Raw::component();
    let attribute = bzip2(b"attribute");
    let ea = format!(
        "<ea id=\"0\"><length>{}</length><offset>{}</offset><size>9</size>\
         <encoding style=\"application/x-bzip2\"/>\
         <archived-checksum style=\"sha1\">{}</archived-checksum><name>com.apple.x</name></ea>",
        attribute.len(),
        raw.offset(),
        sha1_hex(&attribute),
    );
    let mut raw = raw.xml(&format!("<file>{ea}<name>Bom</name></file>"));
    raw.heap.extend_from_slice(&attribute);
    let package = FlatPackage::open(file_of(&raw.bytes())).unwrap();
    assert!(package.archive().find("Bom").is_some());
    assert!(package.archive().find("com.apple.x").is_none());
    assert_eq!(package.verify().unwrap().decoded_bytes, 9);

    *raw.heap.last_mut().unwrap() ^= 1;
    assert!(inspect(&raw.bytes()).is_err(), "its bytes are verified, too");
}

#[test]
fn unknown_elements_nonsense_dates_and_slack_in_the_heap() {
    let mut raw = Raw::component();
    raw.heap.extend_from_slice(b"slack between");
    let mut raw = raw
        .stored("Payload", b"070707")
        .xml("<file><ctime>1901-1868345713-01T01:33:52</ctime><name>odd</name><new><name>x</name></new></file>");
    raw.heap.extend_from_slice(b"slack at the end");
    assert_eq!(facts(&raw).components.len(), 1);
}

#[test]
fn equal_files_that_share_one_range() {
    let raw = Raw::component();
    let data = raw.data(b"same", 4, "application/octet-stream", "");
    let raw = raw.file("a", &data, b"same").file("b", &data, b"");
    assert_eq!(facts(&raw).components.len(), 1);
}

#[test]
fn a_product_with_escaped_folder_names_and_merged_references() {
    let document = r##"<?xml version="1.0"?>
        <installer-gui-script minSpecVersion="2">
        <title>Suite &amp; more</title>
        <product id="org.example.suite" version="3.1"/>
        <options hostArchitectures="arm64, x86_64"/>
        <script>function check() { return 1 &lt; 2; }</script>
        <volume-check><allowed-os-versions>
            <os-version min="10.13"/><os-version min="10.9" before="10.10"/>
        </allowed-os-versions></volume-check>
        <choice id="c"><pkg-ref id="docs"><must-close><app id="org.example.app"/></must-close></pkg-ref></choice>
        <pkg-ref id="docs" version="1" onConclusion="RequireRestart" installKBytes="77">#docs%20and%20help.pkg</pkg-ref>
        <pkg-ref id="tool">file:#tool.pkg</pkg-ref>
        </installer-gui-script>"##;
    let mut raw = Raw::distribution(document);
    for (folder, id) in
        [("docs and help.pkg", "docs"), ("tool.pkg", "tool"), ("spare.pkg", "spare")]
    {
        let info = format!(
            "<pkg-info identifier=\"{id}\" version=\"1.{}\" postinstall-action=\"logout\"/>",
            id.len()
        );
        let inner =
            Raw { heap: raw.heap.clone(), ..Raw::default() }.stored("PackageInfo", info.as_bytes());
        raw.files.push_str(&format!(
            "<file><name>{folder}</name><type>directory</type>{}</file>",
            inner.files
        ));
        raw.heap = inner.heap;
    }
    let inspection = inspect(&raw.bytes()).unwrap();
    let codes: Vec<WarningCode> = inspection.warnings.iter().map(|warning| warning.code).collect();
    assert_eq!(codes, [WarningCode::UnnamedComponent, WarningCode::JavascriptChecks]);
    let facts = facts(&raw);
    assert_eq!(facts.title.as_deref(), Some("Suite & more"));
    assert_eq!(facts.version.as_deref(), Some("3.1"));
    assert_eq!(facts.minimum_os.as_deref(), Some("10.9"));
    assert_eq!(facts.host_architectures, ["arm64", "x86_64"]);
    assert_eq!(facts.restart, RestartAction::Restart);
    assert_eq!(facts.must_close, ["org.example.app"]);
    assert_eq!(facts.installed_kbytes, 77);
    assert!(facts.javascript_checks);
    let folders: Vec<&str> = facts.components.iter().map(|part| part.folder.as_str()).collect();
    assert_eq!(folders, ["docs and help.pkg", "tool.pkg"]);
}

#[test]
fn what_a_product_lets_the_user_choose_and_where_it_can_go() {
    let document = r##"<installer-gui-script>
        <license file="License.rtf"/>
        <options customize="never" rootVolumeOnly="true"/>
        <volume-check><allowed-os-versions><os-version min="11" before="13"/>
        </allowed-os-versions></volume-check>
        <choice id="a"/><choice id="b"/>
        <pkg-ref id="a">#a.pkg</pkg-ref></installer-gui-script>"##;
    let info = r#"<pkg-info identifier="a" auth="root">
        <bundle path="./A.app" id="org.example.A" CFBundleShortVersionString="2.1" CFBundleVersion="210">
            <bundle path="Contents/B.framework" id="org.example.B"/></bundle>
        <bundle-version><bundle id="org.example.A"/></bundle-version>
        <strict-identifier><bundle id="org.example.A"/></strict-identifier></pkg-info>"#;
    let mut raw = Raw::distribution(document);
    let inner =
        Raw { heap: raw.heap.clone(), ..Raw::default() }.stored("PackageInfo", info.as_bytes());
    raw.files.push_str(&format!("<file><name>a.pkg</name>{}</file>", inner.files));
    raw.heap = inner.heap;
    let facts = facts(&raw);
    assert_eq!(facts.customize.as_deref(), Some("never"));
    assert!(facts.root_volume_only && facts.license_present);
    assert_eq!(facts.choices, 2);
    assert_eq!((facts.minimum_os.as_deref(), facts.before_os.as_deref()), (Some("11"), Some("13")));
    assert_eq!(facts.version.as_deref(), Some("2.1"), "no component has one, the application has");
    let component = &facts.components[0];
    assert_eq!(component.auth.as_deref(), Some("root"));
    assert_eq!(component.bundle_count, 2, "what only refers to a bundle is none");
    let bundle = &component.bundles[0];
    assert_eq!(
        (bundle.identifier.as_str(), bundle.path.as_deref()),
        ("org.example.A", Some("./A.app"))
    );
    assert_eq!(
        (bundle.short_version.as_deref(), bundle.version.as_deref()),
        (Some("2.1"), Some("210"))
    );
}

#[test]
fn of_many_bundles_some_are_listed_and_all_are_counted() {
    let bundles: String =
        (0..2 * MAX_LISTED_BUNDLES).map(|n| format!("<bundle id=\"b{n}\"/>")).collect();
    let info = format!("<pkg-info identifier=\"a\" version=\"1\">{bundles}</pkg-info>");
    let facts = facts(&Raw::default().stored("PackageInfo", info.as_bytes()));
    let component = &facts.components[0];
    assert_eq!(component.bundles.len(), MAX_LISTED_BUNDLES);
    assert_eq!(component.bundle_count, 2 * MAX_LISTED_BUNDLES);
}

#[test]
fn a_product_without_a_version_of_its_own_has_its_components_highest() {
    let mut raw = Raw::distribution(
        "<installer-script><pkg-ref id=\"a\">#a.pkg</pkg-ref><pkg-ref id=\"b\">#b.pkg</pkg-ref></installer-script>",
    );
    for (name, version) in [("a", "1.10"), ("b", "1.9")] {
        let info = format!("<pkg-info identifier=\"{name}\" version=\"{version}\"/>");
        let inner =
            Raw { heap: raw.heap.clone(), ..Raw::default() }.stored("PackageInfo", info.as_bytes());
        raw.files.push_str(&format!("<file><name>{name}.pkg</name>{}</file>", inner.files));
        raw.heap = inner.heap;
    }
    assert_eq!(facts(&raw).version.as_deref(), Some("1.10"));
}

#[test]
fn a_stapled_ticket_is_noticed_and_a_cut_one_is_not() {
    let mut package = Raw::component().bytes();
    let ticket_present =
        |bytes: &[u8]| FlatPackage::open(file_of(bytes)).unwrap().facts().ticket_present;
    assert!(!ticket_present(&package));
    package.extend_from_slice(&[0; 64]);
    package.extend_from_slice(b"t8lr\x01\0\x02\0\x40\0\0\0\0\0\0\0");
    assert!(ticket_present(&package));
    let length_at = package.len() - 6;
    package[length_at] = 0x40;
    assert!(!ticket_present(&package), "a ticket longer than the file is none");
}

#[test]
fn a_payload_of_an_unknown_form_is_a_warning() {
    let inspection = inspect(&Raw::component().stored("Payload", b"new form").bytes()).unwrap();
    assert_eq!(inspection.warnings[0].code, WarningCode::UnknownPayload);
}
