//! How SQLite goes about every statement that the store runs: none reads a table from end to end. The plans do not
//! depend on the data, as the planner is never given statistics.

use super::{
    Advance, Arrival, AttemptEnd, Claim, DeliveryFilter, Ended, FileState, FireFilter, Found, NewDelivery, NewTrigger,
    News, Observation, Pushes, Remember, RunFilter, SaveJob, Store, Wanted,
};
use bog_domain::breaker::Bounds;
use bog_domain::delivery::{AfterDelivery, Pace, Purpose};
use bog_domain::fire::{Cause, Reason, TriggerKind};
use bog_domain::git::{Change, Move, Refs};
use bog_domain::ids::{DeliveryId, FireId, JobUid, RunId, TriggerId};
use bog_domain::overlap::Overlap;
use bog_domain::run::{Outcome, RunState, Usage};
use jiff::Timestamp;
use rusqlite::Connection;
use rusqlite::trace::{TraceEvent, TraceEventCodes};
use std::collections::BTreeSet;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use uuid::Uuid;

static SEEN: Mutex<BTreeSet<String>> = Mutex::new(BTreeSet::new());

/// Notes every statement that a connection runs.
pub(super) fn watch(connection: &Connection) {
    fn note(event: TraceEvent<'_>) {
        if let TraceEvent::Stmt(statement, _) = event {
            SEEN.lock().unwrap_or_else(PoisonError::into_inner).insert(statement.sql().into_owned());
        }
    }
    connection.trace_v2(TraceEventCodes::SQLITE_TRACE_STMT, Some(note));
}

/// Indexes that hold only what is open, live or due, so that reading one from end to end is no waste.
const SMALL: [&str; 11] = [
    "loads_ready",
    "runs_parallel",
    "runs_active",
    "jobs_live",
    "triggers_next",
    "triggers_files",
    "triggers_git_push",
    "triggers_secret",
    "deliveries_due",
    "deliveries_open",
    "runs_finished",
];

/// Statements that may read a table from end to end, and why.
const MAY_SCAN: [(&str, &str); 4] = [
    ("FROM sqlite_schema", "the list of tables is short"),
    ("SELECT id, hash, stamp FROM jobs", "it is asked for every job, at start"),
    ("invalid IS NOT NULL", "it counts jobs, which are thousands at most"),
    ("UPDATE triggers SET next_at", "it changes every trigger, when the zone rules change"),
];

fn id() -> Uuid {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    Uuid::from_u128(NEXT.fetch_add(1, Ordering::Relaxed).into())
}

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(second).unwrap()
}

fn job(id_text: &str, overlap: Overlap) -> SaveJob {
    SaveJob {
        uid: JobUid::new(id()),
        id: id_text.parse().unwrap(),
        name: id_text.to_owned(),
        spec: "{}".to_owned(),
        enabled: overlap != Overlap::Skip,
        overlap,
        max_parallel: 1,
        max_queued: 9,
        max_runs: 0,
        triggers: vec![NewTrigger {
            id: TriggerId::new("tick"),
            kind: TriggerKind::Cron,
            overlap,
            definition: String::new(),
            next_at: Some(at(9)),
            route: Some("/hooks/x".to_owned()),
            secret: Some("S".to_owned()),
        }],
        file: FileState::default(),
        author: "api",
    }
}

fn slot(job: JobUid, due: i64) -> Arrival {
    Arrival {
        fire: FireId::new(id()),
        run: RunId::new(id()),
        job,
        trigger: TriggerId::new("tick"),
        kind: TriggerKind::Cron,
        due_at: at(due),
        dedupe_key: Some(due.to_string()),
        cause: Cause::default(),
        bounds: Bounds::default(),
        day: (Timestamp::UNIX_EPOCH, None),
        context: "{}".to_owned(),
        filtered: None,
        draining: false,
        answer: Some(super::Answer {
            scope: "run".to_owned(),
            key: due.to_string(),
            request: String::new(),
            response: String::new(),
        }),
    }
}

