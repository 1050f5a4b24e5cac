//! The outbox: delivers what finished runs have to say, again and again until it is taken or given up. It never runs an
//! agent again, and a target that is slow or broken holds up no other.

use crate::clock;
use crate::context;
use crate::jobs::Jobs;
use crate::outputs::{self, Context, Email, GithubComment, Message, Services, Slack, Target, Webhook, file};
use crate::secrets::Secrets;
use crate::store::{DueDelivery, Store, StoreError};
use crate::tasks::Group;
use crate::telemetry::{Metrics, Problems};
use crate::wakes::Wakes;
use bog_domain::delivery::{AfterDelivery, Attempted, DeliveryPolicy, after_delivery};
use bog_domain::fire::Cause;
use bog_domain::ids::DeliveryId;
use bog_domain::job::Job;
use bog_domain::run::Outcome;
use bog_domain::spec::{FileMode, OutputSpec};
use bog_domain::template::Template;
use jiff::Timestamp;
use std::collections::{HashMap, HashSet};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

/// Deliveries under way at most.
const MAX_UNDER_WAY: usize = 256;

/// How long it waits before it tries again when the store fails.
const RETRY: Duration = Duration::from_secs(1);

/// The name under which it reports problems.
const REPORTER: &str = "outbox";

/// What the outbox works with.
#[derive(Debug, Clone)]
pub struct Outbox {
    /// Where deliveries are.
    pub store: Store,
    /// Who wakes it.
    pub wakes: Arc<Wakes>,
    /// Who knows what a job is.
    pub jobs: Jobs,
    /// What may not leave.
    pub secrets: Secrets,
    /// Who is told what was delivered.
    pub metrics: Metrics,
    /// Who is told what keeps deliveries from being recorded.
    pub problems: Problems,
    /// Where files may be written.
    pub roots: file::Roots,
    /// What targets share.
    pub services: Services,
    /// Deliveries under way.
    pub under_way: Arc<Mutex<HashSet<DeliveryId>>>,
    /// One delivery at a time to each target, in order.
    pub lanes: Arc<Mutex<HashMap<String, Arc<Semaphore>>>>,
}

/// Delivers what is due, until told to stop.
pub async fn run(outbox: Outbox, stop: CancellationToken) {
    let mut deliveries = Group::new();
    loop {
        let woken = outbox.wakes.outbox.notified();
        let next = match outbox.start_due(&mut deliveries).await {
            Ok(next) => next,
            Err(error) => {
                tracing::error!(%error, "deliveries cannot be read; trying again");
                outbox.problems.report(REPORTER, format!("deliveries cannot be read: {error}"));
                tokio::select! { () = stop.cancelled() => return, () = tokio::time::sleep(RETRY) => continue }
            }
        };
        tokio::select! {
            () = stop.cancelled() => break,
            () = woken => {}
            () = clock::sleep_until(next), if next.is_some() => {}
            Some(_) = deliveries.ended() => {}
        }
    }
    // Each is a moment's work; one that hangs is tried again by the next daemon.
    let all_ended = async { while deliveries.ended().await.is_some() {} };
    let _ = tokio::time::timeout(RETRY, all_ended).await;
}

impl Outbox {
    async fn start_due(&self, deliveries: &mut Group) -> Result<Option<Timestamp>, StoreError> {
        let under_way: Vec<DeliveryId> = self.under_way().iter().copied().collect();
        let free = MAX_UNDER_WAY.saturating_sub(under_way.len());
        if free == 0 {
            return Ok(None);
        }
        let limit = u32::try_from(free).unwrap_or(u32::MAX);
        let idle = under_way.is_empty();
        let (due, next) = self.store.due_deliveries(under_way, clock::now(), limit).await?;
        if idle && due.is_empty() {
            self.problems.clear(REPORTER);
        }
        for due in due {
            self.under_way().insert(due.delivery.id);
            deliveries.start("delivery", deliver(self.clone(), due));
        }
        Ok(next)
    }

