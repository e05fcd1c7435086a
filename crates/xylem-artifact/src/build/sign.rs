//! Signatures in the two forms of Apple's tools, by keys of one's own.
//!
//! No Mac believes them unless it was told to: what they are for is to show, and to test, what
//! becomes of a signed package on its way.

use std::fmt;
use std::io;
use std::sync::Arc;

use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeyPair;
use aws_lc_rs::signature::{RSA_PKCS1_SHA256, RSA_PKCS1_SHA512, RsaEncoding};
use x509_parser::parse_x509_certificate;

use crate::digest::ChecksumStyle;
use crate::package::der_element as element;

/// Room that a CMS message is given, as Apple's tools do.
pub(super) const CMS_BYTES: usize = 18 << 10;

/// Object identifiers, with tag and length.
const SIGNED_DATA: &[u8] = &[6, 9, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 7, 2];
const DATA: &[u8] = &[6, 9, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 7, 1];
const CONTENT_TYPE: &[u8] = &[6, 9, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 9, 3];
const MESSAGE_DIGEST: &[u8] = &[6, 9, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 9, 4];
const TIMESTAMP: &[u8] = &[6, 11, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 9, 16, 2, 14];
const STATEMENT: &[u8] = &[6, 11, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 9, 16, 1, 4];
/// An arbitrary policy: 1.2.3.
const POLICY: &[u8] = &[6, 2, 0x2a, 3];
/// SHA-256 and RSA as algorithms, without parameters and with none.
const SHA256_ALGORITHM: &[u8] = &[0x30, 13, 6, 9, 0x60, 0x86, 0x48, 1, 0x65, 3, 4, 2, 1, 5, 0];
const RSA_ALGORITHM: &[u8] = &[0x30, 13, 6, 9, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 1, 5, 0];
const SEQUENCE: u8 = 0x30;
const SET: u8 = 0x31;
const OCTET_STRING: u8 = 4;

/// Somebody who signs packages: an RSA key and certificates.
#[derive(Clone)]
pub struct Signer {
    key: Arc<KeyPair>,
    certificates: Vec<Vec<u8>>,
    timestamp: Option<(Box<Signer>, String)>,
}

impl Signer {
    /// A key in PKCS #8 and its certificates in DER, the signer's own first.
    ///
    /// # Errors
    /// When it is no RSA key of at least 2,048 bits, or there is no certificate.
    pub fn new(pkcs8: &[u8], certificates: Vec<Vec<u8>>) -> io::Result<Self> {
        let key = KeyPair::from_pkcs8(pkcs8).map_err(io::Error::other)?;
        if certificates.is_empty() {
            return Err(invalid("a signer needs a certificate"));
        }
        Ok(Self { key: Arc::new(key), certificates, timestamp: None })
    }

    /// Has an authority state that the signature existed at a time, such as `20231114221320Z`.
    #[must_use]
    pub fn timestamp(mut self, authority: Signer, time: impl Into<String>) -> Self {
        self.timestamp = Some((Box::new(authority), time.into()));
        self
    }

    pub(super) fn certificates(&self) -> &[Vec<u8>] {
        &self.certificates
    }

    /// Length of an RSA signature.
    pub(super) fn rsa_bytes(&self) -> usize {
        self.key.public_modulus_len()
    }

    /// A signature over a table of contents, of which the archive holds the digest.
    pub(super) fn sign_table(&self, table: &[u8], style: ChecksumStyle) -> io::Result<Vec<u8>> {
        match style {
            ChecksumStyle::Sha256 => self.sign(table, &RSA_PKCS1_SHA256),
            ChecksumStyle::Sha512 => self.sign(table, &RSA_PKCS1_SHA512),
            ChecksumStyle::Md5 | ChecksumStyle::Sha1 => {
                Err(invalid("packages are signed over SHA-256 or SHA-512 only"))
            }
        }
    }

