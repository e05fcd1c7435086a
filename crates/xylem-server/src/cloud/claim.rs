//! Whose a prefix is: `xylem.json` is compared where it is there, and written where nothing is.

use xylem_api::error::ErrorCode;
use xylem_cloud::{Below, Cursor, FaultKind, Marker, MarkerError, Named, PointSettings, Prefix};
use xylem_model::Party;

use super::probe::{Miss, Probe};
use crate::app::App;
use crate::failure::Failure;

/// The marker of the catalogue of an organisation. Not made of a trust document: the first one is kept
/// nowhere once it was renewed, and the organisation is in every backup.
pub(crate) fn marker_of(organisation: &Party) -> Marker {
    Marker::of(&format!("xylem catalogue {}", organisation.uuid()))
}

const OTHERS: &str = "it names another catalogue, whose objects these may be; set the point with \
                      another prefix, or with `--adopt` where the other one is no more";
const GONE: &str = "it is gone, so that whose these objects are is not known; `xylem cloud change \
                    --adopt` writes it again where they are this catalogue's";

/// Why nothing may be deleted below a prefix, by what its `xylem.json` was found to be; none where it
/// is `ours`.
pub(super) fn refusal(ours: &Marker, found: Option<Result<Marker, MarkerError>>) -> Option<String> {
    match found {
        Some(Ok(found)) if found == *ours => None,
        Some(Ok(_)) => Some(OTHERS.to_owned()),
        Some(Err(error)) => Some(error.to_string()),
        None => Some(GONE.to_owned()),
    }
}

/// How a prefix may be had.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Claim {
    /// Takes over what another catalogue, or nobody knows which, left there.
    pub(crate) adopt: bool,
    /// It is this catalogue's already, in the root's folder: a marker that is not there means that the
    /// folder's disk is not, and what is below its mount point is not to be filled.
    pub(crate) is_held: bool,
}

impl Claim {
    fn refusal_without_marker(self) -> Option<String> {
        (self.is_held && !self.adopt)
            .then(|| format!("see that the folder's disk is mounted at the root; if so, {GONE}"))
    }
}

impl App {
    /// What `xylem.json` says of this catalogue.
    pub(crate) fn cloud_marker(&self) -> Marker {
        marker_of(&self.identity.party())
    }

    /// Makes a prefix this catalogue's, or refuses it.
    pub(super) async fn claim_cloud(
        &self,
        probe: &Probe<'_>,
        settings: &PointSettings,
        claim: Claim,
    ) -> Result<(), Failure> {
        let claimed = probe.claim(settings.storage.prefix(), &self.cloud_marker(), claim).await;
        claimed.map_err(not_had)
    }

    /// Refuses a prefix that is this catalogue's already and is not to be found: before a test writes
    /// anything there.
    pub(super) async fn require_held(
        &self,
        probe: &Probe<'_>,
        settings: &PointSettings,
        claim: Claim,
    ) -> Result<(), Failure> {
        probe.require_held(settings.storage.prefix(), claim).await.map_err(not_had)
    }
}

fn not_had(miss: Miss) -> Failure {
    let told = format!("the prefix cannot be had, and nothing was stored: {miss}");
    Failure::new(ErrorCode::Refused, told)
}

