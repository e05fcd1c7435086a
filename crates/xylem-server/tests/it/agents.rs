//! Computers: check-in, orders, sources.

use std::time::Duration;

use xylem_api::agent::{CheckIn, NewOrder, OrderReport, OrderState};
use xylem_api::enrollment::InvitationKind;
use xylem_api::error::ErrorCode;
use xylem_model::{ContentId, FileName, Party};
use xylem_trust::{Descriptor, DescriptorId, Envelope, Operation, Orders, Ticket};

use crate::harness::{Harness, START, present, refusal};

const NAME: &str = "Depot-1.0.pkg";

fn facts() -> CheckIn {
    CheckIn {
        believing: None,
        program_version: "9.9".into(),
        os: "macOS 15.1".into(),
        architecture: "arm64".into(),
        free_bytes: 1,
    }
}

fn outcome(result: &str) -> OrderReport {
    OrderReport {
        result: result.into(),
        message: "told".into(),
        attempts: Vec::new(),
        install: serde_json::json!({ "files": 3 }),
        started_at: START,
        finished_at: START,
    }
}

#[tokio::test]
async fn an_order_reaches_the_computer_signed_and_its_report_comes_back() {
    let harness = Harness::start().await;
    let root = harness.server("root").await;
    let signed = harness.publish(&root, NAME, b"bytes").await;
    let stamp = harness.admin().status().await.unwrap().stamp;
    root.report(stamp, vec![present(b"bytes")]).await;
    let (identity, agent) = harness.computer("mac").await;
    let admin = harness.admin();

    let idle = agent.check_in(&facts()).await.unwrap();
    assert_eq!(idle.next_check_in_seconds, 60);
    let given = admin.order("mac", NAME).await.unwrap();
    assert_eq!((given.state, given.version, &*given.package), (OrderState::Pending, 1, NAME));

    let answer = agent.check_in(&facts()).await.unwrap();
    let open = |envelope: &Envelope| -> Orders { root.trust.open(envelope, START).unwrap() };
    let orders = open(&answer.orders);
    assert!(orders.stamp > open(&idle.orders).stamp);
    assert_eq!(orders.expires, START.plus(Duration::from_secs(14 * 86_400)));
    assert_eq!(Party::Computer(orders.computer), identity.party());
    assert_eq!((orders.orders.len(), orders.orders[0].id), (1, given.id));
    assert_eq!(orders.orders[0].descriptor, DescriptorId::of(&signed));

    let sources = &answer.sources[0];
    assert_eq!(sources.descriptor, signed);
    assert_eq!(sources.candidates.len(), 1);
    let candidate = &sources.candidates[0];
    let content = ContentId::of(b"bytes");
    assert_eq!(candidate.url, format!("https://root.example.org:443/v1/blob/{content}"));
    let ticket: Ticket =
        root.trust.open(&Envelope::from_header(&candidate.ticket).unwrap(), START).unwrap();
    assert_eq!(ticket.holder, Some(identity.party()));
    assert_eq!(ticket.operation, Operation::Read { content });

    agent.report(given.id, &outcome("installed")).await.unwrap();
    agent.report(given.id, &outcome("installed")).await.unwrap();
    let done = admin.order_info(given.id).await.unwrap();
    assert_eq!(done.state, OrderState::Done);
    assert_eq!(done.report.unwrap().install["files"], 3);
    let after = agent.check_in(&facts()).await.unwrap();
    assert!(open(&after.orders).orders.is_empty() && after.sources.is_empty());
    assert!(open(&after.orders).stamp > orders.stamp);
    let audit = admin.audit(None).await.unwrap().items;
    let noted = audit.iter().filter(|record| record.action == "order.done").count();
    assert_eq!(noted, 1, "a report told twice is one deed");
}

