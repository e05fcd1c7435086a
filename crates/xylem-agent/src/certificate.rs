//! Keeping the certificate young, and of the authority that signs.

use xylem_api::authorities::Authorities;
use xylem_client::{PresentRoot, enroll, follow_authorities};
use xylem_pki::RenewalRule;
use xylem_telemetry::chain;

use crate::agent::Agent;
use crate::error::AgentError;
use crate::session::Session;

impl Agent {
    /// Gets a new certificate when the present one has lived long enough. That this fails matters
    /// only once the present one has run out.
    pub(crate) async fn renew_certificate(&self, session: &Session) -> Result<(), AgentError> {
        let (identity, now) = (self.identity(), self.environment().clock.now());
        if !identity.should_renew(now, RenewalRule::for_party(&identity.party())) {
            return Ok(());
        }
        match self.new_certificate(session).await {
            Err(AgentError::Renew { .. }) if now < identity.not_after() => Ok(()),
            other => other,
        }
    }

    /// Believes the authorities that the management server names, and gets a certificate of the
    /// one that signs. Where that fails it is tried at the next check-in: both are believed. Whether
    /// anything changed.
    pub(crate) async fn follow_authorities(
        &self,
        session: &Session,
        told: &Authorities,
    ) -> Result<bool, AgentError> {
        let before = (self.anchors().fingerprints(), self.identity().serial());
        let present = self.believe(session, told).await;
        if present.is_some_and(|present| !present.has_certified(self.identity())) {
            match self.new_certificate(session).await {
                // What was believed for the sake of the old one need not be any more.
                Ok(()) => drop(self.believe(session, told).await),
                Err(AgentError::Renew { .. }) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(before != (self.anchors().fingerprints(), self.identity().serial()))
    }

    async fn believe(&self, session: &Session, told: &Authorities) -> Option<PresentRoot> {
        let (identity, anchors) = (self.identity().clone(), self.anchors().clone());
        let told = told.clone();
        let followed = session.run(move |fs, folder| {
            follow_authorities(fs, &folder.identity(), &identity, &anchors, &told)
        });
        followed
            .await
            .inspect_err(|error| {
                tracing::warn!(error = %chain(error), "what was believed before is still believed");
            })
            .ok()
    }

    async fn new_certificate(&self, session: &Session) -> Result<(), AgentError> {
        let (identity, anchors) = (self.identity(), self.anchors());
        let old = identity.current();
        let renewed = enroll::renew(self.environment(), self.server(), anchors, &old).await;
        let credentials = renewed.map_err(|source| {
            tracing::warn!(
                error = %chain(&source),
                until = %identity.not_after(),
                "the certificate could not be renewed; this is tried at each check-in"
            );
            AgentError::Renew { server: self.server().clone(), source }
        })?;
        let (identity, anchors) = (identity.clone(), anchors.clone());
        let kept = session
            .run(move |fs, folder| folder.identity().renew(fs, &identity, credentials, &anchors));
        kept.await?;
        // Kept connections would go on to show the old certificate.
        self.transport().forget_connections();
        tracing::info!(until = %self.identity().not_after(), "certificate renewed");
        Ok(())
    }
}
