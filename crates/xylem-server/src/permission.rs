//! Who may call which route: deny by default.
//!
//! Routes are registered through [`Routes::add`], which takes the [`Permission`] first; there is
//! no other way in, so a route without one cannot exist. The same table makes the guards, the
//! security part of the API document, and the test that walks all routes with wrong credentials.

use std::collections::BTreeMap;

use async_trait::async_trait;
use axum::Router;
use axum::extract::{FromRequestParts, Request, State};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::MethodRouter;
use http::HeaderMap;
use http::request::Parts;
use utoipa::openapi::path::{Operation, PathItem, Paths};
use utoipa::openapi::security::SecurityRequirement;
use utoipa::openapi::{ContentBuilder, Ref, RefOr, ResponseBuilder, Schema};
use xylem_api::error::ErrorCode;
use xylem_api::server::Scope;
use xylem_http::{ApiError, Peer};
use xylem_model::{ComputerId, DistributionServerId, Party, TokenId};

/// Name of the security scheme of API tokens in the API document.
pub(crate) const TOKEN_SCHEME: &str = "token";

/// Name of the security scheme of client certificates in the API document.
pub(crate) const CERTIFICATE_SCHEME: &str = "certificate";

/// What a caller must be to use a route.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Permission {
    /// Anybody. Only what strangers must see: the root certificate, joining, health.
    Public,
    /// The bearer of an API token with one of these scopes; [`Scope::Admin`] includes all others.
    Scopes(&'static [Scope]),
    /// An enrolled computer, by certificate.
    Computer,
    /// An enrolled distribution server, by certificate.
    DistributionServer,
}

impl Permission {
    /// Everything an administrator may do and nobody else.
    pub(crate) const ADMIN: Self = Self::Scopes(&[]);

    /// Whether a token of these scopes suffices.
    pub(crate) fn admits(self, scopes: &[Scope]) -> bool {
        match self {
            Self::Public => true,
            Self::Scopes(wanted) => {
                scopes.contains(&Scope::Admin) || wanted.iter().any(|scope| scopes.contains(scope))
            }
            Self::Computer | Self::DistributionServer => false,
        }
    }
}

/// Who is calling, once the guard has let them in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Caller {
    /// Nobody in particular, on a public route.
    Anonymous,
    /// A computer that is enrolled.
    Computer(ComputerId),
    /// A distribution server that is enrolled.
    DistributionServer(DistributionServerId),
    /// The bearer of a good API token.
    Token {
        /// Which token.
        id: TokenId,
        /// What it is for.
        name: String,
    },
}

impl Caller {
    /// As the audit log names it.
    pub(crate) fn audit_name(&self) -> String {
        match self {
            Self::Anonymous => "anonymous".to_owned(),
            Self::Computer(id) => Party::Computer(*id).to_string(),
            Self::DistributionServer(id) => Party::DistributionServer(*id).to_string(),
            Self::Token { name, .. } => format!("token:{name}"),
        }
    }

    pub(crate) fn distribution_server(&self) -> Result<DistributionServerId, ApiError> {
        match self {
            Self::DistributionServer(id) => Ok(*id),
            _ => Err(wrong_guard()),
        }
    }

    pub(crate) fn computer(&self) -> Result<ComputerId, ApiError> {
        match self {
            Self::Computer(id) => Ok(*id),
            _ => Err(wrong_guard()),
        }
    }
}

fn wrong_guard() -> ApiError {
    ApiError::internal("finding out who is asking", "the route's permission does not fit it")
}

impl<S: Send + Sync> FromRequestParts<S> for Caller {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, ApiError> {
        parts.extensions.get::<Self>().cloned().ok_or_else(wrong_guard)
    }
}

/// Decides who a request comes from and whether they may make it.
#[async_trait]
pub(crate) trait Gatekeeper: Clone + Send + Sync + 'static {
    async fn admit(
        &self,
        permission: Permission,
        peer: &Peer,
        headers: &HeaderMap,
    ) -> Result<Caller, ApiError>;
}

/// What [`utoipa_axum::routes!`] makes of handlers.
pub(crate) type Handlers<S> = (Vec<(String, RefOr<Schema>)>, Paths, MethodRouter<S>);

/// The table of routes.
pub(crate) struct Routes<S> {
    entries: Vec<(Permission, Paths, MethodRouter<S>)>,
    schemas: BTreeMap<String, RefOr<Schema>>,
}

impl<S: Gatekeeper> Routes<S> {
    pub(crate) fn new() -> Self {
        Self { entries: Vec::new(), schemas: BTreeMap::new() }
    }

