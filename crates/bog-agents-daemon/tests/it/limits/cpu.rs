//! CPU: time and rate, with loops on every core.

use super::attack::{Attack, Ground, MIB};
use bog_agents_daemon::runner::handle::TreeLimits;
use bog_domain::containment::LimitKind;
use bog_domain::run::Outcome;
use std::time::Duration;

fn cpu_time(ms: u64) -> TreeLimits {
    TreeLimits { cpu_time_ms: Some(ms), ..TreeLimits::default() }
}

/// A busy loop in the background.
const LOOP: &str = "( while :; do :; done ) & ";

/// A busy loop on every core, and one more.
fn busy() -> String {
    LOOP.repeat(cores().into()) + "while :; do :; done"
}

fn cores() -> u16 {
    std::thread::available_parallelism().map_or(1, |cores| u16::try_from(cores.get()).unwrap_or(u16::MAX))
}

#[tokio::test]
async fn loops_on_every_core_are_ended_by_their_time() {
    for ground in Ground::all() {
        let hit = Attack::new(&ground, &busy(), cpu_time(1_500)).is_ended_by(LimitKind::CpuSeconds).await;
        assert!(hit.peak >= 1_500, "{ground:?}: {hit:?}");
    }
}

#[tokio::test]
async fn time_counts_though_nobody_waits_for_those_who_used_it() {
    // Nobody is told of a child's end, so nobody gets its time booked: each uses some tenths of a second.
    let script = "trap '' CHLD
        child='i=0; while [ $i -lt 200000 ]; do i=$((i+1)); done'
        while :; do sh -c \"$child\" & wait; done";
    for ground in Ground::all() {
        let hit = Attack::new(&ground, script, cpu_time(1_500)).is_ended_by(LimitKind::CpuSeconds).await;
        assert!(hit.peak >= 1_500, "{ground:?}: {hit:?}");
    }
}

#[tokio::test]
async fn time_that_was_used_between_two_looks_counts_too() {
    for ground in Ground::all() {
        // It ends well, and may be over before anyone looks. How much it uses is found out first.
        let script = "i=0; while [ $i -lt 600000 ]; do i=$((i+1)); done; exit 0";
        let used = Attack::new(&ground, script, TreeLimits::default()).run().await.usage.cpu_seconds.expect("a figure");
        let half = Duration::from_secs_f64(used / 2.0).as_millis();
        let limits = cpu_time(u64::try_from(half).expect("a short time"));
        let hit = Attack::new(&ground, script, limits).is_ended_by(LimitKind::CpuSeconds).await;
        assert!(u128::from(hit.peak) > half, "{ground:?}: {hit:?}");
    }
}

#[tokio::test]
async fn a_flood_of_output_is_kept_small() {
    for ground in Ground::all() {
        let mut attack = Attack::new(&ground, "yes", TreeLimits { memory_bytes: Some(64 * MIB), ..cpu_time(60_000) });
        attack.attempt.spec.output_bytes = 10_000;
        attack.attempt.spec.wall_clock_ms = 2_000;
        let record = attack.run().await;
        assert_eq!((record.outcome, record.limit), (Outcome::TimedOut, None), "{ground:?}: {record:?}");
        assert_eq!((record.output.len(), record.output_truncated), (10_000, true));
        let log = std::fs::metadata(attack.attempt.dir.join("events.jsonl")).expect("a log").len();
        assert!(log <= 256 * 1024, "{log}");
    }
}

#[tokio::test]
async fn a_rate_is_kept_over_time_and_slows_down_only() {
    for ground in Ground::all() {
        // A quarter of every core, for two seconds in which it could have them all.
        let rate = 250 * u64::from(cores());
        let limits = TreeLimits { cpu_millis: Some(rate), ..TreeLimits::default() };
        let begin = format!("{LOOP} loops=\"$loops $!\"; ").repeat(cores().into());
        let script = format!("{begin} sleep 2; kill $loops; wait; echo fine");
        let record = Attack::new(&ground, &script, limits).run().await;
        assert_eq!((record.outcome, record.output.as_str()), (Outcome::Succeeded, "fine\n"), "{ground:?}: {record:?}");
        let took = record.finished_at.duration_since(record.started_at).as_secs_f64();
        let share = Duration::from_millis(rate).as_secs_f64() * took;
        // What it used since the last look is paid back later, but for the last time: a look may come late.
        let late = 0.7 * f64::from(cores());
        let used = record.usage.cpu_seconds.expect("a figure");
        assert!(used <= share + late, "{ground:?}: {used} s in {took} s for {record:?}");
    }
}

/// A process that says whenever it is let go on after it was stopped. Its parent is told too, but may be too late to see
/// it: it was stopped itself.
const TOLD: &str = "import signal, time
signal.signal(signal.SIGCONT, lambda *_: print('stopped', flush=True))
WORK
print('fine')";

#[tokio::test]
async fn only_a_tree_over_its_rate_is_touched() {
    // On the host, where it is done by signals, of which parents are told.
    let [ground, _] = Ground::all();
    let said = async |work: &str, millis: u64| {
        let limits = TreeLimits { cpu_millis: Some(millis), ..TreeLimits::default() };
        let script = format!("exec python3 -c \"{}\"", TOLD.replace("WORK", work));
        let record = Attack::new(&ground, &script, limits).run().await;
        assert_eq!((record.outcome, record.limit), (Outcome::Succeeded, None), "{record:?}");
        record.output
    };
    // One process at a time cannot use more than a core.
    assert_eq!(said("for _ in range(15): time.sleep(0.1)", 1_500).await, "fine\n");
    // So little that it is more than that also on a machine that has much else to do.
    let busy = said("while time.process_time() < 0.25: pass", 50).await;
    assert!(busy.starts_with("stopped\n") && busy.ends_with("fine\n"), "{busy}");
}
