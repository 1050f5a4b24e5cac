//! Trying a job's outputs without a run: a sample, marked as one, goes to each. Nothing of it is recorded.

use super::{Outbox, message, target};
use crate::clock;
use crate::context;
use crate::outputs::{self, Context, Message, Target};
use crate::store::{JobRow, StoreError};
use bog_domain::delivery::Attempted;
use bog_domain::fire::Cause;
use bog_domain::ids::{DeliveryId, RunId};
use bog_domain::job::Job;
use bog_domain::run::Outcome;
use bog_domain::spec::OutputSpec;
use serde_json::Value;
use std::path::PathBuf;

/// What stands at the beginning of every sample.
const MARK: &str = "[sample] ";

/// What came of a sample.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sampled {
    /// The target in a few words.
    pub target: String,
    /// What it answered.
    pub attempted: Attempted,
}

impl Outbox {
    /// Sends a sample to every output of a job, all at once, and says what each answered.
    ///
    /// # Errors
    /// When the ledger cannot be read.
    pub async fn sample(&self, row: &JobRow, job: &Job) -> Result<Vec<Sampled>, StoreError> {
        let said = format!("This is a sample of what job `{}` delivers here. No agent has run.", job.id);
        let mut context = context::of_sample(&self.store, row.uid, job).await?;
        let run = RunId::new(clock::new_id());
        context["run"] = serde_json::json!({
            "id": run, "attempt": 1, "outcome": Outcome::Succeeded.as_str(), "output": said, "error": null,
        });
        let samples = job.outputs.iter().map(|output| self.sample_to(&output.spec, job, run, &context, &said));
        Ok(futures::future::join_all(samples).await)
    }

    async fn sample_to(&self, spec: &OutputSpec, job: &Job, run: RunId, context: &Value, said: &str) -> Sampled {
        let rendered = message::templated(spec, context, said.to_owned())
            .and_then(|text| Ok((target::render(spec, job, context)?, text)));
        let attempted = match rendered {
            Ok((target, text)) => {
                let now = clock::now();
                let message = Message {
                    delivery: DeliveryId::new(clock::new_id()),
                    job: job.id.clone(),
                    job_name: job.name.clone(),
                    run,
                    outcome: Outcome::Succeeded,
                    text: self.secrets.masked(format!("{MARK}{text}")),
                    error: None,
                    started_at: Some(now),
                    finished_at: Some(now),
                    cause: Cause::default(),
                    sample: true,
                };
                let context = Context {
                    services: self.services.clone(),
                    roots: self.roots_of(job),
                    intent: None,
                    previous: None,
                    attempt: 1,
                };
                outputs::deliver(&beside(target), &message, &context).await
            }
            Err(error) => Attempted::Permanent { error },
        };
        Sampled { target: spec.to_string(), attempted }
    }
}

/// A sample replaces no file that holds something: it goes beside it.
fn beside(target: Target) -> Target {
    match target {
        Target::Replace { path } => {
            let mut name = path.into_os_string();
            name.push(".sample");
            Target::Replace { path: PathBuf::from(name) }
        }
        Target::Log
        | Target::Stdout
        | Target::Append { .. }
        | Target::Slack(_)
        | Target::Webhook(_)
        | Target::Email(_)
        | Target::GithubComment(_) => target,
    }
}
