//! Attempts on the real binary: how they end, and that nothing of them is left.

use bog_agents_daemon::runner::handle::{self as runner, AttemptSpec, Ended, Found, OutcomeRecord, Runner};
use bog_agents_daemon::sandbox::policy::Policy;
use bog_agents_daemon::{clock, env};
use bog_domain::event::{EventKind, RunEvent};
use bog_domain::ids::RunId;
use bog_domain::run::Outcome;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::json;
use std::ffi::OsString;
use std::fs::{self, File, OpenOptions, Permissions};
use std::io::Read;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// Longer than anything here takes on a busy machine.
const PATIENCE: Duration = Duration::from_secs(30);

/// One attempt in a folder of its own.
struct Attempt {
    base: TempDir,
    dir: PathBuf,
    spec: AttemptSpec,
    env: Vec<(OsString, OsString)>,
}

impl Attempt {
    fn new(command: &[&str]) -> Self {
        let base = tempfile::tempdir().expect("a folder");
        let run_id = RunId::new(clock::new_id());
        let dir = base.path().join("runs").join(run_id.to_string()).join("1");
        let spec = AttemptSpec {
            version: 1,
            run_id,
            job_id: "brief".parse().expect("a job id"),
            attempt: 1,
            epoch: 1,
            command: command.iter().map(|arg| (*arg).to_owned()).collect(),
            stdin: None,
            working_dir: base.path().to_owned(),
            wall_clock_ms: 60_000,
            grace_ms: 5_000,
            output_bytes: 64 * 1024,
            mask_env: Vec::new(),
            socket: base.path().join("control"),
            lease_until: None,
            limits: runner::TreeLimits::default(),
            sandbox: Policy::default(),
            instance: String::new(),
        };
        let path = env::var_os("PATH").expect("a PATH");
        Self { base, dir, spec, env: vec![("PATH".into(), path)] }
    }

    fn shell(script: &str) -> Self {
        Self::new(&["sh", "-c", script])
    }

    fn prepare(&self) {
        runner::prepare(&self.dir, &self.spec, &json!({ "kind": "manual" })).expect("a prepared folder");
    }

    fn spawn(&self) -> Runner {
        self.prepare();
        self.spawn_prepared()
    }

    fn spawn_prepared(&self) -> Runner {
        let exe = Path::new(env!("CARGO_BIN_EXE_bog-agents-daemon"));
        runner::spawn_from(exe, &self.dir, &self.spec, self.env.clone()).expect("a runner")
    }

    async fn run(&self) -> OutcomeRecord {
        outcome(ended(self.spawn()).await)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.base.path().join(name)
    }

    fn events(&self) -> Vec<RunEvent> {
        let text = fs::read_to_string(self.dir.join("events.jsonl")).expect("events");
        text.lines().map(|line| serde_json::from_str(line).expect("an event")).collect()
    }

    fn said(&self, kind: EventKind) -> String {
        let events = self.events();
        events
            .iter()
            .filter(|event| event.kind == kind)
            .map(|event| event.data["text"].as_str().expect("text"))
            .collect()
    }

    /// The processes that carry this run's mark.
    fn processes(&self) -> Vec<i32> {
        let mark = format!("BOG_RUN_ID={}", self.spec.run_id);
        let pids = fs::read_dir("/proc").expect("/proc").flatten();
        let pids = pids.filter_map(|entry| entry.file_name().to_str()?.parse::<i32>().ok());
        pids.filter(|pid| {
            let environment = fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
            environment.split(|byte| *byte == 0).any(|entry| entry == mark.as_bytes())
        })
        .collect()
    }

    /// The runner among them.
    fn runner_pid(&self) -> Pid {
        let is_runner = |pid: &i32| {
            fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default().starts_with(b"bog-agents-daemon\0runner\0")
        };
        Pid::from_raw(self.processes().into_iter().find(is_runner).expect("a live runner"))
    }

    fn lock_is_held(&self) -> bool {
        File::open(self.dir.join("lock")).is_ok_and(|lock| lock.try_lock_shared().is_err())
    }
}

async fn ended(runner: Runner) -> Ended {
    tokio::time::timeout(PATIENCE, runner.wait()).await.expect("the attempt ends")
}

fn outcome(ended: Ended) -> OutcomeRecord {
    match ended {
        Ended::Outcome(record) => *record,
        Ended::NeverBegan | Ended::Lost { .. } => panic!("no outcome: {ended:?}"),
    }
}

