//! The dispatcher: claims runs that may start, under the permits there are, and sees each attempt through to its record.
//!
//! It supervises no process itself: the runner does, in a process of its own that outlives the daemon. What an earlier
//! daemon left behind is taken over at the start (`recover`), before anything new is claimed.

mod attempt;
mod contain;
mod folders;
mod gate;
mod groups;
mod hosted;
mod orphans;
mod prepare;
mod recover;
mod settle;
mod spending;
mod variables;

pub use folders::Folders;
pub use orphans::{instance_of, orphans};

use crate::cgroup::Subtree;
use crate::clock;
use crate::config::AgentSettings;
use crate::jobs::Jobs;
use crate::runner::handle::Control;
use crate::secrets::Secrets;
use crate::store::{Epoch, Store, StoreError};
use crate::tasks::Group;
use crate::telemetry::{Metrics, Problems};
use crate::wakes::Wakes;
use bog_domain::ids::RunId;
use bog_domain::spec::OutputSpec;
use jiff::Timestamp;
use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
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
    /// Where secrets come from.
    pub secrets: Secrets,
    /// Who is told what ended.
    pub metrics: Metrics,
    /// Who is told what keeps runs from starting or from being recorded.
    pub problems: Problems,
    /// The daemon's data folder.
    pub data_dir: PathBuf,
    /// The API's port, which no agent reaches.
    pub api_port: u16,
    /// Which daemon this is: the mark that every process of its runs carries.
    pub instance: String,
    /// This life of the daemon.
    pub epoch: Epoch,
    /// This start of the machine.
    pub boot: String,
    /// What agents are told besides what their jobs say.
    pub agents: Arc<AgentSettings>,
    /// Runs at the same time.
    pub max_concurrent: u32,
    /// How long running attempts are waited for at the end.
    pub shutdown_grace: Duration,
    /// Who is told when a job begins to fail, and when it works again.
    pub alerts: Arc<[OutputSpec]>,
    /// Where jobs work.
    pub folders: Folders,
    /// Where attempts have their control groups; `None` where none was delegated.
    pub cgroups: Option<Subtree>,
    /// Attempts under way, with the sockets of those that have a runner.
    pub under_way: UnderWay,
}

/// Attempts under way in this process.
#[derive(Debug, Clone, Default)]
pub struct UnderWay(Arc<Mutex<HashMap<RunId, Attempt>>>);

/// What is known of an attempt under way.
#[derive(Debug, Default)]
struct Attempt {
    /// How its runner is reached, once it has one.
    control: Option<Control>,
    /// Whether the runner has been asked to end.
    asked: bool,
}

impl UnderWay {
    fn enter(&self, run: RunId) -> Entered {
        self.all().insert(run, Attempt::default());
        Entered { run, under_way: self.clone() }
    }

    fn has(&self, run: RunId) -> bool {
        self.all().contains_key(&run)
    }

    /// How to ask a runner to end, unless it has been asked or there is none yet.
    fn to_be_asked(&self, run: RunId) -> Option<Control> {
        let mut all = self.all();
        let attempt = all.get_mut(&run).filter(|attempt| !attempt.asked)?;
        let control = attempt.control.clone()?;
        attempt.asked = true;
        Some(control)
    }

    fn not_asked(&self, run: RunId) {
        if let Some(attempt) = self.all().get_mut(&run) {
            attempt.asked = false;
        }
    }

    fn len(&self) -> usize {
        self.all().len()
    }

    fn all(&self) -> MutexGuard<'_, HashMap<RunId, Attempt>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Keeps a run listed as under way for as long as it lives.
#[derive(Debug)]
struct Entered {
    run: RunId,
    under_way: UnderWay,
}

impl Entered {
    fn controlled_by(&self, control: Control) {
        if let Some(attempt) = self.under_way.all().get_mut(&self.run) {
            attempt.control = Some(control);
        }
    }
}

impl Drop for Entered {
    fn drop(&mut self) {
        self.under_way.all().remove(&self.run);
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
        self.carry_out_cancels(attempts).await?;
        let under_way = self.under_way.len();
        let free = (self.max_concurrent as usize).saturating_sub(under_way);
        if free == 0 || self.wakes.is_draining() {
            return Ok(None);
        }
        // Those being claimed right now are still listed as ready: ask for as many more.
        let limit = u32::try_from(free + under_way).unwrap_or(u32::MAX);
        // A thousand slots of one second are written down before the first of them takes the processor away from it.
        drop(self.wakes.recording.lock().await);
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

    /// Asks runners to end, each in a task of its own: one that does not answer holds up no other run.
    async fn carry_out_cancels(&self, attempts: &mut Group) -> Result<(), StoreError> {
        for (run, reason) in self.store.asked_to_end().await? {
            if let Some(control) = self.under_way.to_be_asked(run) {
                attempts.start("cancel", cancel(self.clone(), run, control, reason));
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

async fn cancel(dispatcher: Dispatcher, run: RunId, control: Control, reason: String) {
    if let Err(error) = control.cancel(&reason).await {
        // It may be ending by itself at this moment; the wish is durable and carried out again if not.
        tracing::debug!(run.id = %run, %error, "its runner does not answer");
        tokio::time::sleep(RETRY).await;
        dispatcher.under_way.not_asked(run);
        dispatcher.wakes.dispatcher.notify_one();
    }
}
