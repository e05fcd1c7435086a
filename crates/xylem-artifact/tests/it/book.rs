//! Books and documents.

use std::io::Write;

use flate2::Compression;
use flate2::write::ZlibEncoder;
use xylem_artifact::Form;
use xylem_artifact::RefusalCode::{
    Damaged, EmptyFile, ForbiddenXml, OtherForm, TooLarge, Truncated, WrongContent,
};
use xylem_artifact::book::{BookFacts, BookKind};
use xylem_artifact::inspect::{Content, Inspection};

use crate::zipped::{Member, Zip, assert_refused, inspect, warnings};

const EPUB: &str = "application/epub+zip";
const IBOOKS: &str = "application/x-ibooks+zip";
const OPF: &str = "OEBPS/content.opf";

fn container() -> String {
    format!(
        "<?xml version=\"1.0\"?><container xmlns=\"urn:oasis:names:tc:opendocument:xmlns:container\"\
         ><rootfiles><rootfile full-path=\"x.pdf\" media-type=\"application/pdf\"/>\
         <rootfile full-path=\"{OPF}\" media-type=\"application/oebps-package+xml\"/></rootfiles>\
         </container>"
    )
}

fn opf(metadata: &str, manifest: &str) -> String {
    format!(
        "<?xml version=\"1.0\"?><package version=\"3.0\" unique-identifier=\"id\"><metadata \
         xmlns:dc=\"http://purl.org/dc/elements/1.1/\">{metadata}</metadata><manifest>{manifest}\
         </manifest></package>"
    )
}

fn book_of(mimetype: &str, container: &str, opf: &str) -> Zip {
    Zip::of([
        Member::stored("mimetype", mimetype),
        Member::deflated("META-INF/container.xml", container),
        Member::deflated(OPF, opf),
    ])
}

fn book(opf: &str) -> Zip {
    book_of(EPUB, &container(), opf)
}

