//! Slots: recorded together with the memory that moves past them, or not at all.

use crate::store::ledger::{Ledger, at, job, slot, trigger};
use bog_agents_daemon::clock;
use bog_agents_daemon::store::{Accepted, Advance, FireFilter, FireRow, SaveJob};
use bog_domain::fire::{Disposition, Reason, TriggerKind};
use bog_domain::ids::{FireId, JobUid, TriggerId};
use bog_domain::overlap::Overlap;

/// Moves the memory of `tick` on.
fn advance(job: JobUid, from: i64, cursor: i64, next: Option<i64>) -> Advance {
    Advance {
        job,
        trigger: TriggerId::new("tick"),
        kind: TriggerKind::Cron,
        from: at(from),
        cursor: at(cursor),
        next_at: next.map(at),
        missed: Vec::new(),
        fires: Vec::new(),
    }
}

/// Missed slots, every minute.
fn missed(from: i64, until: i64, count: u64) -> Advance {
    let range = (FireId::new(clock::new_id()), at(from), at(until), count, Reason::CatchUp);
    Advance { missed: vec![range], ..advance(JobUid::new(clock::new_id()), 0, 0, None) }
}

async fn rows(ledger: &Ledger) -> Vec<FireRow> {
    let mut rows = ledger.store.fires(FireFilter::default(), None, 100).await.unwrap().items;
    rows.reverse();
    rows
}

#[tokio::test]
async fn fires_and_memory_move_in_one_step() {
    let ledger = Ledger::new();
    let uid = ledger.job("a").await;
    let plan = Advance { fires: vec![slot(uid, 60), slot(uid, 120)], ..advance(uid, 0, 120, Some(180)) };
    let accepted = ledger.store.advance(plan.clone(), at(121)).await.unwrap().unwrap();
    let dispositions: Vec<_> = accepted
        .iter()
        .map(|accepted| match accepted {
            Accepted::Recorded(receipt) => receipt.disposition,
            Accepted::Duplicate(_) | Accepted::KeyReused | Accepted::Gone => panic!("{accepted:?}"),
        })
        .collect();
    assert_eq!(dispositions, [Disposition::Run, Disposition::Coalesced]);
    let memory = ledger.store.triggers(uid).await.unwrap().remove(0);
    assert_eq!((memory.cursor, memory.next_at, memory.activated_at), (at(120), Some(at(180)), at(0)));
    // The same plan again is stale: nothing of it is recorded.
    assert_eq!(ledger.store.advance(plan, at(122)).await.unwrap(), None);
    assert_eq!(rows(&ledger).await.len(), 2);
    // Planned again after the clock was set back, a slot is the fire it was.
    let again = Advance { fires: vec![slot(uid, 120)], ..advance(uid, 120, 130, Some(180)) };
    let accepted = ledger.store.advance(again, at(131)).await.unwrap().unwrap();
    assert!(matches!(accepted[..], [Accepted::Duplicate(_)]));
    ledger.close();
}

#[tokio::test]
async fn missed_slots_in_a_row_are_one_row() {
    let ledger = Ledger::new();
    let uid = ledger.job("a").await;
    let plan = |range: Advance, from, cursor| Advance { missed: range.missed, ..advance(uid, from, cursor, None) };
    ledger.store.advance(plan(missed(60, 120, 2), 0, 120), at(121)).await.unwrap().unwrap();
    ledger.store.advance(plan(missed(180, 180, 1), 120, 180), at(181)).await.unwrap().unwrap();
    let fires = Advance { fires: vec![slot(uid, 240)], ..advance(uid, 180, 240, None) };
    ledger.store.advance(fires, at(241)).await.unwrap().unwrap();
    ledger.store.advance(plan(missed(300, 300, 1), 240, 300), at(301)).await.unwrap().unwrap();
    let rows = rows(&ledger).await;
    let summary: Vec<_> = rows.iter().map(|row| (row.disposition, row.due_at, row.until_at, row.count)).collect();
    assert_eq!(
        summary,
        [
            (Disposition::Missed, at(60), Some(at(180)), 3),
            (Disposition::Run, at(240), None, 1),
            (Disposition::Missed, at(300), None, 1),
        ]
    );
    assert_eq!(rows[0].reason.as_deref(), Some("catch_up"));
    ledger.close();
}

#[tokio::test]
async fn due_triggers_come_the_most_overdue_first() {
    let ledger = Ledger::new();
    let later = SaveJob { triggers: vec![trigger("tick", Overlap::Queue)], ..job("later") };
    let mut sooner = job("sooner");
    sooner.triggers[0].next_at = Some(at(30));
    let mut never = job("never");
    never.triggers[0].next_at = None;
    for job in [later, sooner, never] {
        ledger.save(job).await;
    }
    assert_eq!(ledger.store.next_slot().await.unwrap(), Some(at(30)));
    let due = |now, limit| ledger.store.due_triggers(at(now), limit);
    assert!(due(29, 10).await.unwrap().is_empty());
    let both = due(60, 10).await.unwrap();
    assert_eq!(both.iter().map(|due| due.job_id.as_str()).collect::<Vec<_>>(), ["sooner", "later"]);
    assert_eq!((both[0].activated_at, both[0].cursor, both[0].spec.as_str()), (at(0), at(0), job("x").spec.as_str()));
    assert_eq!(due(60, 1).await.unwrap().len(), 1);
    ledger.close();
}

#[tokio::test]
async fn other_zone_rules_make_every_slot_due_once() {
    let ledger = Ledger::new();
    let uid = ledger.job("a").await;
    assert!(ledger.store.reschedule_all("tz 1".to_owned(), at(5)).await.unwrap());
    assert_eq!(ledger.store.next_slot().await.unwrap(), Some(at(5)));
    ledger.store.advance(advance(uid, 0, 0, Some(60)), at(5)).await.unwrap().unwrap();
    assert!(!ledger.store.reschedule_all("tz 1".to_owned(), at(6)).await.unwrap());
    assert_eq!(ledger.store.next_slot().await.unwrap(), Some(at(60)));
    ledger.close();
}

#[tokio::test]
async fn a_deleted_jobs_slots_are_nobodys() {
    let ledger = Ledger::new();
    let uid = ledger.job("a").await;
    assert!(ledger.store.delete_job("a".parse().unwrap(), at(1)).await.unwrap());
    assert_eq!(ledger.store.next_slot().await.unwrap(), None);
    let plan = Advance { fires: vec![slot(uid, 60)], ..advance(uid, 0, 60, None) };
    assert_eq!(ledger.store.advance(plan, at(61)).await.unwrap(), None);
    ledger.close();
}
