//! Output targets: one file each. A target takes what is to be delivered and says what came of it; when to try again is
//! the outbox's business.

mod email;
pub mod file;
mod github_comment;
pub mod http;
mod log;
#[cfg(test)]
mod sample;
mod slack;
mod stdout;
mod webhook;

pub use email::Email;
pub use github_comment::GithubComment;
pub use slack::Slack;
pub use webhook::Webhook;

use crate::secrets::{SecretError, Secrets};
use crate::tasks;
use bog_domain::delivery::Attempted;
use bog_domain::fire::Cause;
use bog_domain::ids::{DeliveryId, JobId, RunId};
use bog_domain::run::Outcome;
use http::Http;
use jiff::Timestamp;
use reqwest::Url;
use secrecy::{ExposeSecret, SecretString};
use std::path::PathBuf;

/// What is to be delivered, rendered and masked.
#[derive(Debug, Clone)]
pub struct Message {
    /// The delivery: the same for every attempt, so that a target can recognise a repetition.
    pub delivery: DeliveryId,
    /// The job.
    pub job: JobId,
    /// Its name for people.
    pub job_name: String,
    /// The run.
    pub run: RunId,
    /// How the run ended.
    pub outcome: Outcome,
    /// The text.
    pub text: String,
    /// What went wrong in the run.
    pub error: Option<String>,
    /// When its last attempt started.
    pub started_at: Option<Timestamp>,
    /// When it ended.
    pub finished_at: Option<Timestamp>,
    /// The cause of whatever this message causes.
    pub cause: Cause,
    /// Whether it only shows that the target can be reached.
    pub sample: bool,
}

/// Where it is to be delivered, rendered and checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    /// The daemon's own log.
    Log,
    /// The daemon's standard output.
    Stdout,
    /// The end of a file.
    Append {
        /// The file.
        path: PathBuf,
    },
    /// A file, as a whole.
    Replace {
        /// The file.
        path: PathBuf,
    },
    /// A Slack channel.
    Slack(Slack),
    /// A signed HTTP request.
    Webhook(Webhook),
    /// An e-mail.
    Email(Email),
    /// A comment on GitHub.
    GithubComment(GithubComment),
}

impl Target {
    /// Whether [`Context::previous`] matters to it.
    #[must_use]
    pub fn looks_back(&self) -> bool {
        match self {
            Self::Slack(slack) => slack.looks_back(),
            Self::GithubComment(comment) => comment.looks_back(),
            Self::Log
            | Self::Stdout
            | Self::Append { .. }
            | Self::Replace { .. }
            | Self::Webhook(_)
            | Self::Email(_) => false,
        }
    }
}

/// What all targets share. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Services {
    /// Who sends requests.
    pub http: Http,
    /// Who knows the values of secrets.
    pub secrets: Secrets,
    /// Base of Slack's API.
    pub slack_api: String,
    /// Base of GitHub's API, for outputs that name none.
    pub github_api: String,
}

/// What one attempt to deliver may need besides its message.
#[derive(Debug, Clone)]
pub struct Context {
    /// What all targets share.
    pub services: Services,
    /// Where files may be written.
    pub roots: file::Roots,
    /// What an earlier attempt to append remembered.
    pub intent: Option<file::Intent>,
    /// The receipt of the job's last message that was delivered at this target.
    pub previous: Option<String>,
    /// Which attempt it is, from 1.
    pub attempt: u32,
}

/// Delivers a message once.
pub async fn deliver(target: &Target, message: &Message, context: &Context) -> Attempted {
    match target {
        Target::Log => on_a_thread(message, log::deliver).await,
        Target::Stdout => on_a_thread(message, stdout::deliver).await,
        Target::Append { path } => {
            let (path, roots, intent) = (path.clone(), context.roots.clone(), context.intent.clone());
            on_a_thread(message, move |message| file::append(&roots, &path, &message.text, intent.as_ref())).await
        }
        Target::Replace { path } => {
            let (path, roots) = (path.clone(), context.roots.clone());
            on_a_thread(message, move |message| file::replace(&roots, &path, &message.text)).await
        }
        Target::Slack(slack) => slack.deliver(message, context).await,
        Target::Webhook(hook) => hook.deliver(message, context).await,
        Target::Email(email) => email.deliver(message, context).await,
        Target::GithubComment(comment) => comment.deliver(message, context).await,
    }
}

/// Delivers by what blocks.
async fn on_a_thread(message: &Message, work: impl FnOnce(&Message) -> Attempted + Send + 'static) -> Attempted {
    let message = message.clone();
    let done = tasks::blocking(move || work(&message)).await;
    done.unwrap_or_else(|error| Attempted::Passing { error: error.to_string(), retry_after: None })
}

impl Context {
    /// The value of a secret, looked for now.
    ///
    /// # Errors
    /// When it is nowhere, which somebody has to change, or where it is does not answer, which may pass.
    async fn secret(&self, name: &str) -> Result<SecretString, Attempted> {
        match self.services.secrets.get(name).await {
            Ok(secret) => Ok(secret.value),
            Err(error @ SecretError::Nowhere { .. }) => Err(Attempted::Permanent { error: error.to_string() }),
            Err(error @ SecretError::Unusable { .. }) => {
                Err(Attempted::Passing { error: error.to_string(), retry_after: None })
            }
        }
    }

    /// The URL that is a secret: nothing of it is shown, should it be none.
    async fn secret_url(&self, name: &str) -> Result<Url, Attempted> {
        let url = self.secret(name).await?;
        url.expose_secret().trim().parse().map_err(|_| permanent(format!("the value of `{name}` is not a URL")))
    }
}

/// What shows nothing to anybody, or can be done twice, has at worst failed.
fn passing(attempted: Attempted) -> Attempted {
    match attempted {
        Attempted::Unknown { error } => Attempted::Passing { error, retry_after: None },
        Attempted::Delivered { .. } | Attempted::Passing { .. } | Attempted::Permanent { .. } => attempted,
    }
}

/// A permanent failure.
fn permanent(error: impl std::fmt::Display) -> Attempted {
    Attempted::Permanent { error: error.to_string() }
}
