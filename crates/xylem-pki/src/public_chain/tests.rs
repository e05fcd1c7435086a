//! Chains that are taken, and those that are not.

use std::time::Duration;

use rcgen::{BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer};
use rcgen::{KeyPair, PKCS_ECDSA_P384_SHA384};
use time::OffsetDateTime;

use super::*;

const HOST: &str = "files.example.org";
const DAY: Duration = Duration::from_secs(86_400);

/// Signed with ECDSA and SHA-1 by OpenSSL, which our own library does not do.
const SHA_1: &str = "\
-----BEGIN CERTIFICATE-----
MIIBsTCCAVigAwIBAgIBBzAJBgcqhkjOPQQBMDExIDAeBgNVBAoMF0V4YW1wbGUg
U2Nob29sIERpc3RyaWN0MQ0wCwYDVQQDDARSb290MCAXDTI2MTEyNzE5MjQ0NFoY
DzIxMjYxMTAzMTkyNDQ0WjAcMRowGAYDVQQDDBFmaWxlcy5leGFtcGxlLm9yZzBZ
MBMGByqGSM49AgEGCCqGSM49AwEHA0IABGGOrgGxfcYitktjACysDmbocUxTcfS+
dau1Q7QipGBxcZ17Un9rpmA5ZhSL2TXQBjcc/nR06qLQAu5H0J3/haujdTBzMBwG
A1UdEQQVMBOCEWZpbGVzLmV4YW1wbGUub3JnMBMGA1UdJQQMMAoGCCsGAQUFBwMB
MB0GA1UdDgQWBBScsmpYusdHew2yYeuua2/cNfpoCDAfBgNVHSMEGDAWgBR7H9w2
R4VW0eSL8pM6AqdR1mUkbDAJBgcqhkjOPQQBA0gAMEUCIEGcIQj7OAI89mMXVvr9
sv+VPuEu0IvUhCoR6+2KRuxhAiEApz9nDGntZB30KPPUy1RSCeJUerT/fx/qxqwZ
8jXtuNM=
-----END CERTIFICATE-----
";

fn now() -> Timestamp {
    Timestamp::from_unix_ms(1_800_000_000_000)
}

fn authority(name: &str, above: Option<&Signed>) -> Signed {
    let mut params = params(name);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    Signed::new(params, KeyPair::generate().unwrap(), above)
}

fn server(above: &Signed) -> Signed {
    server_with(above, |_| {})
}

fn server_with(above: &Signed, change: impl FnOnce(&mut CertificateParams)) -> Signed {
    let mut params = params(HOST);
    params.subject_alt_names = vec![rcgen::SanType::DnsName(HOST.try_into().unwrap())];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    change(&mut params);
    Signed::new(params, KeyPair::generate_for(&PKCS_ECDSA_P384_SHA384).unwrap(), Some(above))
}

fn params(name: &str) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name = rcgen::DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, name);
    let now = OffsetDateTime::from_unix_timestamp(now().unix_seconds()).unwrap();
    (params.not_before, params.not_after) = (now - DAY, now + DAY * 90);
    params
}

struct Signed {
    certificate: rcgen::Certificate,
    key: KeyPair,
}

impl Signed {
    fn new(params: CertificateParams, key: KeyPair, above: Option<&Self>) -> Self {
        let certificate = match above {
            None => params.self_signed(&key).unwrap(),
            Some(above) => {
                let issuer = Issuer::from_ca_cert_der(above.certificate.der(), &above.key);
                params.signed_by(&key, &issuer.unwrap()).unwrap()
            }
        };
        Self { certificate, key }
    }

    fn pem(&self) -> String {
        self.certificate.pem()
    }
}

fn checked(text: &str, known: &[&Signed]) -> Result<PublicChain, ChainError> {
    let known: Vec<_> = known.iter().map(|one| one.certificate.der().clone()).collect();
    PublicChain::check(text, HOST, &known, now())
}

#[test]
fn a_complete_chain_is_taken_in_any_order_with_its_own_root_or_a_known_one() {
    let root = authority("Root", None);
    let middle = authority("Middle", Some(&root));
    let server = server(&middle);
    let key = server.key.serialize_pem();
    for (text, known) in [
        (server.pem() + &middle.pem() + &root.pem() + &key, vec![]),
        (key.clone() + &server.pem() + &root.pem() + &middle.pem(), vec![]),
        (server.pem() + &middle.pem() + &key, vec![&root]),
    ] {
        let chain = checked(&text, &known).unwrap();
        assert_eq!(chain.subject, "CN=files.example.org");
        assert_eq!(chain.issuer, "CN=Middle");
        assert_eq!(chain.certified().cert.len(), 2, "the root is not shown");
        let again = PublicChain::read(chain.secret_pem()).unwrap();
        assert_eq!(again.fingerprint, chain.fingerprint);
        assert!(!format!("{chain:?}").contains("PRIVATE"));
    }
}

#[test]
fn what_is_wrong_with_a_chain_is_said() {
    let root = authority("Root", None);
    let middle = authority("Middle", Some(&root));
    let good = server(&middle);
    let key = good.key.serialize_pem();
    let (rest, now) = (
        middle.pem() + &root.pem(),
        OffsetDateTime::from_unix_timestamp(now().unix_seconds()).unwrap(),
    );
    let with = |leaf: &Signed| leaf.pem() + &rest + &leaf.key.serialize_pem();
    let expired = server_with(&middle, |params| params.not_after = now - DAY);
    let early = server_with(&middle, |params| params.not_before = now + DAY);
    let other = server_with(&middle, |params| {
        params.subject_alt_names =
            vec![rcgen::SanType::DnsName("www.example.org".try_into().unwrap())];
    });
    let client = server_with(&middle, |params| {
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    });
    for (text, reason) in [
        (with(&expired), "ran out on"),
        (with(&early), "is good only from"),
        (with(&other), "it is good for www.example.org"),
        (with(&client), "cannot be used"),
        (good.pem() + &root.pem() + &key, "`CN=Middle`, which signed `CN=files.example.org`"),
        (good.pem() + &middle.pem() + &key, "`CN=Root`, which signed `CN=Middle`"),
        (good.pem() + &middle.pem() + &authority("Root", None).pem() + &key, "cannot be used"),
        (good.pem() + &rest, "the private key cannot be read"),
        (good.pem() + &rest + &middle.key.serialize_pem(), "does not belong to the first"),
        (rest.clone() + &good.pem() + &key, "does not belong to the first"),
        (key.clone(), "the chain cannot be read"),
        ("x".repeat(MAX_PUBLIC_CHAIN_BYTES + 1), "more than"),
    ] {
        let says = checked(&text, &[]).unwrap_err().to_string();
        assert!(says.contains(reason), "{says} / {reason}");
    }
}

#[test]
fn signatures_over_sha_1_are_refused() {
    let leaf = pem::certificates(SHA_1.as_bytes(), 1).unwrap().remove(0);
    let error = check_one(&parse(&leaf, 0).unwrap(), now()).unwrap_err();
    assert!(matches!(error, ChainError::WeakSignature { .. }), "{error}");
}