    /// A message over the digest, padded to [`CMS_BYTES`], with an open length as Apple's tools
    /// write it.
    pub(super) fn sign_digest(&self, table_digest: &[u8]) -> io::Result<Vec<u8>> {
        let data = self.signed_data(DATA, table_digest, true)?;
        let mut message = [&[SEQUENCE, 0x80], SIGNED_DATA, &[0xa0, 0x80], &data, &[0; 4]].concat();
        if message.len() > CMS_BYTES {
            return Err(invalid("the certificates of the signer take too much room"));
        }
        message.resize(CMS_BYTES, 0);
        Ok(message)
    }

    /// A statement about a signature, as a whole message.
    fn state(&self, signature: &[u8], time: &str) -> io::Result<Vec<u8>> {
        let imprint = element(OCTET_STRING, digest(&SHA256, signature).as_ref());
        let imprint = element(SEQUENCE, &[SHA256_ALGORITHM, &imprint].concat());
        let time = element(0x18, time.as_bytes());
        let statement =
            element(SEQUENCE, &[&[2, 1, 1], POLICY, &imprint, &[2, 1, 1], &time].concat());
        let data = self.signed_data(STATEMENT, &statement, false)?;
        Ok(element(SEQUENCE, &[SIGNED_DATA, &element(0xa0, &data)].concat()))
    }

    fn signed_data(&self, kind: &[u8], content: &[u8], detached: bool) -> io::Result<Vec<u8>> {
        let signer = self.signer_info(kind, content)?;
        let inside =
            if detached { Vec::new() } else { element(0xa0, &element(OCTET_STRING, content)) };
        let algorithms = element(SET, SHA256_ALGORITHM);
        let fields = [
            &[2, 1, 1],
            algorithms.as_slice(),
            &element(SEQUENCE, &[kind, &inside].concat()),
            &element(0xa0, &self.certificates.concat()),
            &element(SET, &signer),
        ];
        Ok(element(SEQUENCE, &fields.concat()))
    }

    fn signer_info(&self, kind: &[u8], content: &[u8]) -> io::Result<Vec<u8>> {
        let attribute =
            |name: &[u8], value: &[u8]| element(SEQUENCE, &[name, &element(SET, value)].concat());
        let content_digest = element(OCTET_STRING, digest(&SHA256, content).as_ref());
        let attributes =
            [attribute(CONTENT_TYPE, kind), attribute(MESSAGE_DIGEST, &content_digest)].concat();
        let signature = self.sign(&element(SET, &attributes), &RSA_PKCS1_SHA256)?;
        let unsigned = match &self.timestamp {
            Some((authority, time)) => {
                let statement = authority.state(&signature, time)?;
                element(0xa1, &attribute(TIMESTAMP, &statement))
            }
            None => Vec::new(),
        };
        let id = self.id()?;
        let fields = [
            &[2, 1, 1],
            id.as_slice(),
            SHA256_ALGORITHM,
            &element(0xa0, &attributes),
            RSA_ALGORITHM,
            &element(OCTET_STRING, &signature),
            &unsigned,
        ];
        Ok(element(SEQUENCE, &fields.concat()))
    }

    /// Which certificate is meant: its issuer and serial number.
    fn id(&self) -> io::Result<Vec<u8>> {
        let own = self.certificates.first().map(Vec::as_slice).unwrap_or_default();
        let (_, certificate) =
            parse_x509_certificate(own).map_err(|error| invalid(&error.to_string()))?;
        let serial = element(2, certificate.raw_serial());
        Ok(element(SEQUENCE, &[certificate.issuer().as_raw(), &serial].concat()))
    }

    fn sign(&self, message: &[u8], encoding: &'static dyn RsaEncoding) -> io::Result<Vec<u8>> {
        let mut signature = vec![0; self.rsa_bytes()];
        self.key
            .sign(encoding, &SystemRandom::new(), message, &mut signature)
            .map_err(io::Error::other)?;
        Ok(signature)
    }
}

/// Says nothing of the key.
impl fmt::Debug for Signer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Signer").field("certificates", &self.certificates.len()).finish()
    }
}

fn invalid(reason: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, reason)
}
