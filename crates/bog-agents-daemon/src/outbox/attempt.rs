//! One attempt to deliver: what is said is made anew each time, sent, and what came of it recorded.

use super::{Outbox, REPORTER, RETRY, message, target};
use crate::clock;
use crate::context;
use crate::outputs::{self, Message, Target, file};
use crate::store::{DueDelivery, StoreError};
use crate::tasks;
use bog_domain::delivery::{AfterDelivery, Attempted, Standing, after_delivery};
use bog_domain::job::Job;

/// Makes one attempt and sees to it that what came of it is recorded: it is not made again because a disk is full.
pub(super) async fn attempt(outbox: Outbox, due: DueDelivery) {
    let (id, host) = (due.delivery.id, due.delivery.host.clone());
    let answers = match outbox.attempt(&due).await {
        Ok(attempted) => {
            crate::failpoint::hit("outbox.delivered");
            let answers = attempted.host_answers();
            outbox.record(&due, attempted).await;
            answers
        }
        Err(error) => {
            tracing::error!(delivery.id = %id, %error, "what is to be delivered cannot be read; trying again");
            outbox.problems.report(REPORTER, format!("deliveries cannot be read: {error}"));
            tokio::time::sleep(RETRY).await;
            true
        }
    };
    outbox.under_way.end(id, &host, answers);
}

impl Outbox {
    async fn attempt(&self, due: &DueDelivery) -> Result<Attempted, StoreError> {
        let Ok(job) = self.jobs.parse(&due.run.job_id, &due.spec) else {
            let error = "the job's revision is not valid under this version".to_owned();
            return Ok(Attempted::Permanent { error });
        };
        let output = self.store.output(due.run.id).await?.unwrap_or_default();
        let mut context = context::of_run(&self.store, &due.run, &job, due.run.attempt).await?;
        context::add_end(&mut context, &due.run, &output);
        context::add_incident(&mut context, due.delivery.purpose, due.delivery.incident);
        let spec = &due.delivery.spec;
        let rendered =
            message::render(due, &context, output).and_then(|text| Ok((target::render(spec, &job, &context)?, text)));
        match rendered {
            Ok((target, text)) => {
                let message = message::message(due, self.secrets.masked(text));
                self.send(due, &job, target, message).await
            }
            Err(error) => Ok(Attempted::Permanent { error }),
        }
    }

    async fn send(
        &self,
        due: &DueDelivery,
        job: &Job,
        target: Target,
        message: Message,
    ) -> Result<Attempted, StoreError> {
        let roots = self.roots_of(job);
        let intent = match self.intent(due, &target, &roots).await? {
            Ok(intent) => intent,
            Err(attempted) => return Ok(attempted),
        };
        crate::failpoint::hit("outbox.before_send");
        Ok(send(target, message, roots, intent).await)
    }

    pub(super) fn roots_of(&self, job: &Job) -> file::Roots {
        let working_dir = job.working_dir.as_deref().map(crate::env::expand_home);
        file::Roots { more: self.roots.more.iter().cloned().chain(working_dir).collect(), ..self.roots.clone() }
    }

    /// What was or is now remembered of where a text is appended. Remembered durably before the target begins.
    async fn intent(
        &self,
        due: &DueDelivery,
        target: &Target,
        roots: &file::Roots,
    ) -> Result<Result<Option<file::Intent>, Attempted>, StoreError> {
        let Target::Append { path } = target else { return Ok(Ok(None)) };
        if let Some(earlier) = &due.delivery.intent
            && let Ok(intent) = serde_json::from_str(earlier)
        {
            return Ok(Ok(Some(intent)));
        }
        match file::intend(roots, path) {
            Err(attempted) => Ok(Err(attempted)),
            Ok(intent) => {
                self.store.intend(due.delivery.id, serde_json::to_string(&intent)?).await?;
                crate::failpoint::hit("outbox.intended");
                Ok(Ok(None))
            }
        }
    }

    async fn record(&self, due: &DueDelivery, attempted: Attempted) {
        let delivery = &due.delivery;
        let now = clock::now();
        let age = now.duration_since(delivery.begun_at).try_into().unwrap_or_default();
        let standing = Standing { was: delivery.state, attempt: delivery.attempts + 1, age };
        let after = after_delivery(attempted, standing, &delivery.spec.retry().into(), clock::roll());
        self.say(due, standing.attempt, &after);
        while let Err(error) = self.store.deliver(delivery.id, after.clone(), now).await {
            tracing::error!(delivery.id = %delivery.id, %error, "its state cannot be recorded; trying again");
            self.problems.report(REPORTER, format!("deliveries wait to be recorded: {error}"));
            tokio::time::sleep(RETRY).await;
        }
        self.problems.clear(REPORTER);
    }

    fn say(&self, due: &DueDelivery, attempt: u32, after: &AfterDelivery) {
        let (run, target, state) = (due.run.id, &due.delivery.target, after.state());
        match after {
            AfterDelivery::Delivered { .. } => tracing::debug!(run.id = %run, %target, attempt, "delivered"),
            AfterDelivery::RetryAfter { delay, error, .. } => {
                tracing::warn!(run.id = %run, %target, attempt, %error, "not delivered; trying again in {delay:?}");
            }
            AfterDelivery::GaveUp { error } | AfterDelivery::Unknown { error } => {
                tracing::error!(run.id = %run, %target, attempt, %error, "not delivered, given up");
            }
        }
        self.metrics.delivered(state);
    }
}

/// Sends a message once.
pub(super) async fn send(
    target: Target,
    message: Message,
    roots: file::Roots,
    intent: Option<file::Intent>,
) -> Attempted {
    let work = move || outputs::deliver(&target, &message, &roots, intent.as_ref());
    let done = tasks::blocking(work).await;
    done.unwrap_or_else(|error| Attempted::Passing { error: error.to_string(), retry_after: None })
}
