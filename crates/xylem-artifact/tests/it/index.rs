//! What packages put on a Mac: listed as their bills of materials say, or the reason why not.

use std::fs::File;
use std::io::Read;

use xylem_artifact::build::{ComponentBuilder, PackageBuilder, ProductBuilder, Source};
use xylem_artifact::inspect::Inspection;
use xylem_artifact::package::{FlatPackage, MAX_BOM_BYTES};
use xylem_artifact::{Form, inspect};
use xylem_model::FoundIndex;

use crate::raw::{self, PACKAGE_INFO, Raw, zlib};

/// The entries as text, or the reason why there are none.
pub(crate) fn listed(inspection: &Inspection) -> Result<Vec<String>, String> {
    match inspection.index.clone().expect("packages and images say something of their index") {
        FoundIndex::Packed(packed) => {
            let entries = packed.unpack().unwrap().map(Result::unwrap);
            let entries: Vec<String> =
                entries.map(|entry| format!("{} {}", entry.kind, entry.path)).collect();
            assert_eq!(packed.entries as usize, entries.len());
            Ok(entries)
        }
        FoundIndex::Missing { missing } => Err(missing),
    }
}

fn content() -> Source {
    Source::bytes(b"content")
}

fn tool() -> ComponentBuilder {
    ComponentBuilder::new("org.example.tool", "1")
        .install_location("/usr/local")
        .file("bin/tool", 0o755, content())
        .symlink("bin/link", "tool")
        .hard_link("bin/twin", "bin/tool")
        .directory("etc/empty", 0o755)
        .script("postinstall", "#!/bin/sh\n")
}

fn written(package: &PackageBuilder) -> File {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.pkg");
    package.write_to(&path).unwrap();
    File::open(&path).unwrap()
}

fn index(package: &PackageBuilder) -> Result<Vec<String>, String> {
    listed(&inspect::inspect(Form::FlatPackage, written(package)).unwrap())
}

#[test]
fn a_component_lists_what_it_puts_below_its_location() {
    let expected = [
        "folder /usr/local",
        "folder /usr/local/bin",
        "link /usr/local/bin/link",
        "file /usr/local/bin/tool",
        "file /usr/local/bin/twin",
        "folder /usr/local/etc",
        "folder /usr/local/etc/empty",
    ];
    assert_eq!(index(&PackageBuilder::component(tool())).unwrap(), expected);
    let at_the_top = tool().install_location("/");
    let found = index(&PackageBuilder::component(at_the_top)).unwrap();
    assert_eq!((found.len(), found[0].as_str()), (6, "folder /bin"));
}

#[test]
fn components_are_listed_together_in_order_and_once() {
    let other = ComponentBuilder::new("org.example.other", "1")
        .file("usr/local/bin/other", 0o755, content())
        .file("Applications/Ä.app/Icon\r", 0o644, content());
    let scripts = ComponentBuilder::new("org.example.scripts", "1").script("preinstall", "");
    let product =
        ProductBuilder::new("A", "org.example", "1").with(tool()).with(other).with(scripts);
    let expected = [
        "folder /Applications",
        "folder /Applications/Ä.app",
        "file /Applications/Ä.app/Icon\r",
        "folder /usr",
        "folder /usr/local",
        "folder /usr/local/bin",
        "link /usr/local/bin/link",
        "file /usr/local/bin/other",
        "file /usr/local/bin/tool",
        "file /usr/local/bin/twin",
        "folder /usr/local/etc",
        "folder /usr/local/etc/empty",
    ];
    assert_eq!(index(&PackageBuilder::product(product)).unwrap(), expected);
}

#[test]
fn a_list_of_many_pages_is_read_to_its_end() {
    let mut component = ComponentBuilder::new("org.example.many", "1");
    for number in 0..3000 {
        component = component.file(&format!("a/{number:04}"), 0o644, content());
    }
    let found = index(&PackageBuilder::component(component)).unwrap();
    assert_eq!(found.len(), 3001);
    assert_eq!(found.last().unwrap(), "file /a/2999");
}

#[test]
fn a_package_that_installs_nothing_or_does_not_say_what_has_no_index() {
    let scripts = ComponentBuilder::new("org.example.scripts", "1").script("preinstall", "");
    assert_eq!(index(&PackageBuilder::component(scripts)).unwrap_err(), "it installs no files");

    let payload = Raw::component().stored("Payload", b"070707");
    let reason = listed(&raw::inspect(&payload.bytes()).unwrap()).unwrap_err();
    assert!(reason.contains("org.example.raw") && reason.contains("no list"), "{reason}");

    let upwards = tool().install_location("/usr/../etc");
    let reason = index(&PackageBuilder::component(upwards)).unwrap_err();
    assert!(reason.contains("install location"), "{reason}");
}

