//! Joining, and every way in which it is refused.

use std::os::unix::fs::PermissionsExt;

use xylem_agent::{Agent, AgentError, EnrollOptions, enroll};
use xylem_client::enroll::Anchor;
use xylem_model::Party;
use xylem_pki::Fingerprint;
use xylem_telemetry::chain;

use crate::world::{DAY, NOW, World};

async fn refusal(world: &World, options: EnrollOptions) -> String {
    let error = enroll(&world.environment, options).await.unwrap_err();
    chain(&error).to_string()
}

#[tokio::test]
async fn an_invitation_becomes_an_identity() {
    let world = World::new().await;
    let enrollment = enroll(&world.environment, world.enroll_options()).await.unwrap();
    let agent = world.open().await;
    assert_eq!(enrollment.party, Party::Computer(agent.computer()));
    assert_eq!((agent.name(), agent.server()), ("lab-3", &world.server));
    let asked = &world.management.enrollments()[0];
    assert_eq!(asked.serial_number.as_deref(), Some("C02XYZ"));
    let inventory = agent.inventory(None).await;
    assert_eq!(inventory.certificate_not_after, enrollment.certificate_not_after);
    let key = world.data().join("identity/identity.pem");
    assert_eq!(std::fs::metadata(key).unwrap().permissions().mode() & 0o777, 0o600);
}

#[tokio::test]
async fn the_right_fingerprint_is_enough() {
    let world = World::new().await;
    let anchor = Anchor::Fingerprint(world.authority.root_fingerprint());
    let options = EnrollOptions { anchor, ..world.enroll_options() };
    enroll(&world.environment, options).await.unwrap();
}

#[tokio::test]
async fn with_another_fingerprint_the_invitation_is_never_sent() {
    let world = World::new().await;
    let anchor = Anchor::Fingerprint(Fingerprint::of(b"another certificate"));
    let options = EnrollOptions { anchor, ..world.enroll_options() };
    let error = refusal(&world, options).await;
    assert!(error.contains("this is another server"), "{error}");
    assert!(world.management.enrollments().is_empty());
}

#[tokio::test]
async fn with_another_ca_the_invitation_is_never_sent() {
    let (world, other) = (World::new().await, World::new().await);
    let anchor = Anchor::Certificates(other.anchors.clone());
    let options = EnrollOptions { anchor, ..world.enroll_options() };
    let error = refusal(&world, options).await;
    assert!(error.contains("signed by another CA"), "{error}");
    assert!(world.management.enrollments().is_empty());
}

#[tokio::test]
async fn each_bad_invitation_is_told_in_the_servers_words() {
    let world = World::new().await;
    for (code, words) in [
        ("NONSENSE", "there is no such invitation"),
        ("EXPIRED", "the invitation has expired"),
        ("USEDUP", "the invitation is used up"),
    ] {
        let options = EnrollOptions { invitation: code.into(), ..world.enroll_options() };
        let error = refusal(&world, options).await;
        assert!(error.ends_with(words), "{code}: {error}");
    }
    // A refusal leaves nothing that stands in the way of the next try.
    enroll(&world.environment, world.enroll_options()).await.unwrap();
}

#[tokio::test]
async fn a_clock_a_day_off_is_named() {
    let world = World::new().await;
    world.clock.set(NOW.plus(DAY));
    let error = refusal(&world, world.enroll_options()).await;
    assert!(error.contains("the clocks disagree"), "{error}");
    world.clock.set(NOW.minus(DAY));
    let error = refusal(&world, world.enroll_options()).await;
    assert!(error.contains("this machine's clock says"), "{error}");
}

#[tokio::test]
async fn a_folder_is_enrolled_once_only() {
    let world = World::new().await;
    enroll(&world.environment, world.enroll_options()).await.unwrap();
    let error = enroll(&world.environment, world.enroll_options()).await.unwrap_err();
    assert!(matches!(error, AgentError::AlreadyEnrolled { .. }), "{error}");
    assert!(error.is_configuration());
    assert_eq!(world.management.enrollments().len(), 1);
}

#[tokio::test]
async fn folders_that_cannot_be_used_cost_no_invitation() {
    let world = World::new().await;
    let file = world.folder.path().join("file");
    std::fs::write(&file, "x").unwrap();
    let options = EnrollOptions { data: file.join("data"), ..world.enroll_options() };
    let error = refusal(&world, options).await;
    assert!(error.contains("file/data"), "{error}");

    std::fs::create_dir(world.data()).unwrap();
    std::fs::write(world.data().join("format"), "7\n").unwrap();
    let error = refusal(&world, world.enroll_options()).await;
    assert!(error.contains("format 7") && error.contains("newer"), "{error}");
    assert!(world.management.enrollments().is_empty());
}

#[tokio::test]
async fn a_folder_nobody_enrolled_is_no_agent() {
    let world = World::new().await;
    let opened = Agent::open(world.environment.clone(), &world.data()).await;
    let error = opened.err().unwrap();
    assert!(error.is_configuration() && error.to_string().contains("enrol first"), "{error}");
}

#[tokio::test]
async fn the_certificate_is_renewed_by_itself() {
    let world = World::new().await;
    let agent = world.agent().await;
    world.order(&agent, &[], &[]);
    let serial = agent.identity().serial();
    world.check_in(&agent).await;
    assert_eq!((world.management.renewals(), agent.identity().serial()), (0, serial.clone()));

    world.clock.set(NOW.plus(29 * DAY));
    // Orders are of now, and so is the server's own certificate.
    let mut orders = world.orders(&agent, &[]);
    orders.expires = NOW.plus(60 * DAY);
    let envelope = xylem_trust::Envelope::sign(&orders, &[&world.online]).unwrap();
    world.answer(envelope, Vec::new());
    world.clock.set(NOW.plus(30 * DAY).minus(DAY / 100));
    world.check_in(&agent).await;
    assert_eq!(world.management.renewals(), 1);
    assert_ne!(agent.identity().serial(), serial);
    // A restart finds the new one.
    assert_eq!(world.open().await.identity().serial(), agent.identity().serial());
}