    fn under_way(&self) -> std::sync::MutexGuard<'_, HashSet<DeliveryId>> {
        self.under_way.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The lane of a target. Lanes that nobody holds are forgotten.
    fn lane(&self, target: &str) -> Arc<Semaphore> {
        let mut lanes = self.lanes.lock().unwrap_or_else(PoisonError::into_inner);
        lanes.retain(|_, lane| Arc::strong_count(lane) > 1);
        Arc::clone(lanes.entry(target.to_owned()).or_insert_with(|| Arc::new(Semaphore::new(1))))
    }
}

async fn deliver(outbox: Outbox, due: DueDelivery) {
    let id = due.delivery.id;
    let lane = outbox.lane(&due.delivery.target);
    // The semaphore is never closed.
    let permit = lane.acquire().await;
    match outbox.deliver_once(&due).await {
        Ok(()) => outbox.problems.clear(REPORTER),
        Err(error) => {
            tracing::error!(delivery.id = %id, %error, "its state cannot be recorded; trying again");
            outbox.problems.report(REPORTER, format!("deliveries wait to be recorded: {error}"));
            tokio::time::sleep(RETRY).await;
        }
    }
    drop(permit);
    outbox.under_way().remove(&id);
}

impl Outbox {
    async fn deliver_once(&self, due: &DueDelivery) -> Result<(), StoreError> {
        let attempt = due.delivery.attempts + 1;
        let policy = self.policy(due);
        let attempted = self.attempt(due).await?;
        crate::failpoint::hit("outbox.delivered");
        let now = clock::now();
        let age = now.duration_since(due.delivery.created_at).try_into().unwrap_or_default();
        let after = after_delivery(attempted, attempt, age, &policy, clock::roll());
        self.say(due, attempt, &after);
        self.store.deliver(due.delivery.id, after, now).await
    }

    fn say(&self, due: &DueDelivery, attempt: u32, after: &AfterDelivery) {
        let (run, target) = (due.run.id, &due.delivery.target);
        match after {
            AfterDelivery::Delivered { .. } => {
                tracing::debug!(run.id = %run, %target, attempt, "delivered");
                self.metrics.delivered(bog_domain::delivery::DeliveryState::Delivered);
            }
            AfterDelivery::RetryAfter { delay, error } => {
                tracing::warn!(run.id = %run, %target, attempt, %error, "not delivered; trying again in {delay:?}");
            }
            AfterDelivery::GaveUp { error } => {
                tracing::error!(run.id = %run, %target, attempt, %error, "not delivered, given up");
                self.metrics.delivered(bog_domain::delivery::DeliveryState::GaveUp);
            }
        }
    }

    fn job(&self, due: &DueDelivery) -> Option<Job> {
        self.jobs.parse(&due.run.job_id, &due.spec).ok()
    }

    fn policy(&self, due: &DueDelivery) -> DeliveryPolicy {
        let job = self.job(due);
        let output = job.as_ref().and_then(|job| job.outputs.get(due.delivery.position as usize));
        output.map_or_else(DeliveryPolicy::default, |output| output.policy)
    }

    async fn attempt(&self, due: &DueDelivery) -> Result<Attempted, StoreError> {
        let Some(job) = self.job(due) else {
            return Ok(permanent("the job's revision is not valid under this version"));
        };
        let output = self.store.output(due.run.id).await?.unwrap_or_default();
        let mut context = context::of_run(&self.store, &due.run, &job, due.run.attempt).await?;
        context::add_end(&mut context, &due.run, &output);
        let fires = self.store.fires_of(due.run.id, context::MAX_EVENTS).await?;
        let depth = fires.iter().map(|fire| fire.cause.depth).max().unwrap_or_default();
        let rendered = rendered(due, &job, &context, output, depth);
        let (target, message) = match rendered {
            Ok((target, message)) => (target, Message { text: self.secrets.masked(message.text), ..message }),
            Err(attempted) => return Ok(attempted),
        };
        let roots = self.roots_of(&job);
        let intent = match self.intent(due, &target, &roots).await? {
            Ok(intent) => intent,
            Err(attempted) => return Ok(attempted),
        };
        let previous = match target.looks_back() {
            true => self.store.last_receipt(due.run.job_uid, due.delivery.target.clone()).await?,
            false => None,
        };
        let (services, attempt) = (self.services.clone(), due.delivery.attempts + 1);
        let context = Context { services, roots, intent, previous, attempt };
        Ok(outputs::deliver(&target, &message, &context).await)
    }

