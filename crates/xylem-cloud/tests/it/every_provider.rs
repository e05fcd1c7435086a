//! What holds for every provider: keys stay, addresses are HTTPS, and no answer is trusted.

use std::time::Duration;

use serde_json::json;
use xylem_cloud::swift::{OwnKeys, Swift, SwiftInfo, SwiftLogin};
use xylem_cloud::{
    Below, Body, CloudAnswer, CloudRequest, CloudSettings, Cursor, Endpoint, FaultScope, Leftover,
    MAX_ANSWER_BYTES, Named, ObjectKey, Piece, Provider, ProviderError, Secret, Secrets,
    StoredPiece, SwiftAccess, Upload, UploadRef, UrlFor, provider_of,
};

use xylem_model::{Md5, Sha256};

use crate::common::{answer, content, moment, name, pieces, prefix, upload};

const MIB: u64 = 1024 * 1024;
/// What every secret is made of here, so that it is found wherever it leaks.
const PLANTED: &str = "c0ffeec0ffee";

const SETTINGS: [&str; 9] = [
    r#"{"provider":"s3","bucket":"packages","region":"eu-central-1","prefix":"macs"}"#,
    r#"{"provider":"s3","bucket":"Pack.ages","region":"eu-central-1","prefix":"macs",
        "path_style":true}"#,
    r#"{"provider":"s3","bucket":"packages","region":"eu-central-1","prefix":"macs",
        "cloudfront":{"url":"https://d.cloudfront.net","key_pair_id":"K1","bind_address":true}}"#,
    r#"{"provider":"s3","bucket":"packages","region":"r","endpoint":"https://h:8443","prefix":"macs",
        "cloudfront":{"url":"https://d.cloudfront.net","key_pair_id":"K1","distribution_id":"E1"}}"#,
    r#"{"provider":"swift","auth":{"tempauth":{"user":"u"}},"auth_url":"https://s.example.org",
        "container":"packages","prefix":"macs"}"#,
    r#"{"provider":"swift","auth":{"tempauth":{"user":"u"}},"auth_url":"https://s.example.org",
        "container":"packages","prefix":"macs","key_scope":"container"}"#,
    r#"{"provider":"rackspace","user":"u","region":"ORD","container":"packages","prefix":"macs",
        "public":true}"#,
    r#"{"provider":"akamai","upload_host":"https://ns-nsu.akamaihd.net","account":"u",
        "cp_code":1,"directory":"macs","delivery_url":"https://d.example.org"}"#,
    r#"{"provider":"folder","prefix":"macs"}"#,
];

fn keys(settings: &CloudSettings) -> Secrets {
    let text = match settings {
        CloudSettings::S3(_) => format!(
            r#"{{"provider":"s3","key_id":"AKID","secret":"{PLANTED}","cloudfront_key":{}}}"#,
            serde_json::to_string(include_str!("../vectors/cloudfront-rsa.pem")).unwrap()
        ),
        CloudSettings::Swift(_) | CloudSettings::Rackspace(_) => {
            format!(r#"{{"provider":"swift","password":"{PLANTED}","temp_url_key":"{PLANTED}"}}"#)
        }
        CloudSettings::Akamai(_) => format!(
            r#"{{"provider":"akamai","key":"{PLANTED}","token_secret":"{PLANTED}",
                "token_salt":"{PLANTED}","edgegrid":{{"host":"h.luna.akamaiapis.net",
                "client_token":"t","client_secret":"{PLANTED}","access_token":"t"}}}}"#
        ),
        CloudSettings::Folder(_) => r#"{"provider":"folder"}"#.to_owned(),
    };
    serde_json::from_str(&text).unwrap()
}

/// A token and addresses, with a delivery network for whoever has one.
fn access() -> SwiftAccess {
    let endpoint = |url: &str| json!([{ "region": "ORD", "publicURL": url }]);
    let told = json!({ "access": {
        "token": { "id": PLANTED },
        "serviceCatalog": [
            { "type": "object-store", "endpoints": endpoint("https://s.example.org/v1/AUTH_test") },
            { "type": "rax:object-cdn", "endpoints": endpoint("https://c.example.org/v1/T") },
        ],
    } });
    let CloudSettings::Rackspace(settings) = parsed("rackspace") else { panic!() };
    let login = SwiftLogin::rackspace(&settings).unwrap();
    SwiftAccess {
        session: login.session(&answer(200, &[], &told.to_string())).unwrap(),
        info: SwiftInfo::read(&answer(404, &[], "")).unwrap(),
        public: Some(Endpoint::parse("https://public.example.org").unwrap()),
    }
}

