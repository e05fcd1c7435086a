//! The life of an object at NetStorage, request by request.

use std::time::Duration;

use xylem_cloud::akamai::Akamai;
use xylem_cloud::{
    AkamaiSecrets, Below, Body, CloudSettings, Cursor, FaultKind, Found, Provider, Secret, Secrets,
    StoredPiece, UrlFor,
};

use crate::common::{answer, content, moment, name, pieces, prefix, shown, upload};

const KEY: &str =
    "macs/content/ab/abababababababababababababababababababababababababababababababab";

fn keys() -> AkamaiSecrets {
    let text = r#"{"provider":"akamai","key":"abcdefghij",
        "token_secret":"aabbccddeeff00112233445566778899","token_salt":"s",
        "edgegrid":{"host":"akab-host.luna.akamaiapis.net","client_token":"c",
            "client_secret":"s","access_token":"a"}}"#;
    match serde_json::from_str(text).unwrap() {
        Secrets::Akamai(keys) => keys,
        other => panic!("{other:?}"),
    }
}

fn with_keys<T>(keys: &AkamaiSecrets, act: impl FnOnce(&Akamai<'_>) -> T) -> T {
    let text = r#"{"provider":"akamai","upload_host":"https://ns-nsu.akamaihd.net",
        "account":"UploadAccountMedia","cp_code":123456,"directory":"macs",
        "delivery_url":"https://d.example.org/files"}"#;
    let CloudSettings::Akamai(settings) = serde_json::from_str(text).unwrap() else { panic!() };
    act(&Akamai::new(&settings, keys))
}

