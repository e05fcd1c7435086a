//! The facts of a signature and of a stapled ticket.
//!
//! Whether a chain of certificates is believed is not decided here; see [`SignatureSummary`].

use std::fs::File;
use std::io::Read;
use std::os::unix::fs::FileExt;

use aws_lc_rs::digest::Digest;
use aws_lc_rs::signature::{
    RSA_PKCS1_2048_8192_SHA1_FOR_LEGACY_USE_ONLY, RSA_PKCS1_2048_8192_SHA256,
    RSA_PKCS1_2048_8192_SHA512, RsaParameters, UnparsedPublicKey,
};
use x509_parser::certificate::X509Certificate;
use x509_parser::parse_x509_certificate;

use super::bounded_text;
use super::facts::{SignatureSummary, Warning, WarningCode};
use crate::digest::{Checksum, ChecksumStyle};
use crate::error::ArtifactError;
use crate::xar::{Signature, SignatureKind, XarArchive};

/// Longest RSA signature: a key of 8192 bits.
const MAX_RSA_BYTES: u64 = 1024;
/// Length of the trailer that ends a file with a stapled ticket.
const TICKET_TRAILER_BYTES: usize = 16;
/// First bytes of that trailer.
const TICKET_MAGIC: &[u8; 4] = b"t8lr";
/// The trailer's type for "a ticket lies before me".
const TICKET_TYPE: u16 = 2;

/// Collects what the archive's signatures say; `None` when it has none.
pub(super) fn summarise(
    archive: &XarArchive,
    warnings: &mut Vec<Warning>,
) -> Result<Option<SignatureSummary>, ArtifactError> {
    let signatures = archive.signatures();
    let Some(first) = signatures.first() else { return Ok(None) };
    let has = |kind| signatures.iter().any(|signature| signature.kind == kind);
    let mut summary = SignatureSummary {
        rsa: has(SignatureKind::Rsa),
        cms: has(SignatureKind::Cms),
        matches_content: None,
        signer: None,
        team: None,
        valid_from_unix_seconds: None,
        valid_until_unix_seconds: None,
        certificates: first.certificates.len(),
    };
    let leaf = first.certificates.first().and_then(|der| parse_x509_certificate(der).ok());
    let Some((_, leaf)) = leaf else {
        warnings.push(Warning::new(
            WarningCode::SignatureMismatch,
            "the package is signed, but the signer's certificate cannot be read",
        ));
        return Ok(Some(summary));
    };
    describe(&leaf, &mut summary)?;
    if let Some(signature) = signatures.iter().find(|one| one.kind == SignatureKind::Rsa) {
        summary.matches_content = rsa_matches(archive, signature, &leaf)?;
    }
    if summary.matches_content == Some(false) {
        warnings.push(Warning::new(
            WarningCode::SignatureMismatch,
            "the signature does not fit the package: it was changed after signing, and Macs will \
             refuse it",
        ));
    }
    Ok(Some(summary))
}

fn describe(
    leaf: &X509Certificate<'_>,
    summary: &mut SignatureSummary,
) -> Result<(), ArtifactError> {
    let subject = leaf.subject();
    let text = |value: Option<&x509_parser::x509::AttributeTypeAndValue<'_>>| {
        let value = value.and_then(|value| value.as_str().ok()).map(str::to_owned);
        bounded_text("the signer's certificate", "name", value)
    };
    summary.signer = text(subject.iter_common_name().next())?;
    summary.team = text(subject.iter_organizational_unit().next())?;
    summary.valid_from_unix_seconds = Some(leaf.validity().not_before.timestamp());
    summary.valid_until_unix_seconds = Some(leaf.validity().not_after.timestamp());
    Ok(())
}

/// Whether the RSA signature is one over the table's digest by the certificate's key; `None` when
/// there is nothing to compare (no digest, or an algorithm that signatures never use).
fn rsa_matches(
    archive: &XarArchive,
    signature: &Signature,
    leaf: &X509Certificate<'_>,
) -> Result<Option<bool>, ArtifactError> {
    let Some((parameters, digest)) = archive.table_digest().and_then(signed_digest) else {
        return Ok(None);
    };
    let mut bytes = Vec::new();
    archive
        .signature_section(signature)
        .take(MAX_RSA_BYTES)
        .read_to_end(&mut bytes)
        .map_err(|source| ArtifactError::from_read("the signature", source))?;
    let key = UnparsedPublicKey::new(parameters, leaf.public_key().raw);
    Ok(Some(key.verify_digest(&digest, &bytes).is_ok()))
}

fn signed_digest(checksum: &Checksum) -> Option<(&'static RsaParameters, Digest)> {
    let parameters = match checksum.style() {
        ChecksumStyle::Sha1 => &RSA_PKCS1_2048_8192_SHA1_FOR_LEGACY_USE_ONLY,
        ChecksumStyle::Sha256 => &RSA_PKCS1_2048_8192_SHA256,
        ChecksumStyle::Sha512 => &RSA_PKCS1_2048_8192_SHA512,
        ChecksumStyle::Md5 => return None,
    };
    let algorithm = checksum.style().aws_algorithm()?;
    let digest = Digest::import_less_safe(checksum.as_bytes(), algorithm).ok()?;
    Some((parameters, digest))
}

/// Whether the file ends in a ticket: a little-endian trailer of magic, version, type and length,
/// and a ticket of that length before it.
pub(super) fn ticket_present(file: &File, file_bytes: u64) -> Result<bool, ArtifactError> {
    let Some(position) = file_bytes.checked_sub(TICKET_TRAILER_BYTES as u64) else {
        return Ok(false);
    };
    let mut trailer = [0; TICKET_TRAILER_BYTES];
    file.read_exact_at(&mut trailer, position)
        .map_err(|source| ArtifactError::from_read("the end of the file", source))?;
    let [a, b, c, d, _, _, type_low, type_high, l0, l1, l2, l3, ..] = trailer;
    let length = u64::from(u32::from_le_bytes([l0, l1, l2, l3]));
    Ok(&[a, b, c, d] == TICKET_MAGIC
        && u16::from_le_bytes([type_low, type_high]) == TICKET_TYPE
        && length > 0
        && length <= position)
}