/// The first settings of a provider.
fn parsed(provider: &str) -> CloudSettings {
    let mut all = SETTINGS.iter().map(|text| serde_json::from_str::<CloudSettings>(text).unwrap());
    all.find(|settings| settings.provider() == provider).unwrap()
}

fn each(act: impl Fn(&dyn Provider)) {
    for text in SETTINGS {
        let settings: CloudSettings = serde_json::from_str(text).unwrap();
        settings.check().unwrap();
        let (keys, access) = (keys(&settings), access());
        act(&*provider_of(&settings, &keys, Some(&access)).unwrap());
    }
}

fn begun(provider: &dyn Provider, size: u64) -> Upload {
    let begun = upload(size, provider.part_rules());
    Upload { reference: UploadRef::new("u1"), ..begun }
}

fn url(provider: &dyn Provider) -> String {
    let (key, name) = (prefix().content(&content()), name());
    let life = Duration::from_secs(600);
    let wanted = UrlFor {
        key: &key,
        size: 5,
        name: &name,
        client: Some([192, 0, 2, 7].into()),
        at: moment(),
        life,
    };
    provider.url(&wanted).unwrap().reveal().to_owned()
}

/// Everything that goes over the line.
fn sent(request: &CloudRequest) -> String {
    let headers: Vec<_> =
        request.headers.iter().map(|header| format!("{}: {}", header.name, header.value)).collect();
    let body = match &request.body {
        Body::Bytes(bytes) => String::from_utf8_lossy(bytes).into_owned(),
        Body::None | Body::Piece { .. } => String::new(),
    };
    format!("{} {headers:?} {body}", request.target())
}

/// A signature covers the digest of the bytes, or it is said how long it does not.
#[test]
fn what_is_not_bound_to_its_bytes_is_told() {
    each(|provider| {
        let upload = begun(provider, 5);
        let piece = pieces(upload.plan)[0];
        let other =
            Piece { sha256: Sha256::from_bytes([9; 32]), md5: Md5::from_bytes([9; 16]), ..piece };
        let signed = |piece: &Piece| {
            let request = provider.piece(&upload, piece, moment()).unwrap();
            let header = ["authorization", "x-akamai-acs-auth-sign", "x-sha256"]
                .iter()
                .find_map(|name| request.header(name).map(str::to_owned));
            header.unwrap_or(request.query)
        };
        let is_bound = signed(&piece) != signed(&other);
        assert_eq!(provider.unbound_for().is_none(), is_bound);
        assert!(provider.unbound_for().is_none_or(|life| life <= Duration::from_secs(900)));
    });
}

#[test]
fn what_the_root_and_clients_get_has_no_key_and_no_token() {
    each(|provider| {
        for size in [0, 5, 200 * MIB] {
            let upload = begun(provider, size);
            for piece in pieces(upload.plan) {
                let request = provider.piece(&upload, &piece, moment()).unwrap();
                assert!(!sent(&request).contains(PLANTED), "{request:?}");
                assert_eq!(request.body.size(), piece.part.bytes);
            }
        }
        assert!(!url(provider).contains(PLANTED));
        assert!(url(provider).starts_with("https://") && !url(provider).contains(' '));
    });
}

/// What may be left of an object, and what a careless caller could make of it.
fn leftovers(key: &ObjectKey) -> [Leftover; 4] {
    let segment = |key: ObjectKey| Leftover::Segment { key, etag: "00".repeat(16), begun: None };
    let id = UploadRef::new("u").unwrap();
    [
        Leftover::Upload { key: key.clone(), id, begun: None },
        segment(key.clone()),
        segment(key.segment(5, 1)),
        segment(prefix().in_segments(&key.segment(5, 1))),
    ]
}

#[test]
fn discarding_never_deletes_an_object() {
    each(|provider| {
        let key = prefix().content(&content());
        let remove = provider.remove(&key, moment());
        for leftover in leftovers(&key) {
            let Some(discard) = provider.discard(&leftover, moment()) else { continue };
            assert_ne!((&discard.path, &discard.query), (&remove.path, &remove.query));
        }
    });
}

