//! From how the agent's processes ended to what is recorded of it.

use super::launch::LaunchError;
use super::limits::{self, explain};
use super::outcome::ERROR_MAX_BYTES;
use super::protocol::{AttemptSpec, OutcomeRecord, Speaks, VERSION};
use super::reap::Exit;
use bog_domain::agent_end::{AgentEnd, ModelUsage, Stop};
use bog_domain::containment::{Containment, LimitHit, Mechanism};
use bog_domain::mask::Masker;
use bog_domain::run::{Outcome, Usage};
use jiff::Timestamp;
use std::time::Duration;

/// How much of standard error goes into an outcome's `error`, the reason before it aside.
pub const STDERR_TAIL_BYTES: usize = ERROR_MAX_BYTES - 512;

/// What ended the agent from outside.
pub enum Cut {
    /// Its wall-clock limit.
    TimedOut,
    /// Another limit.
    Limit(LimitHit),
    /// A cancel request, with its reason.
    Cancelled(String),
    /// Something else, named here.
    Interrupted(String),
}

/// All that is known when the process tree is gone.
pub struct Ending {
    /// Why the agent was not started at all.
    pub launch_error: Option<LaunchError>,
    /// What it was held by; `None` where it was not started.
    pub containment: Option<Containment>,
    /// How the agent's own process ended.
    pub exit: Option<Exit>,
    /// What ended it from outside.
    pub cut: Option<Cut>,
    /// Processes that could not be ended, because they run as another user.
    pub left_alone: usize,
    /// What it consumed, and what held it to that.
    pub limits: limits::Report,
    /// The end of its standard error.
    pub stderr: String,
    /// How the agent of a host ended, as far as it said.
    pub end: Option<AgentEnd>,
    /// What it had used, for the case that it did not say how it ended.
    pub used: Vec<ModelUsage>,
}

impl Ending {
    /// The record of it, its output left empty.
    pub fn record(mut self, spec: &AttemptSpec, masker: &Masker, started_at: Timestamp) -> OutcomeRecord {
        let finished_at = crate::clock::now();
        if let Some(error) = self.launch_error {
            let error = masker.mask(&error.explain(spec));
            return OutcomeRecord { finished_at, ..OutcomeRecord::start_failed(capped(error), started_at) };
        }
        // A limit that was only seen to be hit when all was over counts as well: how an attempt ends must not depend on
        // when it was looked at.
        let cut = self.cut.or(self.limits.hit.map(Cut::Limit));
        let limit = self.limits.hit.filter(|_| matches!(cut, Some(Cut::Limit(_))));
        let (outcome, reason) = match (cut, self.exit) {
            (Some(cut), _) => cut.explain(spec),
            (None, exit) if spec.speaks == Speaks::Host => told(self.end.as_mut(), exit),
            (None, Some(Exit::Code(0))) => (Outcome::Succeeded, None),
            (None, Some(exit)) => (Outcome::Failed, Some(exit.to_string())),
            (None, None) => (Outcome::Failed, Some("ended in an unknown way".to_owned())),
        };
        let mut error = reason.map(|reason| with_tail(&masker.mask(&reason), &self.stderr));
        if self.left_alone > 0 {
            let note = format!("{} processes of another user could not be ended; end them by hand", self.left_alone);
            error = Some(error.map_or(note.clone(), |error| format!("{note}; {error}")));
        }
        // What was used is paid for, whoever was killed before the last word.
        let agent = self.end.or_else(|| (!self.used.is_empty()).then(|| cut_off(self.used)));
        OutcomeRecord {
            version: VERSION,
            outcome,
            // A host's own code says nothing of the agent.
            exit_code: self.exit.and_then(Exit::code).filter(|_| spec.speaks == Speaks::Text),
            signal: self.exit.and_then(Exit::signal),
            error: error.map(capped),
            started_at,
            finished_at,
            usage: Usage {
                cpu_seconds: self.limits.cpu_seconds,
                peak_memory_bytes: self.limits.peak_memory_bytes,
                ..Usage::default()
            }
            .with_models(agent.as_ref().map_or(&[], |end| &end.usage)),
            containment: self.containment.map(|of_launch| Containment {
                held: self.limits.in_group.then_some(Mechanism::Cgroup).into_iter().chain(of_launch.held).collect(),
                limits: self.limits.held,
                ..of_launch
            }),
            limit,
            agent,
            output_truncated: false,
            output: String::new(),
        }
    }
}

impl Cut {
    fn explain(self, spec: &AttemptSpec) -> (Outcome, Option<String>) {
        match self {
            Self::TimedOut => {
                let limit = Duration::from_millis(spec.wall_clock_ms);
                let error =
                    format!("the limit of `{limit:?}` was reached; raise `limits.wall_clock` if the job needs longer");
                (Outcome::TimedOut, Some(error))
            }
            Self::Limit(hit) => (Outcome::LimitExceeded, Some(explain(&hit))),
            Self::Cancelled(reason) => (Outcome::Cancelled, Some(reason)),
            Self::Interrupted(reason) => (Outcome::Interrupted, Some(reason)),
        }
    }
}

/// What a host's last word means; without one it did not come to it.
fn told(end: Option<&mut AgentEnd>, exit: Option<Exit>) -> (Outcome, Option<String>) {
    let Some(end) = end else {
        let how = exit.map_or_else(|| "ended in an unknown way".to_owned(), |exit| exit.to_string());
        // A kill comes from outside; a host never ends itself that way.
        let outcome = match exit {
            Some(Exit::Signal(_)) => Outcome::Interrupted,
            Some(Exit::Code(_)) | None => Outcome::Failed,
        };
        return (outcome, Some(format!("the agent's host did not say how the agent ended: {how}")));
    };
    let outcome = match end.stop {
        Stop::Finished => Outcome::Succeeded,
        Stop::Budget | Stop::MaxSteps => Outcome::LimitExceeded,
        Stop::Quota | Stop::Refused | Stop::Cancelled | Stop::Failed => Outcome::Failed,
    };
    (outcome, end.message.take().filter(|_| outcome != Outcome::Succeeded))
}

/// What is known of an agent whose host did not say how it ended.
fn cut_off(usage: Vec<ModelUsage>) -> AgentEnd {
    AgentEnd { stop: Stop::Failed, message: None, not_before: None, text: String::new(), session: None, usage }
}

fn capped(mut error: String) -> String {
    error.truncate(error.floor_char_boundary(ERROR_MAX_BYTES));
    error
}

fn with_tail(reason: &str, tail: &str) -> String {
    let reason = &reason[..reason.floor_char_boundary(ERROR_MAX_BYTES - STDERR_TAIL_BYTES - 2)];
    if tail.is_empty() { reason.to_owned() } else { format!("{reason}: {tail}") }
}
