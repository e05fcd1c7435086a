//! Orders followed, and attacks on them.

use std::os::unix::fs::PermissionsExt;

use uuid::Uuid;
use xylem_agent::{Agent, AgentError, silent};
use xylem_model::{ComputerId, FileKind, Stamp};
use xylem_telemetry::chain;
use xylem_trust::{Envelope, Orders, SigningKey};

use crate::distribution::{Distribution, Manner};
use crate::world::{DAY, NOW, Package, TOOL, World, names, order, trust_document};

struct Ordered {
    world: World,
    agent: Agent,
    package: Package,
    server: Distribution,
}

/// An agent with one order for a package that one server has.
async fn ordered() -> Ordered {
    let world = World::new().await;
    let agent = world.agent().await;
    let package = world.package("Depot-1.0.pkg");
    let server = world.distribution("library").await.with(&package);
    world.order(&agent, &[(1, &package)], &[&server]);
    Ordered { world, agent, package, server }
}

#[tokio::test]
async fn an_order_is_installed_and_reported() {
    let Ordered { world, agent, package, server } = ordered().await;
    let outcome = world.check_in(&agent).await;
    let done = &outcome.orders[0];
    assert_eq!((done.result.as_str(), done.files), ("installed", 2), "{done:?}");
    assert_eq!(done.source.as_deref(), Some("library"));
    assert_eq!(done.bytes, package.descriptor.size);
    assert_eq!(done.scripts_not_run, ["postinstall"]);
    assert_eq!(world.installed("usr/local/bin/tool").unwrap(), TOOL);
    let tool = std::fs::metadata(world.root().join("usr/local/bin/tool")).unwrap();
    assert_eq!(tool.permissions().mode() & 0o777, 0o755);
    assert_eq!(names(&world.root().join("usr/local/share")), ["Depot-1.0.pkg.bin"]);

    let (id, report) = &world.management.reports()[0];
    assert_eq!((*id, report.result.as_str()), (order(1), "installed"));
    assert_eq!(report.attempts.len(), 1);
    assert_eq!(report.attempts[0].bytes, package.descriptor.size);
    assert_eq!(report.install["receipts"][0]["after"], "1.0");
    assert_eq!(server.asked()[0].ticket, "stale");
    let facts = &world.management.check_ins()[0];
    assert!(facts.free_bytes > 0 && !facts.os.is_empty() && !facts.architecture.is_empty());

    let inventory = agent.inventory(Some(&world.root())).await;
    assert_eq!(inventory.receipts.len(), 1);
    assert_eq!(inventory.receipts[0].package.as_deref(), Some("Depot-1.0.pkg"));
    assert_eq!(inventory.receipts[0].version.as_deref(), Some("1.0"));
}

#[tokio::test]
async fn a_failed_order_does_not_stop_the_next() {
    let Ordered { world, agent, package, server } = ordered().await;
    let lost = world.package("Lost-1.0.pkg");
    world.order(&agent, &[(1, &lost), (2, &package)], &[&server]);
    let outcome = world.check_in(&agent).await;
    let results: Vec<&str> = outcome.orders.iter().map(|one| one.result.as_str()).collect();
    assert_eq!(results, ["download-failed", "installed"]);
    assert_eq!(world.management.reports().len(), 2);
    let attempts = &world.management.reports()[0].1.attempts;
    assert_eq!(attempts.len(), 3, "{attempts:?}");
    assert!(attempts[0].failure.as_ref().unwrap().contains("no such content"));
}

/// Checks in and expects that the whole answer is refused.
async fn refused(ordered: &Ordered, orders: Envelope) -> String {
    let Ordered { world, agent, package, server } = ordered;
    world.answer(orders, vec![world.sources(package, &[server])]);
    let error = agent.check_in(&world.target(), &silent).await.unwrap_err();
    assert!(world.target_is_untouched());
    assert!(server.asked().is_empty());
    chain(&error).to_string()
}

fn signed(world: &World, orders: &Orders) -> Envelope {
    Envelope::sign(orders, &[&world.online]).unwrap()
}

#[tokio::test]
async fn older_orders_than_those_seen_are_refused_also_after_a_restart() {
    let mut ordered = ordered().await;
    let (world, agent) = (&ordered.world, &ordered.agent);
    let newest = Orders { stamp: Stamp::new(1, 9), ..world.orders(agent, &[]) };
    world.answer(signed(world, &newest), Vec::new());
    world.check_in(agent).await;
    let older = world.orders(agent, &[(1, &ordered.package)]);
    let older = signed(world, &older);
    let error = refused(&ordered, older.clone()).await;
    assert!(error.contains("a rollback is refused"), "{error}");
    ordered.agent = ordered.world.open().await;
    let error = refused(&ordered, older).await;
    assert!(error.contains("a rollback is refused"), "{error}");
}

#[tokio::test]
async fn orders_for_another_computer_are_refused() {
    let ordered = ordered().await;
    let (world, agent) = (&ordered.world, &ordered.agent);
    let other = ComputerId::from_uuid(Uuid::from_u128(99));
    let orders = Orders { computer: other, ..world.orders(agent, &[(1, &ordered.package)]) };
    let error = refused(&ordered, signed(world, &orders)).await;
    assert!(error.contains(&other.to_string()), "{error}");
}