fn requests(provider: &dyn Provider) -> Vec<CloudRequest> {
    let upload = begun(provider, 200 * MIB);
    let key = prefix().content(&content());
    let stored: Vec<_> = pieces(upload.plan)
        .into_iter()
        .map(|piece| StoredPiece { tag: UploadRef::from(piece.md5), piece })
        .collect();
    let mut all = provider.purge(std::slice::from_ref(&key), "r", moment()).unwrap();
    all.extend(provider.begin(&upload, moment()));
    all.extend(provider.finish(&upload, &stored, moment()));
    all.extend(provider.folders(&key, moment()));
    all.extend(provider.describe(&upload, moment()));
    all.extend(provider.leftovers(None, &Cursor::START, moment()).unwrap());
    all.extend(leftovers(&key).iter().filter_map(|it| provider.discard(it, moment())));
    all.extend([
        provider.ask(&key, moment()),
        provider.read(&key, moment()),
        provider.list(Below::Contents, &Cursor::START, moment()).unwrap(),
        provider.remove(&key, moment()),
    ]);
    all
}

#[test]
fn requests_are_printed_without_secrets_and_can_be_sent() {
    each(|provider| {
        for request in requests(provider) {
            assert!(!format!("{request:?}").contains(PLANTED), "{request:?}");
            assert!(request.path.starts_with('/') && request.target().is_ascii());
            assert!(request.target().bytes().all(|byte| byte.is_ascii_graphic()), "{request:?}");
            for header in &request.headers {
                assert!(http::HeaderName::from_lowercase(header.name.as_bytes()).is_ok());
                assert!(http::HeaderValue::from_str(&header.value).is_ok(), "{}", header.name);
            }
        }
    });
}

/// Reads one answer by every reader there is; none may fall over.
fn read_all(provider: &dyn Provider, answer: &CloudAnswer) {
    let key = prefix().content(&content());
    let upload = begun(provider, 5);
    let piece = pieces(upload.plan)[0];
    let _ = provider.begun(&upload, answer);
    let _ = provider.piece_answered(&upload, &piece, answer);
    let _ = provider.finished(&upload, answer);
    let _ = provider.found(&key, answer);
    let mut cursor = Some(Cursor::START);
    while let Some(at) = cursor.take() {
        let _ = provider.listed(Below::Everything, &at, answer);
        let page = provider.listed(Below::Contents, &at, answer);
        cursor = page.ok().and_then(|page| page.next).filter(|_| at == Cursor::START);
    }
    let _ = provider.leftovers_listed(None, &Cursor::START, answer);
    let _ = provider.leftovers_listed(Some(&key), &Cursor::START, answer);
    let _ = provider.removed(&key, answer);
    let _ = provider.purged(answer);
    let _ = provider.folder_made(answer);
    let _ = provider.described(&upload, answer);
    let _ = provider.read_answered(&key, answer);
}

#[test]
fn no_fault_of_a_delivery_network_stops_the_point() {
    each(|provider| {
        for status in [301, 400, 401, 403, 404, 413, 500, 507] {
            if let Err(fault) = provider.purged(&answer(status, &[], "")) {
                assert_ne!(fault.scope(), FaultScope::Point, "{fault}");
            }
        }
        let refused = answer(403, &[], "");
        let fault = provider.read_answered(&prefix().marker(), &refused).unwrap_err();
        assert_eq!(fault.scope(), FaultScope::Point, "of the storage it does");
    });
}

/// What is read before there is a provider, and what only Swift has.
fn read_all_of_swift(answer: &CloudAnswer) {
    let keys = |settings| match keys(settings) {
        Secrets::Swift(keys) => keys,
        other => panic!("{other:?}"),
    };
    let _ = SwiftInfo::read(answer);
    let access = access();
    let (session, info) = (&access.session, &access.info);
    let (one, other) = (parsed("swift"), parsed("rackspace"));
    if let CloudSettings::Swift(settings) = &one {
        let _ = SwiftLogin::swift(settings).session(answer);
        let keys = keys(&one);
        let swift = Swift::new(settings, &keys, session, info);
        let former = [Secret::new("k")];
        let _ = swift.free_slot(answer, &OwnKeys { former: &former, others: &[], label: "xylem-" });
        let _ = swift.has_key(answer);
        let _ = swift.account_changed(answer);
    }
    if let CloudSettings::Rackspace(settings) = &other {
        let _ = SwiftLogin::rackspace(settings).unwrap().session(answer);
        let keys = keys(&other);
        let _ = Swift::rackspace(settings, &keys, session, info, None).cdn_address(answer);
    }
}

