//! Gates: the first attempt of a run whose job has one is the gate's. It is claimed, supervised and recovered like every
//! other; only what its end means differs.

use super::settle::End;
use super::{Dispatcher, RETRY};
use crate::store::{AttemptEnd, Ended, Ready};
use bog_domain::ids::RunId;
use bog_domain::job::{Gate, GateVerdict, Job, gate_verdict};
use bog_domain::run::Outcome;

impl Dispatcher {
    /// The gate that a run has yet to pass.
    pub(super) async fn gate_before<'a>(&self, ready: &Ready, job: Option<&'a Job>) -> Option<&'a Gate> {
        let gate = job?.gate.as_ref()?;
        (!self.gate_was_passed(ready).await).then_some(gate)
    }

    /// Whether the attempt that ended was a gate's, also where the job is no longer valid as a whole.
    pub(super) async fn is_gating(&self, ready: &Ready, job: Option<&Job>) -> bool {
        let written = || serde_json::from_str::<serde_json::Value>(&ready.spec);
        let gated = match job {
            Some(job) => job.gate.is_some(),
            None => written().is_ok_and(|spec| spec.get("when").is_some_and(|when| !when.is_null())),
        };
        gated && !self.gate_was_passed(ready).await
    }

    async fn gate_was_passed(&self, ready: &Ready) -> bool {
        loop {
            match self.store.gate_of(ready.run.id).await {
                Ok(passed) => return passed.is_some(),
                Err(error) => tracing::error!(run.id = %ready.run.id, %error, "its gate cannot be read; trying again"),
            }
            tokio::time::sleep(RETRY).await;
        }
    }

    /// Forgets the folder of a run that is none.
    pub(super) async fn forget_folder(&self, run: RunId) {
        let dir = self.run_dir(run);
        let removed = crate::tasks::blocking(move || std::fs::remove_dir_all(dir)).await;
        if let Ok(Err(error)) = removed {
            tracing::warn!(run.id = %run, %error, "the folder of a run that its gate held cannot be removed");
        }
    }
}

/// What the end of a gate's attempt means.
pub(super) fn verdict(end: &End) -> GateVerdict {
    match end {
        End::Recorded(record) => {
            gate_verdict(record.outcome, record.exit_code, &record.output, record.error.as_deref())
        }
        End::Lost { .. } => GateVerdict::Again,
        End::NeverBegan | End::OverBudget { .. } | End::Without { .. } => GateVerdict::Broken,
    }
}

/// What follows from it; `end` as it would be without a gate.
pub(super) fn follows(verdict: GateVerdict, end: AttemptEnd) -> AttemptEnd {
    match verdict {
        GateVerdict::Open => {
            let said = end.output.clone();
            AttemptEnd { then: Ended::GateOpen { said }, output: String::new(), output_truncated: false, ..end }
        }
        GateVerdict::Closed(reason) => AttemptEnd { then: Ended::GateClosed { reason }, ..end },
        GateVerdict::Again | GateVerdict::Broken => {
            let error = end.error.map(|error| format!("`when`: {error}"));
            let error = error.filter(|_| end.outcome != Outcome::Cancelled);
            AttemptEnd { error, ..end }
        }
    }
}
