//! Pushes: recorded together with the memory that moves on with them, or not at all.

use crate::store::ledger::{Ledger, at, job, slot, trigger};
use bog_agents_daemon::store::{Accepted, Arrival, FireFilter, GitMemory, NewTrigger, News, Pushes, SaveJob};
use bog_domain::fire::TriggerKind;
use bog_domain::git::{Change, Move, Refs};
use bog_domain::ids::{JobUid, TriggerId};
use bog_domain::overlap::Overlap;

/// A job with a trigger `push` that is about this.
fn pushed(definition: &str) -> SaveJob {
    let trigger = trigger("push", Overlap::Queue);
    let trigger =
        NewTrigger { kind: TriggerKind::GitPush, definition: definition.to_owned(), next_at: None, ..trigger };
    SaveJob { triggers: vec![trigger], ..job("a") }
}

fn refs(names: &[(&str, &str)]) -> Refs {
    names.iter().map(|(name, sha)| ((*name).to_owned(), (*sha).to_owned())).collect()
}

fn moved(job: JobUid, reference: &str, old: Option<&str>, new: Option<&str>) -> (Move, Arrival) {
    let moved = Move { reference: reference.to_owned(), change: Change::between(old, new).unwrap() };
    let arrival =
        Arrival { trigger: TriggerId::new("push"), kind: TriggerKind::GitPush, dedupe_key: None, ..slot(job, 60) };
    (moved, arrival)
}

async fn record(ledger: &Ledger, job: JobUid, definition: &str, news: News) -> Option<usize> {
    let pushes = Pushes { job, trigger: TriggerId::new("push"), definition: definition.to_owned(), news };
    let accepted = ledger.store.record_pushes(pushes, at(1)).await.unwrap()?;
    assert!(accepted.iter().all(|accepted| matches!(accepted, Accepted::Recorded(_))), "{accepted:?}");
    Some(accepted.len())
}

async fn memory(ledger: &Ledger, job: JobUid) -> GitMemory {
    ledger.store.git_memory(job, TriggerId::new("push")).await.unwrap()
}

async fn fires(ledger: &Ledger) -> usize {
    ledger.store.fires(FireFilter::default(), None, 100).await.unwrap().items.len()
}

#[tokio::test]
async fn fires_and_memory_move_in_one_step() {
    let ledger = Ledger::new();
    let job = ledger.save(pushed("one")).await;
    assert_eq!(memory(&ledger, job).await, GitMemory::default());
    let first = || News::FirstSight(refs(&[("refs/heads/a", "1"), ("refs/heads/b", "1")]));
    assert_eq!(record(&ledger, job, "one", first()).await, Some(0));
    assert_eq!(record(&ledger, job, "one", first()).await, None, "it is first seen once");
    let news = || {
        News::Moved(vec![
            moved(job, "refs/heads/a", Some("1"), Some("2")),
            moved(job, "refs/heads/b", Some("1"), None),
            moved(job, "refs/heads/c", None, Some("2")),
        ])
    };
    assert_eq!(record(&ledger, job, "one", news()).await, Some(3));
    let now = GitMemory { begun: true, refs: refs(&[("refs/heads/a", "2"), ("refs/heads/c", "2")]) };
    assert_eq!(memory(&ledger, job).await, now);
    // What was compared with an older memory is stale as a whole.
    assert_eq!(record(&ledger, job, "one", news()).await, None);
    let half = vec![moved(job, "refs/heads/a", Some("2"), Some("3")), moved(job, "refs/heads/c", Some("1"), Some("3"))];
    assert_eq!(record(&ledger, job, "one", News::Moved(half)).await, None);
    assert_eq!((memory(&ledger, job).await, fires(&ledger).await), (now, 3));
    ledger.close();
}

#[tokio::test]
async fn a_memory_goes_with_what_it_is_about() {
    let ledger = Ledger::new();
    let job = ledger.save(pushed("one")).await;
    record(&ledger, job, "one", News::FirstSight(refs(&[("refs/heads/a", "1")]))).await.unwrap();
    ledger.save(pushed("one")).await;
    assert!(memory(&ledger, job).await.begun, "saved anew, it is the same");
    assert_eq!(ledger.store.git_triggers().await.unwrap()[0].definition, "one");
    ledger.save(pushed("two")).await;
    assert_eq!(memory(&ledger, job).await, GitMemory::default());
    let late = News::Moved(vec![moved(job, "refs/heads/a", Some("1"), Some("2"))]);
    assert_eq!(record(&ledger, job, "one", late).await, None, "it is about something else by now");
    // A hook may tell of a repository that was never seen.
    let told = News::Moved(vec![moved(job, "refs/heads/a", None, Some("2"))]);
    assert_eq!(record(&ledger, job, "two", told).await, Some(1));
    assert_eq!(memory(&ledger, job).await, GitMemory { begun: false, refs: refs(&[("refs/heads/a", "2")]) });
    let first = News::FirstSight(refs(&[("refs/heads/b", "3")]));
    assert_eq!(record(&ledger, job, "two", first).await, Some(0));
    assert_eq!(memory(&ledger, job).await, GitMemory { begun: true, refs: refs(&[("refs/heads/b", "3")]) });
    ledger.store.delete_job("a".parse().unwrap(), at(2)).await.unwrap();
    assert_eq!(memory(&ledger, job).await, GitMemory::default());
    assert_eq!(ledger.store.git_triggers().await.unwrap(), []);
    ledger.close();
}
