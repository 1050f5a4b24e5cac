//! Loop breakers: which fires they hold, what they count, and when a job counts as one in a loop.

use crate::store::ledger::{Ledger, at, by_hand, job};
use bog_agents_daemon::store::{Accepted, Arrival, SaveJob};
use bog_domain::breaker::Bounds;
use bog_domain::fire::{Cause, Disposition};
use bog_domain::ids::JobUid;

/// A fire by a run that stands so deep.
fn caused(job: JobUid, depth: u32) -> Arrival {
    Arrival { cause: Cause { fire: None, depth }, bounds: Bounds { max_depth: 3, ..Bounds::default() }, ..by_hand(job) }
}

#[tokio::test]
async fn what_is_too_deep_is_blocked_and_is_a_row() {
    let ledger = Ledger::new();
    let uid = ledger.job("a").await;
    assert_eq!(ledger.accept(caused(uid, 3)).await.disposition, Disposition::Run);
    let blocked = ledger.accept(caused(uid, 4)).await;
    assert_eq!((blocked.disposition, blocked.reason.as_deref()), (Disposition::Blocked, Some("depth")));
    assert_eq!(blocked.run_id, None);
    // A job's own bound comes first.
    let deep = SaveJob { spec: r#"{"loops":{"max_depth":9}}"#.to_owned(), ..job("a") };
    ledger.save(deep).await;
    assert_eq!(ledger.accept(caused(uid, 9)).await.disposition, Disposition::Run);
    assert_eq!(ledger.accept(caused(uid, 10)).await.disposition, Disposition::Blocked);
    ledger.close();
}

#[tokio::test]
async fn of_what_runs_cause_only_so_much_runs_in_a_time() {
    let ledger = Ledger::new();
    let spec = r#"{"loops":{"max_caused":2,"window":"10s"}}"#.to_owned();
    let uid = ledger.save(SaveJob { spec, ..job("a") }).await;
    for expected in [Disposition::Run, Disposition::Run, Disposition::Blocked, Disposition::Blocked] {
        assert_eq!(ledger.accept(caused(uid, 1)).await.disposition, expected);
    }
    // From outside there may come any number.
    assert_eq!(ledger.accept(by_hand(uid)).await.disposition, Disposition::Run);
    let later = ledger.store.accept(caused(uid, 1), at(60)).await.unwrap();
    assert!(matches!(&later, Accepted::Recorded(later) if later.disposition == Disposition::Run), "{later:?}");
    ledger.close();
}

#[tokio::test]
async fn a_job_is_in_a_loop_until_it_is_changed_or_an_hour_has_passed() {
    let ledger = Ledger::new();
    let uid = ledger.job("a").await;
    assert_eq!(ledger.store.incidents(at(2)).await.unwrap(), []);
    for _ in 0..2 {
        ledger.accept(caused(uid, 4)).await;
    }
    let incidents = ledger.store.incidents(at(2)).await.unwrap();
    assert_eq!(incidents.len(), 1, "one, however many were blocked: {incidents:?}");
    let incident = &incidents[0];
    assert_eq!((incident.job.as_str(), incident.blocked, incident.reason.as_str()), ("a", 2, "depth"));
    assert_eq!(ledger.store.incidents(at(3602)).await.unwrap(), []);
    ledger.store.save_job(SaveJob { spec: "{}".to_owned(), ..job("a") }, None, at(2)).await.unwrap();
    assert_eq!(ledger.store.incidents(at(2)).await.unwrap(), []);
    ledger.close();
}
