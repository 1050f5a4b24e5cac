//! What is remembered of files: made, compared, and moved on together with what it fires.

use crate::store::ledger::{Ledger, at, busy, by_hand, deliveries, ended, job};
use bog_agents_daemon::store::{
    Arrival, Difference, Ended, Found, Memory, More, NewTrigger, Observation, Remember, SaveJob, Seen,
};
use bog_domain::delivery::AfterDelivery;
use bog_domain::fire::{Disposition, TriggerKind};
use bog_domain::ids::{JobUid, RunId, TriggerId};
use bog_domain::overlap::Overlap;
use jiff::Timestamp;
use std::path::PathBuf;

fn watcher(id: &str) -> SaveJob {
    let trigger = NewTrigger {
        kind: TriggerKind::FileChange,
        next_at: None,
        ..crate::store::ledger::trigger("t", Overlap::Queue)
    };
    SaveJob { triggers: vec![trigger], ..job(id) }
}

fn file(folder: &str, name: &str, print: Option<i64>) -> Remember {
    Remember { folder: folder.into(), name: name.into(), print }
}

fn found(trees: &[&str], files: &[(&str, &str, Option<i64>)]) -> Found {
    let mut found = Found { trees: trees.iter().map(Into::into).collect(), ..Found::default() };
    for (folder, name, print) in files {
        let seen = print.map(|print| Seen { print, at: at(0) });
        found.files.entry(folder.into()).or_default().insert(name.into(), seen);
    }
    found
}

async fn memory(ledger: &Ledger, uid: JobUid, definition: &str) -> Memory {
    ledger.store.file_memory(uid, TriggerId::new("t"), definition.to_owned()).await.unwrap().unwrap()
}

async fn differ(ledger: &Ledger, memory: Memory, found: Found) -> Vec<String> {
    let mut told: Vec<String> = ledger.store.differences(memory.id, found).await.unwrap().iter().map(tell).collect();
    told.sort();
    told
}

fn tell(difference: &Difference) -> String {
    let path = difference.folder.join(&difference.name);
    let mark = match (difference.known, difference.found) {
        (false, _) => '+',
        (true, Some(_)) => '~',
        (true, None) => '-',
    };
    format!("{mark}{}", path.display())
}

#[tokio::test]
async fn what_is_found_is_compared_with_what_is_remembered() {
    let ledger = Ledger::new();
    let uid = ledger.save(watcher("a")).await;
    let begun = memory(&ledger, uid, "x").await;
    assert_eq!(begun.version, 0);
    let files = vec![
        file("/w/a", "1", Some(1)),
        file("/w/a", "2", Some(2)),
        file("/w/a-b", "1", Some(3)),
        file("/w/a/c", "1", Some(4)),
    ];
    assert!(ledger.store.remember_first(begun.id, files, true).await.unwrap());
    let memory = memory(&ledger, uid, "x").await;
    assert_eq!(memory, Memory { version: 1, ..begun });
    let tree = found(&["/w/a"], &[("/w/a", "1", Some(1)), ("/w/a", "2", Some(9)), ("/w/a/d", "new", Some(5))]);
    assert_eq!(differ(&ledger, memory, tree).await, ["+/w/a/d/new", "-/w/a/c/1", "~/w/a/2"]);
    let names =
        found(&[], &[("/w/a", "1", None), ("/w/a", "none", None), ("/w/a-b", "1", Some(3)), ("/w/a", "3", Some(1))]);
    assert_eq!(differ(&ledger, memory, names).await, ["+/w/a/3", "-/w/a/1"]);
    assert_eq!(differ(&ledger, memory, found(&["/"], &[])).await.len(), 4);
    ledger.close();
}

