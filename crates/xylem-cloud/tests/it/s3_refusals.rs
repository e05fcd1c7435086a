//! What S3 refuses, and what each refusal is worth.

use xylem_cloud::s3::S3;
use xylem_cloud::{
    Below, CloudSettings, Cursor, Fault, FaultKind, FaultScope, MAX_ANSWER_BYTES, PartRules,
    Provider, UploadRef,
};

use crate::common::{answer, content, example_keys, moment, pieces, prefix, upload};

fn with<T>(act: impl FnOnce(&S3<'_>) -> T) -> T {
    let text = r#"{"provider":"s3","bucket":"packages","region":"r","endpoint":"https://h:1"}"#;
    let CloudSettings::S3(settings) = serde_json::from_str(text).unwrap() else { panic!() };
    let keys = example_keys();
    act(&S3::new(&settings, &keys).unwrap())
}

fn sent(status: u16, headers: &[(&str, &str)], body: &str) -> Fault {
    with(|s3| {
        let upload = upload(5, PartRules::S3);
        let piece = pieces(upload.plan)[0];
        s3.piece_answered(&upload, &piece, &answer(status, headers, body)).unwrap_err()
    })
}

#[test]
fn each_code_is_one_kind_of_fault() {
    let cases = [
        (403, "SignatureDoesNotMatch", FaultKind::Keys),
        (403, "InvalidAccessKeyId", FaultKind::Keys),
        (400, "ExpiredToken", FaultKind::Keys),
        (403, "RequestTimeTooSkewed", FaultKind::Clock),
        (403, "AccessDenied", FaultKind::Rights),
        (404, "NoSuchBucket", FaultKind::Place),
        (301, "PermanentRedirect", FaultKind::Place),
        (400, "AuthorizationHeaderMalformed", FaultKind::Place),
        (400, "BadDigest", FaultKind::Line),
        (400, "XAmzContentSHA256Mismatch", FaultKind::Line),
        (503, "SlowDown", FaultKind::Busy),
        (400, "RequestTimeout", FaultKind::Busy),
        (500, "InternalError", FaultKind::Busy),
        (404, "NoSuchUpload", FaultKind::UploadLost),
        (400, "InvalidPart", FaultKind::UploadLost),
        (412, "PreconditionFailed", FaultKind::Exists),
        (501, "NotImplemented", FaultKind::Unsupported),
        (403, "QuotaExceeded", FaultKind::Full),
        (400, "EntityTooLarge", FaultKind::TooLarge),
        (429, "Whatever", FaultKind::Busy),
        (507, "Whatever", FaultKind::Full),
        (400, "Whatever", FaultKind::Unexpected),
    ];
    for (status, code, kind) in cases {
        let body = format!(
            "<?xml version='1.0'?><Error><Code>{code}</Code><Message>m &lt;x</Message></Error>"
        );
        let fault = sent(status, &[], &body);
        assert_eq!(fault.kind, kind, "{code}: {fault}");
        assert!(fault.to_string().contains(code) && fault.why.contains("m <x"), "{fault}");
    }
}

#[test]
fn a_refusal_names_the_right_the_clocks_and_the_region() {
    let denied = sent(403, &[], "<Error><Code>AccessDenied</Code></Error>");
    assert!(denied.why.contains("the keys need s3:PutObject"), "{denied}");
    let skewed = "<Error><Code>RequestTimeTooSkewed</Code><RequestTime>20260131T080000Z</RequestTime>\
                  <ServerTime>2026-01-31T09:00:00Z</ServerTime></Error>";
    let skewed = sent(403, &[], skewed);
    assert!(
        skewed.why.contains("(ours 20260131T080000Z, theirs 2026-01-31T09:00:00Z)"),
        "{skewed}"
    );
    assert_eq!(skewed.scope(), FaultScope::Point);
    let moved = "<Error><Code>PermanentRedirect</Code><Endpoint>packages.s3.amazonaws.com</Endpoint></Error>";
    assert!(sent(301, &[], moved).why.contains("it is at packages.s3.amazonaws.com"));
    let header = [("x-amz-bucket-region", "us-west-2")];
    assert!(sent(301, &header, moved).why.contains("in region us-west-2"));
    assert_eq!(sent(400, &header, "").kind, FaultKind::Place);
}

#[test]
fn answers_that_are_not_of_the_protocol_decide_by_their_status() {
    let portal = "<html><body>Please log in</body></html>";
    assert_eq!(sent(302, &[], portal).kind, FaultKind::Place);
    // What nginx answers to a part above `client_max_body_size`.
    let page = "<html><head><title>413 Request Entity Too Large</title></head></html>";
    let large = sent(413, &[("content-type", "text/html")], page);
    assert_eq!((large.kind, large.scope()), (FaultKind::TooLarge, FaultScope::Content));
    assert!(large.to_string().contains("proxy"), "{large}");
    assert_eq!(sent(413, &[], "Upload exceeds quota.").kind, FaultKind::Full);
    assert_eq!(sent(511, &[], portal).kind, FaultKind::Unexpected);
    assert_eq!(sent(200, &[], portal).kind, FaultKind::Unexpected);
    let busy = sent(503, &[("retry-after", "9")], "not <xml");
    assert_eq!(
        (busy.kind, busy.retry_after.map(|wait| wait.as_secs())),
        (FaultKind::Busy, Some(9))
    );
    let bomb = "<!DOCTYPE x [<!ENTITY a 'aa'>]><Error><Code>&a;</Code></Error>";
    assert_eq!(sent(403, &[], bomb).kind, FaultKind::Rights);
}

#[test]
fn what_is_not_there_is_believed_of_s3_alone() {
    with(|s3| {
        let key = prefix().content(&content());
        let gateway = answer(404, &[], "<html>no such site</html>");
        let code = |code: &str| answer(404, &[], &format!("<Error><Code>{code}</Code></Error>"));
        assert_eq!(s3.removed(&key, &gateway).unwrap_err().kind, FaultKind::Place);
        assert_eq!(s3.removed(&key, &answer(404, &[], "")).unwrap_err().kind, FaultKind::Place);
        assert_eq!(s3.removed(&key, &code("NoSuchBucket")).unwrap_err().kind, FaultKind::Place);
        assert_eq!(s3.removed(&key, &code("NoSuchKey")), Ok(()));
        assert_eq!(s3.read_answered(&key, &gateway).unwrap_err().kind, FaultKind::Place);
        assert_eq!(s3.read_answered(&key, &code("NoSuchKey")), Ok(None));
        assert_eq!(sent(404, &[], "<html/>").kind, FaultKind::Place);
        // HEAD has no words; a listing has.
        assert_eq!(s3.found(&key, &answer(404, &[], "")), Ok(None));
        for gone in [gateway, code("NoSuchBucket")] {
            let listed = s3.listed(Below::Contents, &Cursor::START, &gone).unwrap_err();
            assert_eq!(listed.scope(), FaultScope::Point);
        }
    });
}

#[test]
fn an_end_that_failed_behind_a_status_of_200_is_a_fault() {
    with(|s3| {
        let mut upload = upload(40 << 20, PartRules::S3);
        upload.reference = UploadRef::new("u");
        let ended = |body: &str| s3.finished(&upload, &answer(200, &[], body)).unwrap_err().kind;
        assert_eq!(ended("<Error><Code>InternalError</Code></Error>"), FaultKind::Busy);
        assert_eq!(ended("<Error><Code>NeverHeardOf</Code></Error>"), FaultKind::Busy);
        assert_eq!(ended("<Error><Code>InvalidPart</Code></Error>"), FaultKind::UploadLost);
        assert_eq!(ended("  \n"), FaultKind::Busy);
        assert_eq!(ended("<CompleteMultipartUploadResult>"), FaultKind::Busy);
        assert_eq!(ended("<html/>"), FaultKind::Unexpected);
    });
}

fn page(next: &str, names: &[&str]) -> String {
    let names: String = names
        .iter()
        .map(|name| format!("<Contents><Key>{name}</Key><Size>1</Size></Contents>"))
        .collect();
    format!("<ListBucketResult><IsTruncated>true</IsTruncated>{next}{names}</ListBucketResult>")
}

#[test]
fn a_listing_that_does_not_go_on_is_refused() {
    with(|s3| {
        let listed = |cursor: &Cursor, body: &str| {
            let page = s3.listed(Below::Contents, cursor, &answer(200, &[], body));
            page.map(|page| page.next.unwrap()).map_err(|fault| fault.kind)
        };
        // The first ListObjects knows no `start-after`, and gives the same page for ever.
        let first = page("", &["a", "b"]);
        let after = listed(&Cursor::START, &first).unwrap();
        assert_eq!(listed(&after, &first), Err(FaultKind::Unexpected));
        assert!(listed(&after, &page("", &["c"])).is_ok());
        let token = |text: &str| {
            page(&format!("<NextContinuationToken>{text}</NextContinuationToken>"), &["a"])
        };
        let at = listed(&Cursor::START, &token("t")).unwrap();
        assert_eq!(listed(&at, &token("t")), Err(FaultKind::Unexpected));
        assert!(listed(&at, &token("u")).is_ok());
        assert_eq!(listed(&at, &token(&"t".repeat(5000))), Err(FaultKind::Unexpected));

        let body = answer(
            200,
            &[],
            "<ListMultipartUploadsResult><IsTruncated>true</IsTruncated><NextKeyMarker>k\
             </NextKeyMarker><NextUploadIdMarker>u</NextUploadIdMarker></ListMultipartUploadsResult>",
        );
        let next = s3.leftovers_listed(None, &Cursor::START, &body).unwrap().next.unwrap();
        assert!(s3.leftovers_listed(None, &next, &body).is_err());
        assert!(s3.list(Below::Contents, &next, moment()).is_err(), "of uploads");
        assert!(s3.leftovers(None, &at, moment()).is_err(), "of objects");
    });
}

#[test]
fn a_full_page_of_the_longest_names_is_read() {
    let entry = format!(
        "<Contents><Key>macs/content/{}</Key><LastModified>2026-01-30T08:00:00.000Z</LastModified>\
         <ETag>&quot;{}-10000&quot;</ETag><Size>1099511627776</Size>\
         <StorageClass>INTELLIGENT_TIERING</StorageClass></Contents>",
        // The longest form of a character, and the longest name.
        "&apos;".repeat(1012),
        "ab".repeat(16)
    );
    let body = format!("<ListBucketResult>{}</ListBucketResult>", entry.repeat(128));
    assert!(body.len() <= MAX_ANSWER_BYTES, "{}", body.len());
    with(|s3| {
        let page = s3.listed(Below::Contents, &Cursor::START, &answer(200, &[], &body)).unwrap();
        assert_eq!(page.items.len(), 128);
        let longer = format!("<ListBucketResult>{}", entry.repeat(200));
        let cut = longer.get(..MAX_ANSWER_BYTES).unwrap();
        let fault = s3.listed(Below::Contents, &Cursor::START, &answer(200, &[], cut)).unwrap_err();
        assert!(fault.why.contains("longer than 1 MiB"), "{fault}");
    });
}

#[test]
fn listings_that_lie_are_refused() {
    with(|s3| {
        let listed = |status, body: &str| {
            s3.listed(Below::Contents, &Cursor::START, &answer(status, &[], body))
        };
        for body in [
            "<html/>",
            "<ListBucketResult><Contents><Key>k</Key><Size>-1</Size></Contents></ListBucketResult>",
            "<ListBucketResult><Contents><Size>1</Size></Contents></ListBucketResult>",
            "<ListBucketResult><IsTruncated>true</IsTruncated></ListBucketResult>",
        ] {
            assert_eq!(listed(200, body).unwrap_err().kind, FaultKind::Unexpected, "{body}");
        }
        let long = "segments/".repeat(110_000);
        let long = format!(
            "<ListBucketResult><Contents><Key>{long}</Key><Size>1</Size></Contents></ListBucketResult>"
        );
        assert_eq!(listed(200, &long).unwrap_err().kind, FaultKind::Unexpected);
        assert_eq!(listed(404, "").unwrap_err().kind, FaultKind::Place);
        let body = "<ListMultipartUploadsResult><IsTruncated>true</IsTruncated></ListMultipartUploadsResult>";
        assert!(s3.leftovers_listed(None, &Cursor::START, &answer(200, &[], body)).is_err());
        let key = prefix().content(&content());
        assert_eq!(s3.found(&key, &answer(200, &[], "")).unwrap_err().kind, FaultKind::Unexpected);
        let denied = s3.found(&key, &answer(403, &[], "")).unwrap_err();
        assert_eq!(denied.kind, FaultKind::Rights);
        assert!(denied.why.contains("s3:GetObject, s3:ListBucket"), "{denied}");
        let odd = "<InitiateMultipartUploadResult><UploadId>a b</UploadId></InitiateMultipartUploadResult>";
        assert!(s3.begun(&upload(40 << 20, PartRules::S3), &answer(200, &[], odd)).is_err());
    });
}
