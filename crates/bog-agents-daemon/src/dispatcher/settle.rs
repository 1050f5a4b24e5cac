//! Recording how an attempt ended. It is tried until it is on disk: the outcome is safe in the attempt's folder
//! meanwhile, and the slot stays taken, so that a full disk cannot make the daemon run ahead of its ledger.

use super::{Dispatcher, RETRY, gate};
use crate::clock;
use crate::runner::handle::{self as runner, OutcomeRecord};
use crate::store::{AttemptEnd, Claim, Ended, NewDelivery, Ready};
use bog_domain::agent_end::Stop;
use bog_domain::delivery::Purpose;
use bog_domain::ids::DeliveryId;
use bog_domain::job::{GateVerdict, Job};
use bog_domain::run::{AfterAttempt, INTERRUPT_ATTEMPTS, Outcome, after_attempt};
use bog_domain::spec::{JobSpec, OutputSpec};
use std::time::Duration;

/// The longest that a run waits because its agent says so: whoever names a later time is wrong, or means harm.
const LONGEST: Duration = Duration::from_hours(7 * 24);

/// How an attempt ended, before it is recorded.
pub(super) enum End {
    /// The runner recorded it.
    Recorded(Box<OutcomeRecord>),
    /// It never began: that costs no retry.
    NeverBegan,
    /// Its runner died without a word; so many processes it had left behind were ended.
    Lost { reason: String, left: usize },
    /// It was not started, because it may not spend anything: the run is paused.
    OverBudget { error: String },
    /// There is no record of a runner.
    Without { outcome: Outcome, error: String },
}

impl End {
    pub(super) const fn without_runner(outcome: Outcome, error: String) -> Self {
        Self::Without { outcome, error }
    }
}

impl Dispatcher {
    /// Records the end of an attempt and what follows from it.
    pub(super) async fn settle(&self, claim: Claim, ready: &Ready, job: Option<&Job>, end: End) {
        let gating = self.is_gating(ready, job).await;
        let gate = gate::verdict(&end);
        // A gate that is interrupted again and again ends its run as any other attempt does.
        if gating && gate == GateVerdict::Again && claim.attempt < INTERRUPT_ATTEMPTS {
            return self.give_back(claim).await;
        }
        let end = match end {
            End::NeverBegan => return self.give_back(claim).await,
            End::Recorded(record) => self.end_of(claim, ready, job, *record),
            End::Lost { reason, left } => {
                let end = self.end_of(claim, ready, job, unrecorded(Outcome::Interrupted, reason));
                let models = runner::used(&self.attempt_dir(claim.run, claim.attempt));
                AttemptEnd { left_behind: left as u64, models, ..end }
            }
            End::OverBudget { error } => {
                let end = self.end_of(claim, ready, job, unrecorded(Outcome::LimitExceeded, error));
                AttemptEnd { then: Ended::Paused, ..end }
            }
            End::Without { outcome, error } => self.end_of(claim, ready, job, unrecorded(outcome, error)),
        };
        let end = if gating { gate::follows(gate, end) } else { end };
        let (outcome, finished) = (end.outcome, matches!(end.then, Ended::Finished(_)));
        loop {
            match self.store.finish(end.clone()).await {
                Ok(true) => {
                    self.going();
                    break;
                }
                Ok(false) => {
                    self.going();
                    tracing::warn!(run.id = %claim.run, attempt = claim.attempt, "its end was recorded before");
                    return;
                }
                Err(error) => {
                    tracing::error!(run.id = %claim.run, %error, "its outcome cannot be recorded yet; trying again");
                    self.stuck(format!("the outcome of run `{}` waits to be recorded: {error}", claim.run));
                    tokio::time::sleep(RETRY).await;
                }
            }
        }
        tracing::info!(run.id = %claim.run, job.id = %ready.run.job_id, attempt = claim.attempt, outcome = %outcome, "ended");
        if matches!(end.then, Ended::GateClosed { .. }) {
            self.forget_folder(claim.run).await;
        }
        self.wakes.files.notify_one();
        if finished {
            self.metrics.run_finished(outcome);
            self.wakes.outbox.notify_one();
        }
    }

