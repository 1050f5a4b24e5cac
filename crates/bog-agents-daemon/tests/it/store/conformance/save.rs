//! Saving and deleting jobs: revisions, the memory of triggers, and what becomes of the runs.

use crate::store::ledger::{Ledger, at, by_hand, job, trigger};
use bog_agents_daemon::store::{Answer, FileState, JobRow, RunFilter, SaveJob, Saved};
use bog_domain::overlap::Overlap;
use bog_domain::run::{Outcome, RunState};

async fn row(ledger: &Ledger, id: &str) -> JobRow {
    ledger.store.job(id.parse().unwrap()).await.unwrap().expect("a job")
}

fn spec(text: &str) -> String {
    format!(r#"{{"prompt":"{text}"}}"#)
}

#[tokio::test]
async fn another_spec_is_another_revision_and_the_same_is_none() {
    let ledger = Ledger::new();
    let first = SaveJob { spec: spec("1"), author: "cli", ..job("a") };
    let second = SaveJob { spec: spec("2"), author: "file", name: "A".to_owned(), ..job("a") };
    let saved = ledger.store.save_jobs(vec![first.clone()], at(0)).await.unwrap();
    assert_eq!(saved, [Saved::Created { uid: first.uid }]);
    let saved = ledger.store.save_jobs(vec![second.clone(), second], at(1)).await.unwrap();
    let uid = first.uid;
    assert_eq!(saved, [Saved::Revised { uid, revision: 2 }, Saved::Unchanged { uid, revision: 2 }]);
    let same = SaveJob { spec: spec("2"), ..job("a") };
    assert_eq!(ledger.store.save_job(same, None, at(2)).await.unwrap(), Saved::Unchanged { uid, revision: 2 });
    let kept = ledger.store.revisions(uid).await.unwrap();
    let kept: Vec<_> = kept.iter().map(|kept| (kept.revision, kept.author.as_str(), kept.created_at)).collect();
    assert_eq!(kept, [(2, "file", at(1)), (1, "cli", at(0))]);
    let row = row(&ledger, "a").await;
    assert_eq!((row.revision, row.spec, row.created_at, row.updated_at), (2, spec("2"), at(0), at(1)));
    ledger.close();
}

#[tokio::test]
async fn triggers_remember_as_long_as_they_mean_the_same() {
    let ledger = Ledger::new();
    let mut first = job("a");
    first.triggers.push(trigger("gone", Overlap::Queue));
    first.triggers.push(trigger("changed", Overlap::Queue));
    let uid = ledger.save(first).await;
    let mut second = SaveJob { spec: spec("2"), ..job("a") };
    second.triggers[0].next_at = Some(at(999));
    let mut changed = trigger("changed", Overlap::Queue);
    changed.definition = "every hour".to_owned();
    changed.next_at = Some(at(3600));
    second.triggers.extend([changed, trigger("new", Overlap::Queue)]);
    ledger.store.save_job(second, None, at(50)).await.unwrap();
    let mut memory: Vec<_> = ledger
        .store
        .triggers(uid)
        .await
        .unwrap()
        .into_iter()
        .map(|row| (row.id.as_str().to_owned(), row.activated_at, row.cursor, row.next_at.unwrap()))
        .collect();
    memory.sort();
    assert_eq!(
        memory,
        [
            ("changed".to_owned(), at(50), at(50), at(3600)),
            ("new".to_owned(), at(50), at(50), at(60)),
            ("tick".to_owned(), at(0), at(0), at(60)),
        ]
    );
    assert_eq!(row(&ledger, "a").await.next_fire_at, Some(at(60)));
    ledger.close();
}

#[tokio::test]
async fn a_deleted_job_keeps_its_history_and_its_id_is_free() {
    let ledger = Ledger::new();
    let old = ledger.job("a").await;
    let runs = ledger.fire(old).await;
    ledger.claim(runs).await;
    let waits = ledger.fire(old).await;
    assert!(ledger.store.delete_job("a".parse().unwrap(), at(9)).await.unwrap());
    assert!(!ledger.store.delete_job("a".parse().unwrap(), at(9)).await.unwrap(), "deleted twice");
    assert_eq!(ledger.run(waits).await.outcome, Some(Outcome::Cancelled));
    assert_eq!(ledger.store.asked_to_end().await.unwrap(), [(runs, "the job was deleted".to_owned())]);
    let new = ledger.job("a").await;
    assert_ne!(new, old);
    let third = ledger.accept(by_hand(new)).await.run_id.unwrap();
    assert_eq!(row(&ledger, "a").await.run_count, 1);
    // The list by id knows both lives, newest first.
    let filter = RunFilter { job: Some("a".parse().unwrap()), ..RunFilter::default() };
    let listed = ledger.store.runs(filter, None, 10).await.unwrap().items;
    assert_eq!(listed.iter().map(|run| run.id).collect::<Vec<_>>(), [third, waits, runs]);
    assert_eq!(ledger.run(runs).await.state, RunState::Running);
    ledger.close();
}

#[tokio::test]
async fn an_invalid_edit_is_shown_until_a_valid_one() {
    let ledger = Ledger::new();
    ledger.job("a").await;
    let state = |stamp: &str| FileState { hash: "other".to_owned(), stamp: stamp.to_owned() };
    let id = || "a".parse().unwrap();
    ledger.store.note_file(id(), state("t"), Some("bad".to_owned())).await.unwrap();
    assert_eq!(row(&ledger, "a").await.invalid.as_deref(), Some("bad"));
    assert_eq!(ledger.store.counts().await.unwrap().invalid_edits, 1);
    // The digest stays that of the good revision, so that its text is known when it comes back.
    let known = ledger.store.files().await.unwrap();
    assert_eq!(known, [(id(), FileState { hash: "h".to_owned(), stamp: "t".to_owned() })]);
    ledger.job("a").await;
    assert_eq!(row(&ledger, "a").await.invalid, None);
    ledger.store.note_file(id(), state("t"), Some("bad".to_owned())).await.unwrap();
    ledger.store.note_file(id(), state("u"), None).await.unwrap();
    assert_eq!(row(&ledger, "a").await.invalid, None);
    ledger.close();
}

#[tokio::test]
async fn a_creation_and_its_answer_are_one_commit() {
    let ledger = Ledger::new();
    let answer = |response: &str| Answer {
        scope: "jobs".to_owned(),
        key: "k".to_owned(),
        request: "r".to_owned(),
        response: response.to_owned(),
    };
    ledger.store.save_job(job("a"), Some(answer("")), at(0)).await.unwrap();
    let kept = ledger.store.answer("jobs".to_owned(), "k".to_owned()).await.unwrap();
    assert_eq!(kept, Some(answer("a")));
    // The key is taken: the job that came with it is not kept either.
    ledger.store.save_job(job("b"), Some(answer("")), at(0)).await.unwrap_err();
    assert!(ledger.store.job("b".parse().unwrap()).await.unwrap().is_none());
    ledger.close();
}

#[tokio::test]
async fn several_jobs_are_saved_together_or_not_at_all() {
    let ledger = Ledger::new();
    let mut bad = job("b");
    bad.triggers = vec![trigger("t", Overlap::Queue)];
    bad.uid = ledger.job("taken").await;
    ledger.store.save_jobs(vec![job("a"), bad], at(0)).await.unwrap_err();
    assert!(ledger.store.job("a".parse().unwrap()).await.unwrap().is_none());
    ledger.close();
}