    fn roots_of(&self, job: &Job) -> file::Roots {
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
}

fn permanent(error: impl ToString) -> Attempted {
    Attempted::Permanent { error: error.to_string() }
}

fn rendered(
    due: &DueDelivery,
    job: &Job,
    context: &serde_json::Value,
    output: String,
    depth: u32,
) -> Result<(Target, Message), Attempted> {
    let spec = &due.delivery.spec;
    let target = match spec {
        OutputSpec::Log(_) => Target::Log,
        OutputSpec::Stdout(_) => Target::Stdout,
        OutputSpec::File(file) => {
            let path = Template::parse(file.path.as_str()).and_then(|template| template.render_path(context));
            let path = absolute(job, &path.map_err(|error| permanent(format!("`path`: {error}")))?);
            match file.mode.unwrap_or_default() {
                FileMode::Append => Target::Append { path },
                FileMode::Replace => Target::Replace { path },
            }
        }
        OutputSpec::Webhook(hook) => Target::Webhook(Webhook::render(hook).map_err(permanent)?),
        OutputSpec::Email(email) => Target::Email(Email::render(email, context).map_err(permanent)?),
        OutputSpec::Slack(slack) => Target::Slack(Slack::render(slack).map_err(permanent)?),
        OutputSpec::GithubComment(comment) => {
            Target::GithubComment(GithubComment::render(comment, context).map_err(permanent)?)
        }
    };
    let text = match spec.template() {
        None => with_error(due, output),
        Some(template) => Template::parse(template)
            .and_then(|template| template.render(context))
            .map_err(|error| permanent(format!("`template`: {error}")))?,
    };
    let text = match spec.max_length().and_then(|most| text.char_indices().nth(most)) {
        Some((cut, _)) => format!("{} [cut]", &text[..cut]),
        None => text,
    };
    let outcome = due.run.outcome.unwrap_or(Outcome::Interrupted);
    let message = Message {
        delivery: due.delivery.id,
        job: job.id.clone(),
        job_name: job.name.clone(),
        run: due.run.id,
        outcome,
        text,
        error: due.run.error.clone(),
        started_at: due.run.started_at,
        finished_at: due.run.finished_at,
        cause: Cause::of_run(due.run.fire_id, depth),
        sample: false,
    };
    Ok((target, message))
}

/// Without a template a run that did not succeed says so, and why.
fn with_error(due: &DueDelivery, output: String) -> String {
    match (due.run.outcome, &due.run.error) {
        (Some(Outcome::Succeeded) | None, _) => output,
        (Some(outcome), error) => {
            let error = error.as_deref().map(|error| format!(": {}", error.trim_end())).unwrap_or_default();
            let between = if output.is_empty() || output.ends_with('\n') { "" } else { "\n" };
            format!("{output}{between}[{} {outcome}{error}]", due.run.job_id)
        }
    }
}

/// `~` is the home folder, and a relative path is within the job's folder.
fn absolute(job: &Job, path: &str) -> PathBuf {
    let expanded = crate::env::expand_home(path);
    match &job.working_dir {
        Some(dir) if expanded.is_relative() => crate::env::expand_home(dir).join(expanded),
        Some(_) | None => expanded,
    }
}
