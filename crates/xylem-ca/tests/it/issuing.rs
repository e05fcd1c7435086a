//! What certificates say, and which requests are refused.

use rcgen::{BasicConstraints, CertificateParams, IsCa, SanType};
use x509_parser::prelude::{FromDer, GeneralName, ParsedExtension, X509Certificate};
use xylem_ca::{BACKDATED, COMPUTER_LIFETIME, CaError, RequestError};
use xylem_pki::{KeyPair, LeafNames, PeerCertificate, certificate_request, pem};

use crate::support::{
    DAY, HOST, NOW, authority, computer, computer_leaf, enrol, issue, server_leaf,
};

#[test]
fn chains_run_from_the_leaf_to_the_root() {
    let authority = authority();
    let chain = enrol(&authority, &server_leaf(1), NOW).chain().to_vec();
    let [leaf, intermediate] = chain.as_slice() else { panic!("{} certificates", chain.len()) };
    let (_, leaf) = X509Certificate::from_der(leaf).unwrap();
    let (_, intermediate) = X509Certificate::from_der(intermediate).unwrap();
    let (_, root) = X509Certificate::from_der(authority.root_der()).unwrap();
    for (signed, signer, path) in [(&leaf, &intermediate, 0), (&intermediate, &root, 1)] {
        assert_eq!(signed.issuer(), signer.subject());
        signed.verify_signature(Some(signer.public_key())).unwrap();
        assert_eq!(key_ids(signed).1, key_ids(signer).0, "authority key identifier");
        let constraints = signer.basic_constraints().unwrap().unwrap().value;
        assert_eq!((constraints.ca, constraints.path_len_constraint), (true, Some(path)));
        let usage = signer.key_usage().unwrap().unwrap();
        assert!(usage.critical && usage.value.key_cert_sign());
        assert!(!usage.value.digital_signature());
    }
    assert!(!leaf.is_ca());
}

/// The identifiers of a certificate's own key and of its signer's.
fn key_ids(certificate: &X509Certificate<'_>) -> (Option<Vec<u8>>, Option<Vec<u8>>) {
    let (mut own, mut signer) = (None, None);
    for extension in certificate.extensions() {
        match extension.parsed_extension() {
            ParsedExtension::SubjectKeyIdentifier(id) => own = Some(id.0.to_vec()),
            ParsedExtension::AuthorityKeyIdentifier(id) => {
                signer = id.key_identifier.as_ref().map(|id| id.0.to_vec());
            }
            _ => {}
        }
    }
    assert!(own.is_some() && signer.is_some());
    (own, signer)
}

#[test]
fn purposes_and_names_are_those_of_the_role() {
    let authority = authority();
    for (leaf, server) in [(computer_leaf(1), false), (server_leaf(1), true)] {
        let chain = enrol(&authority, &leaf, NOW).chain().to_vec();
        let (_, certificate) = X509Certificate::from_der(&chain[0]).unwrap();
        let purposes = certificate.extended_key_usage().unwrap().unwrap().value;
        assert!(purposes.client_auth && !purposes.any);
        assert_eq!(purposes.server_auth, server);
        let usage = certificate.key_usage().unwrap().unwrap().value;
        assert!(usage.digital_signature() && !usage.key_cert_sign());
        let names = &certificate.subject_alternative_name().unwrap().unwrap().value.general_names;
        assert_eq!(names.len(), if server { 4 } else { 1 });
        assert_eq!(names.contains(&GeneralName::DNSName(HOST)), server);
        assert_eq!(names[0], GeneralName::URI(&leaf.party.to_string()));
    }
}

#[test]
fn what_a_request_asks_for_beside_its_key_is_not_granted() {
    let key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.subject_alt_names = vec![
        SanType::URI("xylem://management-server/0".try_into().unwrap()),
        SanType::DnsName("bank.example.org".try_into().unwrap()),
    ];
    let request = params.serialize_request(&key).unwrap().pem().unwrap();
    let issued = authority().issue(&request, &computer_leaf(7), NOW).unwrap();
    let chain = pem::certificates(issued.chain_pem.as_bytes(), 2).unwrap();
    assert_eq!(PeerCertificate::from_chain(&chain).unwrap().party, computer(7));
    let (_, certificate) = X509Certificate::from_der(&chain[0]).unwrap();
    assert!(!certificate.is_ca());
    assert_eq!(certificate.public_key().raw, key.public_key_der());
    assert!(!String::from_utf8_lossy(&chain[0]).contains("bank"));
}

