//! Changing certificate authorities while everything runs.
//!
//! The steps are those of [`Authority`](xylem_ca::Authority); here is what each means for the
//! running server: whom it believes, what it tells, and which certificate it shows itself.

use xylem_api::authorities::{
    Authorities, AuthorityInfo, AuthorityProgress, AuthorityState, AuthorityStep,
};
use xylem_ca::{Authority, CaError};
use xylem_db::{Actor, Followers, Following};
use xylem_pki::TrustAnchors;
use xylem_runtime::Fs;

use crate::app::App;
use crate::{ServerError, server};

/// A step that is taken on the authority, written to its folder.
pub(crate) type Step<'a> =
    dyn Fn(&mut Authority, &dyn Fs, &std::path::Path) -> Result<(), CaError> + Send + Sync + 'a;

impl App {
    /// What parties are told.
    pub(crate) fn told_authorities(authority: &Authority) -> Authorities {
        Authorities {
            roots_pem: authority.anchors_pem(),
            present: authority.root_fingerprint().to_string(),
        }
    }

    /// Takes a step, lets it count here, and tells everybody.
    pub(crate) async fn change_authority(
        &self,
        action: &'static str,
        actor: &Actor,
        step: &Step<'_>,
    ) -> Result<(), ServerError> {
        let now = self.now();
        let present = {
            let mut authority = self.authority();
            // Some small files: shorter than a wait for another thread would be worth.
            step(&mut authority, self.environment.disk.fs(), &self.folder.ca())?;
            self.take_over_authority(&authority)?;
            authority.root_fingerprint().to_string()
        };
        tracing::info!(action, present, "the certificate authorities changed");
        self.database.note_authority_change(action, &present, actor, now).await?;
        self.control.refresh().await?;
        Ok(())
    }

    /// Believes, shows and tells what the authority says now.
    fn take_over_authority(&self, authority: &Authority) -> Result<(), ServerError> {
        let wanted = TrustAnchors::from_pem(authority.anchors_pem().as_bytes())?;
        // First believed and told, then shown: nobody meets a certificate that came too early.
        self.folder.save_roots(self.environment.disk.fs(), &wanted.to_pem())?;
        self.anchors.replace(&wanted);
        self.control.set_authorities(Self::told_authorities(authority));
        let root = TrustAnchors::from_der(authority.root_der())?;
        let own = self.identity.current();
        let since = own.certificate().not_before;
        if root.verify_client_chain(own.chain(), since).is_err() {
            let (party, url) = (self.identity.party(), &self.public_url);
            let own = server::own_credentials(authority, party, url, self.now())?;
            let folder = self.folder.path();
            self.identity.replace(own).map_err(|error| ServerError::damaged(folder, error))?;
        }
        Ok(())
    }

    /// Where a change of authorities stands.
    pub(crate) async fn authority_state(&self) -> Result<AuthorityState, ServerError> {
        let (step, present, next, former) = {
            let authority = self.authority();
            let present = AuthorityInfo {
                fingerprint: authority.root_fingerprint().to_string(),
                not_after: authority.intermediate_not_after(),
                is_organizations: authority.is_organizations(),
                is_bridged: false,
            };
            let next = authority.next().map(|next| AuthorityInfo {
                fingerprint: next.root.to_string(),
                not_after: next.not_after,
                is_organizations: next.is_organizations,
                is_bridged: next.is_bridged,
            });
            let former = authority.former_fingerprints();
            let step = match (&next, former.is_empty()) {
                (Some(_), _) => AuthorityStep::Announced,
                (None, false) => AuthorityStep::Switched,
                (None, true) => AuthorityStep::Steady,
            };
            (step, present, next, former)
        };
        let of = match &next {
            Some(next) => Following::Believe(&next.fingerprint),
            None => Following::CertifiedBy(&present.fingerprint),
        };
        let (servers, computers) = self.database.followers(of).await?;
        let former = former.iter().map(ToString::to_string).collect();
        let (servers, computers) = (progress(servers), progress(computers));
        Ok(AuthorityState { step, present, next, former, servers, computers })
    }

    /// Goes on with a change as soon as everybody has followed. Says what was done.
    pub(crate) async fn advance_authority(&self) -> Result<String, ServerError> {
        let state = self.authority_state().await?;
        let actor = Actor::system();
        match state.step {
            AuthorityStep::Steady => Ok("no change under way".to_owned()),
            AuthorityStep::Announced if missing(&state).is_none() => {
                self.change_authority("ca.switch", &actor, &|ca, fs, folder| ca.switch(fs, folder))
                    .await?;
                Ok("the next authority signs from now on".to_owned())
            }
            AuthorityStep::Switched if missing(&state).is_none() => {
                self.change_authority("ca.finish", &actor, &|ca, fs, folder| ca.finish(fs, folder))
                    .await?;
                Ok("the authority before is not believed any more".to_owned())
            }
            AuthorityStep::Announced | AuthorityStep::Switched => Ok(format!(
                "waits for {} of {} distribution servers and {} of {} computers",
                state.servers.all - state.servers.followed,
                state.servers.all,
                state.computers.all - state.computers.followed,
                state.computers.all,
            )),
        }
    }
}

/// Who would be cut off by the next step, in a sentence; none where nobody would.
pub(crate) fn missing(state: &AuthorityState) -> Option<String> {
    // Over a bridge who has not heard of the next authority believes it all the same. Distribution
    // servers are waited for in any case: they have it in seconds.
    let is_bridged = state.next.as_ref().is_some_and(|next| next.is_bridged);
    let mut missing = Vec::new();
    for (what, progress, counts) in [
        ("distribution servers", &state.servers, true),
        ("computers", &state.computers, !is_bridged),
    ] {
        let left = progress.all - progress.followed;
        if left > 0 && counts {
            let names = progress.missing.join(", ");
            missing.push(format!("{left} of {} {what} ({names})", progress.all));
        }
    }
    (!missing.is_empty()).then(|| missing.join(" and "))
}

fn progress(of: Followers) -> AuthorityProgress {
    AuthorityProgress { all: of.all, followed: of.followed, missing: of.missing }
}
