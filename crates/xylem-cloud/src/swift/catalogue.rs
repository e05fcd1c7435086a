//! Which services a token opens, and where they are.

use serde::Deserialize;
use xylem_model::Timestamp;

use super::auth::token;
use super::session::{CdnEndpoint, StorageEndpoint, SwiftSession};
use crate::answer::{Attempt, CloudAnswer};
use crate::endpoint::Endpoint;
use crate::fault::{Fault, FaultKind};

/// What a service that stores objects is typed as.
const STORAGE: &str = "object-store";
/// What the delivery network of Rackspace is typed as.
const CDN: &str = "rax:object-cdn";

#[derive(Deserialize)]
struct Keystone3 {
    token: Keystone3Token,
}

#[derive(Deserialize)]
struct Keystone3Token {
    #[serde(default)]
    expires_at: Option<String>,
    #[serde(default)]
    catalog: Vec<Service>,
}

#[derive(Deserialize)]
struct Identity2 {
    access: Identity2Access,
}

#[derive(Deserialize)]
struct Identity2Access {
    token: Identity2Token,
    #[serde(default, rename = "serviceCatalog")]
    catalog: Vec<Service>,
}

#[derive(Deserialize)]
struct Identity2Token {
    id: String,
    #[serde(default)]
    expires: Option<String>,
}

#[derive(Deserialize)]
struct Service {
    #[serde(default, rename = "type")]
    kind: String,
    #[serde(default)]
    endpoints: Vec<ServiceEndpoint>,
}

/// Of both versions: `interface` and `url` of version 3, `publicURL` of version 2.0.
#[derive(Deserialize)]
struct ServiceEndpoint {
    #[serde(default)]
    region: Option<String>,
    #[serde(default)]
    region_id: Option<String>,
    #[serde(default)]
    interface: Option<String>,
    #[serde(default)]
    url: Option<String>,
    #[serde(default, rename = "publicURL")]
    public_url: Option<String>,
}

impl ServiceEndpoint {
    fn public(&self) -> Option<&str> {
        match self.interface.as_deref() {
            Some("public") => self.url.as_deref(),
            Some(_) => None,
            None => self.public_url.as_deref(),
        }
    }

    fn is_in(&self, region: Option<&str>) -> bool {
        region.is_none_or(|region| {
            [&self.region, &self.region_id]
                .into_iter()
                .flatten()
                .any(|known| known.eq_ignore_ascii_case(region))
        })
    }
}

pub(super) fn keystone3(
    answer: &CloudAnswer,
    text: Option<&str>,
    region: Option<&str>,
    attempt: Attempt<'_>,
) -> Result<SwiftSession, Fault> {
    let body: Keystone3 = read(answer, attempt)?;
    let services = &body.token.catalog;
    Ok(SwiftSession {
        token: token(answer, text, attempt)?,
        storage: storage(answer, services, region, attempt)?,
        cdn: None,
        ends: moment(body.token.expires_at.as_deref()),
    })
}

pub(super) fn identity2(
    answer: &CloudAnswer,
    region: Option<&str>,
    attempt: Attempt<'_>,
) -> Result<SwiftSession, Fault> {
    let body: Identity2 = read(answer, attempt)?;
    let services = &body.access.catalog;
    let cdn = address(services, CDN, region).map(Endpoint::parse).transpose();
    let cdn = cdn.map_err(|error| answer.fault(FaultKind::Place, attempt, error.to_string()))?;
    Ok(SwiftSession {
        token: token(answer, Some(&body.access.token.id), attempt)?,
        storage: storage(answer, services, region, attempt)?,
        cdn: cdn.map(CdnEndpoint),
        ends: moment(body.access.token.expires.as_deref()),
    })
}

fn storage(
    answer: &CloudAnswer,
    services: &[Service],
    region: Option<&str>,
    attempt: Attempt<'_>,
) -> Result<StorageEndpoint, Fault> {
    let address = address(services, STORAGE, region).ok_or_else(|| {
        let region = region.unwrap_or("any region");
        let why = format!("the catalogue has no public endpoint of type {STORAGE} in {region}");
        answer.fault(FaultKind::Place, attempt, why)
    })?;
    Endpoint::parse(address)
        .map(StorageEndpoint)
        .map_err(|error| answer.fault(FaultKind::Place, attempt, error.to_string()))
}

fn address<'a>(services: &'a [Service], kind: &str, region: Option<&str>) -> Option<&'a str> {
    services
        .iter()
        .filter(|service| service.kind == kind)
        .flat_map(|service| &service.endpoints)
        .filter(|endpoint| endpoint.is_in(region))
        .find_map(ServiceEndpoint::public)
}

fn read<'a, T: Deserialize<'a>>(answer: &'a CloudAnswer, attempt: Attempt<'_>) -> Result<T, Fault> {
    // What serde_json says of a text may repeat a part of it, which may be a token.
    serde_json::from_slice(&answer.body).map_err(|_| {
        answer.fault(FaultKind::Unexpected, attempt, "the answer is no token of the protocol")
    })
}

fn moment(text: Option<&str>) -> Option<Timestamp> {
    text.and_then(|text| text.parse().ok())
}
