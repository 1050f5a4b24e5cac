//! One attempt on the real binary, in a folder of its own.

use crate::support::{PATIENCE, PROGRAM};
use bog_agents_daemon::runner::handle::{self as runner, AttemptSpec, Ended, OutcomeRecord, Runner};
use bog_agents_daemon::sandbox::policy::{Enforcement, Policy};
use bog_agents_daemon::{clock, env};
use bog_domain::event::{EventKind, RunEvent};
use bog_domain::ids::RunId;
use nix::unistd::Pid;
use serde_json::json;
use std::ffi::OsString;
use std::fs::{self, File};
use std::path::PathBuf;
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// One attempt in a folder of its own.
pub struct Attempt {
    base: TempDir,
    pub dir: PathBuf,
    pub spec: AttemptSpec,
    pub env: Vec<(OsString, OsString)>,
}

impl Attempt {
    pub fn new(command: &[&str]) -> Self {
        let base = tempfile::tempdir().expect("a folder");
        let run_id = RunId::new(clock::new_id());
        let dir = base.path().join("runs").join(run_id.to_string()).join("1");
        let spec = AttemptSpec {
            version: runner::VERSION,
            run_id,
            job_id: "brief".parse().expect("a job id"),
            attempt: 1,
            epoch: 1,
            command: command.iter().map(|arg| (*arg).to_owned()).collect(),
            stdin: None,
            working_dir: base.path().to_owned(),
            // No test ends by it that does not set its own.
            wall_clock_ms: 600_000,
            grace_ms: 5_000,
            output_bytes: 64 * 1024,
            mask_env: Vec::new(),
            socket: base.path().join("control"),
            lease_until: None,
            limits: runner::TreeLimits::default(),
            sandbox: Policy::default(),
            instance: String::new(),
            cgroup: None,
            speaks: runner::Speaks::default(),
        };
        // What the machine itself brings, and a sandbox shows.
        let path = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin".into();
        let tag = ("TAG".into(), format!("tag-{run_id}").into());
        Self { base, dir, spec, env: vec![("PATH".into(), path), tag] }
    }

    pub fn shell(script: &str) -> Self {
        Self::new(&["sh", "-c", script])
    }

    /// The same in a sandbox that shows the system and the attempt's own folder.
    pub fn confined(mut self) -> Self {
        self.spec.sandbox = Policy {
            enforcement: Enforcement::Required,
            write: vec![self.base.path().to_owned()],
            read: ["/usr", "/bin", "/sbin", "/lib", "/lib64", "/etc"].map(PathBuf::from).into(),
            private: Some(self.path("private")),
            ..Policy::default()
        };
        self
    }

    /// Once on the host, once in a sandbox.
    pub fn both(make: impl Fn() -> Self) -> [Self; 2] {
        [make(), make().confined()]
    }

    /// The name that its tagged processes carry; `$TAG` in its scripts.
    pub fn tag(&self) -> String {
        format!("tag-{}", self.spec.run_id)
    }

    pub fn prepare(&self) {
        runner::prepare(&self.dir, &self.spec, &json!({ "kind": "manual" })).expect("a prepared folder");
    }

    pub fn spawn(&self) -> Runner {
        self.prepare();
        self.spawn_prepared()
    }

    pub fn spawn_prepared(&self) -> Runner {
        runner::spawn_from(&program(), &self.dir, &self.spec, self.env.clone()).expect("a runner")
    }

    pub async fn run(&self) -> OutcomeRecord {
        outcome(ended(self.spawn()).await)
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.base.path().join(name)
    }

    pub fn events(&self) -> Vec<RunEvent> {
        let text = fs::read_to_string(self.dir.join("events.jsonl")).expect("events");
        text.lines().map(|line| serde_json::from_str(line).expect("an event")).collect()
    }

    pub fn said(&self, kind: EventKind) -> String {
        let events = self.events();
        events
            .iter()
            .filter(|event| event.kind == kind)
            .map(|event| event.data["text"].as_str().expect("text"))
            .collect()
    }

    /// The processes that carry this run's mark, and those that have its tag in their command line: the mark can be
    /// cleared away.
    pub fn processes(&self) -> Vec<i32> {
        let (mark, tag) = (format!("BOG_RUN_ID={}", self.spec.run_id), self.tag());
        let pids = fs::read_dir("/proc").expect("/proc").flatten();
        let pids = pids.filter_map(|entry| entry.file_name().to_str()?.parse::<i32>().ok());
        let has = |pid: i32, file: &str, word: &str| {
            let words = fs::read(format!("/proc/{pid}/{file}")).unwrap_or_default();
            words.split(|byte| *byte == 0).any(|found| found == word.as_bytes())
        };
        pids.filter(|pid| has(*pid, "environ", &mark) || has(*pid, "cmdline", &tag)).collect()
    }

    /// The runner among them. A process that has only just begun its program shows neither arguments nor environment.
    pub async fn runner_pid(&self) -> Pid {
        let is_runner = |pid: &i32| {
            fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default().starts_with(b"bog-agents-daemon\0runner\0")
        };
        let mut found = None;
        until("there is a live runner", || {
            found = self.processes().into_iter().find(is_runner);
            found.is_some()
        })
        .await;
        Pid::from_raw(found.expect("a runner"))
    }

    pub fn lock_is_held(&self) -> bool {
        File::open(self.dir.join("lock")).is_ok_and(|lock| lock.try_lock_shared().is_err())
    }
}

impl Drop for Attempt {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("with {:?}", self.spec.sandbox.enforcement);
        }
    }
}

/// Where a copy of the program is, for users who cannot go where it was built.
pub const PROGRAM_VARIABLE: &str = "BOG_TEST_PROGRAM";

/// The program under test.
pub fn program() -> PathBuf {
    env::var_os(PROGRAM_VARIABLE).map_or_else(|| PathBuf::from(PROGRAM), PathBuf::from)
}

pub async fn ended(runner: Runner) -> Ended {
    tokio::time::timeout(PATIENCE, runner.wait()).await.expect("the attempt ends")
}

pub fn outcome(ended: Ended) -> OutcomeRecord {
    match ended {
        Ended::Outcome(record) => *record,
        Ended::NeverBegan | Ended::Lost { .. } => panic!("no outcome: {ended:?}"),
    }
}

pub async fn until(what: &str, mut condition: impl FnMut() -> bool) {
    let give_up = Instant::now() + PATIENCE;
    while !condition() {
        assert!(Instant::now() < give_up, "never came true: {what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}
