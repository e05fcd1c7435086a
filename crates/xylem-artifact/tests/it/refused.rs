//! One broken rule per case, each refused with the word that names it.

use xylem_artifact::RefusalCode::{
    self, ChecksumMismatch, ComponentMissing, Damaged, EmptyFile, ForbiddenXml, NotAPackage,
    OtherForm, TooLarge, Truncated, UnsafeName,
};
use xylem_artifact::xar::{MAX_DECODED_BYTES, MAX_ENTRIES, MAX_NESTING, MAX_TABLE_BYTES};

use crate::raw::{PACKAGE_INFO, Raw, bzip2, inspect, sha1_hex, xz, zlib};

fn assert_refused<N: AsRef<str>>(cases: impl IntoIterator<Item = (N, Vec<u8>, RefusalCode)>) {
    for (name, bytes, code) in cases {
        let name = name.as_ref();
        let refusal = inspect(&bytes).expect_err(name);
        assert_eq!(refusal.code, code, "{name}: {}", refusal.message);
        assert!(refusal.message.contains(';'), "{name} says how to mend it: {}", refusal.message);
    }
}

/// The sound component package with some bytes replaced.
fn patched(at: usize, bytes: &[u8]) -> Vec<u8> {
    let mut package = Raw::component().bytes();
    package[at..at + bytes.len()].copy_from_slice(bytes);
    package
}

/// A component package with this XML after its own files.
fn with_xml(xml: &str) -> Vec<u8> {
    Raw::component().xml(xml).bytes()
}

#[test]
fn the_package_that_the_cases_start_from_is_accepted() {
    assert_eq!(inspect(&Raw::component().bytes()).unwrap().version.as_deref(), Some("1.0"));
}

#[test]
fn files_that_are_something_else_are_refused() {
    let mut disk_image = vec![0; 1024];
    disk_image[512..516].copy_from_slice(b"koly");
    let html = b"<!DOCTYPE html><title>404 Not Found</title>".to_vec();
    assert_refused([
        ("nothing", Vec::new(), EmptyFile),
        ("a web page", html.clone(), OtherForm),
        ("a zip archive", b"PK\x03\x04....".to_vec(), OtherForm),
        ("a disk image", disk_image, OtherForm),
        ("an Apple Archive", b"AA01....".to_vec(), OtherForm),
        ("gzip", b"\x1f\x8b\x08\0".to_vec(), OtherForm),
        ("a single byte", b"x".to_vec(), OtherForm),
        ("a xar without documents", Raw::default().stored("a.txt", b"hi").bytes(), NotAPackage),
    ]);
    assert!(inspect(&html).unwrap_err().message.contains("web page"));
}

#[test]
fn broken_headers_are_refused() {
    let package = Raw::component().bytes();
    let huge = |value: u64| value.to_be_bytes();
    assert_refused([
        ("header size 0", patched(4, &[0, 0]), Damaged),
        ("header size 27", patched(4, &[0, 27]), Damaged),
        ("header size 29", patched(4, &[0, 29]), Damaged),
        ("header size 65535", patched(4, &[255, 255]), Damaged),
        ("version 2", patched(6, &[0, 2]), Damaged),
        ("compressed table of 2^63 bytes", patched(8, &huge(1 << 63)), TooLarge),
        ("compressed table past the end", patched(8, &huge(MAX_TABLE_BYTES)), Truncated),
        ("empty compressed table", patched(8, &huge(0)), Damaged),
        ("table of 2^62 bytes", patched(16, &huge(1 << 62)), TooLarge),
        ("table of one byte more than allowed", patched(16, &huge(MAX_TABLE_BYTES + 1)), TooLarge),
        ("table longer than it is", patched(16, &huge(100_000)), Damaged),
        ("unknown checksum algorithm", patched(24, &[0, 0, 0, 9]), Damaged),
        ("another algorithm than the table", patched(24, &[0, 0, 0, 3]), Damaged),
        ("no algorithm though the table has one", patched(24, &[0, 0, 0, 0]), Damaged),
        ("only the magic", package[..4].to_vec(), Truncated),
        ("cut in the header", package[..20].to_vec(), Truncated),
        ("cut in the table", package[..100].to_vec(), Truncated),
        ("cut in the heap", package[..package.len() - 1].to_vec(), Truncated),
    ]);
}

