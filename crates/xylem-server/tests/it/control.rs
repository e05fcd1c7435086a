//! The control link: pages, deltas, events, standing.

use std::time::Duration;

use xylem_api::control::StateChanged;
use xylem_api::error::ErrorCode;
use xylem_api::tree::ChangeDistributionServer;
use xylem_client::NamedKind;
use xylem_model::{FileKind, ParentPolicy, Stamp};
use xylem_trust::{DescriptorId, GrantedEntries, Grants, set_root};

use crate::harness::{Harness, START, found, refusal};

#[tokio::test]
async fn a_delta_brings_what_is_new_and_names_what_is_gone() {
    let harness = Harness::start().await;
    let root = harness.server("root").await;
    harness.publish(&root, "a.pkg", b"a1").await;
    harness.publish(&root, "b.pkg", b"b").await;
    let known = root.pages(Stamp::default()).await.pop().unwrap().stamp;

    let a2 = harness.publish(&root, "a.pkg", b"a2").await;
    let c = harness.publish(&root, "c.pkg", b"c").await;
    harness.admin().delete_file(FileKind::Package, "b.pkg").await.unwrap();
    let pages = root.pages(known).await;
    let [page] = &pages[..] else { panic!("one page") };
    assert!(!page.full);
    assert_eq!(page.descriptors, [a2.clone(), c.clone()]);
    let mut removed: Vec<u64> = page.removed.iter().map(|gone| gone.version).collect();
    removed.sort_unstable();
    assert_eq!((page.removed.len(), removed), (2, vec![1, 1]));

    let head = root.control.state().await.unwrap().head;
    let head = root.trust.open_head(&head, None, START).unwrap();
    assert_eq!((head.stamp, head.count), (page.stamp, 2));
    assert_eq!(head.set_root, set_root([DescriptorId::of(&a2), DescriptorId::of(&c)]));
    let nothing = root.pages(page.stamp).await;
    assert!(nothing[0].descriptors.is_empty() && nothing[0].removed.is_empty());
}

#[tokio::test]
async fn a_large_set_comes_in_pages_that_add_up_to_the_head() {
    let harness = Harness::start().await;
    let root = harness.server("root").await;
    for n in 0..503_u32 {
        let upload = harness.declare(&format!("p{n}.pkg"), &n.to_be_bytes()).await;
        root.control.ingested(upload.id, &found(&n.to_be_bytes())).await.unwrap();
    }
    let pages = root.pages(Stamp::default()).await;
    let sizes: Vec<usize> = pages.iter().map(|page| page.descriptors.len()).collect();
    assert_eq!(sizes, [500, 3]);
    assert_eq!(root.checked_set().await.len(), 503);
}

#[tokio::test]
async fn another_epoch_or_no_state_gets_the_whole() {
    let harness = Harness::start().await;
    let root = harness.server("root").await;
    harness.publish(&root, "a.pkg", b"a").await;
    let now = harness.admin().status().await.unwrap().stamp;
    for from in [Stamp::default(), Stamp::new(now.epoch.0 + 7, now.generation.0)] {
        let pages = root.pages(from).await;
        assert!(pages[0].full && pages[0].descriptors.len() == 1, "{from}");
    }
}

#[tokio::test]
async fn events_tell_the_present_state_at_once_and_each_change_when_it_happens() {
    let harness = Harness::start().await;
    let root = harness.server("root").await;
    let mut events = root.control.events().await.unwrap();
    let mut admin_events = harness.admin().events(None).await.unwrap();
    let present = harness.admin().status().await.unwrap().stamp;
    let first: StateChanged = events.next().await.unwrap().unwrap();
    assert_eq!(first.stamp, present);
    admin_events.next::<StateChanged>().await.unwrap().unwrap();

    harness.publish(&root, "a.pkg", b"a").await;
    let after = harness.admin().status().await.unwrap().stamp;
    loop {
        let next: StateChanged = events.next().await.unwrap().unwrap();
        if next.stamp == after {
            break;
        }
    }
    let told: StateChanged = admin_events.next().await.unwrap().unwrap();
    assert!(told.stamp > present);
}

#[tokio::test]
async fn a_long_poll_answers_when_something_changes_and_at_the_end_of_its_wait() {
    let harness = Harness::start().await;
    let root = harness.server("root").await;
    let now = harness.admin().status().await.unwrap().stamp;
    let transport = harness.transport(Some(&root.identity));
    let poll = async |wait: u64, known: Stamp| -> StateChanged {
        let (epoch, since) = (known.epoch.0, known.generation.0);
        let path = format!("/v1/control/changes?wait={wait}&epoch={epoch}&since={since}");
        let request = http::Request::get(path);
        transport.json(&harness.url, request, None::<&()>).await.unwrap()
    };
    assert_eq!(poll(50, Stamp::default()).await.stamp, now);
    assert_eq!(poll(0, now).await.stamp, now);
    let admin = harness.admin();
    let (told, _) = tokio::join!(poll(50, now), admin.add_name(NamedKind::Site, "N"));
    assert!(told.stamp > now);
}