#[test]
fn a_product_that_sends_its_packages_elsewhere_has_no_index() {
    let bom = bom();
    let with = |locations: &[&str]| {
        let choices = locations
            .iter()
            .map(|location| format!("<choice id=\"a\" {location}><pkg-ref id=\"a\"/></choice>"));
        let choices: String = choices.collect();
        let distribution = format!(
            "<installer-gui-script>{choices}<choice id=\"b\" customLocation=\"/b\"/>\
             <pkg-ref id=\"a\">#a.pkg</pkg-ref></installer-gui-script>"
        );
        let mut product = Raw::distribution(&distribution);
        let inner = Raw { heap: product.heap.clone(), ..Raw::default() }
            .stored("PackageInfo", PACKAGE_INFO.as_bytes())
            .stored("Bom", &bom);
        product = product.folder("a.pkg", inner);
        listed(&raw::inspect(&product.bytes()).unwrap())
    };
    // It says itself that it goes to the top of the volume.
    for same in [&[][..], &["customLocation=\"\""], &["customLocation=\"/\"", "title=\"t\""]] {
        assert_eq!(with(same).unwrap().len(), 3, "{same:?}");
    }
    for other in
        [&["customLocation=\"/opt\""][..], &["customLocation=\"/\"", "customLocation=\"/o\""]]
    {
        let reason = with(other).unwrap_err();
        assert!(reason.contains("customLocation"), "{other:?}: {reason}");
    }
}

/// A Bom as the writer makes it, with `a`, `a/b` and `a/b/c`.
fn bom() -> Vec<u8> {
    let component = ComponentBuilder::new("org.example.a", "1").file("a/b/c", 0o644, content());
    let package = FlatPackage::open(written(&PackageBuilder::component(component))).unwrap();
    let entry = package.components()[0].bom.clone().unwrap();
    let mut bytes = Vec::new();
    package.open_entry(&entry).unwrap().read_to_end(&mut bytes).unwrap();
    bytes
}

fn with_bom(bom: &[u8]) -> Result<Vec<String>, String> {
    let package = Raw::component().stored("Bom", bom);
    listed(&raw::inspect(&package.bytes()).expect("a Bom is no reason to refuse a package"))
}

fn word(bom: &[u8], at: usize) -> usize {
    u32::from_be_bytes(bom[at..at + 4].try_into().unwrap()) as usize
}

/// Where a block begins.
fn block(bom: &[u8], number: usize) -> usize {
    word(bom, word(bom, 16) + 4 + number * 8)
}

/// The number and the position of the only leaf of paths.
fn leaf(bom: &[u8]) -> (usize, usize) {
    let mut at = word(bom, 24) + 4;
    while &bom[at + 5..at + 10] != b"Paths" {
        at += 5 + usize::from(bom[at + 4]);
    }
    let number = word(bom, block(bom, word(bom, at)) + 8);
    (number, block(bom, number))
}

/// Where the blocks of a leaf's entry begin: number and details, details, folder and name.
fn path(bom: &[u8], index: usize) -> [usize; 3] {
    let entry = leaf(bom).1 + 12 + index * 8;
    let path = block(bom, word(bom, entry));
    [path, block(bom, word(bom, path + 4)), block(bom, word(bom, entry + 4))]
}

