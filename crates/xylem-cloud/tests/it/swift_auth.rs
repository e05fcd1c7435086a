//! Tokens of Swift: what is asked, and what a catalogue is worth.

use serde_json::{Value, json};
use xylem_cloud::swift::SwiftLogin;
use xylem_cloud::{
    Body, CloudRequest, CloudSettings, FaultKind, RackspaceSettings, Secret, SwiftSecrets,
    SwiftSettings,
};

use crate::common::{answer, now, shown};

pub(crate) fn keys(password: &str) -> SwiftSecrets {
    SwiftSecrets {
        password: Secret::new(password),
        temp_url_key: Some(Secret::new("0123456789abcdef0123456789abcdef")),
        former_temp_url_key: None,
    }
}

pub(crate) fn swift(auth: &str, url: &str, more: &str) -> SwiftSettings {
    let text = format!(
        r#"{{"provider":"swift","auth":{auth},"auth_url":"{url}","container":"packages",
            "prefix":"macs"{more}}}"#
    );
    match serde_json::from_str(&text).unwrap() {
        CloudSettings::Swift(settings) => settings,
        other => panic!("{other:?}"),
    }
}

pub(crate) fn rackspace(more: &str) -> RackspaceSettings {
    let text = format!(
        r#"{{"provider":"rackspace","user":"cloud","region":"ORD","container":"packages",
            "prefix":"macs"{more}}}"#
    );
    match serde_json::from_str(&text).unwrap() {
        CloudSettings::Rackspace(settings) => settings,
        other => panic!("{other:?}"),
    }
}

fn body(request: &CloudRequest) -> Value {
    let Body::Bytes(bytes) = &request.body else { panic!("{request:?}") };
    serde_json::from_slice(bytes).unwrap()
}

#[test]
fn version_1_has_its_keys_in_headers() {
    let auth = r#"{"tempauth":{"user":"casper:rw"}}"#;
    for url in ["https://swift.example.org/auth", "https://swift.example.org/auth/v1.0"] {
        let settings = swift(auth, url, "");
        let login = SwiftLogin::swift(&settings);
        assert_eq!(
            shown(&login.request(&keys("rwsecret"))),
            "GET swift.example.org /auth/v1.0\naccept: application/json\n\
             x-auth-user: casper:rw\nx-auth-key: rwsecret"
        );
        let headers = [
            ("x-auth-token", "AUTH_tk1"),
            ("x-storage-url", "https://swift.example.org/v1/AUTH_casper"),
            ("x-auth-token-expires", "86400"),
        ];
        let session = login.session(&answer(200, &headers, "")).unwrap();
        let address = session.storage().address().to_string();
        assert_eq!(address, "https://swift.example.org/v1/AUTH_casper");
        assert!(!session.is_ending(now()) && !format!("{session:?}").contains("AUTH_tk1"));
        let soon = now().plus(std::time::Duration::from_secs(86_400 - 299));
        assert!(session.is_ending(soon), "five minutes before its end it is renewed");
        let open = [headers[0], ("x-storage-url", "http://swift.example.org/v1/AUTH_casper")];
        assert_eq!(login.session(&answer(200, &open, "")).unwrap_err().kind, FaultKind::Place);
        let long = "x".repeat(9000);
        let odd = [("x-auth-token", &*long), headers[1]];
        assert_eq!(login.session(&answer(200, &odd, "")).unwrap_err().kind, FaultKind::Unexpected);
    }
}

#[test]
fn keystone_is_asked_as_keystoneauth_asks() {
    let all: Value = serde_json::from_str(include_str!("../vectors/swift-keystone.json")).unwrap();
    let password = r#"{"keystone3_password":{"user":"cloud","user_domain":"Default",
        "project":"macs","project_domain":"Default"}}"#;
    let application = r#"{"keystone3_application":{"id":"0f1e"}}"#;
    let cases = [(password, "p\"w é", "password"), (application, "s3", "application")];
    for (auth, secret, name) in cases {
        for url in
            ["https://keystone.example.org/identity", "https://keystone.example.org/identity/v3"]
        {
            let settings = swift(auth, url, "");
            let request = SwiftLogin::swift(&settings).request(&keys(secret));
            assert_eq!(request.path, all[name]["path"].as_str().unwrap());
            assert_eq!(body(&request), all[name]["body"]);
            assert!(!format!("{request:?}").contains(secret));
        }
    }
}