#[tokio::test]
async fn grants_and_parents_follow_the_tree() {
    let harness = Harness::start().await;
    let root = harness.server("root").await;
    let north = harness.server("north").await;
    let south = harness.server("south").await;
    harness.admin().set_parent("south", "north").await.unwrap();
    let state = south.control.state().await.unwrap();
    let parents: Vec<_> = state.parents.iter().map(|parent| parent.id).collect();
    assert_eq!(parents, [north.id, root.id]);
    assert!(!state.is_root && !state.is_principal && state.may_remove);
    let grants: Grants =
        north.trust.open(&north.control.state().await.unwrap().grants, START).unwrap();
    let peers: Vec<_> = grants.peers.iter().map(|it| (it.peer, it.entries.clone())).collect();
    let all = GrantedEntries::All;
    assert_eq!(peers, [(root.id, all.clone()), (south.id, all)], "the root may mend itself here");
    let root_state = root.control.state().await.unwrap();
    assert!(root_state.is_root && root_state.is_principal);
    assert!(root_state.parents.iter().all(|child| child.id == north.id && child.fallback));
}

#[tokio::test]
async fn several_parents_are_told_in_order_and_each_lets_the_child_in() {
    let harness = Harness::start().await;
    let root = harness.server("root").await;
    let (north, south, leaf) = (
        harness.server("north").await,
        harness.server("south").await,
        harness.server("leaf").await,
    );
    let admin = harness.admin();
    let wished = ChangeDistributionServer {
        parents: Some(vec!["south".to_owned(), "NORTH".to_owned()]),
        settings: Some(serde_json::json!({"parent_policy": "round-robin"})),
        ..ChangeDistributionServer::default()
    };
    let changed = admin.change_distribution_server("leaf", &wished).await.unwrap();
    assert_eq!(changed.parents, ["south", "north"]);
    assert_eq!(changed.parent.as_deref(), Some("south"));

    let state = leaf.control.state().await.unwrap();
    let told: Vec<_> = state.parents.iter().map(|parent| parent.id).collect();
    assert_eq!(told, [south.id, north.id, root.id], "the root for when both are away");
    assert_eq!(state.settings.parent_policy, ParentPolicy::RoundRobin);
    for parent in [&south, &north, &root] {
        let state = parent.control.state().await.unwrap();
        let grants: Grants = parent.trust.open(&state.grants, START).unwrap();
        assert!(grants.peers.iter().any(|grant| grant.peer == leaf.id), "{}", parent.id);
    }

    let ask = async |name: &str, parents: &[&str]| {
        let parents = Some(parents.iter().map(|name| (*name).to_owned()).collect());
        let change = ChangeDistributionServer { parents, ..ChangeDistributionServer::default() };
        refusal(admin.change_distribution_server(name, &change).await)
    };
    let (code, told) = ask("leaf", &["nobody"]).await;
    assert_eq!(code, ErrorCode::NotFound);
    assert!(told.contains("there is no distribution server `nobody`"), "{told}");
    assert_eq!(ask("leaf", &[]).await.0, ErrorCode::BadRequest);
    assert_eq!(ask("north", &["root", "leaf"]).await.0, ErrorCode::Conflict);
    assert_eq!(ask("leaf", &["root"; 9]).await.0, ErrorCode::Conflict);
    let (code, told) = ask("root", &["north"]).await;
    assert_eq!(code, ErrorCode::Conflict);
    assert!(told.contains("the server is the root"), "{told}");

    admin.remove_distribution_server("south").await.unwrap();
    let state = leaf.control.state().await.unwrap();
    let told: Vec<_> = state.parents.iter().map(|parent| parent.id).collect();
    assert_eq!(told, [north.id, root.id]);
}

#[tokio::test]
async fn documents_are_signed_anew_after_an_hour_and_kept_until_then() {
    let harness = Harness::start().await;
    let root = harness.server("root").await;
    let first = root.control.state().await.unwrap();
    assert_eq!(root.control.state().await.unwrap(), first);
    harness.clock.advance(Duration::from_secs(3_600));
    let later = root.control.state().await.unwrap();
    let head = |state: &xylem_api::control::ControlState| {
        root.trust.open_head(&state.head, None, harness.environment.clock.now()).unwrap()
    };
    assert!(head(&later).issued > head(&first).issued);
    assert_eq!(head(&later).expires.since(head(&later).issued), Duration::from_secs(14 * 86_400));
}
