//! The dispatcher: claims runs that may start, under the permits there are, and sees each attempt through to its record.
//!
//! It supervises no process itself: the runner does, in a process of its own that outlives the daemon. What an earlier
//! daemon left behind is taken over at the start ([`recover`]), before anything new is claimed.

mod attempt;
mod prepare;
mod recover;
mod settle;

use crate::clock;
use crate::jobs::Jobs;
use crate::store::{Epoch, Store, StoreError};
use crate::tasks::Group;
use crate::telemetry::{Metrics, Problems};
use crate::wakes::Wakes;
use bog_domain::ids::RunId;
use jiff::Timestamp;
use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// How long it waits before it tries again when the store or the disk fails.
const RETRY: Duration = Duration::from_secs(1);

/// The name under which it reports problems.
const REPORTER: &str = "dispatcher";

/// What the dispatcher works with.
#[derive(Debug, Clone)]
pub struct Dispatcher {
    /// Where runs are.
    pub store: Store,
    /// Who wakes it, and whom it wakes.
    pub wakes: Arc<Wakes>,
    /// Who knows what a job is.
    pub jobs: Jobs,
    /// Who is told what ended.
    pub metrics: Metrics,
    /// Who is told what keeps runs from starting or from being recorded.
    pub problems: Problems,
    /// The daemon's data folder.
    pub data_dir: PathBuf,
    /// This life of the daemon.
    pub epoch: Epoch,
    /// This start of the machine.
    pub boot: String,
    /// Runs at the same time.
    pub max_concurrent: u32,
    /// How long running attempts are waited for at the end.
    pub shutdown_grace: Duration,
    /// Attempts under way, with the sockets of those that have a runner.
    pub under_way: UnderWay,
}

/// Attempts under way in this process.
#[derive(Debug, Clone, Default)]
pub struct UnderWay(Arc<Mutex<HashMap<RunId, Option<crate::runner::handle::Control>>>>);

impl UnderWay {
    fn enter(&self, run: RunId) -> Entered {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(run, None);
        Entered { run, under_way: self.clone() }
    }

    fn has(&self, run: RunId) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).contains_key(&run)
    }

    fn control(&self, run: RunId) -> Option<crate::runner::handle::Control> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get(&run).cloned().flatten()
    }

    fn len(&self) -> usize {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).len()
    }
}

/// Keeps a run listed as under way for as long as it lives.
#[derive(Debug)]
struct Entered {
    run: RunId,
    under_way: UnderWay,
}

impl Entered {
    fn controlled_by(&self, control: crate::runner::handle::Control) {
        self.under_way.0.lock().unwrap_or_else(PoisonError::into_inner).insert(self.run, Some(control));
    }
}

impl Drop for Entered {
    fn drop(&mut self) {
        self.under_way.0.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.run);
    }
}

/// Takes over what an earlier daemon left, then starts runs as they may, until told to stop.
pub async fn run(dispatcher: Dispatcher, stop: CancellationToken) {
    let mut attempts = Group::new();
    dispatcher.recover(&mut attempts, &stop).await;
    loop {
        // Interest is registered before the store is asked, so that a run made in between is not slept through.
        let woken = dispatcher.wakes.dispatcher.notified();
        let next = match dispatcher.start_ready(&mut attempts).await {
            Ok(next) => next,
            Err(error) => {
                tracing::error!(%error, "no run can be started; trying again");
                dispatcher.stuck(format!("no run can be started: {error}"));
                tokio::select! { () = stop.cancelled() => break, () = tokio::time::sleep(RETRY) => continue }
            }
        };
        tokio::select! {
            () = stop.cancelled() => break,
            () = woken => {}
            () = clock::sleep_until(next), if next.is_some() => {}
            Some(_) = attempts.ended() => {}
        }
    }
    dispatcher.let_finish(&mut attempts).await;
}

impl Dispatcher {
    /// Starts what may start now and carries out wishes to cancel; returns when the next run may start by itself.
    async fn start_ready(&self, attempts: &mut Group) -> Result<Option<Timestamp>, StoreError> {
        self.carry_out_cancels().await?;
        let under_way = self.under_way.len();
        let free = (self.max_concurrent as usize).saturating_sub(under_way);
        if free == 0 || self.wakes.is_draining() {
            return Ok(None);
        }
        // Those being claimed right now are still listed as ready: ask for as many more.
        let limit = u32::try_from(free + under_way).unwrap_or(u32::MAX);
        let (ready, next) = self.store.ready(clock::now(), limit).await?;
        if ready.is_empty() && under_way == 0 {
            // Nothing waits and nothing runs, so nothing stands in the way either.
            self.going();
        }
        for ready in ready.into_iter().filter(|ready| !self.under_way.has(ready.run.id)).take(free) {
            let entered = self.under_way.enter(ready.run.id);
            attempts.start("attempt", attempt::run(self.clone(), ready, entered));
        }
        Ok(next)
    }

    /// Shows what keeps runs from starting or from being recorded.
    fn stuck(&self, problem: String) {
        self.problems.report(REPORTER, problem);
    }

    /// A run was started or recorded: what stood in the way is gone.
    fn going(&self) {
        self.problems.clear(REPORTER);
    }

    async fn carry_out_cancels(&self) -> Result<(), StoreError> {
        for (run, reason) in self.store.asked_to_end().await? {
            let Some(control) = self.under_way.control(run) else { continue };
            if let Err(error) = control.cancel(&reason).await {
                // It may be ending by itself at this moment; the wish is durable and tried again at the next wake.
                tracing::debug!(run.id = %run, %error, "its runner does not answer");
            }
        }
        Ok(())
    }

    /// Gives running attempts a moment to end; the others go on under their runners, for the next daemon to adopt.
    async fn let_finish(&self, attempts: &mut Group) {
        let all_ended = async { while attempts.ended().await.is_some() {} };
        if tokio::time::timeout(self.shutdown_grace, all_ended).await.is_err() {
            tracing::info!(runs = self.under_way.len(), "runs go on without the daemon; the next one takes them over");
        }
    }
}
