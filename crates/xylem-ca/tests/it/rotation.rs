//! From one authority to the next.

use std::path::Path;
use std::sync::Arc;

use rcgen::{BasicConstraints, CertificateParams, CertificateSigningRequestParams, IsCa, Issuer};
use rcgen::{DnType, GeneralSubtree, KeyUsagePurpose, NameConstraints};
use time::OffsetDateTime;
use xylem_ca::{Authority, CaError};
use xylem_pki::{Credentials, KeyPair, TrustAnchors};
use xylem_runtime::{RealFs, SystemRng};

use crate::support::{DAY, NOW, authority, computer_leaf, enrol};

fn load(folder: &Path) -> Authority {
    Authority::load(&RealFs, folder, Arc::new(SystemRng)).unwrap()
}

fn saved() -> (tempfile::TempDir, Authority) {
    let folder = tempfile::tempdir().unwrap();
    let authority = authority();
    authority.save(&RealFs, folder.path()).unwrap();
    (folder, authority)
}

fn believes(anchors_pem: &str, leaf: &Credentials) -> bool {
    let anchors = TrustAnchors::from_pem(anchors_pem.as_bytes()).unwrap();
    anchors.verify_client_chain(leaf.chain(), NOW).is_ok()
}

#[test]
fn nobody_is_cut_off_while_authorities_change() {
    let (folder, mut ca) = saved();
    let (old_root, old_leaf) = (ca.root_pem(), enrol(&ca, &computer_leaf(1), NOW));
    ca.begin(&RealFs, folder.path(), NOW).unwrap();
    assert!(ca.next().unwrap().is_bridged);
    let both = ca.anchors_pem();
    assert!(believes(&both, &old_leaf));
    assert!(believes(&old_root, &enrol(&ca, &computer_leaf(1), NOW)), "the old one still signs");

    ca.switch(&RealFs, folder.path()).unwrap();
    assert_ne!(ca.root_pem(), old_root);
    let new_leaf = enrol(&ca, &computer_leaf(2), NOW);
    assert!(believes(&both, &new_leaf));
    assert!(believes(&old_root, &new_leaf), "who has not heard of it goes over the bridge");
    assert!(believes(&ca.root_pem(), &new_leaf), "and who has just joined does not");
    assert!(believes(&ca.anchors_pem(), &old_leaf));

    ca.finish(&RealFs, folder.path()).unwrap();
    assert!(!believes(&ca.anchors_pem(), &old_leaf));
    assert!(believes(&ca.anchors_pem(), &new_leaf));
}

#[test]
fn each_step_is_on_the_disk() {
    let (folder, mut ca) = saved();
    let old = ca.root_fingerprint();
    ca.begin(&RealFs, folder.path(), NOW).unwrap();
    let next = ca.next().map(|next| next.root);
    let again = load(folder.path());
    assert_eq!((again.root_fingerprint(), again.next().map(|next| next.root)), (old, next));
    assert_eq!(again.anchors_pem(), ca.anchors_pem());

    ca.switch(&RealFs, folder.path()).unwrap();
    let again = load(folder.path());
    assert_eq!((Some(again.root_fingerprint()), again.next()), (next, None));
    assert_eq!(again.former_fingerprints(), [old]);
    let leaf = enrol(&again, &computer_leaf(1), NOW);
    assert!(believes(&ca.anchors_pem(), &leaf));
    // A new intermediate is of the new root, in its place.
    ca.renew_intermediate(NOW).unwrap();
    ca.save(&RealFs, folder.path()).unwrap();
    assert!(believes(&load(folder.path()).root_pem(), &enrol(&ca, &computer_leaf(1), NOW)));

    ca.finish(&RealFs, folder.path()).unwrap();
    let again = load(folder.path());
    assert!(again.former_fingerprints().is_empty());
    for key in ["root.key", "intermediate.pem"] {
        assert!(!folder.path().join(key).exists(), "{key} of the former authority");
        assert!(folder.path().join("generation-1").join(key).exists(), "{key}");
    }
    // And once more.
    ca.begin(&RealFs, folder.path(), NOW).unwrap();
    ca.switch(&RealFs, folder.path()).unwrap();
    assert_eq!(Some(load(folder.path()).root_fingerprint()), Some(ca.root_fingerprint()));
}

