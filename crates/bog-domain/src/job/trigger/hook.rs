//! What the triggers have in common that HTTP requests fire.

use super::github::Github;
use super::webhook::Webhook;
use crate::error::SpecError;
use crate::filter::Filter;
use crate::fire::TriggerKind;
use crate::hook::GITHUB_PATH;
use crate::job::env_name;
use crate::spec::{TriggerSpec, WebhookScheme};
use crate::template::event_fields;

/// A trigger that HTTP requests fire.
#[derive(Debug, Clone)]
pub enum Hook {
    /// Requests to a path of its own.
    Webhook(Webhook),
    /// Requests of GitHub.
    Github(Box<Github>),
}

impl Hook {
    /// Checks a trigger; `None` for one that nothing fires by HTTP.
    pub(super) fn parse(spec: &TriggerSpec, field: &impl Fn(&str) -> String) -> Result<Option<Self>, SpecError> {
        Ok(match spec {
            TriggerSpec::Webhook(hook) => Some(Self::Webhook(Webhook::parse(hook, field)?)),
            TriggerSpec::Github(github) => Some(Self::Github(Box::new(Github::parse(github, field)?))),
            TriggerSpec::Cron(_) | TriggerSpec::Interval(_) | TriggerSpec::FileChange(_) | TriggerSpec::GitPush(_) => {
                None
            }
        })
    }

    /// The path that its requests come to.
    #[must_use]
    pub fn path(&self) -> &str {
        match self {
            Self::Webhook(hook) => &hook.path,
            Self::Github(_) => GITHUB_PATH,
        }
    }

    /// How its requests are signed.
    #[must_use]
    pub const fn scheme(&self) -> WebhookScheme {
        match self {
            Self::Webhook(hook) => hook.scheme,
            Self::Github(_) => WebhookScheme::Github,
        }
    }

    /// Names of the secrets any of which may have signed: the one that is used, then the one before it.
    #[must_use]
    pub fn secrets(&self) -> &[String] {
        match self {
            Self::Webhook(hook) => &hook.secrets,
            Self::Github(github) => &github.secrets,
        }
    }

    pub(super) fn warning(&self) -> Option<String> {
        match self {
            Self::Webhook(hook) => hook.warning(),
            Self::Github(_) => None,
        }
    }
}

/// The names of a trigger's secrets.
pub(super) fn secret_names(
    name: &str,
    previous: Option<&str>,
    field: &impl Fn(&str) -> String,
) -> Result<Vec<String>, SpecError> {
    env_name(&field("secret_env"), name)?;
    previous.map(|previous| env_name(&field("secret_env_previous"), previous)).transpose()?;
    Ok([Some(name), previous].into_iter().flatten().map(str::to_owned).collect())
}

/// A trigger's filter.
pub(super) fn filter(
    written: Option<&str>,
    kind: TriggerKind,
    field: &impl Fn(&str) -> String,
) -> Result<Option<Filter>, SpecError> {
    // What is added to an event when it is written down is not there yet when it is filtered.
    let mut fields = event_fields(kind).to_vec();
    fields.push("payload");
    fields.sort_unstable();
    let parse = |text: &str| Filter::parse(text, &fields).map_err(|error| SpecError::new(field("filter"), error));
    written.map(parse).transpose()
}