#[test]
fn tables_that_expand_past_a_limit_are_refused() {
    let bomb = " ".repeat(8 << 20);
    let mut lying = Raw::component().xml(&format!("<a>{bomb}</a>"));
    lying.declared_table_bytes = Some(2000);
    let long_text = Raw::component().xml(&format!("<a>{bomb}</a>"));
    let spread = Raw { declared_table_bytes: Some(2000), ..Raw::component() };
    let spread = spread.xml(&"<a></a>".repeat(100_000));
    let deep = |levels: usize| "<file><name>d</name>".repeat(levels) + &"</file>".repeat(levels);
    let many: String = (0..MAX_ENTRIES).map(|n| format!("<file><name>{n}</name></file>")).collect();
    assert_refused([
        ("one huge text and a lie", lying.bytes(), TooLarge),
        ("one huge text", long_text.bytes(), TooLarge),
        ("more than declared", spread.bytes(), TooLarge),
        ("folders too deep", with_xml(&deep(MAX_NESTING + 1)), TooLarge),
        ("folders far too deep", with_xml(&deep(50_000)), TooLarge),
        (
            "unknown elements too deep",
            with_xml(&("<x>".repeat(500) + &"</x>".repeat(500))),
            TooLarge,
        ),
        ("one entry too many", with_xml(&many), TooLarge),
        ("a name of a megabyte", with_xml(&format!("<file><name>{bomb}</name></file>")), TooLarge),
    ]);
    assert!(inspect(&with_xml(&deep(MAX_NESTING))).is_ok(), "the deepest allowed nesting passes");
}

#[test]
fn forbidden_and_broken_xml_in_the_table_is_refused() {
    let table = |xml: &str| Raw { table: Some(xml.to_owned()), ..Raw::component() }.bytes();
    let laughs = "<!DOCTYPE x [<!ENTITY a \"aa\"><!ENTITY b \"&a;&a;\">]><xar><toc>&b;</toc></xar>";
    assert_refused([
        ("entities of its own", table(laughs), ForbiddenXml),
        ("an external document type", table("<!DOCTYPE x SYSTEM \"x\"><xar/>"), ForbiddenXml),
        ("an unknown entity", with_xml("<file><name>&x;</name></file>"), ForbiddenXml),
        ("no XML", table("plain text"), Damaged),
        ("another root", table("<rax><toc/></rax>"), Damaged),
        ("no toc", table("<xar></xar>"), Damaged),
        ("two tocs", table("<xar><toc/><toc/></xar>"), Damaged),
        ("an open element", table("<xar><toc>"), Damaged),
        ("no checksum", table("<xar><toc></toc></xar>"), Damaged),
        (
            "not UTF-8",
            {
                let mut raw = Raw::component();
                raw.table = None;
                let mut bytes = raw.bytes();
                bytes.truncate(28);
                let garbage = zlib(b"\xff\xfe<xar>");
                bytes[8..16].copy_from_slice(&(garbage.len() as u64).to_be_bytes());
                bytes[16..24].copy_from_slice(&7_u64.to_be_bytes());
                bytes.extend_from_slice(&garbage);
                bytes
            },
            Damaged,
        ),
    ]);
}

#[test]
fn unsafe_names_are_refused() {
    let named = |name: &str| with_xml(&format!("<file><name>{name}</name></file>"));
    let base64 =
        |name: &str| with_xml(&format!("<file><name enctype=\"base64\">{name}</name></file>"));
    assert_refused([
        ("absolute", named("/tmp/x"), UnsafeName),
        ("upwards", named("../../tmp/x"), UnsafeName),
        ("two dots", named(".."), UnsafeName),
        ("one dot", named("."), UnsafeName),
        ("a slash inside", named("a/b"), UnsafeName),
        ("an escaped slash", named("a&#47;b"), UnsafeName),
        ("a slash in base64", base64("Li4veA=="), UnsafeName),
        ("NUL in base64", base64("YQBi"), UnsafeName),
        ("NUL as a reference", named("a&#0;b"), Damaged),
        ("empty", named(""), UnsafeName),
        ("very long", named(&"n".repeat(1000)), UnsafeName),
        ("no name", with_xml("<file><type>file</type></file>"), Damaged),
        ("two different names", with_xml("<file><name>a</name><name>b</name></file>"), Damaged),
        (
            "one name twice",
            with_xml("<file><name>a</name></file><file><name>a</name></file>"),
            Damaged,
        ),
    ]);
}

