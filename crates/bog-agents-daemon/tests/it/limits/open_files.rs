//! Open files: refused by the kernel, and the run goes on.

use super::attack::{Attack, Ground};
use bog_agents_daemon::runner::handle::TreeLimits;
use bog_domain::event::EventKind;
use bog_domain::run::Outcome;

#[tokio::test]
async fn more_files_than_allowed_are_refused() {
    for ground in Ground::all() {
        // `paste` has all its files open at once.
        let script = "ulimit -n; ulimit -Hn; touch a b c d e f g h i j k l
            paste a b c && echo a few; paste a b c d e f g h i j k l || echo not so many";
        let limits = TreeLimits { open_files: Some(10), ..TreeLimits::default() };
        let attack = Attack::new(&ground, script, limits);
        let record = attack.run().await;
        assert_eq!((record.outcome, record.limit), (Outcome::Succeeded, None), "{ground:?}: {record:?}");
        assert!(attack.attempt.said(EventKind::Stderr).contains("Too many open files"));
        assert_eq!(record.output, "10\n10\na few\nnot so many\n");
    }
}

#[tokio::test]
async fn no_process_leaves_its_memory_behind_in_a_core_file() {
    for ground in Ground::all() {
        let record = Attack::new(&ground, "ulimit -c; ulimit -Hc", TreeLimits::default()).run().await;
        assert_eq!(record.output, "0\n0\n");
    }
}
