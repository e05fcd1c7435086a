//! Who this program is, now.

use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use rustls::SignatureScheme;
use rustls::client::ResolvesClientCert;
use rustls::sign::CertifiedKey;
use xylem_model::{Party, Timestamp};

use crate::Credentials;

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// A computer asks for its next certificate from this age of the present one on.
pub const COMPUTER_RENEW_AFTER: Duration = DAY.saturating_mul(30);
/// A distribution server asks for its next certificate from this age of the present one on.
pub const DISTRIBUTION_SERVER_RENEW_AFTER: Duration = DAY.saturating_mul(10);
/// A management server makes its next certificate from this age of the present one on.
pub const MANAGEMENT_SERVER_RENEW_AFTER: Duration = DAY.saturating_mul(10);

/// When a certificate is due for renewal: long before it runs out, so that an authority that is
/// away for days stops nobody.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RenewalRule {
    /// The age from which on. A certificate so short-lived that this is beyond a third of its
    /// life is renewed from that third on.
    pub after: Duration,
}

impl RenewalRule {
    /// The rule for a party's role.
    pub const fn for_party(party: &Party) -> Self {
        let after = match party {
            Party::Computer(_) => COMPUTER_RENEW_AFTER,
            Party::DistributionServer(_) => DISTRIBUTION_SERVER_RENEW_AFTER,
            Party::ManagementServer(_) => MANAGEMENT_SERVER_RENEW_AFTER,
        };
        Self { after }
    }

    /// The moment from which on a certificate of this validity is to be renewed.
    pub fn due(&self, not_before: Timestamp, not_after: Timestamp) -> Timestamp {
        not_before.plus(self.after.min(not_after.since(not_before) / 3))
    }
}

/// A shared handle to the present [`Credentials`]. All clones see a replacement at once; TLS
/// settings made from it use the new certificate from the next handshake on.
#[derive(Debug, Clone)]
pub struct Identity(Arc<ArcSwap<Credentials>>);

/// Credentials of another party cannot take the place of ours.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the new certificate is for {given}, but this is {ours}")]
pub struct OtherParty {
    /// Who we are.
    pub ours: Party,
    /// Whom the new certificate names.
    pub given: Party,
}

impl Identity {
    /// An identity with its first credentials.
    pub fn new(credentials: Credentials) -> Self {
        Self(Arc::new(ArcSwap::from_pointee(credentials)))
    }

    /// The present credentials.
    pub fn current(&self) -> Arc<Credentials> {
        self.0.load_full()
    }

    /// Puts renewed credentials in place, for all clones. To keep them across a restart use
    /// [`IdentityStore::renew`](crate::IdentityStore::renew), which ends with this.
    ///
    /// # Errors
    /// When they are another party's.
    pub fn replace(&self, credentials: Credentials) -> Result<(), OtherParty> {
        self.check_successor(&credentials)?;
        self.0.store(Arc::new(credentials));
        Ok(())
    }

    pub(crate) fn check_successor(&self, credentials: &Credentials) -> Result<(), OtherParty> {
        let (ours, given) = (self.party(), credentials.certificate().party);
        if ours == given { Ok(()) } else { Err(OtherParty { ours, given }) }
    }

    /// Who this is.
    pub fn party(&self) -> Party {
        self.0.load().certificate().party
    }

    /// The present certificate's serial number, in hexadecimal.
    pub fn serial(&self) -> String {
        self.0.load().certificate().serial_hex.clone()
    }

    /// The present certificate is valid from this moment on.
    pub fn not_before(&self) -> Timestamp {
        self.0.load().certificate().not_before
    }

    /// The present certificate is valid up to this moment.
    pub fn not_after(&self) -> Timestamp {
        self.0.load().certificate().not_after
    }

    /// Whether the present certificate is due for renewal.
    pub fn should_renew(&self, now: Timestamp, rule: RenewalRule) -> bool {
        let credentials = self.0.load();
        let certificate = credentials.certificate();
        now >= rule.due(certificate.not_before, certificate.not_after)
    }
}

// Asked anew at each handshake, which is what makes a renewal take effect in open clients.
impl ResolvesClientCert for Identity {
    fn resolve(&self, _roots: &[&[u8]], _schemes: &[SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        // Offered whatever roots the server names: a server of another authority then refuses it
        // by name, which tells more than the absence of a certificate would.
        Some(self.0.load().certified())
    }

    fn has_certs(&self) -> bool {
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn day(number: i64) -> Timestamp {
        Timestamp::from_unix_ms(number * 86_400_000)
    }

    #[test]
    fn certificates_are_due_at_their_roles_age() {
        let computer = RenewalRule { after: COMPUTER_RENEW_AFTER };
        assert_eq!(computer.due(day(0), day(365)), day(30));
        let server = RenewalRule { after: DISTRIBUTION_SERVER_RENEW_AFTER };
        assert_eq!(server.due(day(100), day(130)), day(110));
    }

    #[test]
    fn short_lived_certificates_are_due_after_a_third() {
        let rule = RenewalRule { after: COMPUTER_RENEW_AFTER };
        assert_eq!(rule.due(day(0), day(9)), day(3));
        assert_eq!(rule.due(day(9), day(0)), day(9));
    }
}