#[test]
fn impossible_ranges_are_refused() {
    let data = |offset: &str, length: &str, size: &str| {
        with_xml(&format!(
            "<file><name>x</name><data><offset>{offset}</offset><length>{length}</length>\
             <size>{size}</size><encoding style=\"application/octet-stream\"/></data></file>"
        ))
    };
    let max = u64::MAX.to_string();
    let huge = (1_u64 << 62).to_string();
    assert_refused([
        ("an offset past the end", data("999999", "5", "5"), Truncated),
        ("a length past the end", data("20", "999999", "999999"), Truncated),
        ("a size of 2^62", data("20", "5", &huge), TooLarge),
        ("length and size of 2^62", data("20", &huge, &huge), TooLarge),
        ("an end that overflows", data(&max, "5", "5"), Damaged),
        (
            "an end that overflows with the heap's start",
            data(&(u64::MAX - 10).to_string(), "5", "5"),
            Damaged,
        ),
        ("a number beyond 64 bits", data("99999999999999999999", "5", "5"), Damaged),
        ("a negative number", data("-1", "5", "5"), Damaged),
        ("no number", data("", "5", "5"), Damaged),
        ("overlapping files", data("21", "5", "5"), Damaged),
        ("a file over the table's checksum", data("10", "10", "10"), Damaged),
        (
            "no offset",
            with_xml("<file><name>x</name><data><length>1</length><size>1</size></data></file>"),
            Damaged,
        ),
        (
            "two offsets",
            with_xml(
                "<file><name>x</name><data><offset>1</offset><offset>2</offset></data></file>",
            ),
            Damaged,
        ),
        (
            "two contents",
            {
                let data = Raw::component().data(b"x", 1, "application/octet-stream", "");
                Raw::component().file("x", &format!("{data}{data}"), b"x").bytes()
            },
            Damaged,
        ),
        (
            "an unknown encoding",
            Raw::component().encoded("x", "application/x-rot13", 1, b"x").bytes(),
            Damaged,
        ),
    ]);
}

#[test]
fn content_that_differs_from_its_checksum_is_refused() {
    let mut changed = Raw::component().stored("Payload", b"content");
    *changed.heap.last_mut().unwrap() ^= 1;
    let mut signed = changed.clone();
    signed.head =
        "<signature style=\"RSA\"><offset>0</offset><size>0</size></signature>".to_owned();
    let wrong =
        format!("<extracted-checksum style=\"sha1\">{}</extracted-checksum>", sha1_hex(b"?"));
    let of = |style: &str, encoded: &[u8]| {
        let raw = Raw::component();
        let data = raw.data(encoded, 7, style, &wrong);
        raw.file("x", &data, encoded).bytes()
    };
    let sharing = {
        let raw = Raw::component();
        let data = raw.data(b"content", 7, "application/octet-stream", "");
        let other = data.replace(&sha1_hex(b"content"), &sha1_hex(b"?"));
        raw.file("a", &data, b"content").file("b", &other, b"").bytes()
    };
    let mut table = Raw::component().bytes();
    let digest_at = table.len() - PACKAGE_INFO.len() - 1;
    table[digest_at] ^= 1;
    assert_refused([
        ("a changed byte", changed.bytes(), ChecksumMismatch),
        ("a changed byte in a signed package", signed.bytes(), ChecksumMismatch),
        (
            "a wrong extracted checksum, stored",
            of("application/octet-stream", b"content"),
            ChecksumMismatch,
        ),
        (
            "a wrong extracted checksum, zlib",
            of("application/x-gzip", &zlib(b"content")),
            ChecksumMismatch,
        ),
        (
            "a wrong unarchived checksum",
            {
                let raw = Raw::component();
                let wrong = wrong.replace("extracted", "unarchived");
                let encoded = zlib(b"content");
                let data = raw.data(&encoded, 7, "application/x-gzip", &wrong);
                raw.file("x", &data, &encoded).bytes()
            },
            ChecksumMismatch,
        ),
        ("one range with two checksums", sharing, ChecksumMismatch),
        ("a changed digest of the table", table, ChecksumMismatch),
        (
            "a checksum that is none",
            with_xml(
                "<file><name>x</name><data><archived-checksum style=\"sha1\">abc</archived-checksum></data></file>",
            ),
            Damaged,
        ),
    ]);
}