fn read(form: Form, bytes: &[u8]) -> (Inspection, BookFacts) {
    let inspection = inspect(form, bytes).unwrap_or_else(|refusal| panic!("{refusal}"));
    match inspection.content.clone() {
        Content::Book(facts) => (inspection, facts),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_book_tells_what_it_is() {
    let metadata = "<dc:identifier>isbn</dc:identifier><dc:identifier id=\"id\">urn:uuid:1\
        </dc:identifier><dc:title>Field &amp; Guide</dc:title><dc:creator>A</dc:creator>\
        <dc:creator>B</dc:creator><dc:language>en</dc:language><dc:publisher>Press\
        </dc:publisher><meta property=\"dcterms:modified\">2023-11-14T22:13:20Z</meta>";
    let manifest = "<item id=\"c\" href=\"../pictures/c%20d.jpg\" media-type=\"image/jpeg\" \
        properties=\"svg cover-image\"/>";
    let zip = book(&opf(metadata, manifest)).with(Member::stored("pictures/c d.jpg", b"jpeg"));
    let (inspection, facts) = read(Form::Epub, &zip.bytes());
    assert_eq!(inspection.display_name.as_deref(), Some("Field & Guide"));
    assert!(inspection.warnings.is_empty() && inspection.version.is_none());
    assert_eq!(facts.kind, BookKind::Epub);
    assert_eq!(facts.format_version.as_deref(), Some("3.0"));
    assert_eq!(facts.identifier.as_deref(), Some("urn:uuid:1"));
    assert_eq!(facts.creators, ["A", "B"]);
    assert_eq!(facts.language.as_deref(), Some("en"));
    assert_eq!(facts.publisher.as_deref(), Some("Press"));
    assert_eq!(facts.modified.as_deref(), Some("2023-11-14T22:13:20Z"));
    let cover = facts.cover.unwrap();
    assert_eq!((cover.path.as_str(), cover.size_bytes), ("pictures/c d.jpg", 4));
    assert_eq!(cover.media_type.as_deref(), Some("image/jpeg"));
}

#[test]
fn older_books_name_their_cover_and_document_type_otherwise() {
    let document = opf(
        "<meta name=\"cover\" content=\"pic\"/>",
        "<item id=\"a\" href=\"a.jpg\"/><item id=\"pic\" href=\"b.jpg\"/>",
    );
    let document = document.replace(
        "<package",
        "<!DOCTYPE package PUBLIC \"+//ISBN 0-9673008-1-9//DTD OEB 1.2 Package//EN\" \"x.dtd\">\
         <package",
    );
    let zip = book(&document).with(Member::stored("OEBPS/b.jpg", b"")).bytes();
    assert_eq!(read(Form::Epub, &zip).1.cover.unwrap().path, "OEBPS/b.jpg");
    let elsewhere = book(&opf("", "<item href=\"../../x\" properties=\"cover-image\"/>"));
    assert_eq!(read(Form::Epub, &elsewhere.bytes()).1.cover, None);
}

#[test]
fn a_book_of_ibooks_author_is_told_from_an_epub() {
    let metadata = "<dc:title>T</dc:title><meta property=\"ibooks:version\">1.2</meta>";
    let ibooks = book_of(IBOOKS, &container(), &opf(metadata, "")).bytes();
    let (inspection, facts) = read(Form::IBooks, &ibooks);
    assert_eq!(facts.kind, BookKind::Ibooks);
    assert_eq!(inspection.version.as_deref(), Some("1.2"));
    let epub = book(&opf("", "")).bytes();
    assert_refused(Form::Epub, [("an iBooks book as EPUB", ibooks, WrongContent)]);
    assert_refused(Form::IBooks, [("an EPUB as iBooks book", epub, WrongContent)]);
}

#[test]
fn what_should_be_known_is_warned_of() {
    let data = |method: &str| {
        format!(
            "<e:EncryptedData xmlns:e=\"x\"><e:EncryptionMethod Algorithm=\"{method}\"/>\
             <KeyInfo><EncryptionMethod Algorithm=\"rsa\"/></KeyInfo></e:EncryptedData>"
        )
    };
    let font = data("http://www.idpf.org/2008/embedding");
    let aes = data("http://www.w3.org/2001/04/xmlenc#aes256-cbc");
    let with =
        |path: &str, content: &str| book(&opf("", "")).with(Member::stored(path, content)).bytes();
    let encryption =
        |data: &str| with("META-INF/encryption.xml", &format!("<encryption>{data}</encryption>"));
    for (bytes, encrypted, words) in [
        (encryption(""), false, &[][..]),
        (encryption(&font), false, &["encrypted_parts"]),
        (encryption(&(font.clone() + &aes)), true, &["encrypted_parts"]),
        (with("META-INF/sinf.xml", ""), true, &["encrypted_parts"]),
    ] {
        let (inspection, facts) = read(Form::Epub, &bytes);
        assert_eq!(warnings(&inspection), words);
        assert_eq!(facts.encrypted, encrypted);
    }
    let order = |first: Member, second: Member| {
        let rest = Member::stored("META-INF/container.xml", container());
        Zip::of([first, second, rest]).bytes()
    };
    let (mimetype, document) = (Member::stored("mimetype", EPUB), Member::stored(OPF, opf("", "")));
    for bytes in [
        order(document.clone(), mimetype),
        order(Member::deflated("mimetype", EPUB), document.clone()),
        order(Member::stored("mimetype", format!("{EPUB}\n")), document),
    ] {
        assert_eq!(warnings(&read(Form::Epub, &bytes).0), ["out_of_order"]);
    }
}

#[test]
fn what_is_no_book_is_refused() {
    let with_opf = |opf: &str| book(opf).bytes();
    let with_container = |container: &str| book_of(EPUB, container, &opf("", "")).bytes();
    let only = |name: &str, content: &str| Zip::of([Member::stored(name, content)]).bytes();
    let entity = "<!DOCTYPE package [<!ENTITY a \"b\">]><package/>";
    let long = "t".repeat((1 << 20) + 1);
    let huge = " ".repeat((8 << 20) + 1);
    assert_refused(
        Form::Epub,
        [
            ("a PDF", b"%PDF-1.7\n".to_vec(), OtherForm),
            ("no mimetype", only("a.txt", ""), WrongContent),
            ("another mimetype", only("mimetype", "application/zip"), WrongContent),
            ("a long mimetype", only("mimetype", &"a".repeat(2000)), TooLarge),
            ("no container", only("mimetype", EPUB), WrongContent),
            ("a container of nothing", with_container("<container/>"), Damaged),
            ("a container that is no XML", with_container("text"), Damaged),
            (
                "a container of something else",
                with_container("<c><rootfile full-path=\"a\" media-type=\"b\"/></c>"),
                Damaged,
            ),
            (
                "a missing document",
                with_container("<c><rootfile full-path=\"../../a\"/></c>"),
                WrongContent,
            ),
            ("a document of another kind", with_opf("<html/>"), Damaged),
            ("a document that breaks off", with_opf("<package>"), Damaged),
            ("a document with entities of its own", with_opf(entity), ForbiddenXml),
            ("an entity", with_opf(&opf("<title>&a;</title>", "")), ForbiddenXml),
            ("a long title", with_opf(&opf(&format!("<title>{long}</title>"), "")), TooLarge),
            ("a nested title", with_opf(&opf(&"<title>".repeat(200), "")), TooLarge),
            ("a huge document", with_opf(&huge), TooLarge),
            (
                "a broken list of what is encrypted",
                {
                    let broken = Member::stored("META-INF/encryption.xml", "<a");
                    book(&opf("", "")).with(broken).bytes()
                },
                Damaged,
            ),
        ],
    );
}

/// A document of one page, with this in its trailer.
fn pdf(trailer: &str) -> Vec<u8> {
    let objects = [
        "<</Type/Catalog/Pages 2 0 R>>",
        "<</Type/Pages/Kids[3 0 R]/Count 1>>",
        "<</Type/Page/Parent 2 0 R/MediaBox[0 0 200 200]>>",
        "<</Title(Depot Handbook)/Author(A. Tester)/ModDate(D:20231114221320Z)>>",
    ];
    let mut bytes = b"%PDF-1.4\n".to_vec();
    let mut table = format!("xref\n0 {}\n0000000000 65535 f \n", objects.len() + 1);
    for (number, object) in objects.iter().enumerate() {
        table += &format!("{:010} 00000 n \n", bytes.len());
        bytes.extend_from_slice(format!("{} 0 obj\n{object}\nendobj\n", number + 1).as_bytes());
    }
    let start = bytes.len();
    let trailer = format!("trailer\n<</Size 5/Root 1 0 R/Info 4 0 R{trailer}>>\n");
    bytes.extend_from_slice(format!("{table}{trailer}startxref\n{start}\n%%EOF\n").as_bytes());
    bytes
}

#[test]
fn a_pdf_document_tells_what_it_is() {
    let mut behind = b"HTTP/1.1 200 OK\r\n\r\n".to_vec();
    behind.extend_from_slice(&pdf(""));
    behind.extend_from_slice(&[b'\n'; 1000]);
    for bytes in [pdf(""), behind] {
        let (inspection, facts) = read(Form::Pdf, &bytes);
        assert_eq!(inspection.display_name.as_deref(), Some("Depot Handbook"));
        assert_eq!(facts.kind, BookKind::Pdf);
        assert_eq!(facts.format_version.as_deref(), Some("1.4"));
        assert_eq!(facts.creators, ["A. Tester"]);
        assert_eq!(facts.modified.as_deref(), Some("D:20231114221320Z"));
        assert_eq!(facts.pages, Some(1));
        assert!(!facts.encrypted);
        assert_eq!(warnings(&inspection), ["unprotected"]);
    }
}

#[test]
fn a_pdf_document_that_cannot_be_looked_into_is_accepted_with_a_warning() {
    let (inspection, facts) = read(Form::Pdf, &pdf("/Encrypt<</Filter/Unknown/V 99>>"));
    assert!(facts.encrypted, "{:?}", inspection.warnings);
    assert!(warnings(&inspection).contains(&"encrypted_parts".to_owned()));
    let garbage = b"%PDF-1.4\n startxref\n7\n%%EOF".to_vec();
    let (inspection, facts) = read(Form::Pdf, &garbage);
    assert!(warnings(&inspection).contains(&"unread_facts".to_owned()));
    assert_eq!((facts.pages, facts.title), (None, None));
}

/// The same document with its objects packed into a stream, as newer programs write it.
#[test]
fn a_packed_pdf_document_is_read() {
    let deflated = |bytes: &[u8]| {
        let mut encoder = ZlibEncoder::new(Vec::new(), Compression::best());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    };
    let objects = "1 0 2 30 4 70 <</Type/Catalog/Pages 2 0 R>>  <</Type/Pages/Kids[]/Count 7 0 R>>\
                   \u{20}         <</Title<FEFF00E4>>>";
    let first = objects.find("<<").unwrap();
    let body = objects.replace("30", &(objects.find("<</Type/Pages").unwrap() - first).to_string());
    let body = body.replace("70", &(objects.find("<</Title").unwrap() - first).to_string());
    let packed = deflated(body.as_bytes());
    let mut bytes = b"%PDF-1.5\n".to_vec();
    let container = bytes.len();
    let head = format!(
        "5 0 obj\n<</Type/ObjStm/N 3/First {first}/Filter/FlateDecode/Length 8 0 R>>\nstream\r\n"
    );
    bytes.extend_from_slice(&[head.as_bytes(), &packed, b"\nendstream\nendobj\n"].concat());
    let count = bytes.len();
    bytes.extend_from_slice(b"7 0 obj 42 endobj\n");
    let length = bytes.len();
    bytes.extend_from_slice(format!("8 0 obj {} endobj\n", packed.len()).as_bytes());
    let start = bytes.len();
    let line = |kind: u8, value: usize| [kind, (value >> 8) as u8, value as u8, 0];
    let lines = [
        line(0, 0),
        line(2, 5),
        line(2, 5),
        line(0, 0),
        line(2, 5),
        line(1, container),
        line(1, start),
        line(1, count),
        line(1, length),
    ];
    let table = deflated(&lines.concat());
    let head = format!(
        "6 0 obj <</Type/XRef/Size 9/W[1 2 1]/Root 1 0 R/Info 4 0 R/Filter/FlateDecode/Length {}>>\
         stream\n",
        table.len()
    );
    bytes.extend_from_slice(&[head.as_bytes(), &table, b"\nendstream endobj\n"].concat());
    bytes.extend_from_slice(format!("startxref\n{start}\n%%EOF").as_bytes());
    let (inspection, facts) = read(Form::Pdf, &bytes);
    assert_eq!(facts.title.as_deref(), Some("ä"));
    assert_eq!(facts.pages, Some(42));
    assert_eq!(warnings(&inspection), ["unprotected"]);
}

#[test]
fn the_newest_of_several_tables_holds() {
    let mut bytes = pdf("");
    let prev = String::from_utf8(bytes.clone()).unwrap();
    let prev: usize =
        prev.split("startxref\n").nth(1).unwrap().split('\n').next().unwrap().parse().unwrap();
    let object = bytes.len();
    bytes.extend_from_slice(b"4 0 obj <</Title(Second edition)>> endobj\n");
    let start = bytes.len();
    bytes.extend_from_slice(
        format!(
            "xref\n4 1\n{object:010} 00000 n \ntrailer <</Size 5/Root 1 0 R/Info 4 0 R/Prev {prev}>>\n\
             startxref\n{start}\n%%EOF\n"
        )
        .as_bytes(),
    );
    let (_, facts) = read(Form::Pdf, &bytes);
    assert_eq!((facts.title.as_deref(), facts.pages), (Some("Second edition"), Some(1)));
    // A chain that leads back into itself ends.
    let endless = pdf(&format!("/Prev {prev}"));
    assert_eq!(read(Form::Pdf, &endless).1.pages, Some(1));
}

#[test]
fn what_is_no_whole_pdf_document_is_refused() {
    let sound = pdf("");
    let end = sound.windows(9).position(|bytes| bytes == b"startxref").unwrap();
    let late = [vec![b' '; 1020], sound.clone()].concat();
    let behind = [sound.clone(), vec![b'\n'; 5000]].concat();
    assert_refused(
        Form::Pdf,
        [
            ("nothing", Vec::new(), EmptyFile),
            ("a web page", b"<!DOCTYPE html><title>404".to_vec(), OtherForm),
            ("a beginning that comes too late", late, OtherForm),
            ("only the beginning", b"%PDF-1.4\n".to_vec(), Truncated),
            ("cut before its end", sound[..end].to_vec(), Truncated),
            ("cut in its end", sound[..sound.len() - 3].to_vec(), Truncated),
            ("an end without a pointer", b"%PDF-1.4\n%%EOF".to_vec(), Truncated),
            ("an end that comes too early", behind, Truncated),
        ],
    );
}