#[test]
fn steps_out_of_order_change_nothing() {
    let (folder, mut ca) = saved();
    let is_idle = |error| matches!(error, CaError::NotChanging);
    assert!(is_idle(ca.switch(&RealFs, folder.path()).unwrap_err()));
    assert!(is_idle(ca.abandon(&RealFs, folder.path()).unwrap_err()));
    ca.begin(&RealFs, folder.path(), NOW).unwrap();
    let error = ca.begin(&RealFs, folder.path(), NOW).unwrap_err();
    assert!(matches!(error, CaError::Changing), "{error}");
    ca.abandon(&RealFs, folder.path()).unwrap();
    assert_eq!(load(folder.path()).next(), None);
    ca.begin(&RealFs, folder.path(), NOW).unwrap();
    ca.switch(&RealFs, folder.path()).unwrap();
    let error = ca.begin(&RealFs, folder.path(), NOW).unwrap_err();
    assert!(matches!(error, CaError::Unfinished), "{error}");
}

#[test]
fn what_is_missing_after_a_change_is_made_anew_in_its_place_or_missed() {
    let (folder, mut ca) = saved();
    ca.begin(&RealFs, folder.path(), NOW).unwrap();
    ca.switch(&RealFs, folder.path()).unwrap();
    let open = || Authority::open(&RealFs, folder.path(), "X", NOW, Arc::new(SystemRng));
    let generation = folder.path().join("generation-1");
    std::fs::remove_file(generation.join("intermediate.pem")).unwrap();
    for _ in 0..2 {
        let again = open().unwrap();
        assert_eq!(again.root_fingerprint(), ca.root_fingerprint());
        assert_eq!(again.former_fingerprints(), ca.former_fingerprints());
        assert!(generation.join("intermediate.pem").exists());
    }
    std::fs::remove_dir_all(&generation).unwrap();
    let error = open().unwrap_err();
    assert!(error.to_string().contains("generation-1"), "{error}");
}

#[test]
fn a_roots_key_that_was_put_back_makes_a_bridge() {
    let (folder, _) = saved();
    let (key, away) = (folder.path().join("root.key"), folder.path().join("away"));
    std::fs::rename(&key, &away).unwrap();
    let mut ca = load(folder.path());
    std::fs::rename(&away, &key).unwrap();
    ca.begin(&RealFs, folder.path(), NOW).unwrap();
    assert!(ca.next().unwrap().is_bridged);
}

#[test]
fn without_the_roots_key_there_is_no_bridge() {
    let (folder, _) = saved();
    std::fs::remove_file(folder.path().join("root.key")).unwrap();
    let mut ca = load(folder.path());
    let old_root = ca.root_pem();
    ca.begin(&RealFs, folder.path(), NOW).unwrap();
    assert!(!ca.next().unwrap().is_bridged);
    ca.switch(&RealFs, folder.path()).unwrap();
    assert!(!believes(&old_root, &enrol(&ca, &computer_leaf(1), NOW)));
}

/// An organisation with a root of its own.
struct Organization {
    key: KeyPair,
    root: CertificateParams,
}

impl Organization {
    fn new() -> Self {
        let mut root = CertificateParams::default();
        root.distinguished_name.push(DnType::OrganizationName, "Example School District");
        root.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        root.key_usages = vec![KeyUsagePurpose::KeyCertSign];
        Self { key: KeyPair::generate().unwrap(), root }
    }

    fn root_pem(&self) -> String {
        self.root.self_signed(&self.key).unwrap().pem()
    }

