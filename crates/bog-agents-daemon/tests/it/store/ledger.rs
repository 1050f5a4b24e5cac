//! A store in a folder of its own, and short ways to say what a test is about.

use bog_agents_daemon::clock;
use bog_agents_daemon::store::{
    Accepted, Arrival, AttemptEnd, Claim, Ended, FileState, NewDelivery, NewTrigger, Receipt, RunRow, SaveJob, Store,
    check,
};
use bog_domain::fire::{Cause, TriggerKind};
use bog_domain::ids::{DeliveryId, FireId, JobUid, RunId, TriggerId};
use bog_domain::overlap::Overlap;
use bog_domain::run::{Outcome, Usage};
use bog_domain::spec::OutputSpec;
use jiff::{SignedDuration, Timestamp};
use std::path::PathBuf;
use std::thread::JoinHandle;

/// The epoch of every claim that a test does not care about.
pub const EPOCH: u64 = 7;

/// A store, closed and checked at the end of a test.
pub struct Ledger {
    pub folder: tempfile::TempDir,
    pub store: Store,
    writer: JoinHandle<()>,
}

impl Ledger {
    pub fn new() -> Self {
        Self::in_folder(tempfile::tempdir().unwrap())
    }

    pub fn in_folder(folder: tempfile::TempDir) -> Self {
        let opened = Store::open(&folder.path().join("daemon.db"), Box::new(|_, _| {})).unwrap();
        assert!(opened.quarantined.is_none(), "{:?}", opened.quarantined);
        Self { folder, store: opened.store, writer: opened.writer }
    }

    pub fn path(&self) -> PathBuf {
        self.folder.path().join("daemon.db")
    }

    /// Closes the store and returns its folder; fails where the checker finds anything.
    pub fn close(self) -> tempfile::TempDir {
        let path = self.path();
        drop(self.store);
        self.writer.join().unwrap();
        assert_eq!(check(&path).unwrap(), []);
        self.folder
    }

    pub async fn save(&self, job: SaveJob) -> JobUid {
        self.store.save_job(job, None, at(0)).await.unwrap().revision().0
    }

    /// A job that queues fires by hand, and has one cron trigger `tick` that coalesces.
    pub async fn job(&self, id: &str) -> JobUid {
        self.save(job(id)).await
    }

    pub async fn accept(&self, arrival: Arrival) -> Receipt {
        match self.store.accept(arrival, at(1)).await.unwrap() {
            Accepted::Recorded(receipt) => receipt,
            other @ (Accepted::Duplicate(_) | Accepted::KeyReused | Accepted::Gone) => panic!("{other:?}"),
        }
    }

    /// Fires by hand and returns the run it gets.
    pub async fn fire(&self, job: JobUid) -> RunId {
        self.accept(by_hand(job)).await.run_id.expect("a run")
    }

    pub async fn run(&self, id: RunId) -> RunRow {
        self.store.run(id).await.unwrap().expect("a run")
    }

    /// The runs that may start now, in order.
    pub async fn ready(&self) -> Vec<RunId> {
        let (ready, _) = self.store.ready(at(1), 1000).await.unwrap();
        ready.into_iter().map(|ready| ready.run.id).collect()
    }

    /// Claims the next attempt.
    pub async fn claim(&self, run: RunId) -> Claim {
        let seen = self.run(run).await;
        let claim = Claim { run, attempt: seen.attempt + 1, epoch: EPOCH };
        assert!(self.store.claim(seen, claim, at(2)).await.unwrap(), "the run cannot be claimed");
        claim
    }

    pub async fn finish(&self, claim: Claim) {
        assert!(self.store.finish(ended(claim, Ended::Finished(Vec::new()))).await.unwrap(), "the claim is stale");
    }

    /// A run from its fire to its end.
    pub async fn finished_run(&self, job: JobUid) -> RunId {
        let run = self.fire(job).await;
        let claim = self.claim(run).await;
        self.finish(claim).await;
        run
    }
}

/// An instant, in seconds of the test's own time.
pub fn at(seconds: i64) -> Timestamp {
    Timestamp::from_second(1_800_000_000).unwrap() + SignedDuration::from_secs(seconds)
}

pub fn job(id: &str) -> SaveJob {
    SaveJob {
        uid: JobUid::new(clock::new_id()),
        id: id.parse().unwrap(),
        name: id.to_owned(),
        spec: r#"{"prompt":"x","retry":{"max":2}}"#.to_owned(),
        enabled: true,
        overlap: Overlap::Queue,
        max_parallel: 1,
        max_queued: 1000,
        max_runs: 0,
        triggers: vec![trigger("tick", Overlap::Coalesce)],
        file: FileState { hash: "h".to_owned(), stamp: "s".to_owned() },
        author: "api",
    }
}

/// A job whose fires by hand and whose trigger overlap this way.
pub fn job_with(id: &str, overlap: Overlap) -> SaveJob {
    SaveJob { overlap, triggers: vec![trigger("tick", overlap)], ..job(id) }
}

pub fn trigger(id: &str, overlap: Overlap) -> NewTrigger {
    NewTrigger {
        id: TriggerId::new(id),
        kind: TriggerKind::Cron,
        overlap,
        definition: "every minute".to_owned(),
        next_at: Some(at(60)),
    }
}

pub fn by_hand(job: JobUid) -> Arrival {
    Arrival {
        fire: FireId::new(clock::new_id()),
        run: RunId::new(clock::new_id()),
        job,
        trigger: TriggerId::manual(),
        kind: TriggerKind::Manual,
        due_at: at(0),
        dedupe_key: None,
        cause: Cause::default(),
        day: (Timestamp::UNIX_EPOCH, None),
        context: "{}".to_owned(),
        draining: false,
        answer: None,
    }
}

/// The slot of trigger `tick` that is due at an instant.
pub fn slot(job: JobUid, due: i64) -> Arrival {
    let due_at = at(due);
    Arrival {
        trigger: TriggerId::new("tick"),
        kind: TriggerKind::Cron,
        due_at,
        dedupe_key: Some(due_at.to_string()),
        ..by_hand(job)
    }
}

pub fn ended(claim: Claim, then: Ended) -> AttemptEnd {
    AttemptEnd {
        claim,
        outcome: Outcome::Succeeded,
        exit_code: Some(0),
        error: None,
        output: "said".to_owned(),
        output_truncated: false,
        usage: Usage::default(),
        models: Vec::new(),
        containment: None,
        limit: None,
        left_behind: 0,
        finished_at: at(3),
        then,
    }
}

pub fn deliveries(count: u32) -> Ended {
    let delivery = |position| NewDelivery { id: DeliveryId::new(clock::new_id()), position, spec: log() };
    Ended::Finished((0..count).map(delivery).collect())
}

fn log() -> OutputSpec {
    serde_json::from_str(r#"{"type":"log"}"#).unwrap()
}
