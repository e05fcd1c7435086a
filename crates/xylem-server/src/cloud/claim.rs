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
        adopt: bool,
    ) -> Result<(), Failure> {
        let claimed = probe.claim(settings.storage.prefix(), &self.cloud_marker(), adopt).await;
        claimed.map_err(|miss| {
            let told = format!("the prefix cannot be had, and nothing was stored: {miss}");
            Failure::new(ErrorCode::Refused, told)
        })
    }
}

impl Probe<'_> {
    /// Sees whose what lies below the prefix is, and says that it is ours where nothing is. `adopt`
    /// takes over what another catalogue, or nobody knows which, left there.
    async fn claim(&self, prefix: &Prefix, marker: &Marker, adopt: bool) -> Result<(), Miss> {
        let key = prefix.marker();
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
