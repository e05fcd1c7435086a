//! The statement of a timestamp authority (RFC 3161) about when a signature existed.

use aws_lc_rs::digest;
use x509_parser::prelude::FromDer;
use x509_parser::time::ASN1Time;

use super::algorithm;
use super::chain::{Certificate, follow};
use super::cms::SignedData;
use super::common_name;
use super::der::{Elements, INTEGER, OBJECT_IDENTIFIER, OCTET_STRING, SEQUENCE};
use super::facts::TimestampFacts;

/// The attribute of a signature that holds the statement.
pub(super) const ATTRIBUTE: &[u8] =
    &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x09, 0x10, 0x02, 0x0e];
/// What the content of the statement is.
const STATEMENT: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x09, 0x10, 0x01, 0x04];

/// What the statement says about a signature; `None` when it cannot be read.
pub(super) fn read(token: &[u8], signature: &[u8]) -> Option<TimestampFacts> {
    let message = SignedData::read(token)?;
    let content = message.content.filter(|_| message.content_type == STATEMENT)?;
    let mut fields = Elements(content).enter(SEQUENCE)?;
    fields.one(INTEGER)?;
    fields.one(OBJECT_IDENTIFIER)?;
    let mut imprint = fields.enter(SEQUENCE)?;
    let imprint_algorithm = imprint.enter(SEQUENCE)?.one(OBJECT_IDENTIFIER)?.content;
    let imprint = imprint.one(OCTET_STRING)?.content;
    fields.one(INTEGER)?;
    let (_, time) = ASN1Time::from_der(fields.next()?.raw).ok()?;

    let certificates: Vec<Certificate<'_>> =
        message.certificates.iter().filter_map(|der| Certificate::read(der)).collect();
    let authority = certificates.iter().find(|one| message.is_signed_by(&one.parsed));
    let matches = authority.is_some_and(|one| message.matches(content, &one.parsed) == Some(true));
    Some(TimestampFacts {
        unix_seconds: time.timestamp(),
        authority: authority.and_then(|one| common_name(&one.parsed)),
        of_this_signature: algorithm::digest_of(imprint_algorithm)
            .is_some_and(|algorithm| digest::digest(algorithm, signature).as_ref() == imprint),
        matches,
        chain_to_apple_root: authority
            .is_some_and(|one| states_time(one) && follow(one, &certificates).to_apple_root),
    })
}

/// Whether the certificate is one for timestamps: any other that Apple gave out could otherwise
/// date its own signatures.
fn states_time(certificate: &Certificate<'_>) -> bool {
    matches!(certificate.parsed.extended_key_usage(), Ok(Some(usage)) if usage.value.time_stamping)
}
