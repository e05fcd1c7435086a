//! Signed packages: what is said of the signer, and of signatures that do not fit.

use std::path::Path;
use std::sync::LazyLock;

use rcgen::{
    BasicConstraints, CertificateParams, CustomExtension, DnType, ExtendedKeyUsagePurpose, IsCa,
    Issuer, KeyPair, PKCS_RSA_SHA256, date_time_ymd,
};
use xylem_artifact::WarningCode;
use xylem_artifact::build::{ComponentBuilder, PackageBuilder, Signer, Source};
use xylem_artifact::inspect::{Content, Inspection};
use xylem_artifact::package::{SignatureMatch, SignatureSummary, SignerKind};

use crate::raw::inspect;

/// Making a key takes a moment; all parties but the impostor share one.
static KEY: LazyLock<KeyPair> = LazyLock::new(key);

/// The bytes of a table's SHA-256 and of an RSA signature, which come before the CMS message.
const DIGEST_BYTES: usize = 32;
const RSA_BYTES: usize = 256;

fn key() -> KeyPair {
    KeyPair::generate_for(&PKCS_RSA_SHA256).unwrap()
}

/// A certificate to be, valid from 2020 to 2030.
fn certificate(name: &str) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CommonName, name);
    params.not_before = date_time_ymd(2020, 1, 1);
    params.not_after = date_time_ymd(2030, 1, 1);
    params
}

fn authority(name: &str) -> CertificateParams {
    let mut params = certificate(name);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params
}

/// A certificate that claims to be Apple's for an installer.
fn leaf() -> CertificateParams {
    let mut params = certificate("Developer ID Installer: Impostor (TEAM123456)");
    params.distinguished_name.push(DnType::OrganizationalUnitName, "TEAM123456");
    let marker = [1, 2, 840, 113_635, 100, 6, 1, 14];
    params.custom_extensions.push(CustomExtension::from_oid_content(&marker, vec![5, 0]));
    params
}

/// A signer whose certificate was issued by the middle one, and that by a root.
fn signer(leaf: &CertificateParams, middle: CertificateParams) -> Signer {
    let root = authority("Root");
    let root_der = root.self_signed(&*KEY).unwrap();
    let middle_der = middle.signed_by(&*KEY, &Issuer::from_params(&root, &*KEY)).unwrap();
    let leaf_der = leaf.signed_by(&*KEY, &Issuer::from_params(&middle, &*KEY)).unwrap();
    // Any order will do, except for the signer's own.
    let chain = [leaf_der, root_der, middle_der].map(|one| one.der().to_vec());
    Signer::new(&KEY.serialize_der(), chain.to_vec()).unwrap()
}

fn dated(signer: Signer, time: &str) -> Signer {
    let mut params = certificate("Clock");
    params.extended_key_usages.push(ExtendedKeyUsagePurpose::TimeStamping);
    let clock = params.self_signed(&*KEY).unwrap();
    let clock = Signer::new(&KEY.serialize_der(), vec![clock.der().to_vec()]).unwrap();
    signer.timestamp(clock, time)
}

fn package(signer: Signer) -> Vec<u8> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("signed.pkg");
    write(&path, signer);
    std::fs::read(path).unwrap()
}

fn write(path: &Path, signer: Signer) {
    let component =
        ComponentBuilder::new("org.example.a", "1").file("a", 0o644, Source::bytes(b"content"));
    PackageBuilder::component(component).signed_by(signer).write_to(path).unwrap();
}

/// Where the signatures begin in the file.
fn signatures_at(package: &[u8]) -> usize {
    let table = u64::from_be_bytes(package[8..16].try_into().unwrap());
    28 + usize::try_from(table).unwrap() + DIGEST_BYTES
}

fn inspected(package: &[u8]) -> (SignatureSummary, Vec<WarningCode>) {
    let Inspection { content, warnings, .. } = inspect(package).unwrap();
    let Content::FlatPackage(facts) = content else { panic!("no flat package") };
    (facts.signature.unwrap(), warnings.iter().map(|warning| warning.code).collect())
}

