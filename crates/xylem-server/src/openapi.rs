//! The API document, made from the table of routes.

use std::sync::OnceLock;

use utoipa::openapi::security::{Http, HttpAuthScheme, SecurityScheme};
use utoipa::openapi::{InfoBuilder, OpenApi, OpenApiBuilder};
use utoipa::{PartialSchema, ToSchema};
use xylem_api::error::ErrorBody;

use crate::api;
use crate::control::{cloud_routes, control_routes};
use crate::permission::{CERTIFICATE_SCHEME, Permission, TOKEN_SCHEME};

/// The API document (OpenAPI 3.1) as JSON text, always the same for one build.
pub fn openapi_json() -> &'static str {
    static DOCUMENT: OnceLock<String> = OnceLock::new();
    // A value built of strings and maps always has a JSON form.
    DOCUMENT.get_or_init(|| document().to_pretty_json().unwrap_or_default())
}

/// Each route of the management server: method, path, and who may call it. In no order.
pub fn route_table() -> Vec<(&'static str, String, Permission)> {
    let mut table = api::routes().table();
    table.extend(control_routes().table());
    table.extend(cloud_routes().table());
    table
}

fn document() -> OpenApi {
    let info = InfoBuilder::new()
        .title("Xylem management server")
        .version(env!("CARGO_PKG_VERSION"))
        .description(Some(
            "What the command line, distribution servers and agents call. Every error answer has \
             the body of `ErrorBody`.",
        ))
        .build();
    let mut document = OpenApiBuilder::new().info(info).build();
    api::routes().describe(&mut document);
    control_routes().describe(&mut document);
    cloud_routes().describe(&mut document);
    let components = document.components.get_or_insert_default();
    let mut schemas = Vec::new();
    ErrorBody::schemas(&mut schemas);
    components.schemas.extend(schemas);
    components.schemas.insert(ErrorBody::name().into_owned(), ErrorBody::schema());
    components
        .add_security_scheme(TOKEN_SCHEME, SecurityScheme::Http(Http::new(HttpAuthScheme::Bearer)));
    let certificate = "TLS client certificate of an enrolled machine.";
    components.add_security_scheme(
        CERTIFICATE_SCHEME,
        SecurityScheme::MutualTls {
            description: Some(certificate.to_owned()),
            deprecated: None,
            extensions: None,
        },
    );
    document
}
