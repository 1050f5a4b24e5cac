//! One attempt: prepared, claimed, started, waited for, settled.

use super::prepare::Prepared;
use super::settle::End;
use super::{Dispatcher, Entered, RETRY};
use crate::clock;
use crate::runner::handle as runner;
use crate::store::{Claim, Ready, Reserve};
use bog_domain::job::Job;
use bog_domain::run::Outcome;
use std::time::{Duration, Instant};

/// How long a run waits that may spend nothing while attempts under way have set it aside.
const MONEY_WAIT: Duration = Duration::from_secs(5);

/// Sees one attempt of a run through. Whatever happens to this task, the ledger and the attempt's folder tell the next
/// daemon how to go on.
pub(super) async fn run(dispatcher: Dispatcher, ready: Ready, entered: Entered) {
    let claim = Claim { run: ready.run.id, attempt: ready.run.attempt + 1, epoch: dispatcher.epoch.number };
    let job = match dispatcher.jobs.parse(&ready.run.job_id, &ready.spec) {
        Ok(job) => job,
        Err(error) => {
            let error = format!("revision {} is not valid under this version: {error}", ready.run.revision);
            if dispatcher.claim(&ready, claim, Reserve::default()).await {
                dispatcher.settle(claim, &ready, None, End::without_runner(Outcome::StartFailed, error)).await;
            }
            return;
        }
    };
    let prepared = match dispatcher.prepare(&ready, &job).await {
        Ok(prepared) => prepared,
        Err(error) => {
            tracing::error!(run.id = %ready.run.id, job.id = %ready.run.job_id, %error, "waiting to start it");
            dispatcher.stuck(format!("run `{}` of job `{}` waits: {error}", ready.run.id, ready.run.job_id));
            // Holding on to the permit for a moment keeps a full disk from being asked in a tight loop.
            tokio::time::sleep(RETRY).await;
            drop(entered);
            dispatcher.wakes.dispatcher.notify_one();
            return;
        }
    };
    if matches!(prepared, Prepared::NotYet) {
        dispatcher.put_off(&ready).await;
        drop(entered);
        dispatcher.wakes.dispatcher.notify_one();
        return;
    }
    crate::failpoint::hit("dispatcher.before_claim");
    if !dispatcher.claim(&ready, claim, prepared.reserve()).await {
        drop(entered);
        dispatcher.wakes.dispatcher.notify_one();
        return;
    }
    let claimed = Instant::now();
    crate::failpoint::hit("dispatcher.after_claim");
    // A further run of the same job may be ready now that this one has left the queue.
    dispatcher.wakes.dispatcher.notify_one();
    let end = dispatcher.start(prepared, claimed, &entered).await;
    crate::failpoint::hit("dispatcher.before_settle");
    dispatcher.settle(claim, &ready, Some(&job), end).await;
    drop(entered);
    dispatcher.wakes.dispatcher.notify_one();
}

impl Dispatcher {
    async fn claim(&self, ready: &Ready, claim: Claim, reserve: Reserve) -> bool {
        match self.store.claim_reserving(ready.run.clone(), claim, reserve, clock::now()).await {
            Ok(claimed) => {
                self.going();
                claimed
            }
            Err(error) => {
                tracing::error!(run.id = %claim.run, %error, "the run cannot be claimed; it waits");
                self.stuck(format!("run `{}` of job `{}` waits: {error}", claim.run, ready.run.job_id));
                tokio::time::sleep(RETRY).await;
                false
            }
        }
    }

    /// Lets a run wait for what others have set aside, its permit given back.
    async fn put_off(&self, ready: &Ready) {
        tracing::debug!(run.id = %ready.run.id, job.id = %ready.run.job_id, "it waits for money that is set aside");
        if let Err(error) = self.store.put_off(ready.run.id, clock::now() + MONEY_WAIT).await {
            tracing::error!(run.id = %ready.run.id, %error, "the run cannot be put off");
            tokio::time::sleep(RETRY).await;
        }
    }

    async fn start(&self, prepared: Prepared, claimed: Instant, entered: &Entered) -> End {
        let (dir, spec, env) = match prepared {
            Prepared::Runner { dir, spec, env, .. } => (dir, spec, env),
            // It was put off before it could be claimed.
            Prepared::NotYet => return End::NeverBegan,
            Prepared::OverBudget { error } => return End::OverBudget { error },
            Prepared::Impossible { outcome, error } => return End::without_runner(outcome, error),
        };
        match runner::spawn(&dir, &spec, env) {
            Ok(runner) => {
                self.metrics.start_latency(claimed.elapsed());
                crate::failpoint::hit("dispatcher.spawned");
                self.wait(runner, entered).await
            }
            Err(error) => {
                let error = format!("the runner cannot be started: {error}");
                End::without_runner(Outcome::StartFailed, error)
            }
        }
    }

    pub(super) async fn wait(&self, runner: runner::Runner, entered: &Entered) -> End {
        entered.controlled_by(runner.control());
        // A wish to cancel that came before there was a runner to tell.
        self.wakes.dispatcher.notify_one();
        match runner.wait().await {
            runner::Ended::Outcome(record) => End::Recorded(record),
            runner::Ended::NeverBegan => End::NeverBegan,
            runner::Ended::Lost { reason, left } => End::Lost { reason, left },
        }
    }

    /// The valid job of a run's revision, if it still is one.
    pub(super) fn job_of(&self, ready: &Ready) -> Option<Job> {
        self.jobs.parse(&ready.run.job_id, &ready.spec).ok()
    }
}