impl Probe<'_> {
    async fn require_held(&self, prefix: &Prefix, claim: Claim) -> Result<(), Miss> {
        let Some(why) = claim.refusal_without_marker() else { return Ok(()) };
        match self.marker(prefix).await? {
            Some(_) => Ok(()),
            None => Err(Miss::Other(format!("`{}` is not there: {why}", prefix.marker()))),
        }
    }

    /// Sees whose what lies below the prefix is, and says that it is ours where nothing is.
    async fn claim(&self, prefix: &Prefix, marker: &Marker, claim: Claim) -> Result<(), Miss> {
        self.require_held(prefix, claim).await?;
        let (key, adopt) = (prefix.marker(), claim.adopt);
        match self.marker(prefix).await? {
            Some(found) if found == *marker => Ok(()),
            Some(_) if adopt => self.write(&key, &marker.to_json(), false).await,
            Some(_) => Err(Miss::Other(format!(
                "`{key}` names another catalogue: choose another prefix, or give `--adopt` where \
                 that one is no more"
            ))),
            None => {
                if !adopt && let Some(name) = self.first_of_others(prefix).await? {
                    return Err(Miss::Other(format!(
                        "`{name}` lies there, and no `{key}` says whose it is: choose a prefix of \
                         its own, or give `--adopt` where it is this catalogue's"
                    )));
                }
                self.write_marker(prefix, marker).await
            }
        }
    }

    async fn marker(&self, prefix: &Prefix) -> Result<Option<Marker>, Miss> {
        let key = prefix.marker();
        let answer = self.client.send(&self.provider.read(&key, self.moment())).await?;
        match self.provider.read_answered(&key, &answer)? {
            Some(bytes) => Marker::parse(bytes).map(Some).map_err(Miss::other),
            None => Ok(None),
        }
    }

    /// Writes it where nothing is. Of two that do so at once, the one that was first has it.
    async fn write_marker(&self, prefix: &Prefix, marker: &Marker) -> Result<(), Miss> {
        let (key, bytes) = (prefix.marker(), marker.to_json());
        match self.write(&key, &bytes, true).await {
            Err(Miss::Fault(fault)) if fault.kind == FaultKind::Unsupported => {
                self.write(&key, &bytes, false).await?;
            }
            Err(Miss::Fault(fault)) if fault.kind == FaultKind::Exists => {}
            other => other?,
        }
        match self.marker(prefix).await? {
            Some(found) if found == *marker => Ok(()),
            _ => Err(Miss::Other(format!("`{key}` was written, and is another one now"))),
        }
    }

    /// The first thing below a prefix that no test left there.
    async fn first_of_others(&self, prefix: &Prefix) -> Result<Option<String>, Miss> {
        let (below, mut cursor) = (Below::Everything, Cursor::START);
        loop {
            let request = self.provider.list(below, &cursor, self.moment())?;
            let answer = self.client.send(&request).await?;
            let page = self.provider.listed(below, &cursor, &answer)?;
            let mut names = page.items.iter().map(|object| object.key.as_str());
            if let Some(name) = names.find(|name| prefix.read(name) != Named::Probe) {
                return Ok(Some(name.to_owned()));
            }
            match page.next {
                Some(next) => cursor = next,
                None => return Ok(None),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::sync::{Arc, Mutex};
    use std::time::Duration;

    use async_trait::async_trait;
    use http::{HeaderMap, Method};
    use xylem_client::{ClientError, CloudClient, CloudCourier, RequestBody, next_of};
    use xylem_cloud::{CloudAnswer, CloudRequest, CloudSettings, Secrets, provider_of};
    use xylem_model::Timestamp;
    use xylem_runtime::Environment;

    use super::super::session::TestClient;
    use super::*;

    /// A folder in memory: files by their paths.
    #[derive(Default)]
    struct Files(Mutex<BTreeMap<String, Vec<u8>>>);

    #[async_trait]
    impl CloudCourier for Files {
        async fn carry(
            &self,
            request: &CloudRequest,
            mut body: RequestBody,
            _: Duration,
        ) -> Result<CloudAnswer, ClientError> {
            let mut bytes = Vec::new();
            while let Some(piece) = next_of(&mut body).await.map_err(ClientError::Source)? {
                bytes.extend_from_slice(&piece);
            }
            let mut files = self.0.lock().unwrap();
            let (status, body) = if request.method == Method::PUT {
                files.insert(request.path.clone(), bytes);
                (201, Vec::new())
            } else if request.query.contains("list") {
                (200, br#"{"entries":[],"more":false}"#.to_vec())
            } else {
                files.get(&request.path).map_or((404, Vec::new()), |found| (200, found.clone()))
            };
            let (headers, received) = (HeaderMap::new(), Timestamp::default());
            Ok(CloudAnswer { status, headers, body, received })
        }
    }

    #[tokio::test]
    async fn a_folder_that_was_had_and_has_no_marker_is_claimed_only_where_that_is_said() {
        let settings = r#"{"provider":"folder","prefix":"macs"}"#;
        let settings: CloudSettings = serde_json::from_str(settings).unwrap();
        let keys: Secrets = serde_json::from_str(r#"{"provider":"folder"}"#).unwrap();
        let (environment, files) = (Environment::real(), Arc::new(Files::default()));
        let courier: Arc<dyn CloudCourier> = Arc::<Files>::clone(&files);
        let client = CloudClient::by_courier(courier);
        let probe = Probe {
            client: TestClient::new(client, settings.clone(), keys.clone()),
            provider: provider_of(&settings, &keys, None).unwrap(),
            environment: &environment,
            url_lifetime: Duration::from_secs(60),
            smallest_segment: None,
        };
        let (prefix, ours) = (settings.prefix(), Marker::of("a"));
        let claim = |is_held, adopt| probe.claim(prefix, &ours, Claim { adopt, is_held });
        let are_none = || files.0.lock().unwrap().is_empty();

        let told = claim(true, false).await.unwrap_err().to_string();
        assert!(told.contains("mounted") && told.contains("change --adopt"), "{told}");
        let held = Claim { adopt: false, is_held: true };
        assert!(probe.require_held(prefix, held).await.is_err());
        assert!(are_none(), "nothing is written below a mount point");

        assert!(claim(true, true).await.is_ok());
        assert!(!are_none());
        assert!(claim(true, false).await.is_ok());
        assert!(probe.require_held(prefix, held).await.is_ok());
        files.0.lock().unwrap().clear();
        assert!(claim(false, false).await.is_ok());
        assert!(!are_none(), "one that is set is new there");
    }
}
