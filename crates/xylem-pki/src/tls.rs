//! TLS settings for servers and clients.
//!
//! - TLS 1.2 and 1.3, with aws-lc-rs. Servers speak HTTP/2 and HTTP/1.1 above it; our own clients
//!   HTTP/1.1 only, which costs less for large answers.
//! - The certificate presented is the one of the moment, the roots believed are those of the
//!   moment; the time is the [`Clock`]'s.
//! - **No session is resumed**, by ticket or by session number. A resumed session takes over the
//!   verdict of an earlier handshake, and so would outlive the expiry of a certificate and a
//!   revocation that cuts connections; a full handshake with P-256 costs about a millisecond.
//! - Revocation is not looked at here: rights, and whether a serial number is still good, are
//!   checked at every request against current state.

use std::sync::Arc;

use rustls::SupportedProtocolVersion;
use rustls::client::{ClientConfig, Resumption};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::UnixTime;
use rustls::server::danger::ClientCertVerifier;
use rustls::server::{NoServerSessionStorage, ServerConfig, WebPkiClientVerifier};
use rustls::time_provider::TimeProvider;
use rustls::version::{TLS12, TLS13};
use xylem_runtime::Clock;

use crate::anchors::unix_time;
use crate::presented::{ALPN_ACME, ALPN_PEER, Presented};
use crate::verify::{Clients, Servers};
use crate::{Identity, TrustAnchors};

/// The name of HTTP/1.1 in application protocol negotiation (RFC 7301).
pub const ALPN_HTTP_1_1: &[u8] = b"http/1.1";

/// The name of HTTP/2.
pub const ALPN_HTTP_2: &[u8] = b"h2";

pub(crate) const VERSIONS: &[&SupportedProtocolVersion] = &[&TLS13, &TLS12];

/// What a server asks of its clients.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClientAuth {
    /// Nothing: anybody may connect, nobody is asked for a certificate.
    None,
    /// A certificate where the client has one; one that is presented must be good.
    Optional,
    /// A good certificate.
    Required,
}

/// TLS settings that could not be made.
#[derive(Debug, thiserror::Error)]
pub enum TlsSetupError {
    /// The library refuses the settings.
    #[error("cannot set up TLS")]
    Refused(#[from] rustls::Error),
}

/// Settings for a listener that presents an identity, or what [`Presented`] says, and believes
/// clients of `anchors`.
///
/// # Errors
/// When the library refuses the settings.
pub fn server_config(
    presented: impl Into<Presented>,
    anchors: &TrustAnchors,
    clock: Arc<dyn Clock>,
    client_auth: ClientAuth,
) -> Result<Arc<ServerConfig>, TlsSetupError> {
    let verifier: Arc<dyn ClientCertVerifier> = match client_auth {
        ClientAuth::None => WebPkiClientVerifier::no_client_auth(),
        ClientAuth::Optional => Arc::new(Clients::new(anchors, false)),
        ClientAuth::Required => Arc::new(Clients::new(anchors, true)),
    };
    let mut config = ServerConfig::builder_with_details(provider(), Arc::new(ClockTime(clock)))
        .with_protocol_versions(VERSIONS)?
        .with_client_cert_verifier(verifier)
        .with_cert_resolver(Arc::new(presented.into()));
    config.alpn_protocols = [ALPN_HTTP_2, ALPN_HTTP_1_1, ALPN_ACME].map(<[u8]>::to_vec).into();
    config.session_storage = Arc::new(NoServerSessionStorage {});
    config.send_tls13_tickets = 0;
    Ok(Arc::new(config))
}

/// Settings for connections to servers of `anchors`, whose host name or address must be in their
/// certificate; presents `identity` where the server asks for it.
///
/// # Errors
/// When the library refuses the settings.
pub fn client_config(
    anchors: &TrustAnchors,
    identity: Option<&Identity>,
    clock: Arc<dyn Clock>,
) -> Result<Arc<ClientConfig>, TlsSetupError> {
    let builder = ClientConfig::builder_with_details(provider(), Arc::new(ClockTime(clock)))
        .with_protocol_versions(VERSIONS)?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(Servers(anchors.clone())));
    let mut config = match identity {
        Some(identity) => builder.with_client_cert_resolver(Arc::new(identity.clone())),
        None => builder.with_no_client_auth(),
    };
    config.alpn_protocols = vec![ALPN_HTTP_1_1.to_vec(), ALPN_PEER.to_vec()];
    config.resumption = Resumption::disabled();
    Ok(Arc::new(config))
}

/// The one cryptographic library of the project.
pub(crate) fn provider() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::aws_lc_rs::default_provider())
}

/// Lets our clock decide what has expired, so that tests and simulations do.
#[derive(Debug)]
pub(crate) struct ClockTime(pub(crate) Arc<dyn Clock>);

impl TimeProvider for ClockTime {
    fn current_time(&self) -> Option<UnixTime> {
        Some(unix_time(self.0.now()))
    }
}