#[tokio::test]
async fn a_memory_moves_on_with_its_fires_or_not_at_all() {
    let ledger = Ledger::new();
    let uid = ledger.save(watcher("a")).await;
    let begun = memory(&ledger, uid, "x").await;
    assert!(ledger.store.remember_first(begun.id, Vec::new(), true).await.unwrap());
    let memory = Memory { version: 1, ..begun };
    let fire = Arrival {
        trigger: TriggerId::new("t"),
        kind: TriggerKind::FileChange,
        dedupe_key: Some("1.1".to_owned()),
        ..by_hand(uid)
    };
    let observation = Observation { memory, files: vec![file("/w", "x", Some(1))], fires: vec![fire] };
    let told = ledger.store.observe(observation.clone(), at(1)).await.unwrap().unwrap();
    assert_eq!(told.len(), 1);
    assert_eq!(ledger.store.observe(observation, at(2)).await.unwrap(), None);
    let fires = ledger.store.fires(Default::default(), None, 9).await.unwrap().items;
    assert_eq!(fires.iter().map(|fire| fire.disposition).collect::<Vec<_>>(), [Disposition::Run]);
    assert!(differ(&ledger, memory, found(&["/w"], &[("/w", "x", Some(1))])).await.is_empty());
    ledger.close();
}

#[tokio::test]
async fn a_memory_of_something_else_or_half_of_one_begins_anew() {
    let ledger = Ledger::new();
    let uid = ledger.save(watcher("a")).await;
    let half = memory(&ledger, uid, "x").await;
    assert!(ledger.store.remember_first(half.id, vec![file("/w", "x", Some(1))], false).await.unwrap());
    let whole = memory(&ledger, uid, "x").await;
    assert!(whole.id > half.id);
    assert!(!ledger.store.remember_first(half.id, Vec::new(), true).await.unwrap());
    assert!(ledger.store.remember_first(whole.id, vec![file("/w", "x", Some(1))], true).await.unwrap());
    let other = memory(&ledger, uid, "y").await;
    assert_eq!((other.version, other.id > whole.id), (0, true));
    assert!(differ(&ledger, other, found(&["/w"], &[])).await.is_empty());
    // With the trigger it is gone, and none is made for it.
    ledger.save(SaveJob { triggers: Vec::new(), spec: "{}".to_owned(), ..job("a") }).await;
    let gone = ledger.store.file_memory(uid, TriggerId::new("t"), "y".to_owned()).await.unwrap();
    assert_eq!(gone, None);
    ledger.close();
}

#[tokio::test]
async fn whoever_was_under_way_is_known_with_its_depth() {
    let ledger = Ledger::new();
    let uid = ledger.job("a").await;
    let run = ledger.fire(uid).await;
    assert!(ledger.store.under_way_since(at(0)).await.unwrap().is_empty());
    let claim = ledger.claim(run).await;
    let known = |found: Vec<bog_agents_daemon::store::UnderWay>| {
        found.into_iter().map(|attempt| (attempt.run, attempt.cause.depth, attempt.window)).collect::<Vec<_>>()
    };
    let window = |until| bog_domain::files::Window { from: at(2), until };
    assert_eq!(known(ledger.store.under_way_since(at(900)).await.unwrap()), [(run, 1, window(None))]);
    ledger.finish(claim).await;
    let finished = ledger.run(run).await.finished_at;
    assert_eq!(known(ledger.store.under_way_since(at(2)).await.unwrap()), [(run, 1, window(finished))]);
    assert!(ledger.store.under_way_since(at(900)).await.unwrap().is_empty());
    ledger.close();
}

/// The windows of a run's attempts that ended at 3 or later.
async fn windows(ledger: &Ledger, run: RunId) -> Vec<(Timestamp, Option<Timestamp>)> {
    let found = ledger.store.under_way_since(at(3)).await.unwrap();
    found.into_iter().filter(|at| at.run == run).map(|at| (at.window.from, at.window.until)).collect()
}

