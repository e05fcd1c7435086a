//! Computer to management server.

use http::{Method, Request};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use xylem_api::agent::{CheckIn, CheckInAnswer, OrderReport};
use xylem_api::catalogue::Sources;
use xylem_model::{FileName, OrderId};

use crate::{BaseUrl, ClientError, Transport};

/// What the agent calls. Its transport shows the computer's certificate.
#[derive(Clone)]
pub struct AgentClient {
    transport: Transport,
    server: BaseUrl,
}

impl AgentClient {
    /// A client of this management server.
    pub const fn new(transport: Transport, server: BaseUrl) -> Self {
        Self { transport, server }
    }

    /// Says hello and learns what to do.
    pub async fn check_in(&self, facts: &CheckIn) -> Result<CheckInAnswer, ClientError> {
        let request = Request::builder().method(Method::POST).uri("/v1/agent/check-in");
        self.transport.json(&self.server, request, Some(facts)).await
    }

    /// Tells what came of an order.
    pub async fn report(&self, order: OrderId, report: &OrderReport) -> Result<(), ClientError> {
        let path = format!("/v1/agent/orders/{order}/report");
        let request = Request::builder().method(Method::POST).uri(path);
        self.transport.json(&self.server, request, Some(report)).await
    }

    /// Where a package can be fetched.
    pub async fn sources(&self, name: &FileName) -> Result<Sources, ClientError> {
        let name = utf8_percent_encode(name.as_str(), NON_ALPHANUMERIC);
        let request = Request::builder().uri(format!("/v1/agent/files/package/{name}"));
        self.transport.json(&self.server, request, None::<&()>).await
    }
}
