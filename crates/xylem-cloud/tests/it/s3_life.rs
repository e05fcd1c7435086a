//! The life of an object at S3, request by request.

use std::time::Duration;

use xylem_cloud::s3::S3;
use xylem_cloud::{
    Below, Body, CloudSettings, Cursor, FaultKind, Found, PartRules, Provider, S3Secrets,
    S3Settings, StoredPiece, Upload, UploadRef, UrlFor,
};

use crate::common::{answer, content, example_keys, moment, name, pieces, prefix, shown, upload};

const MIB: u64 = 1024 * 1024;
const KEY: &str =
    "macs/content/ab/abababababababababababababababababababababababababababababababab";

fn settings() -> S3Settings {
    let text = r#"{"provider":"s3","bucket":"packages","region":"eu-central-1","prefix":"macs"}"#;
    match serde_json::from_str(text).unwrap() {
        CloudSettings::S3(settings) => settings,
        other => panic!("{other:?}"),
    }
}

fn with<T>(act: impl FnOnce(&S3<'_>) -> T) -> T {
    let (settings, keys): (_, S3Secrets) = (settings(), example_keys());
    act(&S3::new(&settings, &keys).unwrap())
}

#[test]
fn a_small_file_is_one_put_that_is_bound_to_its_bytes() {
    with(|s3| {
        let upload = upload(5, PartRules::S3);
        assert!(s3.begin(&upload, moment()).is_none());
        let piece = pieces(upload.plan)[0];
        let request = s3.piece(&upload, &piece, moment()).unwrap();
        assert_eq!(
            shown(&request),
            format!(
                "PUT packages.s3.eu-central-1.amazonaws.com /{KEY}\n\
                 content-type: application/octet-stream\n\
                 content-disposition: attachment; filename=\"a b+_&50_#.pkg\"; filename*=UTF-8''a%20b+%C3%A9&50%25#.pkg\n\
                 x-amz-meta-sha256: {}\n\
                 if-none-match: *\n\
                 content-md5: AQEBAQEBAQEBAQEBAQEBAQ==\n\
                 x-amz-content-sha256: {}\n\
                 x-amz-date: …\n\
                 authorization: …",
                "cd".repeat(32),
                "01".repeat(32)
            )
        );
        assert_eq!(request.body, Body::Piece { size: 5 });
        let etag = format!("\"{}\"", piece.md5);
        let tag = s3.piece_answered(&upload, &piece, &answer(200, &[("etag", &etag)], ""));
        let stored = StoredPiece { piece, tag: tag.unwrap() };
        assert!(s3.finish(&upload, std::slice::from_ref(&stored), moment()).is_none());
        assert_eq!(s3.expected_etag(&upload, &[stored]), Some(piece.md5.to_hex()));
    });
}

#[test]
fn a_large_file_is_begun_sent_in_parts_and_ended() {
    with(|s3| {
        let mut upload = upload(40 * MIB, PartRules::S3);
        let begin = s3.begin(&upload, moment()).unwrap();
        assert!(shown(&begin).starts_with(&format!(
            "POST packages.s3.eu-central-1.amazonaws.com /{KEY}?uploads=\ncontent-type"
        )));
        assert!(begin.header("x-amz-meta-sha256").is_some());
        let body = "<?xml version=\"1.0\"?><InitiateMultipartUploadResult><Bucket>packages</Bucket>\
                    <UploadId>VXBs/b2Fk+SUQ=</UploadId></InitiateMultipartUploadResult>";
        upload.reference = Some(s3.begun(&upload, &answer(200, &[], body)).unwrap());

        let stored: Vec<_> = pieces(upload.plan)
            .into_iter()
            .map(|piece| {
                let request = s3.piece(&upload, &piece, moment()).unwrap();
                let number = piece.part.number;
                let query = format!("partNumber={number}&uploadId=VXBs%2Fb2Fk%2BSUQ%3D");
                assert_eq!((request.method.as_str(), &request.query), ("PUT", &query));
                assert_eq!(request.header("x-amz-content-sha256"), Some(&*piece.sha256.to_hex()));
                assert_eq!(request.body.size(), if number == 3 { 8 * MIB } else { 16 * MIB });
                let etag = format!("\"{}\"", piece.md5);
                let answer = answer(200, &[("etag", &etag)], "");
                StoredPiece { piece, tag: s3.piece_answered(&upload, &piece, &answer).unwrap() }
            })
            .collect();

        let end = s3.finish(&upload, &stored, moment()).unwrap();
        assert_eq!(end.query, "uploadId=VXBs%2Fb2Fk%2BSUQ%3D");
        assert_eq!(end.header("if-none-match"), Some("*"), "another server may have ended before");
        assert!(end.header("authorization").unwrap().contains(";host;if-none-match;"));
        let plain = Upload { create_only: false, ..upload.clone() };
        assert_eq!(s3.finish(&plain, &stored, moment()).unwrap().header("if-none-match"), None);
        let exists = answer(412, &[], "<Error><Code>PreconditionFailed</Code></Error>");
        assert_eq!(s3.finished(&upload, &exists).unwrap_err().kind, FaultKind::Exists);
        let Body::Bytes(body) = &end.body else { panic!("{end:?}") };
        let body = String::from_utf8(body.clone()).unwrap();
        let last =
            format!("<Part><PartNumber>3</PartNumber><ETag>\"{}\"</ETag></Part>", "03".repeat(16));
        assert!(body.contains(&last) && body.matches("<Part>").count() == 3, "{body}");
        // MD5 of 16 times each of 1, 2 and 3: by hashlib.
        assert_eq!(
            s3.expected_etag(&upload, &stored).as_deref(),
            Some("5501b5b24e40268ba1b717530a753594-3")
        );
        let good = "<CompleteMultipartUploadResult><ETag>&quot;x-3&quot;</ETag></CompleteMultipartUploadResult>";
        assert_eq!(s3.finished(&upload, &answer(200, &[], good)), Ok(()));
    });
}

#[test]
fn other_bytes_at_the_provider_are_noticed_unless_it_encrypts_with_a_key_of_its_own() {
    with(|s3| {
        let upload = upload(5, PartRules::S3);
        let piece = pieces(upload.plan)[0];
        let other = answer(200, &[("etag", "\"00112233445566778899aabbccddeeff\"")], "");
        let fault = s3.piece_answered(&upload, &piece, &other).unwrap_err();
        assert_eq!(fault.kind, FaultKind::Line);
        let kms = [("etag", "\"0011\""), ("x-amz-server-side-encryption", "aws:kms")];
        let tag = s3.piece_answered(&upload, &piece, &answer(200, &kms, "")).unwrap();
        assert_eq!(tag.as_str(), "0011");
        let kms = [("content-length", "5"), kms[0], kms[1]];
        let found = s3.found(&upload.key, &answer(200, &kms, "")).unwrap().unwrap();
        assert_eq!((found.size, found.etag), (5, None));
    });
}

/// Directory buckets, and MinIO without its mode for compatibility, have such tags.
#[test]
fn tags_that_are_no_digests_say_nothing() {
    with(|s3| {
        let mut upload = upload(40 * MIB, PartRules::S3);
        upload.reference = UploadRef::new("u");
        let odd = format!("{}-1", "ab".repeat(16));
        for odd in ["\"x+y/z==\"", "0011", &odd] {
            let stored: Vec<_> = pieces(upload.plan)
                .into_iter()
                .map(|piece| {
                    let answer = answer(200, &[("etag", odd)], "");
                    let tag = s3.piece_answered(&upload, &piece, &answer).unwrap();
                    StoredPiece { piece, tag }
                })
                .collect();
            assert_eq!(s3.expected_etag(&upload, &stored), None, "{odd}");
        }
        let found = |etag: &str| {
            let headers = [("content-length", "5"), ("etag", etag)];
            s3.found(&upload.key, &answer(200, &headers, "")).unwrap().unwrap().etag
        };
        let md5 = "AB".repeat(16);
        assert_eq!(found(&md5), Some(md5.to_lowercase()));
        assert_eq!(found(&odd), Some(odd.clone()));
        for etag in ["x+y/z==", "0011-2", &format!("{md5}-"), &format!("{md5}-x"), "-1", ""] {
            assert_eq!(found(etag), None, "{etag}");
        }
    });
}

#[test]
fn an_object_is_asked_after_read_and_deleted_by_name() {
    with(|s3| {
        let key = prefix().content(&content());
        assert_eq!(s3.ask(&key, moment()).method, "HEAD");
        let sha256 = "cd".repeat(32);
        let headers = [
            ("content-length", "7"),
            ("etag", "\"ABABABABABABABABABABABABABABABAB-2\""),
            ("x-amz-meta-sha256", &*sha256),
        ];
        let found = s3.found(&key, &answer(200, &headers, "")).unwrap().unwrap();
        let expected = Found {
            size: 7,
            etag: Some("abababababababababababababababab-2".to_owned()),
            sha256: Some(crate::common::sha256()),
            segmented: false,
        };
        assert_eq!(found, expected);
        assert_eq!(s3.found(&key, &answer(404, &[], "")), Ok(None));
        assert_eq!(s3.read(&key, moment()).method, "GET");
        assert_eq!(s3.read_answered(&key, &answer(200, &[], "{}")), Ok(Some(&b"{}"[..])));
        let gone = answer(404, &[], "<Error><Code>NoSuchKey</Code></Error>");
        assert_eq!(s3.read_answered(&key, &gone), Ok(None));
        let elsewhere = answer(404, &[], "<Error><Code>NoSuchBucket</Code></Error>");
        assert_eq!(s3.read_answered(&key, &elsewhere).unwrap_err().kind, FaultKind::Place);
        assert_eq!(s3.remove(&key, moment()).method, "DELETE");
        assert_eq!(s3.removed(&key, &answer(204, &[], "")), Ok(()));
        assert_eq!(
            s3.removed(&key, &answer(404, &[], "<Error><Code>NoSuchKey</Code></Error>")),
            Ok(())
        );
    });
}

#[test]
fn objects_are_listed_by_the_page() {
    with(|s3| {
        let first = s3.list(Below::Contents, &Cursor::START, moment()).unwrap();
        assert_eq!(
            first.target(),
            "/?encoding-type=url&list-type=2&max-keys=128&prefix=macs%2Fcontent%2F"
        );
        let body = "<ListBucketResult><EncodingType>url</EncodingType><IsTruncated>true</IsTruncated>\
            <NextContinuationToken>1+/=</NextContinuationToken>\
            <Contents><Key>macs/content/a+b%2Bc%C3%A9</Key><Size>3</Size><ETag>&quot;abababababababababababababababab&quot;</ETag></Contents>\
            <Contents><Key>macs/content/z</Key><Size>0</Size></Contents></ListBucketResult>";
        let page = s3.listed(Below::Contents, &Cursor::START, &answer(200, &[], body)).unwrap();
        let keys: Vec<_> = page.items.iter().map(|item| item.key.as_str()).collect();
        assert_eq!(keys, ["macs/content/a b+cé", "macs/content/z"]);
        assert_eq!(
            (page.items[0].size, page.items[0].etag.as_deref()),
            (3, Some("abababababababababababababababab"))
        );
        let next = s3.list(Below::Contents, &page.next.unwrap(), moment()).unwrap();
        assert!(next.query.starts_with("continuation-token=1%2B%2F%3D&encoding-type"));
        let without = body.replace("<NextContinuationToken>1+/=</NextContinuationToken>", "");
        let page = s3.listed(Below::Contents, &Cursor::START, &answer(200, &[], &without)).unwrap();
        let next = s3.list(Below::Contents, &page.next.unwrap(), moment()).unwrap();
        assert!(next.query.ends_with("&start-after=macs%2Fcontent%2Fz"), "{}", next.query);
        let end = without.replace("true", "false");
        assert_eq!(
            s3.listed(Below::Contents, &Cursor::START, &answer(200, &[], &end)).unwrap().next,
            None
        );
    });
}

#[test]
fn everything_below_the_prefix_can_be_listed() {
    with(|s3| {
        let request = s3.list(Below::Everything, &Cursor::START, moment()).unwrap();
        assert_eq!(request.query, "encoding-type=url&list-type=2&max-keys=128&prefix=macs%2F");
        let body = "<ListBucketResult><Contents><Key>macs/probe/x</Key><Size>1</Size>\
            <LastModified>2026-01-30T08:00:00.000Z</LastModified></Contents></ListBucketResult>";
        let page = s3.listed(Below::Everything, &Cursor::START, &answer(200, &[], body)).unwrap();
        assert_eq!(page.items[0].written, Some("2026-01-30T08:00:00Z".parse().unwrap()));
    });
}

#[test]
fn unended_uploads_are_found_and_aborted() {
    with(|s3| {
        let key = prefix().content(&content());
        let all = s3.leftovers(None, &Cursor::START, moment()).unwrap().unwrap();
        assert_eq!(all.query, "encoding-type=url&max-uploads=128&prefix=macs%2F&uploads=");
        let one = s3.leftovers(Some(&key), &Cursor::START, moment()).unwrap().unwrap();
        assert!(one.query.contains(&format!("prefix={}", KEY.replace('/', "%2F"))));
        let body = format!(
            "<ListMultipartUploadsResult><IsTruncated>true</IsTruncated>\
             <NextKeyMarker>{KEY}</NextKeyMarker><NextUploadIdMarker>u2</NextUploadIdMarker>\
             <Upload><Key>{KEY}</Key><UploadId>u1</UploadId><Initiated>2026-01-30T08:00:00.000Z</Initiated></Upload>\
             </ListMultipartUploadsResult>"
        );
        let page =
            s3.leftovers_listed(Some(&key), &Cursor::START, &answer(200, &[], &body)).unwrap();
        let leftover = &page.items[0];
        assert_eq!(leftover.begun(), Some("2026-01-30T08:00:00Z".parse().unwrap()));
        let next = s3.leftovers(None, &page.next.unwrap(), moment()).unwrap().unwrap();
        assert!(
            next.query.contains("key-marker=macs") && next.query.contains("upload-id-marker=u2")
        );
        let abort = s3.discard(leftover, moment()).unwrap();
        assert_eq!((abort.method.as_str(), abort.query.as_str()), ("DELETE", "uploadId=u1"));
        let gone = answer(404, &[], "<Error><Code>NoSuchUpload</Code></Error>");
        assert_eq!(s3.removed(&key, &gone), Ok(()));
    });
}

#[test]
fn uploads_of_others_are_not_found() {
    with(|s3| {
        let key = prefix().content(&content());
        let probe = "macs/probe/0190aaaa-bbbb-7ccc-8ddd-eeeeffff0000-a b";
        let names = [KEY, &format!("{KEY}.tmp"), "macs/xylem.json", "macs/other", "other", probe];
        let body: String = names
            .iter()
            .map(|name| format!("<Upload><Key>{name}</Key><UploadId>u1</UploadId></Upload>"))
            .collect();
        let body = format!("<ListMultipartUploadsResult>{body}</ListMultipartUploadsResult>");
        let listed = |of| {
            let page = s3.leftovers_listed(of, &Cursor::START, &answer(200, &[], &body)).unwrap();
            page.items.iter().map(|it| it.key().to_string()).collect::<Vec<_>>()
        };
        assert_eq!(listed(Some(&key)), [KEY]);
        assert_eq!(listed(None), [KEY, probe]);
    });
}

#[test]
fn a_client_gets_an_address_for_one_object_with_its_present_name() {
    with(|s3| {
        let key = prefix().content(&content());
        let name = name();
        let wanted = UrlFor {
            key: &key,
            size: 5,
            name: &name,
            client: None,
            at: moment(),
            life: Duration::from_secs(600),
        };
        let url = s3.url(&wanted).unwrap();
        assert!(url.reveal().starts_with(&format!(
            "https://packages.s3.eu-central-1.amazonaws.com/{KEY}?X-Amz-Algorithm=AWS4-HMAC-SHA256&"
        )));
        assert!(url.reveal().contains("X-Amz-Expires=600&"));
        assert!(url.reveal().contains("response-content-disposition=attachment%3B%20filename"));
        assert!(!format!("{url:?}").contains("Signature"));
        assert_eq!(s3.purge(&[key], "r", moment()), Ok(vec![]));
    });
}
