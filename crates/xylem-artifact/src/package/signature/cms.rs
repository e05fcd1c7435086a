//! A signed message (CMS `SignedData`, RFC 5652) with one signer.
//!
//! Two kinds occur: around a package's digest, which is not inside, and around the statement of a
//! timestamp authority, which is.

use aws_lc_rs::digest::{self, Algorithm};
use x509_parser::certificate::X509Certificate;
use x509_parser::extensions::ParsedExtension;

use super::algorithm;
use super::der::{
    Element, Elements, INTEGER, OBJECT_IDENTIFIER, OCTET_STRING, SEQUENCE, SET, field,
};

/// Most certificates of one message; genuine ones have three.
const MAX_CERTIFICATES: usize = 16;

const SIGNED_DATA: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x07, 0x02];
const CONTENT_TYPE: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x09, 0x03];
const MESSAGE_DIGEST: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x09, 0x04];

/// The message, as far as it counts here.
#[derive(Debug)]
pub(super) struct SignedData<'a> {
    /// What the content is, as an object identifier.
    pub(super) content_type: &'a [u8],
    /// The content, where it is inside.
    pub(super) content: Option<&'a [u8]>,
    /// Certificates in DER, in any order.
    pub(super) certificates: Vec<&'a [u8]>,
    signer: Signer<'a>,
}

#[derive(Debug)]
struct Signer<'a> {
    id: Element<'a>,
    digest: Option<&'static Algorithm>,
    signed_attributes: Option<Element<'a>>,
    signature_algorithm: &'a [u8],
    signature: &'a [u8],
    unsigned_attributes: Elements<'a>,
}

impl<'a> SignedData<'a> {
    /// Reads a message in DER.
    pub(super) fn read(der: &'a [u8]) -> Option<Self> {
        let mut info = Elements(der).enter(SEQUENCE)?;
        if info.one(OBJECT_IDENTIFIER)?.content != SIGNED_DATA {
            return None;
        }
        let mut data = info.enter(field(0))?.enter(SEQUENCE)?;
        data.one(INTEGER)?;
        data.one(SET)?;
        let mut content = data.enter(SEQUENCE)?;
        let content_type = content.one(OBJECT_IDENTIFIER)?.content;
        let content = match content.enter(field(0)) {
            Some(mut inside) => Some(inside.one(OCTET_STRING)?.content),
            None => None,
        };
        let certificates = data.enter(field(0)).unwrap_or(Elements(&[]));
        let certificates: Vec<&[u8]> = certificates
            .filter(|one| one.tag == SEQUENCE)
            .map(|one| one.raw)
            .take(MAX_CERTIFICATES)
            .collect();
        // Revoked certificates.
        data.one(field(1));
        let signer = Signer::read(data.enter(SET)?.enter(SEQUENCE)?)?;
        Some(Self { content_type, content, certificates, signer })
    }

    /// Whether the message names this certificate as its signer's.
    pub(super) fn is_signed_by(&self, certificate: &X509Certificate<'_>) -> bool {
        let id = self.signer.id;
        if id.tag == SEQUENCE {
            let mut fields = Elements(id.content);
            return fields.one(SEQUENCE).is_some_and(|issuer| {
                issuer.raw == certificate.issuer().as_raw()
                    && fields
                        .one(INTEGER)
                        .is_some_and(|serial| serial.content == certificate.raw_serial())
            });
        }
        certificate.extensions().iter().any(|extension| match extension.parsed_extension() {
            ParsedExtension::SubjectKeyIdentifier(key) => id.tag == 0x80 && key.0 == id.content,
            _ => false,
        })
    }

    /// Whether it is a signature over this content with the certificate's key; `None` when its
    /// algorithms are unknown here.
    pub(super) fn matches(
        &self,
        content: &[u8],
        certificate: &X509Certificate<'_>,
    ) -> Option<bool> {
        let signer = &self.signer;
        let content_digest = digest::digest(signer.digest?, content);
        let signed = match signer.signed_attributes {
            // Signed is the set that they are, not the field that they stand in.
            Some(attributes) => {
                let stated = Elements(attributes.content);
                let says = |oid, tag, value: &[u8]| {
                    attribute(stated, oid).is_some_and(|one| one.tag == tag && one.content == value)
                };
                if !says(MESSAGE_DIGEST, OCTET_STRING, content_digest.as_ref())
                    || !says(CONTENT_TYPE, OBJECT_IDENTIFIER, self.content_type)
                {
                    return Some(false);
                }
                let (_, rest) = attributes.raw.split_first()?;
                [&[SET], rest].concat()
            }
            None => content.to_vec(),
        };
        let over = algorithm::signed_digest(signer.signature_algorithm, signer.digest)?;
        let key = certificate.public_key();
        algorithm::verify(key, &digest::digest(over, &signed), signer.signature)
    }

    /// The signature itself, of which a timestamp says when it existed.
    pub(super) fn signature(&self) -> &'a [u8] {
        self.signer.signature
    }

    /// An attribute that was added to the signature afterwards.
    pub(super) fn unsigned_attribute(&self, oid: &[u8]) -> Option<Element<'a>> {
        attribute(self.signer.unsigned_attributes, oid)
    }
}

impl<'a> Signer<'a> {
    fn read(mut fields: Elements<'a>) -> Option<Self> {
        fields.one(INTEGER)?;
        let id = fields.next().filter(|id| matches!(id.tag, SEQUENCE | 0x80))?;
        let digest = fields.enter(SEQUENCE)?.one(OBJECT_IDENTIFIER)?.content;
        let signed_attributes = fields.one(field(0));
        let signature_algorithm = fields.enter(SEQUENCE)?.one(OBJECT_IDENTIFIER)?.content;
        let signature = fields.one(OCTET_STRING)?.content;
        let unsigned_attributes = fields.enter(field(1)).unwrap_or(Elements(&[]));
        Some(Self {
            id,
            digest: algorithm::digest_of(digest),
            signed_attributes,
            signature_algorithm,
            signature,
            unsigned_attributes,
        })
    }
}

/// The only value of the only attribute of this name.
fn attribute<'a>(attributes: Elements<'a>, oid: &[u8]) -> Option<Element<'a>> {
    let mut named = attributes.filter_map(|attribute| {
        let mut fields = Elements(attribute.content);
        let name = fields.one(OBJECT_IDENTIFIER)?;
        (name.content == oid).then_some(fields)
    });
    let mut values = named.next()?.enter(SET)?;
    let value = values.next()?;
    (named.next().is_none() && values.next().is_none()).then_some(value)
}
