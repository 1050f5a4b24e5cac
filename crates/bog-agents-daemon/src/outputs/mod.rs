//! Output targets: one file each. A target takes what is to be delivered and says what came of it; when to try again is
//! the outbox's business.

pub mod file;
mod log;
mod stdout;

use bog_domain::delivery::Attempted;
use bog_domain::ids::{DeliveryId, JobId, RunId};
use bog_domain::run::Outcome;
use std::path::PathBuf;

/// What is to be delivered, rendered.
#[derive(Debug, Clone)]
pub struct Message {
    /// The delivery: the same for every attempt, so that a target can recognise a repetition.
    pub delivery: DeliveryId,
    /// The job.
    pub job: JobId,
    /// The run.
    pub run: RunId,
    /// How the run ended.
    pub outcome: Outcome,
    /// The text.
    pub text: String,
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
}

/// Delivers a message once.
#[must_use]
pub fn deliver(target: &Target, message: &Message, roots: &file::Roots, intent: Option<&file::Intent>) -> Attempted {
    match target {
        Target::Log => log::deliver(message),
        Target::Stdout => stdout::deliver(message),
        Target::Append { path } => file::append(roots, path, &message.text, intent),
        Target::Replace { path } => file::replace(roots, path, &message.text),
    }
}