#[test]
fn a_self_made_signature_fits_and_is_not_believed() {
    let signer = dated(signer(&leaf(), authority("Middle")), "20250102030405Z");
    let (facts, warnings) = inspected(&package(signer));
    assert_eq!(facts.rsa, Some(SignatureMatch::Matches));
    assert_eq!(facts.cms, Some(SignatureMatch::Matches));
    assert_eq!(facts.signer.as_deref(), Some("Developer ID Installer: Impostor (TEAM123456)"));
    assert_eq!(facts.team.as_deref(), Some("TEAM123456"));
    assert_eq!(facts.valid_from_unix_seconds, Some(1_577_836_800));
    assert_eq!(facts.valid_until_unix_seconds, Some(1_893_456_000));
    assert_eq!(facts.certificates, 3);
    assert!(facts.chain_complete);
    assert!(!facts.chain_to_apple_root);
    assert_eq!(facts.signer_kind, SignerKind::Other, "a mark of Apple's is not copied");
    let timestamp = facts.timestamp.unwrap();
    assert_eq!(timestamp.unix_seconds, 1_735_787_045);
    assert_eq!(timestamp.authority.as_deref(), Some("Clock"));
    assert!(timestamp.of_this_signature && timestamp.matches);
    assert!(!timestamp.chain_to_apple_root);
    assert_eq!(facts.valid_when_signed, Some(true));
    assert_eq!(warnings, [WarningCode::UntrustedSigner]);
}

#[test]
fn a_signature_from_after_the_certificate_expired_is_told_from_one_before() {
    for (time, valid) in [("20291231235959Z", true), ("20300102000000Z", false)] {
        let signer = dated(signer(&leaf(), authority("Middle")), time);
        let (facts, _) = inspected(&package(signer));
        assert_eq!(facts.valid_when_signed, Some(valid), "{time}");
    }
    let (facts, _) = inspected(&package(signer(&leaf(), authority("Middle"))));
    assert_eq!((facts.timestamp, facts.valid_when_signed), (None, None), "without a timestamp");
}

#[test]
fn a_chain_through_somebody_who_may_not_certify_others_is_none() {
    let (facts, _) = inspected(&package(signer(&leaf(), certificate("Middle"))));
    assert!(!facts.chain_complete, "the middle one is no authority");
    assert_eq!(facts.rsa, Some(SignatureMatch::Matches), "the signature itself is one");
}

#[test]
fn signatures_by_another_key_than_the_certificate_s_differ() {
    let own = leaf().self_signed(&*KEY).unwrap();
    let forged = Signer::new(&key().serialize_der(), vec![own.der().to_vec()]).unwrap();
    let (facts, warnings) = inspected(&package(forged));
    assert_eq!(facts.rsa, Some(SignatureMatch::Differs));
    assert_eq!(facts.cms, Some(SignatureMatch::Differs));
    assert_eq!(warnings, [WarningCode::SignatureMismatch, WarningCode::UntrustedSigner]);
}

#[test]
fn signatures_of_another_package_differ() {
    let mut signed = package(dated(signer(&leaf(), authority("Middle")), "20250102030405Z"));
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("other.pkg");
    let component = ComponentBuilder::new("org.example.b", "2").script("preinstall", "#!/bin/sh");
    let signer = dated(signer(&leaf(), authority("Middle")), "20250102030405Z");
    PackageBuilder::component(component).signed_by(signer).write_to(&path).unwrap();
    let other = std::fs::read(path).unwrap();
    let (to, from) = (signatures_at(&signed), signatures_at(&other));
    let length = RSA_BYTES + (18 << 10);
    signed[to..to + length].copy_from_slice(&other[from..from + length]);
    let (facts, warnings) = inspected(&signed);
    assert_eq!(facts.rsa, Some(SignatureMatch::Differs));
    assert_eq!(facts.cms, Some(SignatureMatch::Differs));
    assert!(warnings.contains(&WarningCode::SignatureMismatch));
}

#[test]
fn no_change_within_the_signatures_keeps_them_both() {
    let package = package(dated(signer(&leaf(), authority("Middle")), "20250102030405Z"));
    let at = signatures_at(&package);
    let (genuine, _) = inspected(&package);
    let mut changed = package;
    for position in (at..at + RSA_BYTES + (6 << 10)).step_by(7) {
        for change in [0x01, 0x80] {
            changed[position] ^= change;
            let (facts, warnings) = inspected(&changed);
            if position < at + RSA_BYTES {
                assert_eq!(facts.rsa, Some(SignatureMatch::Differs), "byte {position}");
                assert_eq!(warnings[0], WarningCode::SignatureMismatch);
            } else {
                assert_eq!(facts.rsa, Some(SignatureMatch::Matches), "byte {position}");
                // What is not signed are the lengths, names and certificates of the message.
                let timestamp = facts.timestamp.as_ref();
                let dates = timestamp.is_some_and(|one| one.of_this_signature && one.matches);
                assert!(!dates || timestamp.map(|one| one.unix_seconds) == Some(1_735_787_045));
                assert!(facts.cms.is_some() && facts.signer == genuine.signer);
            }
            changed[position] ^= change;
        }
    }
}
