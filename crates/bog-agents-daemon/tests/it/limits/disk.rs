//! The disk: fillers, with many files, with one, and with one that has no name.

use super::attack::{Attack, Ground, MIB};
use bog_agents_daemon::runner::handle::TreeLimits;
use bog_domain::containment::LimitKind;
use bog_domain::run::Outcome;
use std::fs;

fn disk(mib: u64) -> TreeLimits {
    TreeLimits { disk_bytes: Some(mib * MIB), ..TreeLimits::default() }
}

async fn is_ended(script: &str) {
    for ground in Ground::all() {
        let hit = Attack::new(&ground, script, disk(20)).is_ended_by(LimitKind::Disk).await;
        assert!(hit.peak > 20 * MIB && hit.peak < 1000 * MIB, "{ground:?}: {hit:?}");
    }
}

#[tokio::test]
async fn many_files_are_ended() {
    is_ended(
        "i=0; while [ $i -lt 100 ]; do mkdir d$i; head -c 8000000 /dev/zero > d$i/file; i=$((i+1)); done; sleep 1000",
    )
    .await;
}

#[tokio::test]
async fn one_file_can_grow_no_further_and_ends_it() {
    is_ended("head -c 100000000 /dev/zero > file; sleep 1000").await;
}

#[tokio::test]
async fn a_file_without_a_name_counts() {
    is_ended(
        "exec 3> gone; rm gone; i=0; while [ $i -lt 5 ]; do exec 4> also; rm also; head -c 19000000 /dev/zero >&4 &
         exec 4>&-; i=$((i+1)); done; head -c 15000000 /dev/zero >&3; exec 5> also; rm also; head -c 15000000 /dev/zero >&5
         sleep 1000",
    )
    .await;
}

#[tokio::test]
async fn what_was_written_between_two_looks_counts_too() {
    is_ended("head -c 15000000 /dev/zero > a; head -c 15000000 /dev/zero > b").await;
}

#[tokio::test]
async fn what_the_folder_of_a_user_holds_is_none_of_the_runs_business() {
    for ground in Ground::all() {
        let mut attack = Attack::new(&ground, "i=0; while [ $i -lt 12 ]; do sleep 0.1; i=$((i+1)); done", disk(4));
        let folder = attack.attempt.path("project");
        fs::create_dir(&folder).expect("a folder");
        fs::write(folder.join("big"), vec![1; 8 << 20]).expect("written");
        attack.attempt.spec.working_dir = folder;
        let record = attack.run().await;
        assert_eq!((record.outcome, record.limit), (Outcome::Succeeded, None), "{ground:?}: {record:?}");
    }
}
