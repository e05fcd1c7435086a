//! Who may have what.

use std::time::Duration;

use http::{Method, StatusCode};
use xylem_client::{BaseUrl, ClientError, empty_body};
use xylem_model::{ContentId, DistributionServerId, FileKind, FileName, Party, UploadId};
use xylem_trust::{Grant, GrantedEntries, Operation, Ticket};

use crate::fleet::{Asker, Fleet, noise};

const FORBIDDEN: StatusCode = StatusCode::FORBIDDEN;
const UNAUTHORIZED: StatusCode = StatusCode::UNAUTHORIZED;
const NOT_FOUND: StatusCode = StatusCode::NOT_FOUND;
const OK: StatusCode = StatusCode::OK;

struct Scene {
    fleet: Fleet,
    content: ContentId,
    other: ContentId,
}

impl Scene {
    async fn new() -> Self {
        let fleet = Fleet::chain(1).await;
        let content = fleet.upload("Wanted.pkg", b"wanted").await;
        let other = fleet.upload("Other.pkg", b"other").await;
        fleet.caught_up(0).await;
        Self { fleet, content, other }
    }

    async fn status(&self, asker: &Asker, content: &ContentId) -> StatusCode {
        self.fleet.get(0, asker, &format!("/v1/blob/{content}")).await.status
    }

    fn with_ticket(&self, party: Option<Party>, header: &str) -> Asker {
        self.fleet.asker(party).with("authorization", format!("Xylem-Ticket {header}"))
    }

    fn read(&self) -> Ticket {
        self.fleet.management.ticket(Operation::Read { content: self.content })
    }

    async fn with_signed(&self, party: Option<Party>, ticket: &Ticket) -> StatusCode {
        let header = self.fleet.management.sign(ticket).to_header();
        self.status(&self.with_ticket(party, &header), &self.content).await
    }
}

#[tokio::test]
async fn where_certificates_do_not_count_a_mac_needs_a_ticket_and_is_never_anonymous() {
    let scene = Scene::new().await;
    let computer = Some(scene.fleet.computer());
    assert_eq!(scene.status(&scene.fleet.asker(computer), &scene.content).await, OK);
    scene.fleet.management.change(|world| world.settings.client_certificates = false);
    scene.fleet.caught_up(0).await;
    for party in [computer, None] {
        let asker = scene.fleet.asker(party);
        assert_eq!(scene.status(&asker, &scene.content).await, UNAUTHORIZED);
        for path in ["/Packages/Wanted.pkg", "/Packages/Nothing.pkg"] {
            assert_eq!(scene.fleet.get(0, &asker, path).await.status, UNAUTHORIZED, "{path}");
        }
    }
    let (listing, propfind) = (scene.fleet.asker(computer).with("depth", "0"), b"PROPFIND");
    let method = Method::from_bytes(propfind).unwrap();
    let listed = listing.ask(&scene.fleet.server(0).url, method, "/Packages/").await;
    assert_eq!(listed.status, UNAUTHORIZED);
    assert_eq!(scene.with_signed(computer, &scene.read()).await, OK);
    scene.fleet.management.change(|world| world.settings.client_certificates = true);
    scene.fleet.caught_up(0).await;
    assert_eq!(scene.status(&scene.fleet.asker(computer), &scene.content).await, OK);
}

#[tokio::test]
async fn what_is_held_for_other_servers_alone_is_not_for_clients() {
    let scene = Scene::new().await;
    let (computer, root) = (scene.fleet.computer(), scene.fleet.server(0).id);
    let peer = DistributionServerId::from_parts(1, &[1; 10]);
    scene.fleet.management.change(|world| {
        world.clients = GrantedEntries::Only(vec![scene.other]);
        let all = Grant { peer, entries: GrantedEntries::All };
        world.grants.insert(root, vec![all]);
    });
    scene.fleet.caught_up(0).await;
    let mac = scene.fleet.asker(Some(computer));
    assert_eq!(scene.status(&mac, &scene.content).await, NOT_FOUND);
    assert_eq!(scene.status(&mac, &scene.other).await, OK);
    assert_eq!(scene.fleet.get(0, &mac, "/Packages/Wanted.pkg").await.status, NOT_FOUND);
    assert_eq!(scene.fleet.get(0, &mac, "/Packages/Other.pkg").await.status, OK);
    let server = scene.fleet.asker(Some(Party::DistributionServer(peer)));
    assert_eq!(scene.status(&server, &scene.content).await, OK);
    // Who was sent here with a ticket for it may have it.
    assert_eq!(scene.with_signed(Some(computer), &scene.read()).await, OK);
}