fn catalogue() -> String {
    let endpoint = |region: &str, interface: &str, url: &str| json!({ "region": region, "region_id": region, "interface": interface, "url": url });
    json!({ "token": {
        "expires_at": "2026-01-31T09:00:00.000000Z",
        "catalog": [
            { "type": "identity", "name": "keystone",
              "endpoints": [endpoint("one", "public", "https://wrong.example.org")] },
            { "type": "object-store", "name": "swift", "endpoints": [
                endpoint("one", "internal", "http://10.0.0.1/v1/AUTH_p"),
                endpoint("one", "public", "https://one.example.org/v1/AUTH_p"),
                endpoint("two", "public", "https://two.example.org/v1/AUTH_p"),
                endpoint("open", "public", "http://open.example.org/v1/AUTH_p"),
            ] },
        ],
    } })
    .to_string()
}

#[test]
fn the_public_endpoint_of_the_region_is_taken() {
    let session = |more: &str, body: &str| {
        let auth = r#"{"keystone3_application":{"id":"0f1e"}}"#;
        let settings = swift(auth, "https://k.example.org", more);
        let answer = answer(201, &[("x-subject-token", "gAAAA-_=")], body);
        SwiftLogin::swift(&settings)
            .session(&answer)
            .map(|session| session.storage().address().to_string())
            .map_err(|fault| fault.kind)
    };
    let body = catalogue();
    assert_eq!(session("", &body).unwrap(), "https://one.example.org/v1/AUTH_p");
    let two = session(r#","region":"TWO""#, &body).unwrap();
    assert_eq!(two, "https://two.example.org/v1/AUTH_p");
    assert_eq!(session(r#","region":"three""#, &body), Err(FaultKind::Place));
    assert_eq!(session(r#","region":"open""#, &body), Err(FaultKind::Place));
    assert_eq!(session("", "{}"), Err(FaultKind::Unexpected));
    assert_eq!(session("", "<html/>"), Err(FaultKind::Unexpected));
}

#[test]
fn rackspace_has_two_addresses_for_each_region() {
    let settings = rackspace("");
    let login = SwiftLogin::rackspace(&settings).unwrap();
    let request = login.request(&keys("a86850deb2742ec3cb41518e26aa2d89"));
    assert_eq!(
        (request.endpoint.host(), request.path.as_str()),
        ("identity.api.rackspacecloud.com", "/v2.0/tokens")
    );
    let expected = json!({ "auth": { "RAX-KSKEY:apiKeyCredentials": {
        "username": "cloud", "apiKey": "a86850deb2742ec3cb41518e26aa2d89" } } });
    assert_eq!(body(&request), expected);

    let endpoint = |region: &str, url: &str| json!({ "region": region, "tenantId": "t", "publicURL": url, "internalURL": "https://x" });
    let told = json!({ "access": {
        "token": { "id": "tok", "expires": "2026-02-01T08:00:00.000Z", "tenant": { "id": "t" } },
        "serviceCatalog": [
            { "name": "cloudFilesCDN", "type": "rax:object-cdn", "endpoints": [
                endpoint("DFW", "https://cdn1.example.org/v1/MossoCloudFS_a"),
                endpoint("ORD", "https://cdn2.example.org/v1/MossoCloudFS_a") ] },
            { "name": "cloudFiles", "type": "object-store", "endpoints": [
                endpoint("DFW", "https://storage1.example.org/v1/MossoCloudFS_a"),
                endpoint("ORD", "https://storage2.example.org/v1/MossoCloudFS_a") ] },
        ],
        "user": { "id": "1" },
    } });
    let session = login.session(&answer(200, &[], &told.to_string())).unwrap();
    assert_eq!(session.storage().address().host(), "storage2.example.org");
    assert_eq!(session.cdn().unwrap().address().host(), "cdn2.example.org");
}

#[test]
fn wrong_keys_are_told_without_repeating_them() {
    let settings = rackspace("");
    let login = SwiftLogin::rackspace(&settings).unwrap();
    let fault = |status, body: &str| login.session(&answer(status, &[], body)).unwrap_err();
    for (status, kind) in [
        (302, FaultKind::Place),
        (400, FaultKind::Unexpected),
        (401, FaultKind::Keys),
        (403, FaultKind::Keys),
        (404, FaultKind::Place),
        (413, FaultKind::TooLarge),
        (500, FaultKind::Busy),
    ] {
        let wrong = fault(status, "Expecting to find planted in your request");
        assert_eq!(wrong.kind, kind, "{status}");
        assert!(!wrong.to_string().contains("planted"), "{wrong}");
        assert!(wrong.why.contains(&status.to_string()), "{wrong}");
    }
    assert_eq!(fault(404, "").kind, FaultKind::Place);
    assert_eq!(fault(503, "").kind, FaultKind::Busy);
}