#[test]
fn a_hostile_list_gives_a_reason_and_no_index() {
    let bom = bom();
    assert_eq!(with_bom(&bom).unwrap(), ["folder /a", "folder /a/b", "file /a/b/c"]);
    let (leaf, leaf_at) = leaf(&bom);
    let table_at = word(&bom, 16);
    // By their folders: `.`, `a`, `a/b`, `a/b/c`, with the numbers 1 to 4.
    let [.., top_file] = path(&bom, 0);
    let [a, a_details, a_file] = path(&bom, 1);
    let [_, _, b_file] = path(&bom, 2);
    let number = |number: usize| (number as u32).to_be_bytes().to_vec();
    for (name, at, new, expected) in [
        ("another beginning", 0, b"bomstore".to_vec(), "does not begin"),
        ("a table behind the end", 16, number(usize::MAX), "shorter"),
        ("names behind the end", 24, number(usize::MAX), "shorter"),
        ("no block at all", table_at, number(0), "is missing"),
        ("more blocks than there are", table_at, number(usize::MAX), "shorter"),
        ("a block behind the end", table_at + 4 + leaf * 8, number(1 << 30), "shorter"),
        ("a block of 4 GiB", table_at + 8 + leaf * 8, number(usize::MAX), "behind the end"),
        ("another name than Paths", word(&bom, 24) + 4 + 12 + 5, b"paths".to_vec(), "no paths"),
        ("more entries than fit", leaf_at + 2, vec![0xff, 0xff], "damaged"),
        ("a leaf that leads to itself", leaf_at + 4, number(leaf), "lead back"),
        ("a leaf that leads nowhere", leaf_at + 4, number(usize::MAX), "or nowhere"),
        ("a leaf that says it is none", leaf_at, vec![0, 0], "damaged"),
        ("a folder in itself", a_file, number(2), "without an end"),
        ("two folders in one another", a_file, number(3), "without an end"),
        ("a folder that is missing", b_file, number(77), "77 is missing"),
        ("a folder that is a file", a_details, vec![1], "2 is missing"),
        ("an unknown kind", a_details, vec![9], "no kind"),
        ("details that are missing", a + 4, number(1 << 20), "is missing"),
        ("a name without an end", a_file + 4, b"..".to_vec(), "damaged"),
        ("a name with a slash", a_file + 4, b"/".to_vec(), "leads elsewhere"),
        ("a name without letters", a_file + 4, vec![0], "without a name"),
        ("a name that steers a terminal", a_file + 4, vec![0x1b], "control characters"),
        ("a name that is no text", a_file + 4, vec![0xff], "no UTF-8: \\xff"),
        ("two folders at the top", a_file, [number(0), b".".to_vec()].concat(), "two folders"),
    ] {
        let mut hostile = bom.clone();
        hostile[at..at + new.len()].copy_from_slice(&new);
        let reason = with_bom(&hostile).expect_err(name);
        assert!(reason.contains(expected), "{name}: {reason}");
    }
    // Without a folder at the top, what lies in its place lies at the top.
    let mut without = bom.clone();
    without[top_file + 4] = b'x';
    without[a_file..a_file + 4].copy_from_slice(&number(0));
    assert_eq!(with_bom(&without).unwrap().last().unwrap(), "folder /x");
}

#[test]
fn a_link_that_is_called_a_file_is_told_by_its_mode() {
    // The rest of its details stays: only Apple's own tools give links a kind.
    let mut bom = bom();
    let [_, details, _] = path(&bom, 3);
    assert_eq!(bom[details..details + 2], [1, 1]);
    bom[details + 4..details + 6].copy_from_slice(&0o120_755_u16.to_be_bytes());
    assert_eq!(with_bom(&bom).unwrap().last().unwrap(), "link /a/b/c");
}

#[test]
fn a_list_that_was_changed_or_cut_anywhere_is_no_reason_to_refuse() {
    let bom = bom();
    // At its end is the list of blocks that are free, which says nothing of paths.
    for len in (0..bom.len() - 4).step_by(13) {
        assert!(with_bom(&bom[..len]).is_err(), "cut to {len} bytes");
    }
    let meaningful = bom.iter().enumerate().filter(|(_, byte)| **byte != 0);
    for (position, byte) in meaningful {
        for change in [0x01, 0x80] {
            let mut changed = bom.clone();
            changed[position] = byte ^ change;
            let _ = with_bom(&changed);
        }
    }
}

#[test]
fn lists_that_expand_without_measure_are_not_read() {
    let zeros = |bytes: u64| zlib(&vec![0; bytes as usize]);
    let (zip, bzip2) = ("application/x-gzip", "application/x-bzip2");
    for (style, size, encoded, expected) in [
        (zip, MAX_BOM_BYTES + 1, zeros(MAX_BOM_BYTES + 1), "more than"),
        // So large, or so slow, that verifying the package has not decoded them.
        (zip, 1 << 39, zeros(100), "more than"),
        (bzip2, 16 << 20, b"BZh9".to_vec(), "cannot be read"),
    ] {
        let package = Raw::component().encoded("Bom", style, size, &encoded);
        let reason = listed(&raw::inspect(&package.bytes()).unwrap()).unwrap_err();
        assert!(reason.contains(expected), "{size}: {reason}");
    }
    // All lists of a package share the measure.
    let mut product = Raw::distribution(
        "<installer-gui-script><pkg-ref id=\"a\">#a.pkg</pkg-ref>\
         <pkg-ref id=\"b\">#b.pkg</pkg-ref></installer-gui-script>",
    );
    let bom = bom();
    for (folder, style, size, content) in [
        ("a.pkg", "application/octet-stream", bom.len() as u64, &bom),
        ("b.pkg", zip, MAX_BOM_BYTES, &zeros(MAX_BOM_BYTES)),
    ] {
        let inner = Raw { heap: product.heap.clone(), ..Raw::default() }
            .stored("PackageInfo", PACKAGE_INFO.as_bytes())
            .encoded("Bom", style, size, content);
        product = product.folder(folder, inner);
    }
    let reason = listed(&raw::inspect(&product.bytes()).unwrap()).unwrap_err();
    assert!(reason.contains("more than"), "{reason}");
}
