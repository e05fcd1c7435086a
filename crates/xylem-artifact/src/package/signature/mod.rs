//! The facts of a signature.
//!
//! A package is signed once or twice: by an RSA signature and by a CMS message, both over the
//! digest of its table of contents. [`facts`] is what is told of them; nothing here decides whether
//! a signer is believed.
//!
//! One certificate is spoken of throughout, the first of the first signature: both signatures are
//! compared with its key, so that no signature of one signer lends credit to the name of another.

mod algorithm;
mod ber;
mod chain;
mod cms;
mod der;
mod facts;
mod ticket;
mod timestamp;

use std::io::Read;

use aws_lc_rs::digest::Digest;
use x509_parser::certificate::X509Certificate;
use x509_parser::x509::AttributeTypeAndValue;

pub(crate) use ber::element as der_element;
pub use facts::{SignatureMatch, SignatureSummary, SignerKind, TimestampFacts};
pub(super) use ticket::ticket_present;

use super::MAX_TEXT_BYTES;
use crate::digest::Checksum;
use crate::error::ArtifactError;
use crate::warning::{Warning, WarningCode};
use crate::xar::{Signature, SignatureKind, XarArchive};
use chain::Certificate;
use cms::SignedData;

/// Longest RSA signature: a key of 8192 bits.
const MAX_RSA_BYTES: u64 = 1024;
/// Longest CMS message. Genuine ones take 18 KiB with their padding.
const MAX_CMS_BYTES: u64 = 256 << 10;

/// Collects what the archive's signatures say; `None` when it has none.
pub(super) fn summarise(
    archive: &XarArchive,
    warnings: &mut Vec<Warning>,
) -> Result<Option<SignatureSummary>, ArtifactError> {
    let signatures = archive.signatures();
    let Some(first) = signatures.first() else { return Ok(None) };
    let find = |kind| signatures.iter().find(|signature| signature.kind == kind);
    let (rsa, cms) = (find(SignatureKind::Rsa), find(SignatureKind::Cms));
    let mut summary = SignatureSummary {
        rsa: rsa.map(|_| SignatureMatch::NotChecked),
        cms: cms.map(|_| SignatureMatch::NotChecked),
        signer: None,
        team: None,
        signer_kind: SignerKind::Other,
        valid_from_unix_seconds: None,
        valid_until_unix_seconds: None,
        certificates: first.certificates.len(),
        chain_complete: false,
        chain_to_apple_root: false,
        timestamp: None,
        valid_when_signed: None,
    };
    let certificates: Vec<Certificate<'_>> =
        first.certificates.iter().map_while(|der| Certificate::read(der)).collect();
    let Some(leaf) = certificates.first() else {
        warnings.push(Warning::new(
            WarningCode::SignatureMismatch,
            "the package is signed, but the signer's certificate cannot be read",
        ));
        return Ok(Some(summary));
    };
    describe(leaf, &certificates, &mut summary);
    if let Some(signature) = rsa {
        let bytes = read(archive, signature, MAX_RSA_BYTES)?;
        let digest = archive.table_digest().and_then(as_digest);
        let matches =
            digest.and_then(|digest| algorithm::verify(leaf.parsed.public_key(), &digest, &bytes));
        summary.rsa = Some(SignatureMatch::of(matches));
    }
    if let Some(signature) = cms {
        let bytes = read(archive, signature, MAX_CMS_BYTES)?;
        check_cms(&bytes, archive.table_digest(), &leaf.parsed, &mut summary);
    }
    warn(&summary, warnings);
    Ok(Some(summary))
}

fn describe(leaf: &Certificate<'_>, all: &[Certificate<'_>], summary: &mut SignatureSummary) {
    let certificate = &leaf.parsed;
    let chain = chain::follow(leaf, all);
    summary.signer = common_name(certificate);
    summary.team = text(certificate.subject().iter_organizational_unit().next());
    summary.signer_kind = chain::signer_kind(certificate, chain);
    summary.valid_from_unix_seconds = Some(certificate.validity().not_before.timestamp());
    summary.valid_until_unix_seconds = Some(certificate.validity().not_after.timestamp());
    summary.chain_complete = chain.complete;
    summary.chain_to_apple_root = chain.to_apple_root;
}

/// Compares a CMS message with the digest that it is to be about, and reads its timestamp.
fn check_cms(
    bytes: &[u8],
    table_digest: Option<&Checksum>,
    leaf: &X509Certificate<'_>,
    summary: &mut SignatureSummary,
) {
    let Some(der) = ber::to_der(bytes) else { return };
    let Some(message) = SignedData::read(&der) else { return };
    if let Some(digest) = table_digest.map(Checksum::as_bytes) {
        let of_this =
            message.is_signed_by(leaf) && message.content.is_none_or(|content| content == digest);
        let matches = if of_this { message.matches(digest, leaf) } else { Some(false) };
        summary.cms = Some(SignatureMatch::of(matches));
    }
    let token = message.unsigned_attribute(timestamp::ATTRIBUTE);
    summary.timestamp = token.and_then(|token| timestamp::read(token.raw, message.signature()));
    let validity = leaf.validity();
    summary.valid_when_signed = summary
        .timestamp
        .as_ref()
        .filter(|timestamp| timestamp.of_this_signature && timestamp.matches)
        .map(|timestamp| {
            (validity.not_before.timestamp()..=validity.not_after.timestamp())
                .contains(&timestamp.unix_seconds)
        });
}

fn warn(summary: &SignatureSummary, warnings: &mut Vec<Warning>) {
    let any = |wanted| [summary.rsa, summary.cms].contains(&Some(wanted));
    if any(SignatureMatch::Differs) {
        warnings.push(Warning::new(
            WarningCode::SignatureMismatch,
            "the signature does not fit the package: it was changed after signing, and Macs will \
             refuse it",
        ));
    } else if !any(SignatureMatch::Matches) || any(SignatureMatch::NotChecked) {
        warnings.push(Warning::new(
            WarningCode::SignatureMismatch,
            "the package is signed in a way that cannot be checked here; a Mac may refuse it",
        ));
    }
    if !summary.chain_to_apple_root {
        let signer = summary.signer.as_deref().unwrap_or("somebody without a name");
        warnings.push(Warning::new(
            WarningCode::UntrustedSigner,
            format!(
                "the package is signed by {signer:?}, whose certificate does not lead to Apple; \
                 anybody can make such a certificate, whatever its name says"
            ),
        ));
    }
}

fn read(
    archive: &XarArchive,
    signature: &Signature,
    max_bytes: u64,
) -> Result<Vec<u8>, ArtifactError> {
    let mut bytes = Vec::new();
    archive
        .signature_section(signature)
        .take(max_bytes)
        .read_to_end(&mut bytes)
        .map_err(|source| ArtifactError::from_read("the signature", source))?;
    Ok(bytes)
}

/// The digest of the table as the RSA signature takes it; nobody signs MD5.
fn as_digest(checksum: &Checksum) -> Option<Digest> {
    let algorithm = checksum.style().aws_algorithm()?;
    Digest::import_less_safe(checksum.as_bytes(), algorithm).ok()
}

fn common_name(certificate: &X509Certificate<'_>) -> Option<String> {
    text(certificate.subject().iter_common_name().next())
}

/// A name for people, cut to what is shown.
fn text(value: Option<&AttributeTypeAndValue<'_>>) -> Option<String> {
    let text = value?.as_str().ok()?.trim();
    let end = text.floor_char_boundary(MAX_TEXT_BYTES);
    text.get(..end).filter(|text| !text.is_empty()).map(str::to_owned)
}