fn with<T>(act: impl FnOnce(&Akamai<'_>) -> T) -> T {
    with_keys(&keys(), act)
}

#[test]
fn a_file_of_any_size_is_one_put_that_names_its_size_and_digest() {
    with(|akamai| {
        let upload = upload(1 << 40, akamai.part_rules());
        assert!(upload.plan.is_whole() && akamai.begin(&upload, moment()).is_none());
        let piece = pieces(upload.plan)[0];
        let request = akamai.piece(&upload, &piece, moment()).unwrap();
        assert_eq!(
            shown(&request),
            format!(
                "PUT ns-nsu.akamaihd.net /123456/{KEY}\n\
                 x-akamai-acs-action: version=1&action=upload&size=1099511627776&sha256={}&mtime=1769846400\n\
                 x-akamai-acs-auth-data: 5, 0.0.0.0, 0.0.0.0, 1769846400, 382644692, UploadAccountMedia\n\
                 x-akamai-acs-auth-sign: …",
                "01".repeat(32)
            )
        );
        assert_eq!(request.body, Body::Piece { size: 1 << 40 });
        let tag = akamai.piece_answered(&upload, &piece, &answer(200, &[], "")).unwrap();
        let stored = [StoredPiece { piece, tag }];
        assert!(akamai.finish(&upload, &stored, moment()).is_none());
        assert_eq!(akamai.expected_etag(&upload, &stored), Some("01".repeat(16)));
        let kind = |status, date| {
            let answer = answer(status, &[("date", date)], "");
            akamai.piece_answered(&upload, &piece, &answer).unwrap_err().kind
        };
        let right = "Sat, 31 Jan 2026 08:01:00 GMT";
        assert_eq!(kind(403, right), FaultKind::Keys);
        assert_eq!(kind(403, "Sat, 31 Jan 2026 08:01:01 GMT"), FaultKind::Clock);
        assert_eq!(kind(403, "Sat, 31 Jan 2026 07:58:00 GMT"), FaultKind::Clock);
        assert_eq!(kind(404, right), FaultKind::Gone);
        assert_eq!(kind(409, right), FaultKind::Unexpected);
        assert_eq!(kind(412, right), FaultKind::Unexpected);
        assert_eq!(kind(429, right), FaultKind::Busy);
        assert_eq!(kind(507, right), FaultKind::Full);
        assert_eq!(kind(413, right), FaultKind::TooLarge);
        assert_eq!(kind(520, right), FaultKind::Busy);
    });
}

#[test]
fn folders_are_made_from_the_outside_in() {
    with(|akamai| {
        let requests = akamai.folders(&prefix().content(&content()), moment());
        let paths: Vec<_> = requests.iter().map(|request| request.path.as_str()).collect();
        assert_eq!(paths, ["/123456/macs", "/123456/macs/content", "/123456/macs/content/ab"]);
        let data: Vec<_> =
            requests.iter().map(|request| request.header("x-akamai-acs-auth-data")).collect();
        assert!(data[0] != data[1] && data[1] != data[2], "a number never comes again");
        assert_eq!(akamai.folder_made(&answer(409, &[], "")), Ok(()));
        assert!(akamai.folder_made(&answer(403, &[], "")).is_err());
    });
}

#[test]
fn a_file_is_asked_after_read_and_deleted() {
    with(|akamai| {
        let key = prefix().content(&content());
        let ask = akamai.ask(&key, moment());
        let action = "version=1&action=stat&format=xml&encoding=utf-8";
        assert_eq!((ask.method.as_str(), ask.header("x-akamai-acs-action")), ("GET", Some(action)));
        let name = "ab".repeat(32);
        let body = format!(
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<stat directory=\"/123456/macs/content/ab\">\
             <file type=\"file\" name=\"{name}\" size=\"7\" md5=\"AABB\" mtime=\"1\"/></stat>"
        );
        let found = akamai.found(&key, &answer(200, &[], &body)).unwrap().unwrap();
        let expected =
            Found { size: 7, etag: Some("aabb".to_owned()), sha256: None, segmented: false };
        assert_eq!(found, expected);
        assert_eq!(akamai.found(&key, &answer(404, &[], "")), Ok(None));
        for odd in ["<list/>", "<stat/>", "<html>", &body.replace("size=\"7\"", "size=\"-7\"")] {
            let fault = akamai.found(&key, &answer(200, &[], odd)).unwrap_err();
            assert_eq!(fault.kind, FaultKind::Unexpected, "{odd}");
        }
        let action = akamai.read(&key, moment()).header("x-akamai-acs-action").map(str::to_owned);
        assert_eq!(action.as_deref(), Some("version=1&action=download"));
        assert_eq!(akamai.read_answered(&key, &answer(200, &[], "{}")), Ok(Some(&b"{}"[..])));
        assert_eq!(akamai.read_answered(&key, &answer(404, &[], "")), Ok(None));
        assert!(akamai.read_answered(&key, &answer(500, &[], "")).is_err());
        let remove = akamai.remove(&key, moment());
        assert_eq!(
            (remove.method.as_str(), remove.header("x-akamai-acs-action")),
            ("PUT", Some("version=1&action=delete"))
        );
        assert_eq!(akamai.removed(&key, &answer(404, &[], "")), Ok(()));
        assert!(akamai.removed(&key, &answer(409, &[], "")).is_err());
    });
}

#[test]
fn folders_are_listed_one_after_the_other_and_each_to_its_end() {
    with(|akamai| {
        let first = akamai.list(Below::Contents, &Cursor::START, moment()).unwrap();
        assert_eq!(first.path, "/123456/macs/content/00");
        let action = "version=1&action=dir&format=xml&encoding=utf-8&max_entries=128";
        assert_eq!(first.header("x-akamai-acs-action"), Some(action));

        let body = "<stat directory=\"/123456/macs/content/00\"><file type=\"file\" name=\"a&amp;b\" size=\"3\" md5=\"aa\"/>\
            <file type=\"dir\" name=\"d\" bytes=\"1\" files=\"1\"/><resume start=\"/123456/macs/content/00/c d\"/></stat>";
        let page = akamai.listed(Below::Contents, &Cursor::START, &answer(200, &[], body)).unwrap();
        assert_eq!((page.items.len(), page.items[0].key.as_str()), (1, "macs/content/00/a&b"));
        let cursor = page.next.unwrap();
        let next = akamai.list(Below::Contents, &cursor, moment()).unwrap();
        let action = format!("{action}&start=%2F123456%2Fmacs%2Fcontent%2F00%2Fc%20d");
        assert_eq!(next.header("x-akamai-acs-action"), Some(&*action));

        let mut cursor = Some(cursor);
        let mut pages = 0;
        while let Some(at) = cursor {
            let missing = answer(404, &[], "");
            cursor = akamai.listed(Below::Contents, &at, &missing).unwrap().next;
            pages += 1;
        }
        assert_eq!(pages, 256);
        let wrong = answer(200, &[], "<stat><file type=\"file\" name=\"../x\" size=\"3\"/></stat>");
        assert!(akamai.listed(Below::Contents, &Cursor::START, &wrong).is_err());
        assert_eq!(akamai.leftovers(None, &Cursor::START, moment()), Ok(None));
    });
}

#[test]
fn everything_is_listed_from_the_outside_in() {
    with(|akamai| {
        let mut cursor = Some(Cursor::START);
        let mut folders = Vec::new();
        while let Some(at) = cursor {
            let request = akamai.list(Below::Everything, &at, moment()).unwrap();
            folders.push(request.path);
            let missing = answer(404, &[], "");
            cursor = akamai.listed(Below::Everything, &at, &missing).unwrap().next;
        }
        let first = ["", "/content", "/probe", "/content/00", "/content/01"];
        let first = first.map(|rest| format!("/123456/macs{rest}"));
        assert_eq!((folders.len(), &folders[..5]), (259, &first[..]));

        let body = "<stat><file type=\"file\" name=\"xylem.json\" size=\"9\" mtime=\"1769846400\"/>\
            <file type=\"dir\" name=\"content\"/><file type=\"dir\" name=\"others\"/></stat>";
        let told = |below| {
            let page = akamai.listed(below, &Cursor::START, &answer(200, &[], body)).unwrap();
            page.items
                .into_iter()
                .map(|item| (item.key.to_string(), item.written))
                .collect::<Vec<_>>()
        };
        let of_others = ("macs/others/".to_owned(), None);
        assert_eq!(
            told(Below::Everything),
            [("macs/xylem.json".to_owned(), Some(crate::common::now())), of_others]
        );
        assert_eq!(told(Below::Contents).len(), 1, "folders are no contents");
    });
}

#[test]
fn a_folder_that_does_not_go_on_is_refused() {
    with(|akamai| {
        let body = answer(200, &[], "<stat><resume start=\"/123456/x\"/></stat>");
        let page = akamai.listed(Below::Contents, &Cursor::START, &body).unwrap();
        let again = akamai.listed(Below::Contents, &page.next.unwrap(), &body).unwrap_err();
        assert_eq!(again.kind, FaultKind::Unexpected);
        let long = format!("<stat><resume start=\"{}\"/></stat>", "x".repeat(5000));
        let long = akamai.listed(Below::Contents, &Cursor::START, &answer(200, &[], &long));
        assert_eq!(long.unwrap_err().kind, FaultKind::Unexpected);
    });
}

fn url(akamai: &Akamai<'_>) -> Result<String, FaultKind> {
    let (key, name) = (prefix().content(&content()), name());
    let life = Duration::from_secs(600);
    let wanted = UrlFor { key: &key, size: 5, name: &name, client: None, at: moment(), life };
    akamai.url(&wanted).map(|url| url.reveal().to_owned()).map_err(|fault| fault.kind)
}

#[test]
fn a_client_is_sent_to_the_edge_with_a_token_for_one_path() {
    with(|akamai| {
        let start = format!(
            "https://d.example.org/files/{KEY}?__token__=st=1769846340~exp=1769847000~acl=/files/{KEY}~hmac="
        );
        assert!(url(akamai).unwrap().starts_with(&start));
    });
    let odd = AkamaiSecrets { token_secret: Secret::new("planted"), ..keys() };
    with_keys(&odd, |akamai| assert_eq!(url(akamai), Err(FaultKind::Keys)));
}

#[test]
fn purges_are_batched_by_their_bytes() {
    with(|akamai| {
        let keys = vec![prefix().content(&content()); 1000];
        let requests = akamai.purge(&keys, "", moment()).unwrap();
        let mut purged = 0;
        for request in &requests {
            let Body::Bytes(body) = &request.body else { panic!() };
            assert!(body.len() <= 50_000);
            let body: serde_json::Value = serde_json::from_slice(body).unwrap();
            let objects = body["objects"].as_array().unwrap();
            assert_eq!(objects[0], format!("https://d.example.org/files/{KEY}"));
            purged += objects.len();
        }
        assert_eq!((purged, requests.len()), (1000, 3));
        let first = requests[0].header("authorization");
        assert!(first.is_some() && first != requests[1].header("authorization"));
        assert_eq!(akamai.purge(&[], "", moment()), Ok(vec![]));
        assert_eq!(akamai.purged(&answer(201, &[], "")), Ok(()));
        let refused = |status| akamai.purged(&answer(status, &[], "")).unwrap_err().kind;
        assert_eq!((refused(401), refused(429)), (FaultKind::Keys, FaultKind::Busy));
    });
    let without = AkamaiSecrets { edgegrid: None, ..keys() };
    with_keys(&without, |akamai| {
        let key = prefix().content(&content());
        assert_eq!(akamai.purge(&[key], "", moment()), Ok(vec![]));
    });
}