#[tokio::test]
async fn a_failed_order_keeps_its_reason_and_a_computer_speaks_for_itself_only() {
    let harness = Harness::start().await;
    let root = harness.server("root").await;
    harness.publish(&root, NAME, b"bytes").await;
    let (_, agent) = harness.computer("mac").await;
    let (_, other) = harness.computer("other").await;
    let admin = harness.admin();
    let given = admin.order("mac", NAME).await.unwrap();
    let told = refusal(other.report(given.id, &outcome("installed")).await);
    assert_eq!(told.0, ErrorCode::NotFound);
    agent.report(given.id, &outcome("no-space")).await.unwrap();
    let told = admin.order_info(given.id).await.unwrap();
    assert_eq!(told.state, OrderState::Failed);
    assert_eq!(told.report.unwrap().result, "no-space");
    let changed = refusal(agent.report(given.id, &outcome("installed")).await);
    assert_eq!(changed.0, ErrorCode::Conflict);
    assert_eq!(admin.orders("mac").await.unwrap().len(), 1);
    let unknown = refusal(admin.order("mac", "Nothing.pkg").await);
    assert_eq!(unknown.0, ErrorCode::NotFound);
}

#[tokio::test]
async fn a_file_that_was_deleted_after_the_order_is_still_named_in_it() {
    let harness = Harness::start().await;
    let root = harness.server("root").await;
    harness.publish(&root, NAME, b"bytes").await;
    harness.computer("mac").await;
    let given = harness.admin().order("mac", NAME).await.unwrap();
    harness.admin().delete_file(xylem_model::FileKind::Package, NAME).await.unwrap();
    assert_eq!(harness.admin().order_info(given.id).await.unwrap().package, NAME);
}

#[tokio::test]
async fn a_computer_hears_of_the_servers_at_its_site_first() {
    let harness = Harness::start().await;
    let admin = harness.admin();
    admin.add_name(xylem_client::NamedKind::Site, "North").await.unwrap();
    let root = harness.server("root").await;
    let (west, north) = (harness.server("west").await, harness.server("north").await);
    let change = xylem_api::tree::ChangeDistributionServer {
        site: Some("North".into()),
        ..Default::default()
    };
    admin.change_distribution_server("north", &change).await.unwrap();
    harness.publish(&root, NAME, b"bytes").await;
    let stamp = admin.status().await.unwrap().stamp;
    for server in [&root, &west, &north] {
        server.report(stamp, vec![present(b"bytes")]).await;
    }
    let new = xylem_api::enrollment::NewInvitation {
        kind: InvitationKind::Computer,
        site: Some("North".into()),
        uses: None,
        expires_in_seconds: None,
    };
    let code = admin.invite(&new).await.unwrap().code;
    let membership = harness.join_computer(&code, "mac").await.unwrap();
    let identity = xylem_pki::Identity::new(membership.credentials);
    let transport = harness.transport(Some(&identity));
    let agent = xylem_client::AgentClient::new(transport, harness.url.clone());

    let sources = agent.sources(&FileName::new(NAME).unwrap()).await.unwrap();
    let names: Vec<&str> = sources.candidates.iter().map(|place| place.name.as_str()).collect();
    assert_eq!(names, ["north", "west", "root"]);
    let signed: Descriptor = root.trust.open(&sources.descriptor, START).unwrap();
    assert_eq!(signed.name.as_str(), NAME);
    let for_admin = admin.sources(xylem_model::FileKind::Package, NAME).await.unwrap();
    let ticket = Envelope::from_header(&for_admin.candidates[0].ticket).unwrap();
    assert_eq!(root.trust.open::<Ticket>(&ticket, START).unwrap().holder, None);
}

#[tokio::test]
async fn a_check_in_shows_at_the_administrators() {
    let harness = Harness::start().await;
    let (_, agent) = harness.computer("mac").await;
    assert_eq!(harness.admin().computer("mac").await.unwrap().last_seen, None);
    agent.check_in(&facts()).await.unwrap();
    let seen = loop {
        let mac = harness.admin().computer("mac").await.unwrap();
        if mac.last_seen.is_some() {
            break mac;
        }
        tokio::task::yield_now().await;
    };
    assert_eq!(seen.os.as_deref(), Some("macOS 15.1"));
    assert_eq!(seen.program_version.as_deref(), Some("9.9"));
}

#[tokio::test]
async fn a_removed_computer_gets_nothing_any_more() {
    let harness = Harness::start().await;
    let (_, agent) = harness.computer("mac").await;
    harness.admin().remove_computer("mac").await.unwrap();
    assert_eq!(refusal(agent.check_in(&facts()).await).0, ErrorCode::Revoked);
    harness.computer("mac").await;
    let new = NewOrder { package: NAME.into(), test: false };
    assert_eq!(refusal(harness.admin().order("mac", &new.package).await).0, ErrorCode::NotFound);
}