    /// Signs what it is asked to, for names of one domain alone.
    fn sign_for(&self, request: &str, domain: &str) -> String {
        let mut asked = CertificateSigningRequestParams::from_pem(request).unwrap();
        asked.params.not_after =
            OffsetDateTime::from_unix_timestamp(NOW.unix_seconds()).unwrap() + DAY * 700;
        asked.params.name_constraints = Some(NameConstraints {
            permitted_subtrees: vec![GeneralSubtree::DnsName(domain.into())],
            excluded_subtrees: Vec::new(),
        });
        asked.signed_by(&Issuer::from_params(&self.root, &self.key)).unwrap().pem()
    }

    /// Signs what it is asked to, for this many days.
    fn sign(&self, request: &str, days: u32, is_authority: bool) -> String {
        let mut asked = CertificateSigningRequestParams::from_pem(request).unwrap();
        let now = OffsetDateTime::from_unix_timestamp(NOW.unix_seconds()).unwrap();
        asked.params.not_before = now;
        asked.params.not_after = now + DAY * days;
        if !is_authority {
            asked.params.is_ca = IsCa::ExplicitNoCa;
        }
        let issuer = Issuer::from_params(&self.root, &self.key);
        asked.signed_by(&issuer).unwrap().pem()
    }
}

#[test]
fn an_organizations_root_may_sign_the_next() {
    let (folder, mut ca) = saved();
    let organization = Organization::new();
    let request = ca.request(&RealFs, folder.path()).unwrap();
    let chain = organization.sign(&request, 700, true) + &organization.root_pem();
    ca.install(&RealFs, folder.path(), &chain, NOW).unwrap();
    assert!(!ca.next().unwrap().is_bridged);
    assert!(!folder.path().join("request.key").exists());
    ca.switch(&RealFs, folder.path()).unwrap();
    for ca in [&ca, &load(folder.path())] {
        assert!(ca.is_organizations());
        let leaf = enrol(ca, &computer_leaf(1), NOW);
        assert!(believes(&organization.root_pem(), &leaf), "browsers find their way");
        assert!(believes(&ca.root_pem(), &leaf), "so do our own");
        // What else the organisation's root signs is none of our parties.
        let mut other = authority();
        let elsewhere = tempfile::tempdir().unwrap();
        let request = other.request(&RealFs, elsewhere.path()).unwrap();
        let chain = organization.sign(&request, 700, true) + &organization.root_pem();
        other.install(&RealFs, elsewhere.path(), &chain, NOW).unwrap();
        other.switch(&RealFs, elsewhere.path()).unwrap();
        assert!(!believes(&ca.root_pem(), &enrol(&other, &computer_leaf(1), NOW)));
    }
    assert!(!ca.should_renew_intermediate(NOW.plus(DAY * 600)));
}

#[test]
fn what_an_organization_signed_wrongly_is_refused_with_the_reason() {
    let (folder, mut ca) = saved();
    let organization = Organization::new();
    let mut refused =
        |chain: &str| ca.install(&RealFs, folder.path(), chain, NOW).unwrap_err().to_string();
    let root = organization.root_pem();
    assert!(refused(&root).contains("xylem ca request"), "nothing was asked for");
    let request = authority().request(&RealFs, folder.path()).unwrap();
    let good = organization.sign(&request, 700, true);
    for (chain, reason) in [
        (good.clone(), "append the chain up to the root"),
        (good.clone() + &Organization::new().root_pem(), "does not lead to the root"),
        (root.clone() + &good, "xylem ca request"),
        (organization.sign(&request, 30, true) + &root, "it must be good now, and until"),
        (organization.sign(&request, 700, false) + &root, "no certificate of an authority"),
        (organization.sign_for(&request, "school.example") + &root, "name constraints"),
        ("nonsense".to_owned(), "no certificate in it"),
    ] {
        let says = refused(&chain);
        assert!(says.contains(reason), "{says}");
    }
    // Nothing was spoilt by all that.
    ca.install(&RealFs, folder.path(), &(good + &root), NOW).unwrap();
}
