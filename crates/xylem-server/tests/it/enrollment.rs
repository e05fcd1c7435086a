//! Who may join, and what they hear who may not.

use std::sync::Arc;
use std::time::Duration;

use xylem_api::enrollment::{EnrollDistributionServer, Enrolled, InvitationKind, NewInvitation};
use xylem_api::error::ErrorCode;
use xylem_client::enroll::{self, Anchor};
use xylem_pki::{KeyPair, certificate_request};
use xylem_runtime::{Environment, ManualClock};

use crate::harness::{Harness, START, refusal, turned_away};

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

#[tokio::test]
async fn the_first_server_becomes_root_and_later_ones_hang_below_it() {
    let harness = Harness::start().await;
    let (root, child) = (harness.server("root").await, harness.server("north").await);
    let servers = harness.admin().distribution_servers().await.unwrap();
    let shown: Vec<_> =
        servers.iter().map(|s| (s.id, s.is_root, s.is_principal, s.depth)).collect();
    assert_eq!(shown, [(root.id, true, true, 0), (child.id, false, false, 1)]);
    assert_eq!(servers[1].parent.as_deref(), Some("root"));
    assert_eq!(servers[1].public_url, "https://north.example.org:443");
}

#[tokio::test]
async fn joining_works_with_a_pinned_fingerprint_and_not_with_another() {
    let harness = Harness::start().await;
    let fingerprint = harness.anchors.fingerprints()[0];
    let code = harness.invitation(InvitationKind::Computer).await;
    let join = |fingerprint| {
        let anchor = Anchor::Fingerprint(fingerprint);
        enroll::computer(&harness.environment, &harness.url, anchor, &code, "mac", None)
    };
    assert!(join(xylem_pki::Fingerprint::of(b"another")).await.is_err());
    join(fingerprint).await.unwrap();
}

#[tokio::test]
async fn each_bad_invitation_has_words_of_its_own() {
    let harness = Harness::start().await;
    let unknown = turned_away(harness.join_server("AAAAAA-AAAAAA-AAAAAA-AAAAAA", "a").await);
    assert_eq!(unknown.0, ErrorCode::InvitationUnknown, "{}", unknown.1);

    let used = harness.invitation(InvitationKind::Distribution).await;
    harness.join_server(&used, "a").await.unwrap();
    let used_up = turned_away(harness.join_server(&used, "b").await);
    assert_eq!(used_up.0, ErrorCode::InvitationUsedUp, "{}", used_up.1);

    let late = harness.invitation(InvitationKind::Distribution).await;
    harness.clock.advance(Duration::from_secs(3601));
    let expired = turned_away(harness.join_server(&late, "b").await);
    assert_eq!(expired.0, ErrorCode::InvitationExpired, "{}", expired.1);

    let mac = harness.invitation(InvitationKind::Computer).await;
    let other_kind = turned_away(harness.join_server(&mac, "b").await);
    assert_eq!(other_kind.0, ErrorCode::InvitationUnknown);
    assert!(other_kind.1.contains("other kind"), "{}", other_kind.1);

    let withdrawn = harness.invitation(InvitationKind::Distribution).await;
    let open = harness.admin().invitations().await.unwrap();
    for invitation in open {
        harness.admin().revoke_invitation(invitation.id).await.unwrap();
    }
    let revoked = turned_away(harness.join_server(&withdrawn, "b").await);
    assert!(revoked.1.contains("withdrawn"), "{}", revoked.1);
    let mut told = vec![unknown.1, used_up.1, expired.1, other_kind.1, revoked.1];
    told.sort_unstable();
    told.dedup();
    assert_eq!(told.len(), 5, "{told:?}");
}

