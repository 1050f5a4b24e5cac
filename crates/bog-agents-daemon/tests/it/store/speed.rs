//! How fast the store is on this disk: figures to read, run by hand in release mode.
//!
//! `cargo test --release -p bog-agents-daemon --test it store::speed -- --ignored --nocapture`

use super::ledger::{Ledger, at, by_hand, job, slot};
use bog_agents_daemon::store::{Advance, FireFilter, RunFilter, SaveJob};
use bog_domain::fire::TriggerKind;
use bog_domain::ids::TriggerId;
use std::fs::File;
use std::io::Write;
use std::time::{Duration, Instant};

/// One task's writes after one another, as a bare loop of write and fsync does them.
fn serial_fsyncs(folder: &std::path::Path) -> f64 {
    let mut file = File::create(folder.join("fsync")).unwrap();
    let begun = Instant::now();
    for _ in 0..200 {
        file.write_all(&[0; 4096]).unwrap();
        file.sync_all().unwrap();
    }
    200.0 / begun.elapsed().as_secs_f64()
}

async fn accepts(ledger: &Ledger) {
    let uid = ledger.save(SaveJob { max_queued: u32::MAX, ..job("accepts") }).await;
    let begun = Instant::now();
    let task = async |_| {
        let mut slowest = Duration::ZERO;
        for _ in 0..100 {
            let sent = Instant::now();
            ledger.accept(by_hand(uid)).await;
            slowest = slowest.max(sent.elapsed());
        }
        slowest
    };
    let slowest = futures::future::join_all((0..64).map(task)).await.into_iter().max().unwrap();
    let rate = 6400.0 / begun.elapsed().as_secs_f64();
    println!("accepts from 64 tasks: {rate:.0} a second, the slowest took {slowest:?}");
}

async fn advances(ledger: &Ledger, due: i64) {
    let triggers = ledger.store.due_triggers(at(60), 1000).await.unwrap();
    assert_eq!(triggers.len(), 1000);
    let begun = Instant::now();
    let sent = triggers.into_iter().map(|trigger| {
        let advance = Advance {
            job: trigger.job,
            trigger: TriggerId::new("tick"),
            kind: TriggerKind::Cron,
            from: trigger.cursor,
            cursor: at(due),
            next_at: Some(at(60 + due)),
            missed: Vec::new(),
            fires: vec![slot(trigger.job, due)],
        };
        ledger.store.advance(advance, at(61))
    });
    for told in futures::future::join_all(sent).await {
        told.unwrap().expect("a plan that was not stale");
    }
    println!("1,000 advances with a fire each: {:?} to the last", begun.elapsed());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "a measurement: run it by hand in release mode"]
async fn figures() {
    let ledger = Ledger::new();
    println!("serial fsyncs: {:.0} a second", serial_fsyncs(ledger.folder.path()));
    let begun = Instant::now();
    let jobs: Vec<SaveJob> = (0..10_000).map(|number| job(&format!("job-{number}"))).collect();
    for batch in jobs.chunks(256) {
        ledger.store.save_jobs(batch.to_vec(), at(0)).await.unwrap();
    }
    println!("10,000 jobs saved: {:?}", begun.elapsed());
    for due in 1..=5 {
        advances(&ledger, due).await;
    }
    accepts(&ledger).await;
    accepts(&ledger).await;
    let begun = Instant::now();
    assert_eq!(ledger.store.jobs(None, 1000).await.unwrap().len(), 1000);
    println!("a page of 1,000 of 10,000 jobs: {:?}", begun.elapsed());
    let begun = Instant::now();
    let filter = RunFilter { job: Some("job-77".parse().unwrap()), ..RunFilter::default() };
    let runs = ledger.store.runs(filter, None, 100).await.unwrap().items.len();
    println!("{runs} runs of one job among 13,000: {:?}", begun.elapsed());
    let begun = Instant::now();
    let filter = FireFilter { job: Some("job-77".parse().unwrap()), ..FireFilter::default() };
    let fires = ledger.store.fires(filter, None, 100).await.unwrap().items.len();
    println!("{fires} fires of one job: {:?}", begun.elapsed());
    let begun = Instant::now();
    ledger.store.counts().await.unwrap();
    println!("counts: {:?}", begun.elapsed());
    let begun = Instant::now();
    let (ready, _) = ledger.store.ready(at(100), 16).await.unwrap();
    println!("{} ready of 13,000 waiting: {:?}", ready.len(), begun.elapsed());
    ledger.close();
}
