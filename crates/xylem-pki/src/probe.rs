//! Asking a server that nobody vouches for yet for its public root certificate.

use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{ClientConfig, Resumption};
use rustls::crypto::{WebPkiSupportedAlgorithms, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{DigitallySignedStruct, SignatureScheme};
use xylem_runtime::Clock;

use crate::TlsSetupError;
use crate::tls::{ALPN_HTTP_1_1, ClockTime, VERSIONS, provider};

/// Settings for a connection to **whoever answers**: any certificate is accepted, of any name and
/// age, and none of ours is shown.
///
/// For one purpose alone: to fetch the root certificate from `/v1/ca` before enrolment, when all
/// the administrator has is its fingerprint. Nothing secret may be sent over such a connection,
/// and of what comes back only a root certificate that passes
/// [`TrustAnchors::pinned`](crate::TrustAnchors::pinned) may be believed; the invitation goes over
/// a new connection made with [`client_config`](crate::client_config) and that root.
///
/// # Errors
/// When the library refuses the settings.
pub fn unverified_probe_config(clock: Arc<dyn Clock>) -> Result<Arc<ClientConfig>, TlsSetupError> {
    let provider = provider();
    let verifier = AcceptAnyone(provider.signature_verification_algorithms);
    let mut config = ClientConfig::builder_with_details(provider, Arc::new(ClockTime(clock)))
        .with_protocol_versions(VERSIONS)?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(verifier))
        .with_no_client_auth();
    config.alpn_protocols = vec![ALPN_HTTP_1_1.to_vec()];
    config.resumption = Resumption::disabled();
    Ok(Arc::new(config))
}

/// Believes every certificate, but still that the other side holds its key.
#[derive(Debug)]
struct AcceptAnyone(WebPkiSupportedAlgorithms);

impl ServerCertVerifier for AcceptAnyone {
    fn verify_server_cert(
        &self,
        _leaf: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _name: &ServerName<'_>,
        _ocsp: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, certificate, signature, &self.0)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, certificate, signature, &self.0)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.supported_schemes()
    }
}
