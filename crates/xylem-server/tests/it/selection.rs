//! What servers hold of all there is.

use xylem_api::error::ErrorCode;
use xylem_api::selection::{SelectFiles, SelectionRule, SortFile};
use xylem_client::NamedKind;
use xylem_model::{ContentId, DistributionServerId, FileKind};
use xylem_trust::{GrantedEntries, Grants};

use crate::harness::{FakeServer, Harness, START, refusal};

/// A root; north below it, hut below north; files of the sites North and Hut, and of none.
struct Scene {
    harness: Harness,
    root: FakeServer,
    north: FakeServer,
    hut: FakeServer,
}

fn by_site(site: &str) -> SelectFiles {
    let rule = SelectionRule { sites: vec![site.to_owned()], ..SelectionRule::default() };
    SelectFiles { rules: vec![rule], add: false }
}

impl Scene {
    async fn new() -> Self {
        let harness = Harness::start().await;
        let (root, north, hut) = (
            harness.server("root").await,
            harness.server("north").await,
            harness.server("hut").await,
        );
        let admin = harness.admin();
        admin.set_parent("hut", "north").await.unwrap();
        for site in ["North", "Hut"] {
            admin.add_name(NamedKind::Site, site).await.unwrap();
        }
        for (name, site) in [("n.pkg", "North"), ("h.pkg", "Hut"), ("x.pkg", "")] {
            harness.publish(&root, name, name.as_bytes()).await;
            let change = SortFile { site: Some(site.to_owned()), ..SortFile::default() };
            admin.sort_file(FileKind::Package, name, &change).await.unwrap();
        }
        Self { harness, root, north, hut }
    }

    /// The names of what a server is to hold, from signed descriptors that its head agrees with.
    async fn held(server: &FakeServer) -> Vec<String> {
        let mut names: Vec<String> =
            server.checked_set().await.iter().map(|it| it.name.to_string()).collect();
        names.sort();
        names
    }

    async fn granted(server: &FakeServer, peer: DistributionServerId) -> GrantedEntries {
        let grants = grants(server).await;
        let grant = grants.peers.iter().find(|grant| grant.peer == peer);
        grant.map(|grant| grant.entries.clone()).unwrap()
    }
}

async fn grants(server: &FakeServer) -> Grants {
    server.trust.open(&server.control.state().await.unwrap().grants, START).unwrap()
}

fn only(names: &[&str]) -> GrantedEntries {
    let mut contents: Vec<_> = names.iter().map(|it| ContentId::of(it.as_bytes())).collect();
    contents.sort_unstable();
    GrantedEntries::Only(contents)
}

#[tokio::test]
async fn a_parent_holds_what_its_child_chose_and_each_reads_no_more_than_its_own() {
    let Scene { harness, root, north, hut } = Scene::new().await;
    let admin = harness.admin();
    admin.select_files("north", &by_site("North")).await.unwrap();
    let shown = admin.select_files("hut", &by_site("hut")).await.unwrap();
    assert_eq!(shown.selection.unwrap(), by_site("Hut").rules);
    assert_eq!(Scene::held(&root).await, ["h.pkg", "n.pkg", "x.pkg"]);
    assert_eq!(Scene::held(&north).await, ["h.pkg", "n.pkg"]);
    assert_eq!(Scene::held(&hut).await, ["h.pkg"]);
    assert_eq!(Scene::granted(&root, north.id).await, only(&["h.pkg", "n.pkg"]));
    assert_eq!(Scene::granted(&root, hut.id).await, only(&["h.pkg"]));
    assert_eq!(Scene::granted(&north, hut.id).await, only(&["h.pkg"]));
    assert_eq!(grants(&north).await.clients, only(&["n.pkg"]), "the hut's is not for its clients");
    assert_eq!(grants(&hut).await.clients, GrantedEntries::All);

    // Marked for the hut too, it goes there at once; sorted elsewhere, it is gone.
    let mark = |sites: &[&str]| SortFile {
        marked_sites: Some(sites.iter().map(|&site| site.to_owned()).collect()),
        ..SortFile::default()
    };
    let marked = admin.sort_file(FileKind::Package, "x.pkg", &mark(&["Hut"])).await.unwrap();
    assert_eq!((marked.marked_sites, marked.wanted_copies), (vec!["Hut".to_owned()], 3));
    assert_eq!(Scene::held(&hut).await, ["h.pkg", "x.pkg"]);
    admin.sort_file(FileKind::Package, "x.pkg", &mark(&[])).await.unwrap();
    assert_eq!(Scene::held(&north).await, ["h.pkg", "n.pkg"]);

    admin.select_everything("north").await.unwrap();
    assert_eq!(Scene::held(&north).await, ["h.pkg", "n.pkg", "x.pkg"]);
    assert_eq!(Scene::granted(&root, north.id).await, GrantedEntries::All);
}

