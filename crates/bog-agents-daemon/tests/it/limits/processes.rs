//! Processes and threads: fork bombs, of bounded size should nothing hold them.

use super::attack::{Attack, Ground};
use bog_agents_daemon::runner::handle::TreeLimits;
use bog_domain::containment::LimitKind;
use bog_domain::run::Outcome;

fn pids(count: u32) -> TreeLimits {
    TreeLimits { pids: Some(count), ..TreeLimits::default() }
}

#[tokio::test]
async fn a_fork_bomb_is_ended() {
    for ground in Ground::all() {
        // Every generation doubles: 512 at once at most. The first process stays, whatever is refused to the others.
        let bomb = "b() { [ $1 -eq 0 ] || { b $(($1-1)) & b $(($1-1)) & }; sleep 1000; }; b 8 & exec sleep 1000";
        let attack = Attack::new(&ground, bomb, pids(60));
        let hit = attack.is_ended_by(LimitKind::Pids).await;
        let most = if ground.has_kernel_for(LimitKind::Pids) { 60 } else { 1200 };
        assert!((60..=most).contains(&hit.peak), "{ground:?}: {hit:?}");
    }
}

#[tokio::test]
async fn processes_that_leave_their_session_and_their_parents_count_all_the_same() {
    for ground in Ground::all() {
        let script =
            "i=0; while [ $i -lt 100 ]; do (setsid env -i sleep 1000 </dev/null >/dev/null 2>&1 &); i=$((i+1)); done
                      sleep 1000";
        let attack = Attack::new(&ground, script, pids(40));
        let hit = attack.is_ended_by(LimitKind::Pids).await;
        assert!(hit.peak >= 40, "{ground:?}: {hit:?}");
    }
}

#[tokio::test]
async fn as_many_as_are_allowed_are_allowed() {
    for ground in Ground::all() {
        // The shell, its children, and one of its calls of `sleep` at a time.
        let script = "for i in 1 2 3 4 5 6 7 8; do sleep 1000 & done
            i=0; while [ $i -lt 40 ]; do sleep 0.02; i=$((i+1)); done; echo fine";
        let record = Attack::new(&ground, script, pids(10)).run().await;
        assert_eq!((record.outcome, record.limit), (Outcome::Succeeded, None), "{ground:?}: {record:?}");
    }
}
