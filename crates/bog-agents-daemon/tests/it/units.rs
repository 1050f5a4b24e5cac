//! The daemon as a unit of a real systemd, which delegates a part of the control groups to it. Only where the machine is
//! said to have one (`cargo xtask guest systemd`): it starts units of the system.
//!
//! The unit is the one that `docs/configuration.md` shows, for a systemd before version 254.

use super::orphans::{is_gone, number_in, runner_of};
use super::support::{Home, PROGRAM, eventually, machine, violations};
use nix::sys::signal::{Signal, kill};
use serde_json::{Value, json};
use std::fs;
use std::path::PathBuf;
use std::process::Command;

/// Fills its memory, and waits.
const HOG: &str = "dd if=/dev/zero bs=300M count=1 | sleep 1000";
/// A process that no mark and no parent tells of waits aside.
const HIDES: &str = "(setsid env -i sh -c \"echo \\$\\$ > aside && mv aside hidden; exec sleep 1000 <&- >&- 2>&-\" &); \
                     sleep 1000";

/// A daemon that systemd runs. Stopped, with all it left, when dropped.
struct Unit {
    home: Home,
    name: String,
}

impl Unit {
    /// Starts it; `None` where there is no systemd for it.
    fn start() -> Option<Self> {
        if !machine::expects("systemd") {
            println!("skipped: the machine is not said to have a systemd for it");
            return None;
        }
        let home = Home::new();
        let stem = home.path().file_name()?.to_str()?.trim_start_matches('.').to_lowercase();
        let unit = Self { home, name: format!("bog-test-{stem}.service") };
        let (home, data) = (unit.home.path().display(), unit.home.data());
        let text = format!(
            "[Service]\n\
             Environment=HOME={home} BOG_DAEMON_DATA_DIR={} XDG_RUNTIME_DIR={home} TMPDIR={home} TZ=UTC\n\
             ExecStart={PROGRAM} run --port 0\n\
             ExecStopPost=-{PROGRAM} cgroup release\n\
             Delegate=yes\nKillMode=process\nRestart=on-failure\nRestartSec=0\n",
            data.display()
        );
        fs::write(data.join("config.toml"), "shutdown_grace = \"1s\"\n").unwrap();
        fs::write(unit.file(), text).unwrap();
        let work = unit.home.path().join("work");
        fs::create_dir(&work).unwrap();
        let job = |id: &str, script: &str, sandbox: &str| {
            let text = format!(
                "agent: {{command: [sh, -c, '{script}']}}\nworking_dir: {}\nlimits: {{memory: 128MiB, wall_clock: 1h}}\n\
                 sandbox: {sandbox}\non_interrupt: fail\n",
                work.display()
            );
            unit.home.job(id, &text);
        };
        job("where", "cat /proc/self/cgroup", "best_effort");
        job("hog", HOG, "best_effort");
        job("hides", HIDES, "{shell: host}");
        job("waits", &format!("echo > up; until [ -e go ]; do sleep 0.1; done; {HOG}"), "best_effort");
        unit.systemctl(&["daemon-reload"]);
        unit.systemctl(&["start", &unit.name]);
        unit.answers();
        Some(unit)
    }

    fn file(&self) -> PathBuf {
        PathBuf::from("/run/systemd/system").join(&self.name)
    }

    fn systemctl(&self, arguments: &[&str]) -> String {
        let output = Command::new("systemctl").args(arguments).output().unwrap();
        let log = || Command::new("systemctl").args(["status", "--full", &self.name]).output().unwrap();
        assert!(output.status.success(), "{arguments:?}: {output:?}\n{}", String::from_utf8_lossy(&log().stdout));
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    }

    /// The number of the daemon's process; `0` where there is none.
    fn main(&self) -> String {
        self.systemctl(&["show", "--property=MainPID", "--value", &self.name])
    }

    /// What a command says as JSON; nothing while there is no daemon to be asked.
    fn json(&self, arguments: &[&str]) -> Option<Value> {
        let output = self.home.run(&[arguments, &["--json"]].concat());
        output.status.success().then(|| serde_json::from_slice(&output.stdout).unwrap())
    }

    fn answers(&self) {
        eventually("the daemon answers", || self.json(&["runs", "list"]).is_some());
    }

    fn fire(&self, job: &str) -> String {
        self.json(&["job", "run", job]).unwrap()["run_id"].as_str().unwrap().to_owned()
    }

    fn run_when(&self, run: &str, state: &str) -> Value {
        let mut shown = Value::Null;
        eventually(&format!("run {run} is {state}"), || {
            shown = self.json(&["runs", "show", run]).unwrap_or_default();
            shown["state"] == state
        });
        shown
    }

