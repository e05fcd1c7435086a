//! Changing certificate authorities while everything runs.
//!
//! The steps are those of [`Authority`](xylem_ca::Authority); here is what each means for the
//! running server: whom it believes, what it tells, and which certificate it shows itself.

use std::path::Path;
use std::sync::atomic::Ordering;

use xylem_api::authorities::{
    Authorities, AuthorityInfo, AuthorityProgress, AuthorityState, AuthorityStep,
};
use xylem_ca::{Authority, CaError};
use xylem_db::{Actor, Followers, Following};
use xylem_pki::TrustAnchors;
use xylem_runtime::Fs;
use xylem_telemetry::chain;

use crate::app::App;
use crate::{ServerError, server};

impl App {
    /// What parties are told.
    pub(crate) fn told_authorities(authority: &Authority) -> Authorities {
        Authorities {
            roots_pem: authority.anchors_pem(),
            present: authority.root_fingerprint().to_string(),
        }
    }

    /// Takes a step, lets it count here, and tells everybody. A step that was taken and could not be
    /// told is told by the job.
    pub(crate) async fn change_authority(
        &self,
        action: &'static str,
        actor: &Actor,
        step: impl FnOnce(&mut Authority, &dyn Fs, &Path) -> Result<(), CaError> + Send + 'static,
    ) -> Result<(), ServerError> {
        let app = self.clone();
        let stepping = self.environment.disk.run(move |fs| {
            let mut authority = app.authority();
            step(&mut authority, fs, &app.folder.ca())?;
            app.authority_steps.fetch_add(1, Ordering::AcqRel);
            app.take_over_authority(&authority, fs)
        });
        stepping.await?;
        self.tell_authority(action, actor).await
    }

    async fn tell_authority(&self, action: &'static str, actor: &Actor) -> Result<(), ServerError> {
        let steps = self.authority_steps.load(Ordering::Acquire);
        let (now, present) = (self.now(), self.authority().root_fingerprint().to_string());
        tracing::info!(action, present, "the certificate authorities changed");
        self.database.note_authority_change(action, &present, actor, now).await?;
        self.control.refresh().await?;
        self.authority_told.fetch_max(steps, Ordering::AcqRel);
        Ok(())
    }

    /// Believes, shows and tells what the authority says now. May be done again and again.
    fn take_over_authority(&self, authority: &Authority, fs: &dyn Fs) -> Result<(), ServerError> {
        let wanted = TrustAnchors::from_pem(authority.anchors_pem().as_bytes())?;
        // First believed and told, then shown: nobody meets a certificate that came too early.
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
        if let Err(error) = self.folder.save_roots(fs, &wanted.to_pem()) {
            // For people only, who can have it from `GET /v1/ca` too.
            tracing::warn!(error = %chain(&error), "the file with the root certificates is old");
        }
        Ok(())
    }

    /// Takes over and tells again what an error or a stop in the middle left undone.
    async fn settle_authority(&self) -> Result<(), ServerError> {
        let taken = self.authority_steps.load(Ordering::Acquire);
        if self.authority_told.load(Ordering::Acquire) >= taken {
            return Ok(());
        }
        let app = self.clone();
        let settling =
            self.environment.disk.run(move |fs| app.take_over_authority(&app.authority(), fs));
        settling.await?;
        self.tell_authority("ca.settle", &Actor::system()).await
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
        self.settle_authority().await?;
        let is_steady = {
            let authority = self.authority();
            authority.next().is_none() && authority.former_fingerprints().is_empty()
        };
        if is_steady {
            return Ok("no change under way".to_owned());
        }
        let state = self.authority_state().await?;
        let actor = Actor::system();
        match state.step {
            AuthorityStep::Steady => Ok("no change under way".to_owned()),
            AuthorityStep::Announced if missing(&state).is_none() => {
                self.change_authority("ca.switch", &actor, switching(&state)).await?;
                Ok("the next authority signs from now on".to_owned())
            }
            AuthorityStep::Switched if missing(&state).is_none() => {
                self.change_authority("ca.finish", &actor, finishing(&state)).await?;
                Ok("the authority before is not believed any more".to_owned())
            }
            AuthorityStep::Announced | AuthorityStep::Switched => {
                Ok(format!("waits for {}", missing(&state).unwrap_or_default()))
            }
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

/// The switch to the very authority that a state speaks of: another may have been brought in since.
pub(crate) fn switching(
    state: &AuthorityState,
) -> impl FnOnce(&mut Authority, &dyn Fs, &Path) -> Result<(), CaError> + Send + 'static {
    let expected = state.next.as_ref().map(|next| next.fingerprint.clone());
    move |ca, fs, folder| match ca.next().map(|next| next.root.to_string()) == expected {
        true => ca.switch(fs, folder),
        false => Err(CaError::NotChanging),
    }
}

/// The end of the very change that a state speaks of.
pub(crate) fn finishing(
    state: &AuthorityState,
) -> impl FnOnce(&mut Authority, &dyn Fs, &Path) -> Result<(), CaError> + Send + 'static {
    let expected = state.present.fingerprint.clone();
    move |ca, fs, folder| match ca.root_fingerprint().to_string() == expected {
        true => ca.finish(fs, folder),
        false => Err(CaError::NotChanging),
    }
}

fn progress(of: Followers) -> AuthorityProgress {
    AuthorityProgress { all: of.all, followed: of.followed, missing: of.missing }
}
