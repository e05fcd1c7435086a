//! Errands to the folder of the root distribution server, which this server cannot reach: they wait
//! until the root asks, and whoever sent them waits for its word
//! (`docs/design/cloud-providers.md`, "Folder").
//!
//! Nothing of it is stored. What gets no answer in time is as a request to any provider whose answer
//! was lost: it may have been done.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use http::{HeaderMap, HeaderName, HeaderValue};
use tokio::sync::{Notify, oneshot};
use tokio::time::{Instant, timeout, timeout_at};
use xylem_api::control_cloud::PieceRequest;
use xylem_api::control_folder::{
    FOLDER_WAIT, FolderBytes, FolderDone, FolderErrand, FolderErrands, MAX_ERRAND_BYTES,
    MAX_FOLDER_ERRANDS, TellFolder,
};
use xylem_api::error::{ErrorBody, ErrorCode};
use xylem_client::{ClientError, CloudCourier, RequestBody, next_of};
use xylem_cloud::{Body, CloudAnswer, CloudRequest, MAX_ANSWER_BYTES};
use xylem_runtime::{Environment, Shutdown, random_array};

use super::parts::signed;
use super::service::CloudService;
use crate::failure::Failure;

/// How long an errand waits for the root to take it. A root that is there asks without a pause.
const TAKEN_WITHIN: Duration = Duration::from_secs(20);
/// Most errands that wait or are being done: whoever fills, looks after and tests the point sends
/// one at a time.
const MOST: usize = 256;
/// Most headers of an answer that are read.
const MAX_HEADERS: usize = 16;

/// What waits for the root, and what it is doing.
#[derive(Debug)]
pub(super) struct Errands {
    environment: Environment,
    state: Mutex<HashMap<u64, Errand>>,
    came: Notify,
}

#[derive(Debug)]
struct Errand {
    /// None once the root has it.
    waiting: Option<FolderErrand>,
    done: oneshot::Sender<FolderDone>,
}

/// Somebody who waits; the errand is nobody's any more when dropped.
struct Waiting<'a> {
    errands: &'a Errands,
    id: u64,
}

impl Errands {
    pub(super) fn new(environment: Environment) -> Self {
        Self { environment, state: Mutex::default(), came: Notify::new() }
    }

    /// Takes what the root did, and gives it what is to be done, as soon as there is something.
    pub(super) async fn next(&self, told: TellFolder, shutdown: &Shutdown) -> FolderErrands {
        self.take_done(told.done);
        let end = Instant::now() + FOLDER_WAIT;
        loop {
            // Made before it is looked, so that none in between is missed.
            let came = self.came.notified();
            let errands = self.give_out();
            if !errands.is_empty() {
                return FolderErrands { errands };
            }
            let is_over = tokio::select! {
                came = timeout_at(end, came) => came.is_err(),
                () = shutdown.begun() => true,
            };
            if is_over {
                return FolderErrands::default();
            }
        }
    }

    fn take_done(&self, done: Vec<FolderDone>) {
        let mut state = self.state();
        for one in done {
            // What nobody waits for any more is told to nobody.
            if let Some(errand) = state.remove(&one.id) {
                let _ = errand.done.send(one);
            }
        }
    }

    fn give_out(&self) -> Vec<FolderErrand> {
        let mut state = self.state();
        let waiting = state.values_mut().filter_map(|errand| errand.waiting.take());
        waiting.take(MAX_FOLDER_ERRANDS).collect()
    }

    fn is_waiting(&self, id: u64) -> bool {
        self.state().get(&id).is_some_and(|errand| errand.waiting.is_some())
    }

    fn send(
        &self,
        request: PieceRequest,
        body: FolderBytes,
    ) -> Result<(Waiting<'_>, oneshot::Receiver<FolderDone>), ClientError> {
        let id = u64::from_be_bytes(random_array(&*self.environment.rng));
        let (done, answer) = oneshot::channel();
        let mut state = self.state();
        if state.len() >= MOST {
            return Err(unanswered("too much is to be done in the root's folder at once".into()));
        }
        let waiting = Some(FolderErrand { id, request, body });
        state.insert(id, Errand { waiting, done });
        drop(state);
        // The root asks twice at once, and around a hand-over another one too: any may have it.
        self.came.notify_one();
        Ok((Waiting { errands: self, id }, answer))
    }

    fn state(&self) -> MutexGuard<'_, HashMap<u64, Errand>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl CloudCourier for Errands {
    async fn carry(
        &self,
        request: &CloudRequest,
        body: RequestBody,
        patience: Duration,
    ) -> Result<CloudAnswer, ClientError> {
        let body = small(body).await?;
        let bare = CloudRequest { body: Body::None, ..request.clone() };
        let (waiting, mut answer) = self.send(signed(bare), FolderBytes::new(&body))?;
        let done = match timeout(TAKEN_WITHIN.min(patience), &mut answer).await {
            Ok(done) => done.ok(),
            Err(_) if self.is_waiting(waiting.id) => {
                return Err(unanswered(format!(
                    "the root distribution server did not ask within {} s what is to be done in \
                     its folder: see that it runs, and that its server.json names `cloud_folder`; \
                     it may be busy there, or its disk slow",
                    TAKEN_WITHIN.as_secs()
                )));
            }
            Err(_) => timeout(patience, answer).await.ok().and_then(Result::ok),
        };
        let done = done.ok_or_else(|| {
            unanswered(format!(
                "the root distribution server did not say within {} s what came of it in its folder",
                patience.as_secs()
            ))
        })?;
        let received = self.environment.clock.now();
        let mut headers = HeaderMap::new();
        for (name, value) in done.headers.iter().take(MAX_HEADERS) {
            let name = HeaderName::from_bytes(name.as_bytes());
            if let (Ok(name), Ok(value)) = (name, HeaderValue::from_str(value)) {
                headers.append(name, value);
            }
        }
        let mut body = done.body.bytes().unwrap_or_default();
        body.truncate(MAX_ANSWER_BYTES);
        Ok(CloudAnswer { status: done.status, headers, body, received })
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.errands.state().remove(&self.id);
    }
}

