//! `/openapi.json`: the API described by its own code.
//!
//! The description is made by a test, which compares it with the file beside this one: a daemon that is never asked for it
//! need not build it, hold it, or have the code that does.

use axum::http::header;
use axum::response::IntoResponse;

const DOCUMENT: &str = include_str!("openapi.json");

/// This document.
#[utoipa::path(get, path = "/openapi.json", tag = "daemon", operation_id = "openapi", responses((status = 200, body = serde_json::Value)))]
pub(super) async fn document() -> impl IntoResponse {
    ([(header::CONTENT_TYPE, "application/json")], DOCUMENT)
}

#[cfg(test)]
mod tests {
    use super::super::{
        admin, deliveries, effective, events, explain, fire, fires, health, jobs, metrics, next, openapi, revisions,
        runs, usage,
    };
    use super::DOCUMENT;
    use std::path::Path;
    use utoipa::OpenApi as _;
    use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityRequirement, SecurityScheme};
    use utoipa::openapi::{ContactBuilder, InfoBuilder, LicenseBuilder, OpenApi};

    /// Every handler that the router has.
    #[derive(utoipa::OpenApi)]
    #[openapi(paths(
        jobs::all,
        jobs::create,
        jobs::show,
        jobs::replace,
        jobs::patch,
        jobs::delete,
        jobs::enable,
        jobs::disable,
        fire::run,
        runs::of_job,
        fires::of_job,
        next::next,
        effective::effective,
        explain::explain,
        revisions::of_job,
        deliveries::test,
        runs::all,
        runs::show,
        events::events,
        runs::cancel,
        runs::resume,
        fire::rerun,
        fires::all,
        fires::show,
        deliveries::all,
        deliveries::show,
        deliveries::redeliver,
        usage::usage,
        health::health,
        health::livez,
        health::readyz,
        metrics::metrics,
        openapi::document,
        admin::drain,
        admin::rotate_token,
    ))]
    struct Handlers;

    fn described() -> OpenApi {
        let description = "Jobs, their fires and runs. Lists are newest first and page by cursor; errors are problem+json \
                           (RFC 9457); times are RFC 3339; an unknown field or parameter is an error that names it.";
        let mut document = Handlers::openapi();
        document.info = InfoBuilder::new()
            .title("bog-agents-daemon")
            .version(env!("CARGO_PKG_VERSION"))
            .description(Some(description))
            .license(Some(LicenseBuilder::new().name(env!("CARGO_PKG_LICENSE")).build()))
            .contact(Some(ContactBuilder::new().url(Some(env!("CARGO_PKG_REPOSITORY"))).build()))
            .build();
        let bearer = HttpBuilder::new().scheme(HttpAuthScheme::Bearer).description(Some("The daemon's token")).build();
        document.components.get_or_insert_default().add_security_scheme("token", SecurityScheme::Http(bearer));
        document.security = Some(vec![SecurityRequirement::new::<_, [&str; 0], &str>("token", [])]);
        document
    }

    #[test]
    fn every_route_is_described() {
        let described = described();
        let routes = include_str!("router.rs").split(".route(\"").skip(1);
        let undescribed: Vec<_> = routes
            .filter_map(|route| route.split('"').next())
            .filter(|path| !described.paths.paths.contains_key(*path))
            .collect();
        assert!(undescribed.is_empty(), "{undescribed:?}");
    }

    #[test]
    fn the_document_is_what_the_code_says() {
        let described = described().to_pretty_json().unwrap() + "\n";
        if described == DOCUMENT {
            return;
        }
        let new = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/api/openapi.json.new");
        std::fs::write(&new, described).unwrap();
        panic!(
            "`src/api/openapi.json` is not what the code says: look at `{}` and take it in its place",
            new.display()
        );
    }
}
