//! Small requests to a point's provider, with the newest token where they show one.

use std::sync::Arc;

use xylem_client::{ClientError, CloudClient};
use xylem_cloud::swift::SwiftSession;
use xylem_cloud::{CloudAnswer, CloudRequest, SwiftAccess};

use super::{Account, NoAccess, Sessions, UNAUTHORIZED};

/// Reaches a point's provider. Cheap to clone.
#[derive(Clone)]
pub(crate) struct PointClient {
    client: CloudClient,
    /// Where a token comes from; none where requests are signed one by one.
    tokens: Option<(Arc<Sessions>, Account)>,
}

impl PointClient {
    /// For a provider that has no tokens.
    #[cfg(test)]
    pub(in crate::cloud) const fn plain(client: CloudClient) -> Self {
        Self { client, tokens: None }
    }

    pub(in crate::cloud) fn new(
        client: CloudClient,
        sessions: &Arc<Sessions>,
        account: Option<Account>,
    ) -> Self {
        let tokens = account.map(|account| (Arc::clone(sessions), account));
        Self { client, tokens }
    }

    /// The same client with more patience for an answer, for what ends an upload.
    pub(in crate::cloud) fn for_ending(&self) -> Self {
        Self { client: self.client.for_ending(), tokens: self.tokens.clone() }
    }

    /// What a provider is made with; none where it needs nothing.
    pub(in crate::cloud) async fn access(&self) -> Result<Option<Arc<SwiftAccess>>, NoAccess> {
        match &self.tokens {
            Some((sessions, account)) => sessions.access(&self.client, account).await.map(Some),
            None => Ok(None),
        }
    }

    /// Sends a request. Where it shows a token it is sent with the newest one, and once more with
    /// another where that is refused; the answer to that is given, whatever it is.
    ///
    /// # Errors
    /// When there is no answer.
    pub(crate) async fn send(&self, request: &CloudRequest) -> Result<CloudAnswer, ClientError> {
        let Some((sessions, account)) =
            self.tokens.as_ref().filter(|_| SwiftSession::is_shown_by(request))
        else {
            return self.client.send(request).await;
        };
        // A token that cannot be had now may be good still: the answer says so.
        let newest = sessions.access(&self.client, account).await.ok();
        let newest = newest.and_then(|access| access.session.renewed(request));
        let request = newest.as_ref().unwrap_or(request);
        let answer = self.client.send(request).await?;
        if answer.status != UNAUTHORIZED {
            return Ok(answer);
        }
        match sessions.after_refusal(&self.client, account, request).await {
            Ok(access) => match access.session.renewed(request) {
                Some(again) => self.client.send(&again).await,
                None => Ok(answer),
            },
            Err(error) => {
                tracing::warn!("a token of the cloud was refused, and no other is given: {error}");
                Ok(answer)
            }
        }
    }
}