    /// Not at once: what kept this one from beginning may keep the next one too.
    async fn give_back(&self, claim: Claim) {
        while let Err(error) = self.store.void(claim, clock::now() + RETRY).await {
            tracing::error!(run.id = %claim.run, %error, "an attempt that never began cannot be given back yet");
            tokio::time::sleep(RETRY).await;
        }
        self.wakes.files.notify_one();
    }

    /// What follows from the end of an attempt.
    fn then(&self, claim: Claim, ready: &Ready, job: Option<&Job>, record: &OutcomeRecord) -> Ended {
        let out_of_money = record.agent.as_ref().is_some_and(|end| end.stop == Stop::Budget);
        if record.outcome == Outcome::LimitExceeded && out_of_money {
            return Ended::Paused;
        }
        let then = job.map_or(AfterAttempt::Finish, |job| {
            let (attempt, max) = (claim.attempt, ready.run.max_attempts);
            after_attempt(record.outcome, attempt, max, &job.retry, job.on_interrupt, clock::roll())
        });
        match then {
            // Somebody asked for it to end while it was ending by itself: it is not attempted again.
            AfterAttempt::RetryAfter(delay) if record.outcome != Outcome::Cancelled => {
                let not_before = clock::now() + delay;
                // A quota that is used up is there again when its provider says so, and no sooner.
                let told = record.agent.as_ref().and_then(|end| end.not_before);
                Ended::Retry {
                    not_before: told.map_or(not_before, |told| told.min(clock::now() + LONGEST).max(not_before)),
                }
            }
            AfterAttempt::Finish | AfterAttempt::RetryAfter(_) => {
                let alerts = self.alerts.iter().filter(|_| job.is_none_or(|job| job.alerts));
                Ended::Finished(deliveries(ready, job, record.outcome).chain(notes(alerts)).collect())
            }
        }
    }

    fn end_of(&self, claim: Claim, ready: &Ready, job: Option<&Job>, record: OutcomeRecord) -> AttemptEnd {
        let then = self.then(claim, ready, job, &record);
        AttemptEnd {
            claim,
            outcome: record.outcome,
            exit_code: record.exit_code,
            error: record.error,
            output: record.output,
            output_truncated: record.output_truncated,
            usage: record.usage,
            models: record.agent.map(|end| end.usage).unwrap_or_default(),
            containment: record.containment,
            // One that was reached while the attempt was ending for another reason did not end it.
            limit: record.limit.filter(|_| record.outcome == Outcome::LimitExceeded),
            left_behind: 0,
            finished_at: clock::now(),
            then,
        }
    }
}

/// The record of an attempt that left none.
fn unrecorded(outcome: Outcome, error: String) -> OutcomeRecord {
    OutcomeRecord { outcome, ..OutcomeRecord::start_failed(error, clock::now()) }
}

/// The deliveries of a run that ended so. A revision that is no longer valid as a whole still says where results go.
fn deliveries(ready: &Ready, job: Option<&Job>, outcome: Outcome) -> impl Iterator<Item = NewDelivery> {
    let written = serde_json::from_str::<JobSpec>(&ready.spec).map(|spec| spec.outputs).unwrap_or_default();
    let specs = match job {
        Some(job) => job.outputs.iter().map(|output| (output.spec.clone(), output.wants(outcome))).collect(),
        None => written.into_iter().map(|spec| (spec, true)).collect::<Vec<_>>(),
    };
    let wanted = (0..).zip(specs).filter(|(_, (_, wanted))| *wanted);
    wanted.map(|(position, (spec, _))| new(Purpose::Output, position, spec))
}

/// What is to be told if the job begins to fail or works again with this run, which the ledger knows.
fn notes<'a>(alerts: impl Iterator<Item = &'a OutputSpec>) -> impl Iterator<Item = NewDelivery> {
    (0..).zip(alerts).flat_map(|(position, spec)| {
        [Purpose::Alert, Purpose::Recovery].map(|purpose| new(purpose, position, spec.clone()))
    })
}

fn new(purpose: Purpose, position: u32, spec: OutputSpec) -> NewDelivery {
    NewDelivery { id: DeliveryId::new(clock::new_id()), purpose, position, spec }
}