    /// Runs a job to its end.
    fn ended(&self, job: &str) -> Value {
        self.run_when(&self.fire(job), "finished")
    }

    /// The daemon is replaced by another while a run lives, and all is as if it had not been.
    fn survives(&self, replace: impl Fn(&Self)) {
        let work = self.home.path().join("work");
        let live = self.fire("waits");
        eventually("the agent is up", || work.join("up").exists());
        let before = self.main();
        replace(self);
        eventually("another daemon runs", || !["0", &before].contains(&self.main().as_str()));
        self.answers();
        assert_eq!(self.run_when(&live, "running")["attempt"], 1);
        // New runs have all that runs had before.
        is_held_by_its_group(&self.ended("hog"));
        fs::write(work.join("go"), "").unwrap();
        let ended = self.run_when(&live, "finished");
        assert_eq!((&ended["outcome"], &ended["attempt"]), (&json!("limit_exceeded"), &json!(1)), "{ended}");
        assert_eq!(ended["limit"]["limit"], "memory", "{ended}");
        fs::remove_file(work.join("up")).unwrap();
        fs::remove_file(work.join("go")).unwrap();
    }
}

impl Drop for Unit {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let log = Command::new("journalctl").args(["--no-pager", "--lines=40", "--unit", &self.name]).output();
            eprintln!("{}", log.map(|log| String::from_utf8_lossy(&log.stdout).into_owned()).unwrap_or_default());
        }
        for arguments in [["kill", "--signal=KILL"], ["stop", "--no-block"]] {
            // Whatever it is that failed before is what counts.
            let _ = Command::new("systemctl").args(arguments).arg(&self.name).output();
        }
        let _ = fs::remove_file(self.file());
    }
}

/// By the kernel where it has the controller.
#[track_caller]
fn is_held_by_its_group(run: &Value) {
    assert_eq!((&run["outcome"], &run["limit"]["limit"]), (&json!("limit_exceeded"), &json!("memory")), "{run}");
    let held = run["containment"]["limits"].as_array().unwrap().iter().find(|held| held["limit"] == "memory");
    let by = if machine::expects("controllers") { "cgroup" } else { "watchdog" };
    assert_eq!(held.unwrap()["by"], by, "{run}");
    let mechanisms = run["containment"]["held"].as_array().unwrap();
    assert!(mechanisms.contains(&json!("cgroup")), "{run}");
}

#[test]
fn what_is_delegated_is_found_and_every_run_has_a_group_in_it() {
    let Some(unit) = Unit::start() else { return };
    let run = unit.ended("where");
    let groups = run["output"].as_str().unwrap();
    let group = groups.lines().find_map(|line| line.strip_prefix("0::")).unwrap_or_else(|| panic!("{run}"));
    let (base, own) = group.split_once("/bog-runs-").unwrap_or_else(|| panic!("{group}"));
    assert!(base.ends_with(&format!("/{}", unit.name)), "{group}");
    assert!(own.ends_with(&format!("/{}-1", run["id"].as_str().unwrap())), "{group}");
    let doctor = String::from_utf8(unit.home.run(&["doctor"]).stdout).unwrap();
    let line = doctor.lines().find(|line| line.contains(" limits ")).unwrap();
    assert!(line.contains("control groups at") && line.contains(&unit.name), "{line}");
    assert_eq!(line.starts_with("ok"), machine::expects("controllers"), "{line}");
}

#[test]
fn a_limit_is_held_by_the_group() {
    let Some(unit) = Unit::start() else { return };
    is_held_by_its_group(&unit.ended("hog"));
}

#[test]
fn what_hides_from_a_killed_runner_is_ended_with_its_group() {
    let Some(unit) = Unit::start() else { return };
    let run = unit.fire("hides");
    let hidden = number_in(&unit.home.path().join("work/hidden"));
    kill(runner_of(&run), Signal::SIGKILL).unwrap();
    assert_eq!(unit.run_when(&run, "finished")["outcome"], "interrupted");
    eventually("the hidden process is gone", || is_gone(hidden));
}

#[test]
fn a_restart_leaves_runs_alone_and_the_next_daemon_adopts_them() {
    let Some(unit) = Unit::start() else { return };
    unit.survives(|unit| drop(unit.systemctl(&["restart", &unit.name])));
    unit.survives(|unit| drop(unit.systemctl(&["kill", "--signal=KILL", "--kill-who=main", &unit.name])));
    unit.systemctl(&["stop", &unit.name]);
    assert_eq!(violations(&unit.home.data()), Vec::<String>::new());
}
