//! Digests that come after an upload: who computes them, and what was found.
//! `docs/design/digests.md`.

use std::collections::HashMap;
use std::time::Duration;

use axum::Json;
use axum::extract::State;
use http::StatusCode;
use serde::Deserialize;
use utoipa::IntoParams;
use xylem_api::digests::{DigestsAfter, DigestsWanted, ReportedDigests};
use xylem_api::error::ErrorCode;
use xylem_http::ApiJson;
use xylem_model::{ContentId, DistributionServerId, FurtherDigests, Generation, Timestamp};

use super::ControlService;
use crate::extract::{ApiPath, ApiQuery};
use crate::failure::Failure;
use crate::permission::Caller;
use crate::uploading::ingest_server;
use crate::wish::ServerWish;

/// Most contents in one answer. A server asks again after each.
const AT_ONCE: usize = 16;

/// A server that was not heard of for so long is not waited for: another one computes.
const HEARD_WITHIN: Duration = Duration::from_secs(3600);

/// Contents that are looked at together: at first as many as answer a server whose they all are,
/// then more; and how often for one answer.
const FIRST_PAGE: u64 = 2 * AT_ONCE as u64;
const PAGE: u64 = 500;
const MAX_PAGES: usize = 20;

/// Where the list goes on: both, as they were in the answer before, or none.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct After {
    /// The last change of the file of the content behind which it goes on.
    #[param(value_type = Option<u64>)]
    generation: Option<Generation>,
    /// That content.
    #[param(value_type = Option<String>)]
    content: Option<ContentId>,
}

impl After {
    fn place(self) -> Result<Option<(Generation, ContentId)>, Failure> {
        match (self.generation, self.content) {
            (None, None) => Ok(None),
            (Some(generation), Some(content)) => Ok(Some((generation, content))),
            _ => {
                let message = "say both `generation` and `content`, as in the answer before";
                Err(Failure::new(ErrorCode::BadRequest, message))
            }
        }
    }
}

/// Whose digests the asking server is to compute.
#[utoipa::path(
    get, path = "/v1/control/digests", tag = "control", params(After),
    responses((status = 200, description = "Contents, newest first.", body = DigestsWanted))
)]
pub(super) async fn wanted(
    State(service): State<ControlService>,
    caller: Caller,
    ApiQuery(asked): ApiQuery<After>,
) -> Result<Json<DigestsWanted>, Failure> {
    let (server, store) = (caller.distribution_server()?, service.store());
    let able = able(
        store.overview().await?.servers,
        &store.last_reports().await?,
        service.environment().clock.now(),
    );
    let (mut contents, mut after) = (Vec::new(), asked.place()?);
    for number in 0..MAX_PAGES {
        let looked_at = if number == 0 { FIRST_PAGE } else { PAGE };
        let page = store.lacking_digests(after, looked_at).await?;
        let is_last = (page.len() as u64) < looked_at;
        for lacking in page {
            let (generation, content) = (lacking.generation, lacking.content);
            after = Some((generation, content));
            let is_new = !contents.contains(&content);
            if is_new && computing(&lacking.holders, &able) == Some(server) {
                contents.push(content);
            }
            if contents.len() == AT_ONCE {
                let next = Some(DigestsAfter { generation, content });
                return Ok(Json(DigestsWanted { contents, next }));
            }
        }
        if is_last {
            return Ok(Json(DigestsWanted { contents, next: None }));
        }
    }
    let next = after.map(|(generation, content)| DigestsAfter { generation, content });
    Ok(Json(DigestsWanted { contents, next }))
}

/// Takes digests in.
#[utoipa::path(
    post, path = "/v1/control/digests/{content}", tag = "control",
    params(("content" = String, Path, description = "The content.")),
    request_body = ReportedDigests, responses((status = 204, description = "Noted."))
)]
pub(super) async fn told(
    State(service): State<ControlService>,
    caller: Caller,
    ApiPath(content): ApiPath<ContentId>,
    ApiJson(told): ApiJson<ReportedDigests>,
) -> Result<StatusCode, Failure> {
    let server = caller.distribution_server()?;
    let found = FurtherDigests::try_from(&told)
        .map_err(|error| Failure::new(ErrorCode::BadRequest, error.to_string()))?;
    let now = service.environment().clock.now();
    service.store().note_digests(content, server, &found, now).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// The servers that can be asked for work, the one that is asked first before the others.
fn able(
    servers: Vec<ServerWish>,
    last_reports: &HashMap<DistributionServerId, Timestamp>,
    now: Timestamp,
) -> Vec<DistributionServerId> {
    let ingest = ingest_server(&servers).map(|server| server.id);
    let mut able: Vec<ServerWish> = servers
        .into_iter()
        .filter(|server| !server.settings.maintenance)
        .filter(|server| {
            last_reports.get(&server.id).is_some_and(|at| now.since(*at) <= HEARD_WITHIN)
        })
        .collect();
    able.sort_by_key(|server| (ingest != Some(server.id), !server.is_root, server.id));
    able.into_iter().map(|server| server.id).collect()
}

/// Who computes the digests of a content that these hold.
fn computing(
    holders: &[DistributionServerId],
    able: &[DistributionServerId],
) -> Option<DistributionServerId> {
    able.iter().find(|server| holders.contains(server)).copied()
}

#[cfg(test)]
mod tests {
    use xylem_sync::ServerSettings;

    use super::*;

    const NOW: Timestamp = Timestamp::from_unix_ms(10_000_000);

    fn id(n: u8) -> DistributionServerId {
        DistributionServerId::from_parts(u64::from(n), &[n; 10])
    }

    fn server(n: u8) -> ServerWish {
        ServerWish {
            id: id(n),
            name: n.to_string(),
            site: None,
            public_url: String::new(),
            is_root: n == 5,
            is_principal: n == 7,
            accounts: Vec::new(),
            settings: ServerSettings::default(),
            selection: None,
            scrub_asked: None,
            public_chain: None,
        }
    }

    /// Who computes what all hold, where some were not heard of lately.
    fn first_of(away: &[u8], in_maintenance: &[u8]) -> Option<DistributionServerId> {
        let all = [9, 5, 7, 3];
        let wish = |n: &u8| {
            let mut wish = server(*n);
            wish.settings.maintenance = in_maintenance.contains(n);
            wish
        };
        let heard = |n: &u8| {
            let since = if away.contains(n) {
                HEARD_WITHIN + Duration::from_millis(1)
            } else {
                HEARD_WITHIN
            };
            (id(*n), NOW.minus(since))
        };
        let able = able(all.iter().map(wish).collect(), &all.iter().map(heard).collect(), NOW);
        computing(&all.map(id), &able)
    }

    #[test]
    fn the_ingest_server_computes_and_others_only_where_it_is_gone() {
        assert_eq!(first_of(&[], &[]), Some(id(7)), "the principal");
        assert_eq!(first_of(&[7], &[]), Some(id(5)), "the root");
        assert_eq!(first_of(&[], &[7]), Some(id(5)), "the root");
        assert_eq!(first_of(&[7, 5], &[]), Some(id(3)), "the lowest id");
        assert_eq!(first_of(&[7, 5], &[3]), Some(id(9)));
        assert_eq!(first_of(&[3, 5, 7, 9], &[]), None);
    }

    #[test]
    fn who_does_not_hold_it_is_passed_over() {
        let able = [id(7), id(5), id(3)];
        assert_eq!(computing(&[id(3), id(5)], &able), Some(id(5)));
        assert_eq!(computing(&[id(9)], &able), None);
        assert_eq!(computing(&[], &able), None);
    }
}