#[tokio::test]
async fn orders_outside_their_time_are_refused() {
    let ordered = ordered().await;
    let (world, agent) = (&ordered.world, &ordered.agent);
    let good = world.orders(agent, &[(1, &ordered.package)]);
    let expired = Orders { expires: NOW, ..good.clone() };
    let error = refused(&ordered, signed(world, &expired)).await;
    assert!(error.contains("expired on"), "{error}");
    let ahead = Orders { issued: NOW.plus(DAY), ..good };
    let error = refused(&ordered, signed(world, &ahead)).await;
    assert!(error.contains("set the clock right"), "{error}");
}

#[tokio::test]
async fn orders_that_nobody_trusted_signed_are_refused() {
    let ordered = ordered().await;
    let (world, agent) = (&ordered.world, &ordered.agent);
    let orders = world.orders(agent, &[(1, &ordered.package)]);
    let stranger = SigningKey::from_seed(&[9; 32]).unwrap();
    let mut altered = signed(world, &orders);
    let at = altered.payload.iter().position(|byte| *byte == b'5').unwrap();
    altered.payload[at] = b'6';
    let mut renamed = ordered.package.envelope.clone();
    renamed.kind = "orders".into();
    for envelope in [
        Envelope::sign(&orders, &[]).unwrap(),
        Envelope::sign(&orders, &[&stranger]).unwrap(),
        // Root keys sign trust documents, nothing else.
        Envelope::sign(&orders, &[&world.root_key]).unwrap(),
        altered,
        renamed,
    ] {
        let error = refused(&ordered, envelope).await;
        assert!(error.contains("not believed"), "{error}");
    }
}

#[tokio::test]
async fn a_trust_document_that_does_not_follow_is_refused() {
    let Ordered { world, agent, server, .. } = ordered().await;
    let mut answer = xylem_api::agent::CheckInAnswer {
        authorities: None,
        trust: trust_document(3, NOW, &world.root_key, &world.online),
        orders: signed(&world, &world.orders(&agent, &[])),
        sources: Vec::new(),
        next_check_in_seconds: 60,
    };
    let stranger = SigningKey::from_seed(&[9; 32]).unwrap();
    for trust in [answer.trust.clone(), trust_document(2, NOW, &stranger, &world.online)] {
        answer.trust = trust;
        world.management.set_answer(answer.clone());
        let error = agent.check_in(&world.target(), &silent).await.unwrap_err();
        assert!(matches!(error, AgentError::Trust { what: "trust", .. }), "{error}");
    }
    assert!(server.asked().is_empty());

    // The one that follows is taken, and its new key counts.
    answer.trust = trust_document(2, NOW, &world.root_key, &stranger);
    answer.orders = Envelope::sign(&world.orders(&agent, &[]), &[&stranger]).unwrap();
    world.management.set_answer(answer.clone());
    world.check_in(&agent).await;
    // There is no way back, also after a restart.
    answer.trust = world.management.trust();
    world.management.set_answer(answer);
    let error = world.open().await.check_in(&world.target(), &silent).await.unwrap_err();
    assert!(chain(&error).to_string().contains("cannot follow 2"), "{error}");
}

#[tokio::test]
async fn another_descriptor_than_the_ordered_one_installs_nothing() {
    let Ordered { world, agent, package, server } = ordered().await;
    let other = world.package("Other-1.0.pkg");
    let server = server.with(&other);
    let orders = signed(&world, &world.orders(&agent, &[(1, &package)]));
    world.answer(orders, vec![world.sources(&other, &[&server])]);
    assert_eq!(world.result(&agent).await, "untrusted");
    assert!(world.target_is_untouched() && server.asked().is_empty());
    let (_, report) = &world.management.reports()[0];
    assert!(report.message.contains("did not come with it"), "{}", report.message);
}

#[tokio::test]
async fn a_descriptor_that_nobody_trusted_signed_installs_nothing() {
    let Ordered { world, agent, mut package, server } = ordered().await;
    let stranger = SigningKey::from_seed(&[9; 32]).unwrap();
    package.envelope = Envelope::sign(&package.descriptor, &[&stranger]).unwrap();
    world.order(&agent, &[(1, &package)], &[&server]);
    assert_eq!(world.result(&agent).await, "untrusted");
    assert!(world.target_is_untouched() && server.asked().is_empty());
}

#[tokio::test]
async fn what_is_no_package_is_not_installed() {
    let Ordered { world, agent, package, server } = ordered().await;
    let book = world.publish("Guide.epub", FileKind::Ebook, package.bytes.clone());
    world.order(&agent, &[(1, &book)], &[&server]);
    assert_eq!(world.result(&agent).await, "refused");
    let junk = world.publish("Junk.pkg", FileKind::Package, vec![7; 5000]);
    let server = server.with(&junk);
    world.order(&agent, &[(2, &junk)], &[&server]);
    assert_eq!(world.result(&agent).await, "refused");
    assert!(world.target_is_untouched());
}

#[tokio::test]
async fn an_order_that_nobody_offers_is_reported() {
    let Ordered { world, agent, package, .. } = ordered().await;
    world.order(&agent, &[(1, &package)], &[]);
    assert_eq!(world.result(&agent).await, "download-failed");
    let (_, report) = &world.management.reports()[0];
    assert!(
        report.message.contains("neither a distribution server nor the cloud offers it"),
        "{}",
        report.message
    );
}

#[tokio::test]
async fn a_server_that_is_away_is_named_as_such() {
    let Ordered { world, agent, server, .. } = ordered().await;
    server.behaves(Manner::Refuses(xylem_api::error::ErrorCode::Unavailable));
    let outcome = world.check_in(&agent).await;
    assert_eq!(outcome.orders[0].result, "download-failed");
    assert!(outcome.orders[0].message.contains("library: this server does not want to"));
    assert_eq!(server.asked().len(), 3);
}