/// Runs every operation that a busy daemon runs.
async fn exercise(store: &Store) {
    store.begin_epoch("boot".to_owned()).await.unwrap();
    let mut due = 10;
    for overlap in Overlap::ALL {
        let job = job(overlap.as_str(), overlap);
        let uid = store.save_job(job.clone(), None, at(0)).await.unwrap().revision().0;
        for _ in 0..3 {
            due += 1;
            store.accept(slot(uid, due), at(1)).await.unwrap();
        }
        let missed = vec![(FireId::new(id()), at(1), at(2), 2, Reason::CatchUp)];
        let (trigger, kind) = (TriggerId::new("tick"), TriggerKind::Cron);
        let advance = Advance {
            job: uid,
            trigger,
            kind,
            from: at(0),
            cursor: at(5),
            next_at: Some(at(9)),
            missed,
            fires: Vec::new(),
        };
        store.advance(advance, at(1)).await.unwrap().unwrap();
        store.note_file(job.id.clone(), FileState::default(), None).await.unwrap();
        store.triggers(uid).await.unwrap();
        store.revisions(uid).await.unwrap();
        store.last_run(uid, 99).await.unwrap();
        store.job(job.id).await.unwrap();
    }
    pushes(store).await;
    files(store).await;
    attempts(store).await;
    deliveries(store).await;
    lists(store).await;
    store.reschedule_all("basis".to_owned(), at(1)).await.unwrap();
    store.answer("run".to_owned(), "11".to_owned()).await.unwrap();
    store.delete_job("queue".parse().unwrap(), at(1)).await.unwrap();
    store.prune(at(1_000_000), at(1_000_000)).await.unwrap();
}

async fn pushes(store: &Store) {
    let job = SaveJob {
        triggers: vec![NewTrigger {
            id: TriggerId::new("push"),
            kind: TriggerKind::GitPush,
            overlap: Overlap::Queue,
            definition: String::new(),
            next_at: None,
            route: None,
            secret: None,
        }],
        ..job("pushes", Overlap::Queue)
    };
    let job = store.save_job(job, None, at(0)).await.unwrap().revision().0;
    assert_eq!(store.git_triggers().await.unwrap().len(), 1);
    let trigger = TriggerId::new("push");
    let refs = Refs::from([("refs/heads/a".to_owned(), "1".to_owned())]);
    let gone = Move { reference: "refs/heads/a".to_owned(), change: Change::Deleted { old: "1".to_owned() } };
    let fire = Arrival { trigger: trigger.clone(), kind: TriggerKind::GitPush, ..slot(job, 1) };
    for news in [News::FirstSight(refs), News::Moved(vec![(gone, fire)])] {
        let pushes = Pushes { job, trigger: trigger.clone(), definition: String::new(), news };
        store.record_pushes(pushes, at(1)).await.unwrap().unwrap();
    }
    assert!(store.git_memory(job, trigger).await.unwrap().begun);
    store.delete_job("pushes".parse().unwrap(), at(1)).await.unwrap();
}

async fn files(store: &Store) {
    let mut job = job("files", Overlap::Queue);
    job.triggers[0].kind = TriggerKind::FileChange;
    let uid = store.save_job(job, None, at(0)).await.unwrap().revision().0;
    assert_eq!(store.file_triggers().await.unwrap().len(), 1);
    let memory = store.file_memory(uid, TriggerId::new("tick"), "x".to_owned()).await.unwrap().unwrap();
    let file = |print| Remember { folder: "/w".into(), name: "x".into(), print };
    assert!(store.remember_first(memory.id, vec![file(Some(1))], true).await.unwrap());
    let memory = store.file_memory(uid, TriggerId::new("tick"), "x".to_owned()).await.unwrap().unwrap();
    let names = [("x".into(), None)].into();
    let found = Found { trees: vec!["/v".into()], files: [("/w".into(), names)].into() };
    assert_eq!(store.differences(memory.id, found).await.unwrap().len(), 1);
    let files = vec![file(None), file(Some(2))];
    store.observe(Observation { memory, files, fires: Vec::new() }, at(1)).await.unwrap().unwrap();
}