#[test]
fn a_signed_package_with_a_file_that_no_checksum_covers_is_refused() {
    let mut raw = Raw::component();
    raw.head = "<signature style=\"RSA\"><offset>0</offset><size>0</size></signature>".to_owned();
    let offset = raw.offset();
    let data = format!("<data><offset>{offset}</offset><length>1</length><size>1</size></data>");
    let mut unsigned = raw.clone().file("x", &data, b"x");
    assert_refused([("signed", unsigned.bytes(), Damaged)]);
    unsigned.head.clear();
    assert!(!inspect(&unsigned.bytes()).unwrap().warnings.is_empty(), "unsigned: a warning");
}

#[test]
fn encoded_files_that_expand_further_or_break_off_are_refused() {
    type Encode = fn(&[u8]) -> Vec<u8>;
    let encodings: [(&str, Encode); 3] =
        [("application/x-gzip", zlib), ("application/x-bzip2", bzip2), ("application/x-lzma", xz)];
    let content = vec![7; 4 << 20];
    for (style, encode) in encodings {
        let encoded = encode(&content);
        let file =
            |size, bytes: &[u8]| Raw::component().encoded("Payload", style, size, bytes).bytes();
        assert!(inspect(&file(content.len() as u64, &encoded)).is_ok(), "{style} itself is read");
        let half = &encoded[..encoded.len() / 2];
        let mut changed = encoded.clone();
        changed[encoded.len() / 2] ^= 0x55;
        assert_refused([
            (format!("{style}: a bomb"), file(10, &encoded), TooLarge),
            (format!("{style}: a claim of 2^62 bytes"), file(1 << 62, &encoded), TooLarge),
            (format!("{style}: less than declared"), file(5 << 20, &encoded), Damaged),
            (format!("{style}: cut in the middle"), file(4 << 20, half), Damaged),
            (format!("{style}: no stream at all"), file(4 << 20, b"garbage!"), Damaged),
            (format!("{style}: a changed byte"), file(4 << 20, &changed), Damaged),
        ]);
        // Beyond the decoding budget the archived checksum has to do: nothing is expanded.
        assert!(inspect(&file(MAX_DECODED_BYTES + 1, &encoded)).is_ok(), "{style}");
    }
}

#[test]
fn packages_whose_documents_promise_too_much_are_refused() {
    let product = |body: &str| {
        Raw::distribution(&format!("<installer-gui-script>{body}</installer-gui-script>")).bytes()
    };
    let reference = |text: &str| product(&format!("<pkg-ref id=\"a\">{text}</pkg-ref>"));
    let info = |xml: &str| Raw::default().stored("PackageInfo", xml.as_bytes()).bytes();
    let many: String = (0..600).map(|n| format!("<pkg-ref id=\"r{n}\"/>")).collect();
    assert_refused([
        ("no component", product(""), ComponentMissing),
        ("a reference without a place", product("<pkg-ref id=\"a\"/>"), ComponentMissing),
        ("a missing folder", reference("#a.pkg"), ComponentMissing),
        ("a package elsewhere", reference("http://example.org/a.pkg"), ComponentMissing),
        ("a path upwards", reference("#../a.pkg"), ComponentMissing),
        ("a reference without id", product("<pkg-ref>#a.pkg</pkg-ref>"), Damaged),
        ("a path that is not UTF-8", reference("#%ff.pkg"), Damaged),
        ("too many references", product(&many), TooLarge),
        ("a long title", product(&format!("<title>{}</title>", "t".repeat(5000))), TooLarge),
        ("an entity", product("<title>&x;</title>"), ForbiddenXml),
        (
            "a document type",
            Raw::distribution("<!DOCTYPE x><installer-gui-script/>").bytes(),
            ForbiddenXml,
        ),
        (
            "a distribution that is not XML",
            Raw::default().stored("Distribution", b"\xff\xfe\0not xml").bytes(),
            Damaged,
        ),
        ("another root", Raw::distribution("<html/>").bytes(), Damaged),
        (
            "an empty distribution",
            Raw::default().xml("<file><name>Distribution</name></file>").bytes(),
            Damaged,
        ),
        ("a component without identifier", info("<pkg-info/>"), Damaged),
        ("a component with another root", info("<pkg-ref identifier=\"a\"/>"), Damaged),
        ("a component with an entity", info("<pkg-info identifier=\"&x;\"/>"), ForbiddenXml),
        (
            "a folder without PackageInfo",
            {
                let document = "<installer-gui-script><pkg-ref id=\"a\">#a.pkg</pkg-ref></installer-gui-script>";
                Raw::distribution(document)
                    .xml("<file><name>a.pkg</name><type>directory</type></file>")
                    .bytes()
            },
            ComponentMissing,
        ),
    ]);
}