#[tokio::test]
async fn what_the_newcomer_got_wrong_does_not_use_up_the_invitation() {
    let harness = Harness::start().await;
    harness.server("taken").await;
    let code = harness.invitation(InvitationKind::Distribution).await;

    let taken = turned_away(harness.join_server(&code, "TAKEN").await);
    assert_eq!(taken.0, ErrorCode::Conflict);
    assert!(taken.1.contains("taken"), "{}", taken.1);
    let no_url = turned_away(harness.join_server_at(&code, "b", "http://b.example.org").await);
    assert!(no_url.1.contains("public URL"), "{}", no_url.1);
    for csr_pem in ["garbage", ""] {
        let body = EnrollDistributionServer {
            invitation: code.clone(),
            csr_pem: csr_pem.into(),
            name: "b".into(),
            public_url: "https://b.example.org".into(),
            now: START,
        };
        let post = http::Request::post("/v1/enroll/distribution-server");
        let transport = harness.transport(None);
        let answer = transport.json::<Enrolled>(&harness.url, post, Some(&body)).await;
        let (code, message) = refusal(answer);
        assert_eq!(code, ErrorCode::BadRequest);
        assert!(message.contains("certificate request"), "{message}");
    }
    harness.join_server(&code, "b").await.unwrap();
}

#[tokio::test]
async fn a_clock_that_is_off_by_a_day_is_told_both_times() {
    let harness = Harness::start().await;
    let code = harness.invitation(InvitationKind::Computer).await;
    for theirs in [START.plus(DAY), START.minus(DAY)] {
        let body = xylem_api::enrollment::EnrollComputer {
            invitation: code.clone(),
            csr_pem: certificate_request(&KeyPair::generate().unwrap(), "mac").unwrap(),
            name: "mac".into(),
            serial_number: None,
            now: theirs,
        };
        let post = http::Request::post("/v1/enroll/computer");
        let transport = harness.transport(None);
        let answer = transport.json::<Enrolled>(&harness.url, post, Some(&body)).await;
        let (code, message) = refusal(answer);
        assert_eq!(code, ErrorCode::ClockSkew);
        for time in [theirs, START] {
            assert!(message.contains(&time.to_string()), "{message}");
        }
    }
    harness.join_computer(&code, "mac").await.unwrap();
}

#[tokio::test]
async fn a_machine_far_ahead_of_the_certificates_hears_about_its_clock() {
    let harness = Harness::start().await;
    let code = harness.invitation(InvitationKind::Computer).await;
    let clock = Arc::new(ManualClock::new(START.plus(DAY * 400)));
    let environment = Environment { clock, ..Environment::real() };
    let joined =
        enroll::computer(&environment, &harness.url, harness.anchor(), &code, "mac", None).await;
    let told = joined.err().unwrap();
    assert!(xylem_telemetry::chain(&told).to_string().contains("clock"), "{told}");
}

#[tokio::test]
async fn one_invitation_admits_as_many_as_it_says_and_leads_into_its_site() {
    let harness = Harness::start().await;
    let admin = harness.admin();
    admin.add_name(xylem_client::NamedKind::Site, "North").await.unwrap();
    let new = NewInvitation {
        kind: InvitationKind::Computer,
        site: Some("north".into()),
        uses: Some(3),
        expires_in_seconds: Some(60),
    };
    let code = admin.invite(&new).await.unwrap().code;
    let joining = (0..8).map(|n| {
        let (harness, code) = (&harness, &code);
        async move { harness.join_computer(code, &format!("mac-{n}")).await.is_ok() }
    });
    let joined = futures_util::future::join_all(joining).await;
    assert_eq!(joined.iter().filter(|joined| **joined).count(), 3);
    let computers = admin.computers().await.unwrap();
    assert!(computers.iter().all(|computer| computer.site.as_deref() == Some("North")));
    assert_eq!(computers.len(), 3);
}

#[tokio::test]
async fn guessing_invitations_is_slowed_down() {
    let harness = Harness::start().await;
    let good = harness.invitation(InvitationKind::Computer).await;
    let mut told = None;
    for _ in 0..40 {
        let (code, _) = turned_away(harness.join_computer("WRONG", "mac").await);
        if code == ErrorCode::TooManyRequests {
            told = Some(code);
            break;
        }
    }
    assert_eq!(told, Some(ErrorCode::TooManyRequests));
    assert!(harness.join_computer(&good, "mac").await.is_err());
    harness.clock.advance(Duration::from_secs(61));
    harness.join_computer(&good, "mac").await.unwrap();
}