#[tokio::test]
async fn an_attempt_is_known_whatever_became_of_its_run() {
    let ledger = Ledger::new();
    let endings = [
        Ended::Finished(Vec::new()),
        Ended::Paused,
        Ended::Retry { not_before: at(9) },
        Ended::GateOpen { said: String::new() },
        Ended::GateClosed { reason: "gate".to_owned() },
    ];
    for (number, ending) in endings.into_iter().enumerate() {
        let uid = ledger.job(&format!("j{number}")).await;
        let run = ledger.fire(uid).await;
        let claim = ledger.claim(run).await;
        let end = ended(claim, ending);
        assert!(ledger.store.finish(end.clone()).await.unwrap());
        assert!(!ledger.store.finish(end.clone()).await.unwrap(), "once");
        assert_eq!(windows(&ledger, run).await, [(at(2), Some(at(3)))], "{:?}", end.then);
        if matches!(end.then, Ended::Paused) {
            ledger.store.resume(run, More::default(), false).await.unwrap();
            assert_eq!(windows(&ledger, run).await, [(at(2), Some(at(3)))], "resumed");
            ledger.claim(run).await;
            let both = windows(&ledger, run).await;
            assert_eq!(both, [(at(2), None), (at(2), Some(at(3)))], "and under way again");
        }
    }
    assert_eq!(ledger.store.under_way_since(at(4)).await.unwrap().len(), 1);
    // With what is old it is forgotten.
    let known = ledger.store.under_way_since(at(3)).await.unwrap().len();
    ledger.store.prune(at(4), at(4)).await.unwrap();
    assert_eq!(ledger.store.under_way_since(at(3)).await.unwrap().len(), known - 1);
    ledger.close();
}

#[tokio::test]
async fn whoever_is_still_under_way_is_known_beside_any_number_that_has_ended() {
    let ledger = Ledger::new();
    let uid = ledger.job("long").await;
    let long = ledger.fire(uid).await;
    ledger.claim(long).await;
    let uid = ledger.job("short").await;
    for _ in 0..1_001 {
        ledger.finished_run(uid).await;
    }
    assert_eq!(windows(&ledger, long).await, [(at(2), None)]);
    ledger.close();
}

#[tokio::test]
async fn a_delivery_to_a_file_is_known_from_before_it_begins() {
    let ledger = Ledger::new();
    let uid = ledger.job("a").await;
    let run = ledger.fire(uid).await;
    let claim = ledger.claim(run).await;
    assert!(ledger.store.finish(ended(claim, deliveries(2))).await.unwrap());
    let made = ledger.store.deliveries(run).await.unwrap();
    let known = async |since, now| {
        let found = ledger.store.file_deliveries_since(at(since), at(now)).await.unwrap();
        let known = found.into_iter().map(|at| (at.files, at.window.from, at.window.until, at.cause.depth));
        known.collect::<Vec<_>>()
    };
    assert_eq!(known(0, 5).await, [], "nothing was about to be written");
    ledger.store.intend(made[0].id, r#"{"path":"/w/a","offset":0}"#.to_owned()).await.unwrap();
    let named = vec![PathBuf::from("/w/a")];
    assert_eq!(known(900, 5).await, [(named.clone(), at(3), None, 1)]);
    ledger.store.deliver(made[0].id, busy(10), at(5)).await.unwrap();
    assert_eq!(known(900, 6).await, [(named.clone(), at(3), Some(at(5)), 1)], "it waits");
    assert_eq!(known(900, 15).await, [(named.clone(), at(3), None, 1)], "it is due");
    let delivered = AfterDelivery::Delivered { receipt: Some("/w/b".to_owned()) };
    ledger.store.deliver(made[0].id, delivered, at(16)).await.unwrap();
    let both = vec![PathBuf::from("/w/a"), PathBuf::from("/w/b")];
    assert_eq!(known(16, 20).await, [(both, at(3), Some(at(16)), 1)]);
    assert_eq!(known(17, 20).await, []);
    ledger.close();
}
