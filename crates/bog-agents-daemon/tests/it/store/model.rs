//! Random sequences of operations against a model of a few lines: whatever happens in whatever order, the ledger agrees
//! with the model and with the checker.

use super::ledger::{Ledger, at, by_hand, deliveries, ended, job_with, slot};
use bog_agents_daemon::store::{Accepted, Arrival, Claim, Ended, FireFilter, RunFilter};
use bog_domain::ids::{JobUid, RunId};
use bog_domain::overlap::Overlap;
use bog_domain::run::RunState;
use proptest::prelude::*;
use std::collections::BTreeMap;

#[derive(Debug, Clone)]
enum Step {
    /// A fire by hand of a job.
    Fire(usize),
    /// A slot of a job; the same number is the same slot.
    Slot(usize, u8),
    /// Claims the nth run that is ready.
    Claim(usize),
    /// Ends the nth running run: over, again, or never begun.
    End(usize, u8),
    /// Another daemon takes over the nth running run.
    Adopt(usize),
    /// Cancels the nth run there ever was.
    Cancel(usize),
    /// Deletes a job and makes it again.
    Recreate(usize),
    /// Forgets what is old.
    Prune,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (0..5usize).prop_map(Step::Fire),
        4 => (0..5usize, 0..6u8).prop_map(|(job, due)| Step::Slot(job, due)),
        6 => (0..4usize).prop_map(Step::Claim),
        5 => (0..4usize, 0..3u8).prop_map(|(run, how)| Step::End(run, how)),
        1 => (0..4usize).prop_map(Step::Adopt),
        1 => (0..20usize).prop_map(Step::Cancel),
        1 => (0..5usize).prop_map(Step::Recreate),
        1 => Just(Step::Prune),
    ]
}

/// What is known of a run without looking.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Known {
    Waiting,
    Running { claim: Claim, asked: bool },
    Over,
}

struct Model {
    ledger: Ledger,
    jobs: Vec<JobUid>,
    runs: BTreeMap<RunId, (JobUid, Known)>,
    pruned: bool,
    fires: usize,
}

impl Model {
    async fn new() -> Self {
        let ledger = Ledger::new();
        let mut jobs = Vec::new();
        for overlap in Overlap::ALL {
            jobs.push(ledger.save(job_with(overlap.as_str(), overlap)).await);
        }
        Self { ledger, jobs, runs: BTreeMap::new(), pruned: false, fires: 0 }
    }

    async fn accept(&mut self, index: usize, arrival: Arrival) {
        let (uid, run) = (arrival.job, arrival.run);
        match self.ledger.store.accept(arrival, at(1)).await.unwrap() {
            Accepted::Recorded(receipt) => {
                self.fires += 1;
                if receipt.run_id == Some(run) {
                    if Overlap::ALL[index] == Overlap::Replace {
                        self.cancel_where(|_, job| job == uid);
                    }
                    self.runs.insert(run, (uid, Known::Waiting));
                }
            }
            Accepted::Duplicate(_) => {}
            other @ (Accepted::KeyReused | Accepted::Gone) => panic!("{other:?}"),
        }
    }

    fn cancel_where(&mut self, which: impl Fn(RunId, JobUid) -> bool) {
        for (id, (job, known)) in &mut self.runs {
            if which(*id, *job) {
                match known {
                    Known::Waiting => *known = Known::Over,
                    Known::Running { asked, .. } => *asked = true,
                    Known::Over => {}
                }
            }
        }
    }

    fn running(&self, nth: usize) -> Option<(RunId, Claim, bool)> {
        let running = self.runs.iter().filter_map(|(id, (_, known))| match known {
            Known::Running { claim, asked } => Some((*id, *claim, *asked)),
            Known::Waiting | Known::Over => None,
        });
        let running: Vec<_> = running.collect();
        running.get(nth % running.len().max(1)).copied()
    }