#[tokio::test]
async fn only_peers_with_a_grant_may_fetch_and_only_what_it_names() {
    let scene = Scene::new().await;
    let (all, some, stranger) = (1, 2, 3);
    let peer = |n: u8| DistributionServerId::from_parts(1, &[n; 10]);
    let root = scene.fleet.server(0).id;
    scene.fleet.management.change(|world| {
        let only = GrantedEntries::Only(vec![scene.content]);
        world.grants.insert(
            root,
            vec![
                Grant { peer: peer(all), entries: GrantedEntries::All },
                Grant { peer: peer(some), entries: only },
            ],
        );
    });
    scene.fleet.caught_up(0).await;
    let asker = |n| scene.fleet.asker(Some(Party::DistributionServer(peer(n))));
    assert_eq!(scene.status(&asker(all), &scene.content).await, OK);
    assert_eq!(scene.status(&asker(all), &scene.other).await, OK);
    assert_eq!(scene.status(&asker(all), &ContentId::of(b"unknown")).await, NOT_FOUND);
    assert_eq!(scene.status(&asker(some), &scene.content).await, OK);
    assert_eq!(scene.status(&asker(some), &scene.other).await, NOT_FOUND);
    for content in [scene.content, ContentId::of(b"unknown")] {
        assert_eq!(scene.status(&asker(stranger), &content).await, FORBIDDEN);
        assert_eq!(scene.status(&scene.fleet.asker(None), &content).await, UNAUTHORIZED);
    }
    let management = Party::ManagementServer(uuid::Uuid::from_u128(5));
    let answer = scene.status(&scene.fleet.asker(Some(management)), &scene.content).await;
    assert_eq!(answer, FORBIDDEN);
    for path in ["/Packages/Wanted.pkg", "/Packages/Nothing.pkg"] {
        let nobody = scene.fleet.get(0, &scene.fleet.asker(None), path).await;
        assert_eq!(nobody.status, UNAUTHORIZED, "{path}");
    }
}

#[tokio::test]
async fn tickets_are_good_for_one_content_one_holder_and_ten_minutes() {
    let scene = Scene::new().await;
    let management = &scene.fleet.management;
    let holder = scene.fleet.computer();
    let stranger = Some(Party::DistributionServer(DistributionServerId::from_parts(1, &[3; 10])));
    let good = scene.read();
    assert_eq!(scene.with_signed(None, &good).await, OK);
    assert_eq!(scene.with_signed(stranger, &good).await, OK);

    let held = Ticket { holder: Some(holder), ..scene.read() };
    assert_eq!(scene.with_signed(Some(holder), &held).await, OK);
    assert_eq!(scene.with_signed(None, &held).await, FORBIDDEN);
    assert_eq!(scene.with_signed(stranger, &held).await, FORBIDDEN);

    let other = management.ticket(Operation::Read { content: scene.other });
    assert_eq!(scene.with_signed(None, &other).await, FORBIDDEN);
    let ingest = management.ticket(Operation::Ingest {
        upload: UploadId::from_parts(1, &[1; 10]),
        size: 6,
        content: Some(scene.content),
        sha256: None,
        name: FileName::new("Wanted.pkg").unwrap(),
        kind: FileKind::Package,
    });
    assert_eq!(scene.with_signed(None, &ingest).await, FORBIDDEN);

    let rogue = management.rogue_sign(&good).to_header();
    assert_eq!(scene.status(&scene.with_ticket(None, &rogue), &scene.content).await, UNAUTHORIZED);
    for text in ["", "rubbish", "AAAA"] {
        let asker = scene.with_ticket(None, text);
        assert_eq!(scene.status(&asker, &scene.content).await, UNAUTHORIZED, "{text}");
    }
    let future = Ticket { issued: good.issued.plus(Duration::from_secs(3600)), ..good.clone() };
    assert_eq!(scene.with_signed(None, &future).await, UNAUTHORIZED);
    scene.fleet.clock.advance(Duration::from_secs(601));
    assert_eq!(scene.with_signed(None, &good).await, UNAUTHORIZED);
    // A right by certificate does not suffer from a stale ticket beside it.
    assert_eq!(scene.with_signed(Some(holder), &good).await, OK);
}

#[tokio::test]
async fn a_revoked_party_is_refused_with_certificate_and_with_ticket() {
    let scene = Scene::new().await;
    let computer = scene.fleet.computer();
    let asker = scene.fleet.asker(Some(computer));
    assert_eq!(scene.status(&asker, &scene.content).await, OK);
    scene.fleet.management.change(|world| world.revoked.push(computer));
    scene.fleet.caught_up(0).await;
    assert_eq!(scene.status(&asker, &scene.content).await, FORBIDDEN, "on the open connection");
    assert_eq!(scene.with_signed(Some(computer), &scene.read()).await, FORBIDDEN);
}

#[tokio::test]
async fn a_peer_that_is_revoked_in_the_middle_of_a_file_is_cut() {
    let fleet = Fleet::chain(1).await;
    // More than the network and the read-ahead hold between them.
    let content = fleet.upload("Big.pkg", &noise(1, 64 << 20)).await;
    fleet.caught_up(0).await;
    let computer = fleet.computer();
    let url: &BaseUrl = &fleet.server(0).url;
    let request = http::Request::builder().method(Method::GET).uri(format!("/v1/blob/{content}"));
    let request = request.body(empty_body()).unwrap();
    let answer = fleet.transport(Some(computer)).send(url, request).await.unwrap();
    let mut body = answer.into_body();
    assert!(body.next().await.unwrap().is_some());
    fleet.management.change(|world| world.revoked.push(computer));
    fleet.caught_up(0).await;
    let mut received = 0;
    let error = loop {
        match body.next().await {
            Ok(Some(piece)) => received += piece.len(),
            Ok(None) => panic!("the whole file came through"),
            Err(error) => break error,
        }
    };
    assert!(matches!(error, ClientError::Broken { .. }), "{error:?}");
    assert!(received < 63 << 20, "{received} bytes after the revocation");
}
