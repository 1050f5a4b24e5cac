//! Memory: hogs, alone and many, and what must not be counted twice.

use super::attack::{Attack, Ground, MIB};
use bog_agents_daemon::runner::handle::TreeLimits;
use bog_domain::containment::LimitKind;
use std::fs;

/// Fills so much memory and holds on to it: `dd` has its block in memory and nobody reads the pipe.
fn hold(mib: u64) -> String {
    format!("dd if=/dev/zero bs={mib}M count=1 2>/dev/null | sleep 1000")
}

fn memory(mib: u64) -> TreeLimits {
    TreeLimits { memory_bytes: Some(mib * MIB), ..TreeLimits::default() }
}

#[tokio::test]
async fn a_hog_is_ended() {
    for ground in Ground::all() {
        let hit = Attack::new(&ground, &hold(300), memory(128)).is_ended_by(LimitKind::Memory).await;
        assert!(hit.peak >= 115 * MIB, "{ground:?}: {hit:?}");
    }
}

#[tokio::test]
async fn a_hog_that_forks_is_ended_though_no_process_alone_is_over() {
    for ground in Ground::all() {
        let script = format!("{0} & {0} & {0} & {0} & wait", format_args!("( {} )", hold(60)));
        let attack = Attack::new(&ground, &script, memory(150));
        let hit = attack.is_ended_by(LimitKind::Memory).await;
        assert!(hit.peak >= 135 * MIB, "{ground:?}: {hit:?}");
    }
}

#[tokio::test]
async fn memory_that_processes_share_counts_once() {
    // A shell with a long text, and eight copies of it that wait: together they hold the text once. The first goes on to
    // use CPU time, so that it is looked at many times.
    let script = "text=$(head -c 20000000 /dev/zero | tr '\\0' x); mkfifo door
        for child in 1 2 3 4 5 6 7 8; do (read line < door) & done
        echo ${#text} > ready
        until [ -e go ]; do sleep 0.02; done
        i=0; while [ $i -lt 300000 ]; do i=$((i+1)); done
        echo fine";
    for ground in Ground::all() {
        let attack = Attack::new(&ground, script, memory(120));
        let work = attack.attempt.spec.working_dir.clone();
        let looking = async {
            crate::runner::attempt::until("it is up", || work.join("ready").exists()).await;
            let in_full: u64 = attack.attempt.processes().into_iter().map(anonymous).sum();
            fs::write(work.join("go"), "").expect("written");
            in_full
        };
        let (record, in_full) = tokio::join!(attack.run(), looking);
        assert!(in_full > 120 * MIB, "counted for each process it would have been too much: {in_full}");
        assert_eq!((record.limit, record.output.as_str()), (None, "fine\n"), "{ground:?}: {record:?}");
        assert!(record.usage.peak_memory_bytes < Some(120 * MIB), "{record:?}");
    }
}

#[tokio::test]
async fn files_in_memory_count_though_nobody_has_them_mapped() {
    for ground in Ground::all() {
        let script =
            "exec 3> /dev/shm/bog-test-$$; rm /dev/shm/bog-test-$$; dd if=/dev/zero bs=1M count=200 >&3; sleep 1000";
        let hit = Attack::new(&ground, script, memory(100)).is_ended_by(LimitKind::Memory).await;
        assert!(hit.peak >= 90 * MIB, "{ground:?}: {hit:?}");
    }
}

/// Fills a segment of shared memory of System V and lets go of it; it stays.
const SEGMENT: &str = "import ctypes
libc = ctypes.CDLL(None, use_errno=True)
libc.shmat.restype = ctypes.c_void_p
size = 200 << 20
segment = libc.shmget(0, ctypes.c_size_t(size), 0o1600)
assert segment >= 0, ctypes.get_errno()
ctypes.memset(libc.shmat(segment, None, 0), 1, size)";

#[tokio::test]
async fn memory_that_nobody_has_open_or_mapped_counts_where_it_is_the_runs_own() {
    // On the host it is the machine's, and nobody can tell whose.
    let [_, ground] = Ground::all();
    for filling in ["dd if=/dev/zero of=/dev/shm/kept bs=1M count=200", &format!("python3 -c '{SEGMENT}'")] {
        let attack = Attack::new(&ground, &format!("{filling}; sleep 1000"), memory(100));
        let hit = attack.is_ended_by(LimitKind::Memory).await;
        assert!(hit.peak >= 90 * MIB, "{filling} on {ground:?}: {hit:?}");
    }
}

#[tokio::test]
async fn what_stays_within_is_left_alone_and_its_peak_is_told() {
    for ground in Ground::all() {
        let script = "text=$(head -c 20000000 /dev/zero | tr '\\0' x); echo ${#text}";
        let record = Attack::new(&ground, script, memory(512)).run().await;
        assert_eq!((record.output.as_str(), record.limit), ("20000000\n", None));
        let peak = record.usage.peak_memory_bytes.expect("a peak");
        assert!((20_000_000..512 * MIB).contains(&peak), "{ground:?}: {peak}");
    }
}

/// What a process holds that is no file, in bytes, without regard to who shares it.
fn anonymous(pid: i32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let kib =
        status.lines().find_map(|line| line.strip_prefix("RssAnon:")?.trim().strip_suffix("kB")?.trim().parse().ok());
    kib.unwrap_or(0_u64) * 1024
}