    async fn take(&mut self, step: Step) {
        match step {
            Step::Fire(index) => self.accept(index, by_hand(self.jobs[index])).await,
            Step::Slot(index, due) => self.accept(index, slot(self.jobs[index], i64::from(due) * 60)).await,
            Step::Claim(nth) => self.claim(nth).await,
            Step::End(nth, how) => self.end(nth, how).await,
            Step::Adopt(nth) => {
                let Some((id, claim, asked)) = self.running(nth) else { return };
                let adopted = Claim { epoch: claim.epoch + 1, ..claim };
                assert!(self.ledger.store.adopt(claim, adopted.epoch).await.unwrap());
                self.set(id, Known::Running { claim: adopted, asked });
                assert!(
                    !self.ledger.store.finish(ended(claim, deliveries(1))).await.unwrap(),
                    "a stale owner finished"
                );
            }
            Step::Cancel(nth) => {
                let Some(id) = self.runs.keys().nth(nth).copied() else { return };
                self.ledger.store.cancel(id, "model".to_owned(), at(4)).await.unwrap();
                self.cancel_where(|run, _| run == id);
            }
            Step::Recreate(index) => {
                let overlap = Overlap::ALL[index];
                assert!(self.ledger.store.delete_job(overlap.as_str().parse().unwrap(), at(4)).await.unwrap());
                let gone = self.jobs[index];
                self.cancel_where(|_, job| job == gone);
                self.jobs[index] = self.ledger.save(job_with(overlap.as_str(), overlap)).await;
            }
            Step::Prune => {
                self.pruned = true;
                for run in self.ledger.store.prune(at(1_000), at(1_000)).await.unwrap() {
                    let (_, known) = self.runs.remove(&run).expect("a run that was forgotten twice");
                    assert_eq!(known, Known::Over);
                }
            }
        }
    }

    fn set(&mut self, id: RunId, known: Known) {
        self.runs.get_mut(&id).expect("a known run").1 = known;
    }

    async fn claim(&mut self, nth: usize) {
        let (ready, _) = self.ledger.store.ready(at(1), 100).await.unwrap();
        for ready in &ready {
            assert_eq!(self.runs[&ready.run.id].1, Known::Waiting);
        }
        let waiting: Vec<_> = self.runs.iter().filter(|(_, run)| run.1 == Known::Waiting).collect();
        let idle = waiting.iter().any(|(_, (job, _))| {
            !self.runs.values().any(|(other, known)| other == job && matches!(known, Known::Running { .. }))
        });
        assert!(!ready.is_empty() || !idle, "a job waits and has nothing to wait for");
        let Some(ready) = ready.get(nth % ready.len().max(1)) else { return };
        let claim = self.ledger.claim(ready.run.id).await;
        self.set(claim.run, Known::Running { claim, asked: false });
    }

    async fn end(&mut self, nth: usize, how: u8) {
        let Some((id, claim, asked)) = self.running(nth) else { return };
        let again = if asked { Known::Over } else { Known::Waiting };
        let after = match how {
            0 => {
                assert!(self.ledger.store.finish(ended(claim, deliveries(2))).await.unwrap());
                Known::Over
            }
            1 => {
                let retry = Ended::Retry { not_before: at(0) };
                assert!(self.ledger.store.finish(ended(claim, retry)).await.unwrap());
                again
            }
            _ => {
                assert!(self.ledger.store.void(claim, at(0)).await.unwrap());
                again
            }
        };
        assert!(!self.ledger.store.finish(ended(claim, deliveries(1))).await.unwrap(), "ended twice");
        self.set(id, after);
    }

    async fn agree(self) {
        let page = self.ledger.store.runs(RunFilter::default(), None, 10_000).await.unwrap();
        let listed: BTreeMap<_, _> = page.items.into_iter().map(|run| (run.id, run)).collect();
        assert_eq!(listed.keys().collect::<Vec<_>>(), self.runs.keys().collect::<Vec<_>>());
        for (id, (_, known)) in &self.runs {
            let expected = match known {
                Known::Waiting => RunState::Queued,
                Known::Running { .. } => RunState::Running,
                Known::Over => RunState::Finished,
            };
            assert_eq!(listed[id].state, expected, "{id}");
            assert_eq!(listed[id].state == RunState::Finished, listed[id].outcome.is_some());
        }
        let fires = self.ledger.store.fires(FireFilter::default(), None, 10_000).await.unwrap().items.len();
        assert!(fires <= self.fires && (self.pruned || fires == self.fires), "{fires} of {}", self.fires);
        self.ledger.close();
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_sequence_of_operations_keeps_the_ledger_right(steps in prop::collection::vec(step(), 1..60)) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let mut model = Model::new().await;
            for step in steps {
                model.take(step).await;
            }
            model.agree().await;
        });
    }
}