async fn attempts(store: &Store) {
    let (ready, _) = store.ready(at(1), 10).await.unwrap();
    assert!(ready.len() >= 3);
    for (number, ready) in ready.into_iter().enumerate() {
        let run = ready.run.id;
        let claim = Claim { run, attempt: 1, epoch: 1 };
        assert!(store.claim(ready.run, claim, at(2)).await.unwrap());
        assert!(store.adopt(claim, 2).await.unwrap());
        let claim = Claim { epoch: 2, ..claim };
        if number == 0 {
            assert!(store.void(claim, at(3)).await.unwrap());
            continue;
        }
        let made = NewDelivery {
            id: DeliveryId::new(id()),
            purpose: Purpose::Output,
            position: 0,
            spec: serde_json::from_str(r#"{"type":"log","when":"changed"}"#).unwrap(),
        };
        let [alert, recovery] = [Purpose::Alert, Purpose::Recovery].map(|purpose| NewDelivery {
            id: DeliveryId::new(id()),
            purpose,
            ..made.clone()
        });
        let then =
            if number == 1 { Ended::Retry { not_before: at(4) } } else { Ended::Finished(vec![made, alert, recovery]) };
        let end = AttemptEnd {
            claim,
            outcome: if number == 2 { Outcome::Failed } else { Outcome::Succeeded },
            exit_code: None,
            error: None,
            output: "x".repeat(5000),
            output_truncated: false,
            models: Vec::new(),
            usage: Usage::default(),
            containment: None,
            limit: None,
            left_behind: 0,
            finished_at: at(3),
            then,
        };
        assert!(store.finish(end).await.unwrap());
        store.output(run).await.unwrap();
        store.containment(run).await.unwrap();
        store.cancel(run, "no".to_owned(), at(3)).await.unwrap();
    }
}

async fn deliveries(store: &Store) {
    let wanted = Wanted { under_way: Vec::new(), pace: Pace::default(), limit: 10 };
    let (due, _) = store.due_deliveries(wanted, at(9)).await.unwrap();
    let delivery = &due[0].delivery;
    store.intend(delivery.id, "intent".to_owned()).await.unwrap();
    store.deliver(delivery.id, AfterDelivery::Delivered { receipt: None }, at(9)).await.unwrap();
    store.deliveries(delivery.run_id).await.unwrap();
    store.gave_up(vec![delivery.run_id]).await.unwrap();
    store.delivery(delivery.id).await.unwrap().unwrap();
    store.failing_targets(at(9)).await.unwrap();
    store.lost_deliveries(at(9)).await.unwrap();
    for (job, run) in [(None, None), (Some("coalesce".parse().unwrap()), None), (None, Some(delivery.run_id))] {
        store.list_deliveries(DeliveryFilter { job, run, ..DeliveryFilter::default() }, None, 10).await.unwrap();
    }
    assert!(store.redeliver(delivery.id, at(9)).await.unwrap());
}

async fn lists(store: &Store) {
    let job = || Some("coalesce".parse().unwrap());
    store.jobs(None, 10).await.unwrap();
    store.files().await.unwrap();
    store.counts().await.unwrap();
    store.running().await.unwrap();
    store.asked_to_end().await.unwrap();
    store.attempts_under_way().await.unwrap();
    store.count_orphans(1, at(9)).await.unwrap();
    store.due_triggers(at(10), 10).await.unwrap();
    store.routes_of("/hooks/x".to_owned()).await.unwrap();
    store.route_secrets().await.unwrap();
    store.next_slot().await.unwrap();
    store.working_dirs().await.unwrap();
    store.incidents(at(9)).await.unwrap();
    store.under_way_since(at(0)).await.unwrap();
    store.file_deliveries_since(at(0), at(9)).await.unwrap();
    for state in [None, Some(RunState::Queued), Some(RunState::Finished)] {
        for job in [None, job()] {
            store.runs(RunFilter { job, state, ..RunFilter::default() }, None, 10).await.unwrap();
        }
    }
    for job in [None, job()] {
        let page = store.fires(FireFilter { job, ..FireFilter::default() }, None, 10).await.unwrap();
        let fire = &page.items[0];
        store.fire(fire.id).await.unwrap();
        store.tier_of(fire.run_id.unwrap_or(RunId::new(id()))).await.unwrap();
        store.cause_by(fire.run_id.unwrap_or(RunId::new(id()))).await.unwrap();
        store.fires_of(fire.run_id.unwrap_or(RunId::new(id())), 10, usize::MAX).await.unwrap();
    }
}

fn plan_of(connection: &Connection, sql: &str) -> Vec<String> {
    let mut statement = connection.prepare(&format!("EXPLAIN QUERY PLAN {sql}")).unwrap();
    let mut rows = statement.raw_query();
    let mut steps = Vec::new();
    while let Some(row) = rows.next().unwrap() {
        steps.push(row.get::<_, String>(3).unwrap());
    }
    steps
}

/// Whether a step reads all of something that grows. Rows in the order of their numbers, newest first, are read only
/// until a page is full.
fn is_waste(step: &str, sql: &str) -> bool {
    let newest_first = sql.contains("ORDER BY r.seq DESC LIMIT")
        || sql.contains("ORDER BY seq DESC LIMIT")
        || sql.contains("ORDER BY d.seq DESC LIMIT");
    const TABLES: &str = "runs r p fires f jobs j triggers t loads l deliveries d attempts a revisions v answers told incidents \
         file_memories remembered_files closed_gates";
    let scans_table = TABLES
        .split(' ')
        .any(|table| step.strip_prefix("SCAN ").is_some_and(|rest| rest.split(' ').next() == Some(table)));
    let small = SMALL.iter().any(|index| step.contains(index));
    step.contains("AUTOMATIC") && !step.contains("busy") || (scans_table && !small && !newest_first)
}

#[tokio::test]
async fn no_statement_reads_a_table_from_end_to_end() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("daemon.db");
    let opened = Store::open(&path, Box::new(|_, _| {})).unwrap();
    exercise(&opened.store).await;
    let connection = Connection::open(&path).unwrap();
    let seen: Vec<String> = SEEN.lock().unwrap().iter().cloned().collect();
    let verbs = ["SELECT", "INSERT", "UPDATE", "DELETE", "WITH"];
    let planned: Vec<_> = seen.iter().filter(|sql| verbs.iter().any(|verb| sql.starts_with(verb))).collect();
    assert!(planned.len() > 60, "only {} statements were seen: the test is broken", planned.len());
    let mut wasteful = Vec::new();
    for sql in planned {
        if MAY_SCAN.iter().any(|(part, _)| sql.contains(part)) {
            continue;
        }
        let plan = plan_of(&connection, sql);
        if plan.iter().any(|step| is_waste(step, sql)) {
            wasteful.push(format!("{sql}\n    {}", plan.join("\n    ")));
        }
    }
    assert!(wasteful.is_empty(), "{}", wasteful.join("\n"));
}

#[test]
fn waste_is_recognised() {
    let connection = Connection::open_in_memory().unwrap();
    connection.execute_batch(include_str!("migrations/0001_ledger.sql")).unwrap();
    let wasteful = |sql: &str| plan_of(&connection, sql).iter().any(|step| is_waste(step, sql));
    assert!(wasteful("SELECT count(*) FROM runs WHERE state = 'queued'"));
    assert!(!wasteful("SELECT count(*) FROM runs WHERE state = 'queued' AND finished_at IS NULL"));
    assert!(wasteful("SELECT * FROM fires WHERE seen_at < 5"));
}
