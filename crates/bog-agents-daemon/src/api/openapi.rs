//! `/openapi.json`: the API described by its own code.

use axum::Json;
use axum::extract::Extension;
use std::sync::Arc;
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityRequirement, SecurityScheme};
use utoipa::openapi::{ContactBuilder, InfoBuilder, LicenseBuilder, OpenApi, OpenApiBuilder};

/// The description without its paths, which the router adds.
pub(super) fn frame() -> OpenApi {
    let description = "Jobs, their fires and runs. Lists are newest first and page by cursor; errors are problem+json \
                       (RFC 9457); times are RFC 3339; an unknown field or parameter is an error that names it.";
    let info = InfoBuilder::new()
        .title("bog-agents-daemon")
        .version(env!("CARGO_PKG_VERSION"))
        .description(Some(description))
        .license(Some(LicenseBuilder::new().name(env!("CARGO_PKG_LICENSE")).build()))
        .contact(Some(ContactBuilder::new().url(Some(env!("CARGO_PKG_REPOSITORY"))).build()))
        .build();
    let bearer = HttpBuilder::new().scheme(HttpAuthScheme::Bearer).description(Some("The daemon's token")).build();
    let mut components = utoipa::openapi::Components::new();
    components.add_security_scheme("token", SecurityScheme::Http(bearer));
    OpenApiBuilder::new()
        .info(info)
        .components(Some(components))
        .security(Some([SecurityRequirement::new::<_, [&str; 0], &str>("token", [])]))
        .build()
}

/// This document.
#[utoipa::path(get, path = "/openapi.json", tag = "daemon", operation_id = "openapi", responses((status = 200, body = serde_json::Value)))]
pub(super) async fn document(Extension(document): Extension<Arc<OpenApi>>) -> Json<OpenApi> {
    Json((*document).clone())
}
