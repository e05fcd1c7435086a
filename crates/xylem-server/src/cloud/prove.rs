//! Testing a point, and what becomes of what a test set at the provider.

use std::time::Duration;

use xylem_api::cloud::{CloudStepOutcome, CloudTest};
use xylem_api::error::ErrorCode;
use xylem_cloud::{PointSettings, ProviderError, Secret, Secrets, SwiftAccess, provider_of};
use xylem_http::ApiError;
use xylem_runtime::{Environment, random_array};

use super::claim::Claim;
use super::opening::{KeyPlan, KeyWish, Opener, Opening};
use super::probe::Probe;
use super::session::TestClient;
use super::steps::Steps;
use super::test::run;
use crate::app::App;
use crate::failure::{Failure, RETRY_AFTER_SECONDS};

/// How long a test may take in all. Each request has limits of its own.
const LIMIT: Duration = Duration::from_secs(5 * 60);

/// A point that passed its test, and whose prefix is ours.
pub(crate) struct ProvedCloud {
    pub(crate) test: CloudTest,
    opening: Opening,
}

impl ProvedCloud {
    /// The keys, with those that the test set.
    pub(crate) const fn keys(&self) -> &Secrets {
        &self.opening.keys
    }

    /// Whether the test set a key.
    pub(crate) const fn has_new_key(&self) -> bool {
        self.opening.new_key.is_some()
    }
}

impl App {
    /// Tests a point as it is set.
    pub(crate) async fn test_cloud(
        &self,
        settings: &PointSettings,
        keys: &Secrets,
    ) -> Result<CloudTest, Failure> {
        let plan = self.key_plan(KeyWish::Keep, Vec::new(), Vec::new());
        let client = self.test_client(settings, keys).await?;
        let _one_at_a_time = self.cloud_test.lock().await;
        let opener = self.opener(&client, settings, &plan);
        let mut steps = Steps::default();
        let opening = Box::pin(opener.open(&mut steps, keys.clone())).await;
        self.run_test(&opener, &opening, steps).await
    }

    /// Tests a point as it is to be, and makes its prefix ours; refuses it where a step fails, or the
    /// prefix is somebody else's. What was set at the provider is taken back then.
    pub(crate) async fn prove_cloud(
        &self,
        settings: &PointSettings,
        keys: Secrets,
        plan: &KeyPlan,
        claim: Claim,
    ) -> Result<ProvedCloud, Failure> {
        let client = self.test_client(settings, &keys).await?;
        let _one_at_a_time = self.cloud_test.lock().await;
        let opener = self.opener(&client, settings, plan);
        let mut steps = Steps::default();
        let opening = opener.open(&mut steps, keys).await;
        let proved = async {
            if claim.is_held {
                self.require_held(&self.probe(&opener, &opening)?, settings, claim).await?;
            }
            let test = passed(self.run_test(&opener, &opening, steps).await?)?;
            self.claim_cloud(&self.probe(&opener, &opening)?, settings, claim).await?;
            Ok(test)
        };
        let proved = Box::pin(proved).await;
        match proved {
            Ok(test) => Ok(ProvedCloud { test, opening }),
            Err(failure) => {
                opener.take_back(&opening).await;
                Err(failure)
            }
        }
    }

    /// Takes back what the test of a point set that was not stored after all.
    pub(crate) async fn take_cloud_back(&self, settings: &PointSettings, proved: &ProvedCloud) {
        let plan = self.key_plan(KeyWish::Keep, Vec::new(), Vec::new());
        // It was to be had a moment ago.
        let Ok(client) = self.test_client(settings, proved.keys()).await else { return };
        self.opener(&client, settings, &plan).take_back(&proved.opening).await;
    }

    /// Which TempURL keys may be set; `former` are the point's own, `others` another one's.
    pub(crate) fn key_plan(
        &self,
        wish: KeyWish,
        former: Vec<Secret>,
        others: Vec<Secret>,
    ) -> KeyPlan {
        let label = format!("xylem-{}-", self.identity.party().uuid());
        KeyPlan { wish, label, former, others }
    }

    /// What reaches the provider of a point with keys that may not be stored yet.
    pub(super) async fn test_client(
        &self,
        settings: &PointSettings,
        keys: &Secrets,
    ) -> Result<TestClient, Failure> {
        let client = self.cloud_client(settings).await?;
        Ok(TestClient::new(client, settings.storage.clone(), keys.clone()))
    }

    fn opener<'a>(
        &'a self,
        client: &'a TestClient,
        settings: &'a PointSettings,
        plan: &'a KeyPlan,
    ) -> Opener<'a> {
        Opener { client, settings, environment: &self.environment, plan }
    }

    /// What asks the provider of a point that was opened.
    fn probe<'a>(
        &'a self,
        opener: &Opener<'a>,
        opening: &'a Opening,
    ) -> Result<Probe<'a>, Failure> {
        let (settings, keys) = (opener.settings, &opening.keys);
        let access = opening.access.as_ref();
        let probe = probe_of(&self.environment, opener.client, settings, keys, access);
        probe.map_err(|error| {
            Failure::new(ErrorCode::BadRequest, format!("the point cannot be tested: {error}"))
        })
    }

    /// The steps that all providers have.
    async fn run_test(
        &self,
        opener: &Opener<'_>,
        opening: &Opening,
        steps: Steps,
    ) -> Result<CloudTest, Failure> {
        if steps.is_blocked() {
            return Ok(steps.told(self.now()));
        }
        let probe = self.probe(opener, opening)?;
        let storage = &opener.settings.storage;
        let random: [u8; 16] = random_array(&*self.environment.rng);
        let id = uuid::Builder::from_random_bytes(random).into_uuid();
        let testing = Box::pin(run(&probe, storage, id, self.now(), steps));
        tokio::time::timeout(LIMIT, testing).await.map_err(|_| {
            let told = format!(
                "the provider is too slow: the test was given up after {} s, and what it wrote may \
                 lie below `{}`; see what is between, and try again",
                LIMIT.as_secs(),
                storage.prefix().probe(&id.to_string(), "")
            );
            Failure(ApiError::unavailable(told, RETRY_AFTER_SECONDS))
        })
    }
}

/// What asks the provider of a point.
pub(super) fn probe_of<'a>(
    environment: &'a Environment,
    client: &TestClient,
    settings: &'a PointSettings,
    keys: &'a Secrets,
    access: Option<&'a SwiftAccess>,
) -> Result<Probe<'a>, ProviderError> {
    let segments = access.and_then(|access| access.info.segments);
    Ok(Probe {
        client: client.clone(),
        provider: provider_of(&settings.storage, keys, access)?,
        environment,
        url_lifetime: Duration::from_secs(settings.url_lifetime_seconds),
        smallest_segment: segments.map(|rules| rules.smallest),
    })
}

/// A test that every step of was passed.
fn passed(test: CloudTest) -> Result<CloudTest, Failure> {
    if test.passed {
        return Ok(test);
    }
    let failed = test.steps.iter().filter(|step| step.outcome == CloudStepOutcome::Failed);
    let told: Vec<String> = failed
        .map(|step| format!("{}: {}", step.name, step.message.as_deref().unwrap_or("failed")))
        .collect();
    let told = format!("the test failed, and nothing was stored. {}", told.join(". "));
    Err(Failure::new(ErrorCode::Refused, told))
}
