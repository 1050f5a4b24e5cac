//! Signed HTTP requests.

use super::hook::secret_names;
use crate::error::SpecError;
use crate::filter::Filter;
use crate::fire::TriggerKind;
use crate::spec::{WebhookScheme, WebhookSpec};

/// Paths of the API that no webhook may have.
const RESERVED: [&str; 8] =
    ["/webhooks/github", "/health", "/metrics", "/livez", "/readyz", "/openapi.json", "/drain", "/usage"];

/// Paths of the API below which no webhook may be.
const OWNED: [&str; 6] = ["/jobs", "/runs", "/fires", "/deliveries", "/outputs", "/admin"];

/// Longest path, in bytes.
const MAX_PATH: usize = 512;

/// A webhook trigger.
#[derive(Debug, Clone)]
pub struct Webhook {
    /// The path that requests come to.
    pub path: String,
    /// How they are signed.
    pub scheme: WebhookScheme,
    /// Names of the secrets any of which may have signed; none where nothing signs.
    pub secrets: Vec<String>,
    /// What lets an event through.
    pub filter: Option<Filter>,
}

impl Webhook {
    /// Checks it.
    pub(super) fn parse(hook: &WebhookSpec, field: &impl Fn(&str) -> String) -> Result<Self, SpecError> {
        check_path(&hook.path, &field("path"))?;
        let scheme = hook.scheme.unwrap_or(WebhookScheme::Github);
        let secrets = match (scheme, &hook.secret_env) {
            (WebhookScheme::None, _) if hook.public != Some(true) => {
                return Err(SpecError::new(
                    field("scheme"),
                    "`none` lets anyone fire this job: say `public: true` too, or name a `secret_env`",
                ));
            }
            (WebhookScheme::None, Some(_)) => {
                let message = "of no use: `scheme: none` checks no signature; leave one of the two out";
                return Err(SpecError::new(field("secret_env"), message));
            }
            (WebhookScheme::None, None) => Vec::new(),
            (_, Some(name)) => secret_names(name, hook.secret_env_previous.as_deref(), field)?,
            (_, None) => {
                let message = "missing: name the environment variable that holds the secret";
                return Err(SpecError::new(field("secret_env"), message));
            }
        };
        let filter = super::hook::filter(hook.filter.as_deref(), TriggerKind::Webhook, field)?;
        Ok(Self { path: hook.path.clone(), scheme, secrets, filter })
    }

    pub(super) fn warning(&self) -> Option<String> {
        let path = &self.path;
        (self.scheme == WebhookScheme::None).then(|| {
            format!("`{path}` takes events from anyone who reaches the daemon: `scheme: none` checks no signature")
        })
    }
}

/// Its identifying fields as text.
pub(super) fn identity(hook: &WebhookSpec) -> String {
    hook.path.clone()
}

fn check_path(path: &str, field: &str) -> Result<(), SpecError> {
    let allowed = |c: char| c.is_ascii_alphanumeric() || "-._~/%:@+,;=$!*".contains(c);
    if !path.starts_with('/') || path.len() < 2 || path.len() > MAX_PATH || !path.chars().all(allowed) {
        return Err(SpecError::new(field, format!("`{path}` is not a path: for example `/hooks/incident`")));
    }
    let below = |prefix: &str| path == prefix || path.starts_with(&format!("{prefix}/"));
    if RESERVED.contains(&path) || OWNED.iter().any(|prefix| below(prefix)) {
        let message = format!("`{path}` belongs to the API: choose another, for example `/hooks{path}`");
        return Err(SpecError::new(field, message));
    }
    Ok(())
}