async fn until(what: &str, mut condition: impl FnMut() -> bool) {
    let give_up = Instant::now() + PATIENCE;
    while !condition() {
        assert!(Instant::now() < give_up, "never came true: {what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test]
async fn success_leaves_output_usage_and_private_files() {
    let attempt =
        Attempt::shell("echo hello; echo aside >&2; echo $BOG_JOB_ID $BOG_ATTEMPT; cat $BOG_EVENT_FILE; env | wc -l");
    let record = attempt.run().await;
    assert_eq!((record.outcome, record.exit_code, record.error), (Outcome::Succeeded, Some(0), None));
    let (output, variables) = record.output.trim_end().rsplit_once('}').expect("the event, then a number");
    assert_eq!(output, "hello\nbrief 1\n{\"kind\":\"manual\"");
    let variables: u32 = variables.parse().expect("a number");
    assert!(variables <= 8, "the environment is cleared, but there are {variables} variables");
    assert!(record.started_at <= record.finished_at && record.usage.peak_memory_bytes > Some(100_000));
    assert_eq!(attempt.said(EventKind::Stdout), record.output);
    assert_eq!(attempt.said(EventKind::Stderr), "aside\n");
    for file in ["attempt.json", "event.json", "lock", "verdict", "events.jsonl", "outcome.json"] {
        let mode = fs::metadata(attempt.dir.join(file)).expect(file).permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{file}");
    }
    assert_eq!(fs::metadata(&attempt.dir).expect("the folder").permissions().mode() & 0o777, 0o700);
    assert!(!attempt.spec.socket.exists(), "the socket is gone");
    assert!(matches!(runner::inspect(&attempt.dir).await, Ok(Found::Ended(again)) if again.output == record.output));
}

#[tokio::test]
async fn failure_tells_exit_code_or_signal_and_the_end_of_stderr() {
    let record = Attempt::shell("seq 2000 >&2; echo the end >&2; exit 7").run().await;
    let error = record.error.expect("an error");
    assert_eq!((record.outcome, record.exit_code), (Outcome::Failed, Some(7)));
    assert!(error.starts_with("exit code 7: ") && error.ends_with("2000\nthe end") && error.len() <= 4096, "{error}");

    let record = Attempt::shell("kill -SEGV $$").run().await;
    assert_eq!((record.outcome, record.exit_code, record.signal), (Outcome::Failed, None, Some(11)));
    assert_eq!(record.error.as_deref(), Some("ended by SIGSEGV"));
}

#[tokio::test]
async fn output_is_capped_but_the_agent_is_not_held_up() {
    let mut attempt = Attempt::shell("head -c 5000000 /dev/zero | tr '\\0' x; printf 'done' >&2");
    attempt.spec.output_bytes = 1000;
    let record = attempt.run().await;
    assert_eq!(record.outcome, Outcome::Succeeded);
    assert_eq!((record.output.len(), record.output_truncated), (1000, true));
    let notes = attempt.events().iter().filter(|event| event.kind == EventKind::Note).count();
    assert_eq!(notes, 1, "the log says once that it is full");
    assert!(attempt.events().iter().map(|event| event.seq).eq(1..=attempt.events().len() as u64));
}

#[tokio::test]
async fn the_prompt_comes_on_stdin_whether_it_is_read_or_not() {
    let prompt = "long prompt ".repeat(50_000);
    let mut attempt = Attempt::new(&["wc", "-c"]);
    attempt.spec.stdin = Some(prompt.clone());
    let record = attempt.run().await;
    assert_eq!(record.output.trim(), prompt.len().to_string());

    let mut attempt = Attempt::new(&["true"]);
    attempt.spec.stdin = Some(prompt);
    assert_eq!(attempt.run().await.outcome, Outcome::Succeeded);

    assert_eq!(Attempt::new(&["readlink", "/proc/self/fd/0"]).run().await.output, "/dev/null\n");
}

#[tokio::test]
async fn the_agent_inherits_no_descriptor_and_no_blocked_signal() {
    let script = "ls /proc/self/fd | tr '\\n' ' '; grep -E 'Sig(Blk|Ign)' /proc/self/status";
    let output = Attempt::shell(script).run().await.output;
    // What this test's own children inherit is not the runner's doing.
    let own = std::process::Command::new("sh").args(["-c", script]).output().expect("a shell");
    assert_eq!(output, String::from_utf8_lossy(&own.stdout));
    assert!(output.contains("SigBlk:\t0000000000000000"), "{output}");
}

#[tokio::test]
async fn a_start_that_fails_is_told_apart_and_says_what_to_do() {
    let error = |record: OutcomeRecord| {
        assert_eq!((record.outcome, record.exit_code), (Outcome::StartFailed, None));
        record.error.expect("an error")
    };
    let found = error(Attempt::new(&["no-such-agent", "x"]).run().await);
    assert_eq!(
        found,
        "the program `no-such-agent` is not on the `PATH`; install it or give its full path in `command`"
    );
    let attempt = Attempt::new(&["./plain"]);
    fs::write(attempt.path("plain"), "no program").expect("written");
    let found = error(attempt.run().await);
    assert!(found.contains("`./plain` may not be executed"), "{found}");
    let attempt = Attempt::new(&["./script"]);
    fs::write(attempt.path("script"), "#!/no/such/interpreter\n").expect("written");
    fs::set_permissions(attempt.path("script"), Permissions::from_mode(0o700)).expect("executable");
    let found = error(attempt.run().await);
    assert!(found.contains("the interpreter in its first line is missing"), "{found}");
    let mut attempt = Attempt::new(&["true"]);
    attempt.spec.working_dir = attempt.path("nowhere");
    let found = error(attempt.run().await);
    assert!(found.starts_with("the working folder `") && found.contains("does not exist"), "{found}");
    // The agent's own 127 is not ours.
    assert_eq!(Attempt::shell("exit 127").run().await.outcome, Outcome::Failed);
}

#[tokio::test]
async fn the_limit_ends_a_grandchild_that_ignores_term_in_a_session_of_its_own() {
    let mut attempt = Attempt::shell(
        "trap '' TERM; setsid sh -c 'trap \"\" TERM; (setsid env -u BOG_RUN_ID sh -c \"trap : TERM; echo \\$\\$ > pid; while :; do sleep 1; done\" &) ; while :; do sleep 1; done' &
         while :; do sleep 1; done",
    );
    attempt.spec.wall_clock_ms = 1_500;
    attempt.spec.grace_ms = 200;
    let record = attempt.run().await;
    assert_eq!(record.outcome, Outcome::TimedOut);
    assert_eq!(
        record.error.as_deref(),
        Some("the limit of `1.5s` was reached; raise `limits.wall_clock` if the job needs longer")
    );
    assert_eq!(attempt.processes(), Vec::<i32>::new(), "nothing with the mark is left");
    let pid = fs::read_to_string(attempt.path("pid")).expect("the unmarked grandchild ran");
    assert!(!Path::new("/proc").join(pid.trim()).exists(), "nor without it");
}

#[tokio::test]
async fn a_background_grandchild_that_holds_stdout_does_not_hang_the_run() {
    let begun = Instant::now();
    let record = Attempt::shell("echo said; setsid sleep 1000 & exit 0").run().await;
    assert_eq!((record.outcome, record.output.as_str()), (Outcome::Succeeded, "said\n"));
    assert!(begun.elapsed() < Duration::from_secs(4), "it took {:?}", begun.elapsed());
}

#[tokio::test]
async fn a_tree_that_runs_away_is_caught() {
    // Thirty lines of processes, each alive for some milliseconds only: who kills what it has seen kills nothing.
    let mut attempt = Attempt::new(&[
        "python3",
        "-c",
        "import os, signal, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
end = time.time() + 60
for _ in range(30):
    if os.fork() == 0:
        os.setsid()
        while time.time() < end:
            if os.fork():
                os._exit(0)
            time.sleep(0.02)
time.sleep(60)",
    ]);
    attempt.spec.wall_clock_ms = 1_500;
    attempt.spec.grace_ms = 50;
    assert_eq!(attempt.run().await.outcome, Outcome::TimedOut);
    assert_eq!(attempt.processes(), Vec::<i32>::new());
}

#[tokio::test]
async fn cancel_ends_the_agent_and_gives_the_reason() {
    let attempt = Attempt::shell("echo ready > ready; sleep 1000");
    let runner = attempt.spawn();
    until("the agent is up", || attempt.path("ready").exists()).await;
    runner.control().cancel("replaced by a newer run").await.expect("cancelled");
    let record = outcome(ended(runner).await);
    assert_eq!((record.outcome, record.signal), (Outcome::Cancelled, Some(15)));
    assert_eq!(record.error.as_deref(), Some("replaced by a newer run"));
    runner::cancel(&attempt.spec.socket, "again").await.expect_err("nobody listens any more");
}

#[tokio::test]
async fn a_signal_to_the_runner_interrupts_and_a_passed_lease_too() {
    let attempt = Attempt::shell("echo ready > ready; sleep 1000");
    let runner = attempt.spawn();
    until("the agent is up", || attempt.path("ready").exists()).await;
    kill(attempt.runner_pid(), Signal::SIGTERM).expect("signalled");
    let record = outcome(ended(runner).await);
    assert_eq!(record.outcome, Outcome::Interrupted);
    assert_eq!(record.error.as_deref(), Some("the runner was ended by SIGTERM"));

    let mut attempt = Attempt::shell("sleep 1000");
    attempt.spec.lease_until = Some(clock::now());
    assert_eq!(attempt.run().await.outcome, Outcome::Interrupted);
}

#[tokio::test]
async fn a_killed_runner_takes_its_agent_along_and_the_rest_is_swept() {
    let attempt = Attempt::shell("setsid sh -c 'echo ready > ready; sleep 1000' & sleep 1000");
    let runner = attempt.spawn();
    until("the grandchild is up", || attempt.path("ready").exists()).await;
    kill(attempt.runner_pid(), Signal::SIGKILL).expect("killed");
    let Ended::Lost { reason } = ended(runner).await else { panic!("lost was expected") };
    assert!(reason.starts_with("its runner died after it started the attempt; "), "{reason}");
    assert_eq!(attempt.processes(), Vec::<i32>::new());
    let again = runner::inspect(&attempt.dir).await.expect("judged");
    assert!(matches!(again, Found::Lost { .. }), "{again:?}");
    assert!(!attempt.spec.socket.exists(), "the dead runner's socket is gone");
}

#[tokio::test]
async fn a_live_runner_is_adopted_with_and_without_its_socket() {
    for with_socket in [true, false] {
        let attempt = Attempt::shell("echo ready > ready; until [ -e go ]; do sleep 0.02; done; echo went");
        drop(attempt.spawn());
        until("the agent is up", || attempt.path("ready").exists()).await;
        if !with_socket {
            fs::remove_file(&attempt.spec.socket).expect("removed");
        }
        let Found::Live(adopted) = runner::inspect(&attempt.dir).await.expect("judged") else {
            panic!("live was expected")
        };
        let release = async { fs::write(attempt.path("go"), "").expect("written") };
        let (ended, ()) = tokio::join!(ended(*adopted), release);
        assert_eq!(outcome(ended).output, "went\n", "with socket: {with_socket}");
    }
}

#[tokio::test]
async fn a_voided_attempt_never_begins() {
    let attempt = Attempt::shell("echo ran > ran");
    attempt.prepare();
    assert!(matches!(runner::inspect(&attempt.dir).await, Ok(Found::NeverBegan)));
    assert!(matches!(ended(attempt.spawn_prepared()).await, Ended::NeverBegan));
    assert!(matches!(runner::inspect(&attempt.dir).await, Ok(Found::NeverBegan)));
    assert!(!attempt.path("ran").exists());
}

#[tokio::test]
async fn recovery_racing_a_late_runner_gives_one_answer() {
    for round in 0..20 {
        let attempt = Attempt::shell("echo ran > ran");
        let runner = attempt.spawn();
        tokio::time::sleep(Duration::from_micros(round * 300)).await;
        let found = runner::inspect(&attempt.dir).await.expect("judged");
        let own = ended(runner).await;
        let ran = attempt.path("ran").exists();
        let agree = match (&found, &own) {
            (Found::NeverBegan, Ended::NeverBegan) => !ran,
            (Found::Live(_) | Found::Ended(_), Ended::Outcome(_)) => ran,
            (Found::NeverBegan | Found::Live(_) | Found::Ended(_) | Found::Lost { .. }, _) => false,
        };
        assert!(agree, "round {round}: ran: {ran}, found {found:?}, own {own:?}");
    }
}

#[tokio::test]
async fn a_second_runner_leaves_the_first_alone() {
    let attempt = Attempt::shell("echo x >> count; until [ -e go ]; do sleep 0.02; done");
    let first = attempt.spawn();
    until("the agent is up", || attempt.path("count").exists()).await;
    let second = attempt.spawn_prepared();
    // It waits for the first as it would for an adopted one.
    fs::write(attempt.path("go"), "").expect("written");
    assert_eq!(outcome(ended(first).await).outcome, Outcome::Succeeded);
    assert_eq!(outcome(ended(second).await).outcome, Outcome::Succeeded);
    assert_eq!(fs::read_to_string(attempt.path("count")).expect("the agent ran"), "x\n");
}

#[tokio::test]
async fn a_lost_folder_ends_the_tree() {
    let attempt = Attempt::shell("setsid sleep 1000 & echo ready > ready; sleep 1000");
    let runner = attempt.spawn();
    until("the agent is up", || attempt.path("ready").exists()).await;
    fs::remove_dir_all(attempt.path("runs")).expect("removed");
    until("the runner noticed by itself", || attempt.processes().is_empty()).await;
    let Ended::Lost { reason } = ended(runner).await else { panic!("lost was expected") };
    assert_eq!(reason, "folder missing");
    let again = runner::inspect(&attempt.dir).await.expect("judged");
    assert!(matches!(&again, Found::Lost { reason } if reason == "folder missing"), "{again:?}");
}

#[tokio::test]
async fn a_moved_folder_keeps_the_reason() {
    let attempt = Attempt::shell("echo ready > ready; sleep 1000");
    let runner = attempt.spawn();
    until("the agent is up", || attempt.path("ready").exists()).await;
    let moved = attempt.path("moved");
    fs::rename(&attempt.dir, &moved).expect("moved");
    until("the runner noticed by itself", || attempt.processes().is_empty()).await;
    assert!(matches!(ended(runner).await, Ended::Lost { .. }));
    let Found::Ended(record) = runner::inspect(&moved).await.expect("judged") else { panic!("ended was expected") };
    assert_eq!((record.outcome, record.error.as_deref()), (Outcome::Interrupted, Some("folder missing")));
}

#[tokio::test]
async fn secrets_are_masked_wherever_they_would_be_written() {
    let mut attempt = Attempt::shell(
        "printf 'a %.7s' \"$SECRET\"; sleep 0.2; printf '%s b' \"${SECRET#hunter2}\"; printf 'oops %s' \"$SECRET\" >&2; exit 1",
    );
    attempt.env.push(("SECRET".into(), "hunter2hunter2".into()));
    attempt.spec.mask_env = vec!["SECRET".to_owned()];
    let record = attempt.run().await;
    assert_eq!(record.output, "a [SECRET] b");
    assert_eq!(record.error.as_deref(), Some("exit code 1: oops [SECRET]"));
    assert_eq!(attempt.said(EventKind::Stdout), "a [SECRET] b");
    for entry in fs::read_dir(&attempt.dir).expect("the folder").flatten() {
        let mut content = Vec::new();
        File::open(entry.path()).and_then(|mut file| file.read_to_end(&mut content)).expect("readable");
        assert!(!String::from_utf8_lossy(&content).contains("hunter2hunter2"), "{:?}", entry.path());
    }
}

#[tokio::test]
async fn damaged_and_newer_descriptions_fail_the_start() {
    for (text, expected) in [("{", "is damaged"), (r#"{"version":99}"#, "has version 99, this binary reads up to 2")] {
        let attempt = Attempt::new(&["true"]);
        attempt.prepare();
        fs::write(attempt.dir.join("attempt.json"), text).expect("written");
        let record = outcome(ended(attempt.spawn_prepared()).await);
        let error = record.error.expect("an error");
        assert_eq!(record.outcome, Outcome::StartFailed);
        assert!(error.contains(expected), "{error}");
    }
}

#[tokio::test]
async fn a_runner_killed_before_its_verdict_never_began() {
    let attempt = Attempt::new(&["true"]);
    attempt.prepare();
    // As a runner leaves it that dies between its lock and its verdict.
    OpenOptions::new().write(true).create(true).truncate(true).open(attempt.dir.join("lock")).expect("a lock");
    assert!(!attempt.lock_is_held());
    assert!(matches!(runner::inspect(&attempt.dir).await, Ok(Found::NeverBegan)));
}

#[tokio::test]
async fn an_attempt_without_a_description_is_still_judged() {
    let attempt = Attempt::shell("setsid sleep 1000 & echo ready > ready; sleep 1000");
    let runner = attempt.spawn();
    until("the agent is up", || attempt.path("ready").exists()).await;
    fs::remove_file(attempt.dir.join("attempt.json")).expect("removed");
    kill(attempt.runner_pid(), Signal::SIGKILL).expect("killed");
    assert!(matches!(ended(runner).await, Ended::Lost { .. }));
    assert_eq!(attempt.processes(), Vec::<i32>::new(), "the run's id is known from the folder's name");
}

/// Runs a script beside a prepared attempt's copy on a file system of 256 KiB, in a name space of its own; `$D` is
/// the attempt's folder there, `$BOG` the binary, `$OUT` a folder outside.
fn on_a_tiny_disk(attempt: &Attempt, script: &str) -> String {
    attempt.prepare();
    let mount = attempt.path("tiny");
    fs::create_dir(&mount).expect("created");
    let script = format!("set -e; mount -t tmpfs -o size=256k tmpfs $MNT; mkdir $D; cp $FROM/* $D; {script}");
    let output = std::process::Command::new("unshare")
        .args(["-Urm", "sh", "-c", &script])
        .env("MNT", &mount)
        .env("D", mount.join("1"))
        .env("FROM", &attempt.dir)
        .env("OUT", &attempt.dir)
        .env("BOG", env!("CARGO_BIN_EXE_bog-agents-daemon"))
        .output()
        .expect("unshare");
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).expect("text")
}

#[tokio::test]
async fn without_room_for_an_outcome_the_agent_does_not_start() {
    let mut attempt = Attempt::new(&["touch", "ran"]);
    attempt.spec.output_bytes = 1024 * 1024;
    let said = on_a_tiny_disk(&attempt, "$BOG runner $D || echo code $?; cp $D/verdict $D/lock $OUT; cat $D/verdict");
    assert_eq!(said, "code 75\nnospace");
    assert!(!attempt.path("ran").exists());
    let Found::Ended(record) = runner::inspect(&attempt.dir).await.expect("judged") else {
        panic!("ended was expected")
    };
    assert_eq!(record.outcome, Outcome::StartFailed);
    assert!(record.error.expect("an error").starts_with("the disk is full: "));
}

#[tokio::test]
async fn a_disk_that_fills_up_during_the_run_takes_no_outcome() {
    let mut attempt = Attempt::shell("cat /dev/zero > $FILL; df --output=avail $FILL | tail -1 > left; seq 5000");
    attempt.spec.output_bytes = 64 * 1024;
    let script = "FILL=$MNT/fill $BOG runner $D; cp $D/outcome.json $OUT";
    on_a_tiny_disk(&attempt, script);
    let left = fs::read_to_string(attempt.path("left")).expect("the agent ran");
    assert_eq!(left.trim(), "0", "the disk was full");
    let record = runner::read_outcome(&attempt.dir).expect("readable").expect("an outcome");
    assert_eq!(record.outcome, Outcome::Succeeded);
    assert!(record.output.ends_with("\n4999\n5000\n"));
}

#[cfg(feature = "failpoints")]
#[tokio::test]
async fn a_runner_killed_at_any_point_is_judged_rightly() {
    for (point, ran, expected) in [
        ("runner.locked", false, "never began"),
        ("runner.started", false, "lost"),
        ("runner.before_outcome", true, "lost"),
        ("runner.after_outcome", true, "succeeded"),
    ] {
        let mut attempt = Attempt::shell("echo ran > ran; env | grep FAILPOINTS; true");
        attempt.env.push(("BOG_FAILPOINTS".into(), format!("{point}=kill").into()));
        let found = match ended(attempt.spawn()).await {
            Ended::Outcome(record) if record.output.is_empty() => "succeeded",
            Ended::Outcome(_) => "the agent saw the failpoints",
            Ended::NeverBegan => "never began",
            Ended::Lost { .. } => "lost",
        };
        assert_eq!((found, attempt.path("ran").exists()), (expected, ran), "{point}");
    }
}

#[tokio::test]
async fn startup_cost() {
    let mut times = Vec::new();
    for _ in 0..20 {
        let attempt = Attempt::new(&["true"]);
        attempt.prepare();
        let begun = Instant::now();
        assert_eq!(outcome(ended(attempt.spawn_prepared()).await).outcome, Outcome::Succeeded);
        times.push(begun.elapsed());
    }
    times.sort_unstable();
    println!("spawn to outcome of `true`: p50 {:?}, slowest {:?}", times[times.len() / 2], times[times.len() - 1]);
}
