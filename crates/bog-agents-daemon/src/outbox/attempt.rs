//! One attempt to deliver: what is said is made anew each time, sent, and what came of it recorded.

use super::{Outbox, REPORTER, RETRY, message, target};
use crate::clock;
use crate::context;
use crate::outputs::{self, Context, Target, file};
use crate::store::{DueDelivery, StoreError};
use bog_domain::delivery::{AfterDelivery, Attempted, Standing, after_delivery};
use bog_domain::error::SpecError;
use bog_domain::job::Job;
use serde_json::{Value, json};

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
            tracing::error!(delivery.id = %id, %error, "a delivery cannot begin; trying again");
            outbox.problems.report(REPORTER, format!("deliveries cannot begin: {error}"));
            tokio::time::sleep(RETRY).await;
            true
        }
    };
    outbox.under_way.end(id, &host, answers);
}

impl Outbox {
    async fn attempt(&self, due: &DueDelivery) -> Result<Attempted, StoreError> {
        let job = match self.job(due) {
            Ok(job) => job,
            Err(error) => {
                let error = format!("the job's revision is not valid under this version: {error}");
                return Ok(Attempted::Permanent { error });
            }
        };
        let output = self.store.output(due.run.id).await?.unwrap_or_default();
        let mut seen = context::of_run(&self.store, &due.run, &job, due.run.attempt).await?;
        context::add_end(&mut seen, &due.run, &output);
        context::add_incident(&mut seen, due.delivery.purpose, due.delivery.incident);
        let text = match message::render(due, &seen, output) {
            Ok(text) => text,
            Err(error) => return Ok(Attempted::Permanent { error }),
        };
        match target::render(&due.delivery.spec, &job, &seen) {
            Ok(target) => self.send(due, &job, &target, text).await,
            Err(error) => Ok(Attempted::Permanent { error }),
        }
    }

    /// The job. One that this version does not understand still has a name and a folder, which is enough to say how its
    /// run ended.
    fn job(&self, due: &DueDelivery) -> Result<Job, SpecError> {
        self.jobs.parse(&due.run.job_id, &due.spec).or_else(|error| {
            let written: Value = serde_json::from_str(&due.spec).map_err(|_| error)?;
            let (name, working_dir) = (&written["name"], &written["working_dir"]);
            let rest = json!({ "name": name, "working_dir": working_dir, "agent": { "command": ["true"] } });
            self.jobs.parse(&due.run.job_id, &rest.to_string())
        })
    }

    async fn send(&self, due: &DueDelivery, job: &Job, target: &Target, text: String) -> Result<Attempted, StoreError> {
        let roots = self.roots_of(job);
        let before = match self.intend(due, target, &roots).await? {
            Ok(before) => before,
            Err(attempted) => return Ok(attempted),
        };
        let cause = self.store.cause_by(due.run.id).await?;
        let error = due.run.error.clone().map(|error| self.secrets.masked(error));
        let message = message::message(due, self.secrets.masked(text), error, cause);
        let services = self.services.clone();
        let previous = due.last_receipt.clone();
        let context = Context { services, roots, intent: before.intent, previous, attempt: before.attempt };
        crate::failpoint::hit("outbox.before_send");
        Ok(outputs::deliver(target, &message, &context).await)
    }

    /// Where the files of a job's outputs may lie.
    pub(super) fn roots_of(&self, job: &Job) -> file::Roots {
        let working_dir = job.working_dir.as_deref().map(crate::env::expand_home);
        file::Roots { more: self.roots.more.iter().cloned().chain(working_dir).collect(), ..self.roots.clone() }
    }

    async fn record(&self, due: &DueDelivery, attempted: Attempted) {
        let (delivery, now) = (&due.delivery, clock::now());
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
        let (run, target) = (due.run.id, &due.delivery.target);
        match after {
            AfterDelivery::Delivered { .. } => tracing::debug!(run.id = %run, %target, attempt, "delivered"),
            AfterDelivery::RetryAfter { delay, error, .. } => {
                tracing::warn!(run.id = %run, %target, attempt, %error, "not delivered; trying again in {delay:?}");
            }
            AfterDelivery::GaveUp { error } | AfterDelivery::Unknown { error } => {
                tracing::error!(run.id = %run, %target, attempt, %error, "not delivered, given up");
            }
        }
        self.metrics.delivered(after.state());
    }
}
