//! What S3 refuses, and what each refusal is worth.

use xylem_cloud::s3::S3;
use xylem_cloud::{
    CloudSettings, Cursor, Fault, FaultKind, FaultScope, PartRules, Provider, UploadRef,
};

use crate::common::{answer, content, pieces, prefix, upload};
use crate::s3_vectors::example_keys;

fn with<T>(act: impl FnOnce(&S3<'_>) -> T) -> T {
    let text = r#"{"provider":"s3","bucket":"packages","region":"r","endpoint":"https://h:1"}"#;
    let CloudSettings::S3(settings) = serde_json::from_str(text).unwrap() else { panic!() };
    let keys = example_keys(None);
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
    assert_eq!(skewed.kind.scope(), FaultScope::Point);
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

#[test]
fn listings_that_lie_are_refused() {
    with(|s3| {
        let listed = |status, body: &str| s3.listed(&Cursor::Start, &answer(status, &[], body));
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
        assert!(s3.leftovers_listed(None, &answer(200, &[], body)).is_err());
        let key = prefix().content(&content());
        assert_eq!(s3.found(&key, &answer(200, &[], "")).unwrap_err().kind, FaultKind::Unexpected);
        assert_eq!(s3.found(&key, &answer(403, &[], "")).unwrap_err().kind, FaultKind::Rights);
        let odd = "<InitiateMultipartUploadResult><UploadId>a b</UploadId></InitiateMultipartUploadResult>";
        assert!(s3.begun(&upload(40 << 20, PartRules::S3), &answer(200, &[], odd)).is_err());
    });
}
