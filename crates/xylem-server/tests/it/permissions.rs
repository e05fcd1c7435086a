//! Every route, with every wrong kind of credential.

use std::net::SocketAddr;
use std::sync::Arc;

use axum::body::Body;
use http::{Method, Request, StatusCode, header};
use tower::ServiceExt;
use xylem_api::error::ErrorCode;
use xylem_api::server::Scope;
use xylem_client::NamedKind;
use xylem_http::Peer;
use xylem_pki::{Identity, PeerCertificate};
use xylem_server::{Permission, route_table};

use crate::harness::{Harness, declaration, refusal};

/// Somebody who calls: by token, by certificate, or by nothing.
#[derive(Clone)]
struct Credentials {
    what: &'static str,
    token: Option<String>,
    certificate: Option<PeerCertificate>,
}

impl Credentials {
    fn nothing() -> Self {
        Self { what: "nothing", token: None, certificate: None }
    }

    fn token(what: &'static str, token: &str) -> Self {
        Self { what, token: Some(token.to_owned()), certificate: None }
    }

    fn certificate(what: &'static str, identity: &Identity) -> Self {
        let certificate = Some(identity.current().certificate().clone());
        Self { what, token: None, certificate }
    }

    /// What a request of theirs is answered with. Each comes from an address of its own, so that
    /// the limit on failures does not hide anything.
    async fn ask(&self, harness: &Harness, method: &str, path: &str, number: u8) -> StatusCode {
        let mut request =
            Request::builder().method(Method::from_bytes(method.as_bytes()).unwrap()).uri(
                path.replace("{id}", "018f0000-0000-7000-8000-000000000000")
                    .replace("{kind}", "package")
                    .replace("{name}", "nothing")
                    .replace("{account}", "nobody"),
            );
        if let Some(token) = &self.token {
            request = request.header(header::AUTHORIZATION, format!("Bearer {token}"));
        }
        let mut request = request.body(Body::empty()).unwrap();
        let address = SocketAddr::from(([10, 0, 0, number], 1));
        let certificate = self.certificate.clone().map(Arc::new);
        request.extensions_mut().insert(Peer { address, certificate });
        harness.router.clone().oneshot(request).await.unwrap().status()
    }
}

/// Routes that strangers may call. A new one shows up here, in a review.
const PUBLIC: [&str; 9] = [
    "/",
    "/health/live",
    "/health/ready",
    "/openapi.json",
    "/v1/ca",
    "/v1/enroll/computer",
    "/v1/enroll/distribution-server",
    // Without a ticket in its address it says nothing.
    "/v1/manifests/{kind}/{name}",
    "/v1/renew",
];

#[tokio::test]
async fn no_route_opens_to_the_wrong_credentials() {
    let harness = Harness::start().await;
    let root = harness.server("root").await;
    let gone = harness.server("gone").await;
    harness.admin().remove_distribution_server("gone").await.unwrap();
    let (computer, _) = harness.computer("mac").await;
    let elsewhere = Harness::start().await;
    let stranger = elsewhere.server("root").await;
    let admin = harness.token_for(&[Scope::Admin]).await;
    let metrics = harness.token_for(&[Scope::Metrics]).await;
    let (server, mac) = (
        Credentials::certificate("a server", &root.identity),
        Credentials::certificate("a computer", &computer),
    );
    let admin = Credentials::token("an administrator's token", &admin);
    let always_wrong = [
        Credentials::nothing(),
        Credentials::token("an unknown token", "xyl_AAAA"),
        Credentials::token("garbage", " =\"; "),
        Credentials::certificate("a removed server", &gone.identity),
        Credentials::certificate("a stranger", &stranger.identity),
    ];
    let mut asked = 0_u32;
    for (method, path, permission) in route_table() {
        let mut wrong: Vec<Credentials> = always_wrong.to_vec();
        match permission {
            Permission::Public => {
                assert!(PUBLIC.contains(&path.as_str()), "{path} is open to strangers");
                continue;
            }
            Permission::Scopes(scopes) => {
                wrong.extend([server.clone(), mac.clone()]);
                if !scopes.contains(&Scope::Metrics) {
                    wrong.push(Credentials::token("a token for metrics", &metrics));
                }
            }
            Permission::Computer => wrong.extend([server.clone(), admin.clone()]),
            Permission::DistributionServer => wrong.extend([mac.clone(), admin.clone()]),
        }
        for credentials in wrong {
            asked += 1;
            let number = u8::try_from(asked % 250).unwrap();
            let status = credentials.ask(&harness, method, &path, number).await;
            assert!(
                matches!(status, StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN),
                "{method} {path} answers {status} to {}",
                credentials.what
            );
        }
    }
    assert!(asked > 250, "only {asked} requests were tried");
}

#[tokio::test]
async fn the_right_credentials_pass_every_guard() {
    let harness = Harness::start().await;
    let root = harness.server("root").await;
    let (computer, _) = harness.computer("mac").await;
    for (method, path, permission) in route_table() {
        let credentials = match permission {
            Permission::Public | Permission::Scopes(_) => {
                Credentials::token("an administrator", &harness.token)
            }
            Permission::Computer => Credentials::certificate("a computer", &computer),
            Permission::DistributionServer => Credentials::certificate("a server", &root.identity),
        };
        let status = credentials.ask(&harness, method, &path, 1).await;
        assert!(
            !matches!(
                status,
                StatusCode::UNAUTHORIZED
                    | StatusCode::FORBIDDEN
                    | StatusCode::METHOD_NOT_ALLOWED
                    | StatusCode::INTERNAL_SERVER_ERROR
            ),
            "{method} {path} answers {status}"
        );
    }
}

#[tokio::test]
async fn a_token_may_do_what_its_scopes_say_and_no_more() {
    let harness = Harness::start().await;
    harness.server("root").await;
    let files = harness.with_token(&harness.token_for(&[Scope::Files]).await);
    files.declare_upload(&declaration("a.pkg", b"a")).await.unwrap();
    assert_eq!(refusal(files.computers().await).0, ErrorCode::Forbidden);
    let told = refusal(files.add_name(NamedKind::Site, "North").await);
    assert_eq!(told.0, ErrorCode::Forbidden);
    assert!(told.1.contains("`ci`") && told.1.contains("files"), "{}", told.1);

    let read = harness.with_token(&harness.token_for(&[Scope::Read]).await);
    read.distribution_servers().await.unwrap();
    let told = refusal(read.declare_upload(&declaration("b.pkg", b"b")).await);
    assert_eq!(told.0, ErrorCode::Forbidden);
}

#[tokio::test]
async fn tokens_expire_and_can_be_taken_back() {
    let harness = Harness::start().await;
    let admin = harness.admin();
    let new = xylem_api::server::NewToken {
        name: "short".into(),
        scopes: vec![Scope::Read],
        expires_in_seconds: Some(60),
    };
    let made = admin.create_token(&new).await.unwrap();
    let holder = harness.with_token(&made.secret);
    holder.status().await.unwrap();
    harness.clock.advance(std::time::Duration::from_secs(61));
    assert_eq!(refusal(holder.status().await).0, ErrorCode::Unauthorized);
    assert_eq!(admin.tokens().await.unwrap().len(), 1);

    let lasting = admin
        .create_token(&xylem_api::server::NewToken { expires_in_seconds: None, ..new })
        .await
        .unwrap();
    let holder = harness.with_token(&lasting.secret);
    holder.status().await.unwrap();
    admin.revoke_token(lasting.token.id).await.unwrap();
    assert_eq!(refusal(holder.status().await).0, ErrorCode::Unauthorized);
}
