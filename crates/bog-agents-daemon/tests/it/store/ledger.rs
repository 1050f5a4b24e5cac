//! A store in a folder of its own, and short ways to say what a test is about.

use bog_agents_daemon::clock;
use bog_agents_daemon::store::{
    Accepted, Arrival, AttemptEnd, Claim, DueDelivery, Ended, FileState, NewDelivery, NewTrigger, Receipt, RunRow,
    SaveJob, Store, Wanted, check,
};
use bog_domain::breaker::Bounds;
use bog_domain::delivery::{AfterDelivery, Pace, Purpose};
use bog_domain::fire::{Cause, TriggerKind};
use bog_domain::ids::{DeliveryId, FireId, JobUid, RunId, TriggerId};
use bog_domain::overlap::Overlap;
use bog_domain::run::{Outcome, Usage};
use jiff::{SignedDuration, Timestamp};
use std::path::PathBuf;
use std::thread::JoinHandle;
use std::time::Duration;

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

    pub async fn due(&self, pace: &Pace, under_way: &[DeliveryId], now: i64) -> (Vec<DueDelivery>, Option<Timestamp>) {
        let wanted = Wanted { under_way: under_way.to_vec(), pace: pace.clone(), limit: 100 };
        self.store.due_deliveries(wanted, at(now)).await.unwrap()
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
        route: None,
        secret: None,
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
        bounds: Bounds::default(),
        day: (Timestamp::UNIX_EPOCH, None),
        context: "{}".to_owned(),
        filtered: None,
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
    // Each its own target: deliveries to the same one wait for each other.
    let to_file = |position| delivery(position, &format!(r#"{{"type":"file","path":"/tmp/{position}"}}"#));
    Ended::Finished((0..count).map(to_file).collect())
}

/// A delivery to the target that is written so.
pub fn delivery(position: u32, spec: &str) -> NewDelivery {
    let (id, purpose) = (DeliveryId::new(clock::new_id()), Purpose::Output);
    NewDelivery { id, purpose, position, spec: serde_json::from_str(spec).unwrap() }
}

/// What follows an attempt at a target that is busy for some seconds.
pub fn busy(seconds: u64) -> AfterDelivery {
    let (delay, error) = (Duration::from_secs(seconds), "busy".to_owned());
    AfterDelivery::RetryAfter { delay, error, may_have_arrived: false, lets_pass: false }
}

/// The deliveries due at `now` that are not under way, and when the next is.
pub async fn due(ledger: &Ledger, under_way: &[DeliveryId], now: i64) -> (Vec<DeliveryId>, Option<i64>) {
    let (due, next) = ledger.due(&Pace::default(), under_way, now).await;
    let seconds = next.map(|next| next.as_second() - at(0).as_second());
    (due.into_iter().map(|due| due.delivery.id).collect(), seconds)
}