#[test]
fn requests_changed_on_the_way_are_refused() {
    let key = KeyPair::generate().unwrap();
    let request = certificate_request(&key, "lab-3").unwrap();
    let der = {
        use rustls::pki_types::CertificateSigningRequestDer;
        use rustls::pki_types::pem::PemObject;
        CertificateSigningRequestDer::from_pem_slice(request.as_bytes()).unwrap().to_vec()
    };
    let authority = authority();
    authority.issue(&request, &computer_leaf(1), NOW).unwrap();
    let name = der.windows(5).position(|bytes| bytes == b"lab-3").unwrap();
    let public_key = der.len() / 2;
    for place in [name, public_key, der.len() - 1] {
        let mut changed = der.clone();
        changed[place] ^= 1;
        let text = pem::encode_certificates([&changed.into()])
            .replace(" CERTIFICATE-", " CERTIFICATE REQUEST-");
        let error = authority.issue(&text, &computer_leaf(1), NOW).unwrap_err();
        let CaError::Request(error) = error else { panic!("{error}") };
        assert_eq!(error, RequestError::NoProofOfPossession, "byte {place}");
    }
}

#[test]
fn validity_begins_an_hour_ago_and_ends_with_the_intermediate() {
    let mut authority = authority();
    let key = KeyPair::generate().unwrap();
    let issued = issue(&authority, &key, &computer_leaf(1), NOW);
    assert_eq!(issued.not_before, NOW.minus(BACKDATED));
    assert_eq!(issued.not_after, NOW.plus(COMPUTER_LIFETIME));

    let late = NOW.plus(DAY * 600);
    assert!(authority.should_renew_intermediate(late));
    let cut = issue(&authority, &key, &computer_leaf(1), late);
    assert_eq!(cut.not_after, authority.intermediate_not_after());

    let request = certificate_request(&key, "lab-3").unwrap();
    let refused = |now| authority.issue(&request, &computer_leaf(1), now).unwrap_err();
    let too_late = refused(NOW.plus(DAY * 731));
    assert!(matches!(too_late, CaError::IntermediateExpired { .. }), "{too_late}");
    let too_early = refused(NOW.minus(DAY));
    assert!(matches!(too_early, CaError::ClockBehind { .. }), "{too_early}");

    authority.renew_intermediate(late).unwrap();
    assert!(!authority.should_renew_intermediate(late));
    let whole = issue(&authority, &key, &computer_leaf(1), late);
    assert_eq!(whole.not_after, late.plus(COMPUTER_LIFETIME));
}

#[test]
fn leaves_of_an_old_intermediate_stay_good_after_its_renewal() {
    let mut authority = authority();
    let old = enrol(&authority, &computer_leaf(1), NOW);
    authority.renew_intermediate(NOW).unwrap();
    let new = enrol(&authority, &computer_leaf(1), NOW);
    let anchors = crate::support::anchors(&authority);
    for credentials in [old, new] {
        anchors.verify_client_chain(credentials.chain(), NOW).unwrap();
    }
}

#[test]
fn serial_numbers_differ_and_are_told_to_the_caller() {
    let authority = authority();
    let key = KeyPair::generate().unwrap();
    let first = issue(&authority, &key, &computer_leaf(1), NOW);
    let second = issue(&authority, &key, &computer_leaf(1), NOW);
    assert_ne!(first.serial_hex, second.serial_hex);
    let chain = pem::certificates(first.chain_pem.as_bytes(), 2).unwrap();
    assert_eq!(PeerCertificate::from_chain(&chain).unwrap().serial_hex, first.serial_hex);
    assert_eq!(first.serial_hex.len(), 32);
}

#[test]
fn a_server_without_a_name_gets_no_certificate() {
    let mut leaf = server_leaf(1);
    leaf.hosts = LeafNames::none();
    let error = authority().issue_own(&leaf, NOW).unwrap_err();
    assert!(matches!(error, CaError::NoHostNames), "{error}");
    let own = authority().issue_own(&server_leaf(1), NOW).unwrap();
    assert_eq!(own.certificate().party, server_leaf(1).party);
}