#[tokio::test]
async fn a_delta_names_what_is_no_longer_for_a_server() {
    let Scene { harness, north, .. } = Scene::new().await;
    let admin = harness.admin();
    admin.select_files("north", &by_site("North")).await.unwrap();
    admin.select_files("hut", &by_site("Hut")).await.unwrap();
    let known = north.control.state().await.unwrap().head;
    let known = north.trust.open_head(&known, None, START).unwrap().stamp;
    let change = SortFile { site: Some(String::new()), ..SortFile::default() };
    admin.sort_file(FileKind::Package, "n.pkg", &change).await.unwrap();
    let pages = north.pages(known).await;
    assert!(!pages[0].full && pages[0].descriptors.is_empty());
    assert_eq!(pages[0].removed.len(), 1);
}

#[tokio::test]
async fn why_a_server_holds_a_file_is_told_rule_by_rule() {
    let Scene { harness, .. } = Scene::new().await;
    let admin = harness.admin();
    admin.select_files("north", &by_site("North")).await.unwrap();
    admin.select_files("hut", &by_site("Hut")).await.unwrap();
    let why = admin.why_held("north", "H.PKG").await.unwrap();
    assert!(why.held && !why.offered);
    let [reason] = &why.reasons[..] else { panic!("{why:?}") };
    assert_eq!((reason.server.as_str(), reason.rule), ("hut", Some(1)));
    assert_eq!(reason.chooses.as_ref().unwrap(), &by_site("Hut").rules[0]);
    let why = admin.why_held("hut", "n.pkg").await.unwrap();
    assert!(!why.held && why.reasons.is_empty());
    let why = admin.why_held("root", "n.pkg").await.unwrap();
    assert!(why.offered && why.reasons[0].reason == "root");
    assert_eq!(refusal(admin.why_held("hut", "z.pkg").await).0, ErrorCode::NotFound);
}

#[tokio::test]
async fn a_selection_that_cannot_be_is_refused_with_the_reason() {
    let Scene { harness, .. } = Scene::new().await;
    let admin = harness.admin();
    let told = admin.select_files("root", &by_site("North")).await.unwrap_err().to_string();
    assert!(told.contains("holds everything") && told.contains("root"), "{told}");
    let empty = SelectFiles { rules: vec![SelectionRule::default()], add: false };
    let told = admin.select_files("north", &empty).await.unwrap_err().to_string();
    assert!(told.contains("every file"), "{told}");
    let unknown = admin.select_files("north", &by_site("West")).await;
    assert_eq!(refusal(unknown).0, ErrorCode::NotFound);
    let pattern = SelectionRule { names: vec!["a/b".into()], ..SelectionRule::default() };
    let told = admin.select_files("north", &SelectFiles { rules: vec![pattern], add: false }).await;
    assert_eq!(refusal(told).0, ErrorCode::BadRequest);

    let more = SelectFiles { add: true, ..by_site("Hut") };
    let (code, told) = refusal(admin.select_files("north", &more).await);
    assert!(code == ErrorCode::BadRequest && told.contains("holds everything"), "{told}");
    admin.select_files("north", &by_site("North")).await.unwrap();
    let shown = admin.select_files("north", &more).await.unwrap();
    assert_eq!(shown.selection.unwrap().len(), 2);

    // What a selection names cannot be removed under it.
    admin.select_files("north", &by_site("Hut")).await.unwrap();
    let change = SortFile { site: Some(String::new()), ..SortFile::default() };
    admin.sort_file(FileKind::Package, "h.pkg", &change).await.unwrap();
    let told = admin.remove_name(NamedKind::Site, "Hut").await.unwrap_err().to_string();
    assert!(told.contains("the selection of 1 distribution server"), "{told}");
}
