//! Requests of a point's test: with a token of the test's own, and another where that is refused.

use std::sync::Arc;

use tokio::sync::Mutex;
use xylem_client::{ClientError, CloudClient, RequestBody};
use xylem_cloud::swift::SwiftSession;
use xylem_cloud::{CloudAnswer, CloudRequest, CloudSettings, Secrets, SwiftAccess};

use super::{NoAccess, UNAUTHORIZED, access_of, ask_session};

/// Reaches the provider of a point that is tested. Cheap to clone. Nothing is kept of it: what a point
/// is set with may be refused yet.
#[derive(Clone)]
pub(in crate::cloud) struct TestClient {
    client: CloudClient,
    login: Arc<Login>,
}

struct Login {
    storage: CloudSettings,
    keys: Secrets,
    /// What was given last; none where nobody logs in.
    newest: Mutex<Option<SwiftSession>>,
}

impl TestClient {
    pub(in crate::cloud) fn new(
        client: CloudClient,
        storage: CloudSettings,
        keys: Secrets,
    ) -> Self {
        let login = Login { storage, keys, newest: Mutex::default() };
        Self { client, login: Arc::new(login) }
    }

    /// Asks for a token, whatever there is.
    pub(in crate::cloud) async fn log_in(&self) -> Result<SwiftSession, NoAccess> {
        let session = ask_session(&self.client, &self.login.storage, &self.login.keys).await?;
        *self.login.newest.lock().await = Some(session.clone());
        Ok(session)
    }

    /// All that is needed to ask at a place whose keys are set already; none where nothing is.
    pub(in crate::cloud) async fn access(&self) -> Result<Option<SwiftAccess>, NoAccess> {
        let Login { storage, keys, newest } = &*self.login;
        if !matches!(storage, CloudSettings::Swift(_) | CloudSettings::Rackspace(_)) {
            return Ok(None);
        }
        let access = access_of(&self.client, storage, keys, None).await?;
        *newest.lock().await = Some(access.session.clone());
        Ok(Some(access))
    }

    /// Sends a request. Where it shows a token it is sent with the newest one, and once more with
    /// another where that is refused: a service may end one whenever it likes.
    pub(in crate::cloud) async fn send(
        &self,
        request: &CloudRequest,
    ) -> Result<CloudAnswer, ClientError> {
        if !SwiftSession::is_shown_by(request) {
            return self.client.send(request).await;
        }
        let newest = self.login.newest.lock().await.clone();
        let newest = newest.and_then(|session| session.renewed(request));
        let request = newest.as_ref().unwrap_or(request);
        let answer = self.client.send(request).await?;
        if answer.status != UNAUTHORIZED {
            return Ok(answer);
        }
        // Where none is given the refusal is told: the step that logs in is over and was passed.
        let session = self.log_in().await.ok();
        match session.and_then(|session| session.renewed(request)) {
            Some(again) => self.client.send(&again).await,
            None => Ok(answer),
        }
    }

    /// Sends a piece of a file, which shows no token.
    pub(in crate::cloud) async fn send_piece(
        &self,
        request: &CloudRequest,
        bytes: RequestBody,
    ) -> Result<CloudAnswer, ClientError> {
        self.client.send_piece(request, bytes).await
    }
}