    /// Registers handlers of one path for callers with a permission.
    pub(crate) fn add(mut self, permission: Permission, handlers: Handlers<S>) -> Self {
        let (schemas, mut paths, router) = handlers;
        for operation in paths.paths.values_mut().flat_map(operations) {
            operation.security = Some(requirements(permission));
            operation.responses.responses.insert("default".to_owned(), error_answer());
        }
        self.schemas.extend(schemas);
        self.entries.push((permission, paths, router));
        self
    }

    /// Each route: method, path, permission.
    pub(crate) fn table(&self) -> Vec<(&'static str, String, Permission)> {
        let rows = self.entries.iter().flat_map(|(permission, paths, _)| {
            paths.paths.iter().flat_map(|(path, item)| {
                methods(item).into_iter().map(|method| (method, path.clone(), *permission))
            })
        });
        rows.collect()
    }

    /// Puts all routes into an API document.
    pub(crate) fn describe(&self, document: &mut utoipa::openapi::OpenApi) {
        for (_, paths, _) in &self.entries {
            for (path, item) in &paths.paths {
                match document.paths.paths.get_mut(path) {
                    Some(known) => known.merge_operations(item.clone()),
                    None => {
                        document.paths.paths.insert(path.clone(), item.clone());
                    }
                }
            }
        }
        let components = document.components.get_or_insert_default();
        components.schemas.extend(self.schemas.clone());
    }

    /// The router, each route behind its guard.
    pub(crate) fn into_router(self, state: &S) -> Router {
        let mut router = Router::new();
        for (permission, paths, handlers) in self.entries {
            let guard = Guard { gatekeeper: state.clone(), permission };
            let handlers = handlers.layer(from_fn_with_state(guard, check));
            for path in paths.paths.keys() {
                router = router.route(path, handlers.clone());
            }
        }
        router.with_state(state.clone())
    }
}

#[derive(Clone)]
struct Guard<S> {
    gatekeeper: S,
    permission: Permission,
}

async fn check<S: Gatekeeper>(
    State(guard): State<Guard<S>>,
    peer: Peer,
    mut request: Request,
    next: Next,
) -> Response {
    match guard.gatekeeper.admit(guard.permission, &peer, request.headers()).await {
        Ok(caller) => {
            request.extensions_mut().insert(caller);
            next.run(request).await
        }
        Err(refusal) => refusal.into_response(),
    }
}

/// A certificate of the right kind, or what is missing.
pub(crate) fn require_party(peer: &Peer, wanted: &'static str) -> Result<Party, ApiError> {
    match peer.party() {
        Some(party) if party.role() == wanted => Ok(party),
        Some(party) => Err(ApiError::new(
            ErrorCode::Forbidden,
            format!("this is for a {wanted}; the certificate shown is that of a {}", party.role()),
        )),
        None => Err(ApiError::new(
            ErrorCode::Unauthorized,
            format!("this needs the client certificate of an enrolled {wanted}: none was shown"),
        )),
    }
}

fn operations(item: &mut PathItem) -> Vec<&mut Operation> {
    let PathItem { get, put, post, delete, options, head, patch, trace, query, .. } = item;
    [get, put, post, delete, options, head, patch, trace, query]
        .into_iter()
        .filter_map(Option::as_mut)
        .collect()
}

fn methods(item: &PathItem) -> Vec<&'static str> {
    let all = [
        ("GET", item.get.is_some()),
        ("PUT", item.put.is_some()),
        ("POST", item.post.is_some()),
        ("DELETE", item.delete.is_some()),
        ("PATCH", item.patch.is_some()),
    ];
    all.into_iter().filter(|(_, there)| *there).map(|(method, _)| method).collect()
}

/// Any answer of 400 and above.
fn error_answer() -> RefOr<utoipa::openapi::Response> {
    let body = Ref::from_schema_name("ErrorBody");
    let content = ContentBuilder::new().schema(Some(body)).build();
    let answer = ResponseBuilder::new()
        .description("It did not work; the body says why.")
        .content("application/json", content);
    RefOr::T(answer.build())
}

fn requirements(permission: Permission) -> Vec<SecurityRequirement> {
    let certificate = |role: &str| vec![SecurityRequirement::new(CERTIFICATE_SCHEME, [role])];
    match permission {
        Permission::Public => Vec::new(),
        Permission::Computer => certificate("computer"),
        Permission::DistributionServer => certificate("distribution-server"),
        Permission::Scopes(scopes) => {
            let words = scopes.iter().map(|scope| crate::secret::scope_word(*scope));
            let words = words.chain([crate::secret::scope_word(Scope::Admin)]);
            vec![SecurityRequirement::new(TOKEN_SCHEME, words)]
        }
    }
}