/// What a listing may call things; no name may make the reader fall over either.
#[test]
fn no_name_makes_the_reader_fall_over() {
    let id = content().to_hex();
    let whole = format!("macs/segments/content/ab/{id}/67108864/00001/é\u{0}");
    let ends = (0..=whole.len()).filter_map(|end| whole.get(..end));
    for name in ends.chain(["/", "//", "macs//", "macs/probe/-", "macs/probe/ééééééééééééééééééé"])
    {
        let _ = (prefix().read(name), prefix().read_apart(name));
        assert_eq!(prefix().read(&name.repeat(1000)), Named::Foreign, "{name}");
    }
}

#[test]
fn no_answer_makes_a_reader_fall_over() {
    let whole = "<?xml version=\"1.0\"?><ListBucketResult><IsTruncated>true</IsTruncated><Contents>\
        <Key>%ff&#0;</Key><Size>99999999999999999999</Size></Contents></ListBucketResult>\
        [{\"name\":\"\\u0000\",\"bytes\":-1}]<stat><file type='file' name='' size=''/></stat>";
    let long = "[".repeat(MAX_ANSWER_BYTES);
    each(|provider| {
        for status in [0, 99, 200, 201, 204, 206, 301, 400, 401, 403, 404, 409, 412, 416, 500, 999]
        {
            for end in (0..whole.len()).step_by(7) {
                for start in [0, whole.len() / 2] {
                    let text = whole.get(start..end).unwrap_or_default();
                    read_all(provider, &answer(status, &[("content-length", "-1")], text));
                }
            }
        }
        for status in [200, 500] {
            read_all(provider, &answer(status, &[("etag", "\""), ("date", "\t")], &long));
        }
    });
}

#[test]
fn no_answer_to_swift_alone_makes_a_reader_fall_over() {
    let whole = r#"{"access":{"token":{"id":"t","expires":"x"},"serviceCatalog":[{"type":
        "object-store","endpoints":[{"region":"ORD","publicURL":"http://"}]}]},"token":{"catalog":
        [{}],"expires_at":""},"swift":{"max_file_size":0},"slo":{"max_manifest_segments":0,
        "min_segment_size":18446744073709551615},"tempurl":{}}"#;
    let long = "[".repeat(MAX_ANSWER_BYTES);
    let headers =
        [("x-storage-url", "https://"), ("x-auth-token", "\t"), ("x-cdn-enabled", "true")];
    for status in [0, 200, 201, 204, 301, 401, 404, 500, 999] {
        for end in (0..=whole.len()).step_by(5) {
            let text = whole.get(..end).unwrap_or(whole);
            read_all_of_swift(&answer(status, &headers, text));
        }
        read_all_of_swift(&answer(status, &[], &long));
    }
    // What a Swift says of itself never makes a plan that cannot be.
    let odd = SwiftInfo::read(&answer(200, &[], whole)).unwrap();
    for size in [0, 1, MIB, 1 << 40] {
        if let Ok(plan) = odd.part_rules().plan(size) {
            assert!(plan.count() >= 1 && plan.part(1).is_some());
        }
    }
}

#[test]
fn keys_of_another_provider_make_none() {
    let (s3, swift, akamai) = (parsed("s3"), parsed("swift"), parsed("akamai"));
    let (of_s3, of_swift, of_akamai) = (keys(&s3), keys(&swift), keys(&akamai));
    let access = access();
    let refused =
        |settings, keys, access| provider_of(settings, keys, access).map(|_| ()).unwrap_err();
    assert_eq!(refused(&s3, &of_swift, Some(&access)), ProviderError::OtherKeys);
    assert_eq!(refused(&swift, &of_akamai, Some(&access)), ProviderError::OtherKeys);
    assert_eq!(refused(&akamai, &of_s3, Some(&access)), ProviderError::OtherKeys);
    assert_eq!(refused(&parsed("rackspace"), &of_swift, None), ProviderError::NoSession);
}
