//! Why a handshake failed, in words for the person who has to mend it.

use std::error::Error as StdError;
use std::io;

use rustls::pki_types::{ServerName, UnixTime};
use rustls::{AlertDescription, CertificateError, Error};
use xylem_model::Timestamp;

/// What `tokio_rustls` says when the other side hangs up before the handshake is through.
const HANDSHAKE_EOF: &str = "tls handshake eof";

/// Layers of errors that are looked through for the one of the TLS library.
const MAX_ERROR_DEPTH: usize = 16;

/// Looks for a failure of TLS in an error and in what caused it, and explains it. `now` is what
/// this machine's clock says. `None` when TLS had no part in it.
///
/// A client may learn only at its first read that the server refused its certificate (in TLS 1.3
/// its own side of the handshake is through by then), so errors of reading deserve this too.
pub fn explain_tls_error(error: &(dyn StdError + 'static), now: Timestamp) -> Option<String> {
    let mut layer = Some(error);
    for _ in 0..MAX_ERROR_DEPTH {
        let error = layer?;
        if let Some(error) = error.downcast_ref::<Error>() {
            return Some(explain(error, now));
        }
        layer = match error.downcast_ref::<io::Error>() {
            Some(error) if error.to_string() == HANDSHAKE_EOF => return Some(hung_up()),
            // An I/O error gives the cause of what it wraps as its own cause, so the thing
            // wrapped has to be asked for.
            Some(error) => error.get_ref().map(|inner| inner as &(dyn StdError + 'static)),
            None => error.source(),
        };
    }
    None
}

fn hung_up() -> String {
    "the other side hung up in the middle of the TLS handshake: is this a port for HTTPS, and is \
     there a proxy between that cuts connections?"
        .to_owned()
}

fn explain(error: &Error, now: Timestamp) -> String {
    match error {
        Error::InvalidCertificate(error) => refused(error, now),
        Error::AlertReceived(alert) => alerted(*alert, now),
        Error::NoCertificatesPresented => {
            "the other side showed no certificate, and one is required here: it has not been \
             enrolled, or uses an address meant for other clients"
                .to_owned()
        }
        Error::InvalidMessage(_)
        | Error::InappropriateMessage { .. }
        | Error::InappropriateHandshakeMessage { .. }
        | Error::PeerSentOversizedRecord => {
            "the other side does not speak TLS: is this a port for HTTPS, not for plain HTTP, and \
             the right port?"
                .to_owned()
        }
        Error::PeerIncompatible(_) => format!(
            "the two sides have no way of TLS in common ({error}): TLS 1.2 or 1.3 is needed"
        ),
        Error::NoApplicationProtocol => {
            "the other side speaks TLS, but not HTTP/1.1: is this the right port?".to_owned()
        }
        other => format!("TLS failed: {other}"),
    }
}

/// We refused the certificate of the other side.
fn refused(error: &CertificateError, now: Timestamp) -> String {
    use CertificateError as Refusal;
    match error {
        Refusal::ExpiredContext { time, not_after } => {
            expired(timestamp(*time), &format!(" on {}", timestamp(*not_after)))
        }
        Refusal::Expired => expired(now, ""),
        Refusal::NotValidYetContext { time, not_before } => {
            early(timestamp(*time), &format!(" before {}", timestamp(*not_before)))
        }
        Refusal::NotValidYet => early(now, " yet"),
        // Another authority of the same name shows as a signature that does not fit.
        Refusal::UnknownIssuer | Refusal::BadSignature => {
            "the other side's certificate was signed by another CA: is --ca (or --fingerprint) \
             that of this server?"
                .to_owned()
        }
        Refusal::NotValidForNameContext { expected, presented } => {
            wrong_name(&host(expected), &presented.join(", "))
        }
        Refusal::NotValidForName => wrong_name("this name", ""),
        Refusal::Revoked => {
            "the other side's certificate was revoked: an administrator has taken it out of \
             service"
                .to_owned()
        }
        Refusal::InvalidPurpose | Refusal::InvalidPurposeContext { .. } => {
            "the other side's certificate is for another purpose: a computer cannot act as a \
             server, nor a plain web server as one of our clients"
                .to_owned()
        }
        other => format!("the other side's certificate was refused: {other}"),
    }
}

fn expired(now: Timestamp, when: &str) -> String {
    format!(
        "the other side's certificate expired{when}; this machine's clock says {now}: is it \
         right? If so, the other side has to renew its certificate"
    )
}

fn early(now: Timestamp, when: &str) -> String {
    format!(
        "the other side's certificate is not valid{when}; this machine's clock says {now}: is it \
         right?"
    )
}

fn wrong_name(expected: &str, presented: &str) -> String {
    let names = if presented.is_empty() { "no name" } else { presented };
    format!(
        "the other side's certificate is not for {expected} (it is for: {names}): use one of its \
         names in the URL, or have the name added to the server's"
    )
}

/// The other side refused something of ours, as a rule our certificate.
fn alerted(alert: AlertDescription, now: Timestamp) -> String {
    use AlertDescription as Alert;
    match alert {
        Alert::CertificateRequired | Alert::NoCertificate => {
            "the other side asks for a certificate and this program has none: enrol first".into()
        }
        Alert::CertificateExpired => format!(
            "the other side refused our certificate as expired or not yet valid; this machine's \
             clock says {now}: are the clocks on both machines right?"
        ),
        Alert::CertificateRevoked => {
            "the other side refused our certificate as revoked: an administrator has taken this \
             machine out of service; enrol again if that was a mistake"
                .into()
        }
        // The alert for a bad signature is what another authority of the same name gives.
        Alert::UnknownCA | Alert::DecryptError => {
            "the other side refused our certificate as signed by another CA: was this machine \
             enrolled with another management server?"
                .into()
        }
        Alert::UnsupportedCertificate => {
            "the other side refused our certificate as made for another purpose".into()
        }
        Alert::BadCertificate | Alert::CertificateUnknown | Alert::AccessDenied => {
            "the other side refused our certificate: its log says why".into()
        }
        Alert::UnrecognisedName => {
            "the other side does not serve the host name in the URL: check the URL".into()
        }
        Alert::ProtocolVersion | Alert::HandshakeFailure | Alert::InsufficientSecurity => {
            "the other side found no way of TLS in common with us: TLS 1.2 or 1.3 is needed".into()
        }
        Alert::NoApplicationProtocol => {
            "the other side speaks TLS, but not HTTP/1.1: is this the right port?".into()
        }
        other => format!("the other side broke off the TLS handshake ({other:?})"),
    }
}

fn host(name: &ServerName<'_>) -> String {
    name.to_str().into_owned()
}

fn timestamp(time: UnixTime) -> Timestamp {
    let seconds = i64::try_from(time.as_secs()).unwrap_or(i64::MAX);
    Timestamp::from_unix_ms(seconds.saturating_mul(1000))
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_unix_ms(1_790_000_000_000);

    #[derive(Debug, thiserror::Error)]
    #[error("cannot check in")]
    struct Outer(#[source] io::Error);

    #[test]
    fn the_cause_is_found_below_other_errors() {
        let inner = Error::InvalidCertificate(CertificateError::Revoked);
        let outer = Outer(io::Error::new(io::ErrorKind::InvalidData, inner));
        assert!(explain_tls_error(&outer, NOW).unwrap().contains("revoked"));
    }

    #[test]
    fn failures_without_tls_are_left_to_others() {
        let refused = io::Error::from(io::ErrorKind::ConnectionRefused);
        assert_eq!(explain_tls_error(&refused, NOW), None);
        assert_eq!(explain_tls_error(&io::Error::other("disk"), NOW), None);
    }

    #[test]
    fn sentences_without_context_show_the_clock() {
        for error in [CertificateError::Expired, CertificateError::NotValidYet] {
            let text = explain_tls_error(&Error::InvalidCertificate(error), NOW).unwrap();
            assert!(text.contains(&format!("clock says {NOW}: is it right?")), "{text}");
        }
        let alert = Error::AlertReceived(AlertDescription::CertificateExpired);
        assert!(explain_tls_error(&alert, NOW).unwrap().contains("refused our certificate"));
    }
}
