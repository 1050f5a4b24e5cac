//! Signed HTTP requests.

use crate::error::SpecError;
use crate::job::env_name;
use crate::spec::{WebhookScheme, WebhookSpec};

/// Paths of the API that no webhook may have.
const RESERVED: [&str; 8] =
    ["/webhooks/github", "/health", "/metrics", "/livez", "/readyz", "/openapi.json", "/drain", "/usage"];

/// Paths of the API below which no webhook may be.
const OWNED: [&str; 6] = ["/jobs", "/runs", "/fires", "/deliveries", "/outputs", "/admin"];

/// Checks it and returns its identifying fields as text.
pub(super) fn check(hook: &WebhookSpec, field: &impl Fn(&str) -> String) -> Result<String, SpecError> {
    let path = hook.path.as_str();
    if !path.starts_with('/') || path.len() < 2 || path.contains(['?', '#', ' ']) {
        return Err(SpecError::new(field("path"), format!("`{path}` is not a path: for example `/hooks/incident`")));
    }
    let below = |prefix: &str| path == prefix || path.starts_with(&format!("{prefix}/"));
    if RESERVED.contains(&path) || OWNED.iter().any(|prefix| below(prefix)) {
        return Err(SpecError::new(
            field("path"),
            format!("`{path}` belongs to the API: choose another, for example `/hooks{path}`"),
        ));
    }
    let open = hook.scheme == Some(WebhookScheme::None);
    if open && hook.public != Some(true) {
        return Err(SpecError::new(
            field("scheme"),
            "`none` lets anyone fire this job: say `public: true` too, or name a `secret_env`",
        ));
    }
    if !open && hook.secret_env.is_none() {
        return Err(SpecError::new(
            field("secret_env"),
            "missing: name the environment variable that holds the secret",
        ));
    }
    if let Some(name) = &hook.secret_env {
        env_name(&field("secret_env"), name)?;
    }
    Ok(hook.path.clone())
}