impl CloudService {
    /// Takes what the root did in its folder, and gives it what is to be done there next.
    pub(crate) async fn folder(&self, told: TellFolder) -> Result<FolderErrands, Failure> {
        if told.done.len() > MAX_FOLDER_ERRANDS {
            let why = format!("at most {MAX_FOLDER_ERRANDS} errands are told of at once");
            return Err(Failure::new(ErrorCode::BadRequest, why));
        }
        Ok(self.errands().next(told, self.control().shutdown()).await)
    }
}

/// The bytes of a small request.
async fn small(mut body: RequestBody) -> Result<Vec<u8>, ClientError> {
    let mut all = Vec::new();
    while let Some(piece) = next_of(&mut body).await.map_err(ClientError::Source)? {
        all.extend_from_slice(&piece);
        if all.len() > MAX_ERRAND_BYTES {
            let told = format!("more than {MAX_ERRAND_BYTES} bytes cannot be sent to the root so");
            return Err(ClientError::Source(std::io::Error::other(told)));
        }
    }
    Ok(all)
}

/// As a provider that was not reached: it may be there again later.
fn unanswered(message: String) -> ClientError {
    let body = ErrorBody { code: ErrorCode::Unavailable, message, request_id: String::new() };
    ClientError::Answer { status: ErrorCode::Unavailable.status(), body, retry_after: None }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use xylem_client::{empty_body, full_body};
    use xylem_cloud::folder::FolderWork;
    use xylem_cloud::{CloudSettings, Moment, Secrets, provider_of};

    use super::*;

    fn request() -> CloudRequest {
        let text = r#"{"provider":"folder","prefix":"macs"}"#;
        let settings: CloudSettings = serde_json::from_str(text).unwrap();
        let keys: Secrets = serde_json::from_str(r#"{"provider":"folder"}"#).unwrap();
        let provider = provider_of(&settings, &keys, None).unwrap();
        provider.read(&settings.prefix().marker(), Moment { now: Default::default(), nonce: 1 })
    }

    fn errands() -> Arc<Errands> {
        Arc::new(Errands::new(Environment::real()))
    }

    fn done(id: u64) -> FolderDone {
        let headers = vec![("content-length".to_owned(), "5".to_owned())];
        FolderDone { id, status: 206, headers, body: FolderBytes::new(b"\xff\x00") }
    }

    #[tokio::test(start_paused = true)]
    async fn an_errand_is_given_to_the_root_once_and_its_word_to_whoever_waits() {
        let errands = errands();
        let own = Arc::clone(&errands);
        let sent = tokio::spawn(async move {
            own.carry(&request(), full_body(b"\x01\xfe".to_vec()), Duration::from_secs(60)).await
        });
        let shutdown = Shutdown::new();
        let given = errands.next(TellFolder::default(), &shutdown).await.errands;
        let [errand] = given.as_slice() else { panic!("{given:?}") };
        assert_eq!(errand.body.bytes().unwrap(), b"\x01\xfe");
        assert_eq!(
            (errand.request.method.as_str(), errand.request.path.as_str()),
            ("GET", "/macs/xylem.json")
        );
        let began = Instant::now();
        let again = errands.next(TellFolder::default(), &shutdown).await;
        assert!(again.errands.is_empty() && began.elapsed() >= FOLDER_WAIT, "{again:?}");
        let others = TellFolder { done: vec![done(errand.id ^ 1), done(errand.id)] };
        errands.take_done(others.done);
        let answer = sent.await.unwrap().unwrap();
        assert_eq!((answer.status, answer.body.as_slice()), (206, &b"\xff\x00"[..]));
        assert_eq!(answer.header("content-length"), Some("5"));
        assert!(errands.state().is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn a_root_that_does_not_ask_or_does_not_answer_is_told_from_one_that_does() {
        let errands = errands();
        let carry = |patience| {
            let errands = Arc::clone(&errands);
            async move { errands.carry(&request(), empty_body(), patience).await }
        };
        let error = carry(Duration::from_secs(60)).await.unwrap_err();
        assert!(error.is_transient() && error.to_string().contains("cloud_folder"), "{error}");
        assert!(error.to_string().contains("busy"), "{error}");
        assert!(errands.state().is_empty(), "a root that comes later does nothing of it");

        let sent = tokio::spawn(carry(Duration::from_secs(60)));
        let given = errands.next(TellFolder::default(), &Shutdown::new()).await;
        assert_eq!(given.errands.len(), 1);
        let error = sent.await.unwrap().unwrap_err();
        assert!(error.is_transient() && error.to_string().contains("what came of it"), "{error}");
    }

    #[tokio::test]
    async fn what_is_sent_is_work_of_a_folder_and_small() {
        assert!(matches!(FolderWork::read(&request()), Some(FolderWork::Read(..))));
        let large = full_body(vec![0; MAX_ERRAND_BYTES + 1]);
        let error = errands().carry(&request(), large, Duration::from_secs(1)).await.unwrap_err();
        assert!(matches!(error, ClientError::Source(_)), "{error}");
    }
}
