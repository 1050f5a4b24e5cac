//! A full disk on a real one: a small tmpfs in mounts of the test's own. Nothing is acknowledged that is not written
//! down, the daemon stays up, nothing that happened meanwhile is lost, and it goes on by itself once there is room.

use super::support::{Daemon, Home, eventually, reexec, violations};
use serde_json::{Value, json};
use std::fs::{self, File};
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::process::Command;

/// Runs a test again, alone, where it may mount. A machine that allows no such thing fails it: a test that is skipped
/// proves nothing.
fn with_own_mounts(name: &str, test: impl FnOnce()) {
    if reexec::argument().is_some() {
        return test();
    }
    let namespaces = if nix::unistd::geteuid().is_root() { "-m" } else { "-Urm" };
    let unshare = ["unshare", namespaces, "--propagation", "private", "--"];
    reexec::inside(&unshare, &format!("disk_full::{name}"), Path::new("inside"));
}

/// A home whose data folder is a disk of 8 MiB.
struct SmallDisk {
    home: Home,
}

const JOB: &str = "limits: {output: 64KiB, grace: 1s}\nagent: ";

impl SmallDisk {
    fn new() -> Self {
        let home = Home::new();
        let mounted =
            Command::new("mount").args(["-t", "tmpfs", "-o", "size=8m,mode=0700", "tmpfs"]).arg(home.data()).status();
        assert!(
            mounted.unwrap().success(),
            "no tmpfs can be mounted here: run the tests where `unshare -m` and `mount` work"
        );
        fs::create_dir(home.data().join("jobs")).unwrap();
        Self { home }
    }

    /// Starts a daemon whose database has to grow for whatever comes next: before, it writes where it wrote at its start.
    fn start(&self) -> Daemon {
        self.start_with(&[])
    }

    fn start_with(&self, variables: &[(&str, &str)]) -> Daemon {
        self.home.job("warm", &format!("{JOB}{{command: ['true']}}\n"));
        let daemon = self.home.start_with(variables).unwrap();
        let log = || fs::metadata(self.home.data().join("daemon.db-wal")).unwrap().len();
        let begun = log();
        while log() == begun {
            daemon.finished(&daemon.fire("warm"));
        }
        let warm = || daemon.request("DELETE", "/jobs/warm", &[], None).unwrap().status;
        assert_eq!(warm(), 204);
        daemon
    }

    fn ballast(&self) -> PathBuf {
        self.home.data().join("ballast")
    }

    /// Leaves no room for a single block.
    fn fill(&self) {
        let mut ballast = File::options().create(true).append(true).open(self.ballast()).unwrap();
        let block = vec![b'.'; 1 << 16];
        let mut size = block.len();
        while size > 0 {
            match ballast.write(&block[..size]) {
                Ok(_) => {}
                Err(error) if error.kind() == ErrorKind::StorageFull => size /= 2,
                Err(error) => panic!("{error}"),
            }
        }
    }

    fn free(&self) {
        fs::remove_file(self.ballast()).unwrap();
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        // Lazily: a daemon that is killed a moment later may still be in it.
        let _ = Command::new("umount").arg("-l").arg(self.home.data()).status();
    }
}

fn job(id: &str) -> String {
    json!({"id": id, "agent": {"command": ["echo", "made"]}}).to_string()
}

#[test]
fn no_job_is_made_on_a_full_disk() {
    with_own_mounts("no_job_is_made_on_a_full_disk", || {
        let disk = SmallDisk::new();
        disk.home.job("j", &format!("{JOB}{{command: [echo, one]}}\n"));
        let daemon = disk.start();
        disk.fill();
        let answer = daemon.request("POST", "/jobs", &[], Some(&job("new"))).unwrap();
        assert_eq!(answer.status, 507, "{answer:?}");
        insta::assert_snapshot!(answer.body);
        let changed = json!({"agent": {"command": ["echo", "two"]}}).to_string();
        assert_eq!(daemon.request("PUT", "/jobs/j", &[], Some(&changed)).unwrap().status, 507);
        assert_eq!(daemon.request("POST", "/jobs/j/disable", &[], None).unwrap().status, 507);
        let unchanged = daemon.get("/jobs/j");
        assert_eq!((&unchanged["revision"], &unchanged["enabled"]), (&json!(1), &json!(true)));
        let files = || {
            fs::read_dir(disk.home.data().join("jobs"))
                .unwrap()
                .map(|file| file.unwrap().file_name())
                .collect::<Vec<_>>()
        };
        assert_eq!(files(), ["j.yaml"], "no file is left");
        assert_eq!(daemon.request("GET", "/jobs/new", &[], None).unwrap().status, 404);
        disk.free();
        assert_eq!(daemon.request("POST", "/jobs", &[], Some(&job("new"))).unwrap().status, 201);
        assert_eq!(daemon.finished(&daemon.fire("new"))["output"], "made\n");
        assert_eq!(daemon.finished(&daemon.fire("j"))["output"], "one\n");
        assert_eq!(violations(&disk.home.data()), Vec::<String>::new());
    });
}

#[test]
fn an_edit_by_hand_is_taken_over_once_there_is_room() {
    with_own_mounts("an_edit_by_hand_is_taken_over_once_there_is_room", || {
        let disk = SmallDisk::new();
        // Of the same length, so that writing it takes no new block.
        disk.home.job("j", &format!("{JOB}{{command: [echo, one]}}\n"));
        let daemon = disk.start();
        disk.fill();
        let file = File::options().write(true).open(disk.home.data().join("jobs/j.yaml")).unwrap();
        (&file).write_all(format!("{JOB}{{command: [echo, two]}}\n").as_bytes()).unwrap();
        drop(file);
        daemon.problem("no space left");
        assert_eq!(daemon.get("/jobs/j")["revision"], 1);
        disk.free();
        daemon.well();
        assert_eq!(daemon.get("/jobs/j")["revision"], 2);
        assert_eq!(daemon.finished(&daemon.fire("j"))["output"], "two\n");
    });
}

#[test]
fn no_fire_is_accepted_on_a_full_disk() {
    with_own_mounts("no_fire_is_accepted_on_a_full_disk", || {
        let disk = SmallDisk::new();
        disk.home.job("j", &format!("{JOB}{{command: [echo, one]}}\n"));
        let daemon = disk.start();
        let before = daemon.list("/fires").len();
        disk.fill();
        for _ in 0..3 {
            let answer = daemon.post("/jobs/j/run", None);
            assert!(matches!(answer.status, 503 | 507), "{answer:?}");
            assert!(answer.body.contains("space"), "{answer:?}");
        }
        disk.free();
        let run = daemon.fire("j");
        assert_eq!(daemon.finished(&run)["outcome"], "succeeded");
        daemon.well();
        let runs = daemon.list("/runs");
        assert_eq!(runs.len(), before + 1, "what was refused happened all the same: {runs:?}");
        assert_eq!(daemon.list("/fires").len(), before + 1);
        assert_eq!(violations(&disk.home.data()), Vec::<String>::new());
    });
}

/// A job whose agent ends when it is let go, and whose result goes to a file outside the full disk.
fn held(disk: &SmallDisk) -> (Daemon, String) {
    let home = disk.home.path().to_str().unwrap().to_owned();
    let yaml = "{command: [sh, -c, 'touch HOME/begun; until [ -e HOME/go ]; do sleep 0.01; done; echo precious']}\n\
                outputs: [{type: file, path: HOME/out.md}]\nsandbox: {write: [HOME]}\n";
    disk.home.job("held", &format!("{JOB}{}", yaml.replace("HOME", &home)));
    // The room kept for the outcome is given back with it: time to take that away as well.
    let daemon = disk.start_with(&[("BOG_FAILPOINTS", "dispatcher.before_settle=sleep:500")]);
    let run = daemon.fire("held");
    eventually("the agent has begun", || disk.home.path().join("begun").exists());
    daemon.run_when(&run, "running", |run| run["state"] == "running");
    (daemon, run)
}

/// Lets the agent end on a disk that stays full, and waits until the daemon says so.
fn end_without_room(disk: &SmallDisk, daemon: &Daemon, run: &str) -> String {
    disk.fill();
    fs::write(disk.home.path().join("go"), "").unwrap();
    let outcome = disk.home.data().join("runs").join(run).join("1/outcome.json");
    let written = || String::from_utf8_lossy(&fs::read(&outcome).unwrap()).contains("precious");
    eventually("the runner keeps the outcome on the full disk", written);
    eventually("it cannot be recorded", || {
        disk.fill();
        daemon.get("/health")["problems"].to_string().contains("no space left")
    });
    daemon.problem("no space left")
}

fn delivered(disk: &SmallDisk, daemon: &Daemon, run: &str) {
    let run = daemon.finished(run);
    assert_eq!((&run["outcome"], &run["output"]), (&json!("succeeded"), &json!("precious\n")), "{run}");
    eventually("it is delivered", || daemon.get("/health")["deliveries_pending"] == 0);
    assert_eq!(fs::read_to_string(disk.home.path().join("out.md")).unwrap(), "precious\n");
    daemon.well();
    assert_eq!(violations(&disk.home.data()), Vec::<String>::new());
}

#[test]
fn an_outcome_on_a_full_disk_is_not_lost() {
    with_own_mounts("an_outcome_on_a_full_disk_is_not_lost", || {
        let disk = SmallDisk::new();
        let (daemon, run) = held(&disk);
        let problem = end_without_room(&disk, &daemon, &run);
        insta::assert_snapshot!(problem.replace(&run, "RUN"));
        assert_eq!(daemon.get(&format!("/runs/{run}"))["state"], "running", "it cannot be recorded yet");
        disk.free();
        delivered(&disk, &daemon, &run);
    });
}

#[test]
fn an_outcome_on_a_full_disk_survives_the_daemon() {
    with_own_mounts("an_outcome_on_a_full_disk_survives_the_daemon", || {
        let disk = SmallDisk::new();
        let (daemon, run) = held(&disk);
        end_without_room(&disk, &daemon, &run);
        daemon.kill();
        // What it can do without room is its own affair; it must not make things worse.
        let tried = disk.home.start_with(&[]).map(Daemon::kill);
        disk.free();
        let daemon = disk.home.start();
        println!("started on the full disk: {tried:?}");
        delivered(&disk, &daemon, &run);
    });
}

#[test]
fn slots_due_on_a_full_disk_are_recorded_afterwards() {
    with_own_mounts("slots_due_on_a_full_disk_are_recorded_afterwards", || {
        let disk = SmallDisk::new();
        let tick = |policy: &str| {
            format!(
                "{JOB}{{command: ['true']}}\noverlap: queue\ntriggers: [{{type: cron, cron: '* * * * * *', catch_up: {{policy: {policy}}}}}]\n"
            )
        };
        disk.home.job("all", &tick("all"));
        disk.home.job("none", &tick("none"));
        let mut daemon = disk.home.start();
        eventually("slots fire", || daemon.list("/fires?job=all").len() > 1);
        disk.fill();
        daemon.problem("due slots wait to be recorded: no space left");
        let lag = || daemon.get("/health")["scheduler_lag_ms"].as_u64().unwrap();
        // Later than the grace within which a slot counts as on time.
        eventually("slots are missed", || lag() > 6_500);
        disk.free();
        daemon.well();
        for job in ["all", "none"] {
            assert_eq!(daemon.request("POST", &format!("/jobs/{job}/disable"), &[], None).unwrap().status, 200);
        }
        assert!(!daemon.has_ended());
        eventually("all runs are finished", || daemon.list("/runs").iter().all(|run| run["state"] == "finished"));
        let dispositions = every_second(&daemon.list("/fires?job=all"));
        assert!(dispositions.iter().all(|disposition| disposition == "run"), "{dispositions:?}");
        let dispositions = every_second(&daemon.list("/fires?job=none"));
        assert!(dispositions.contains(&"missed".to_owned()), "{dispositions:?}");
        assert_eq!(violations(&disk.home.data()), Vec::<String>::new());
    });
}

/// The dispositions of fires that leave out no second and hold none twice; those after disabling left aside.
fn every_second(fires: &[Value]) -> Vec<String> {
    let second = |at: &Value| at.as_str().unwrap().parse::<jiff::Timestamp>().unwrap().as_second();
    let mut fires: Vec<&Value> = fires.iter().filter(|fire| fire["disposition"] != "skipped").collect();
    fires.sort_by_key(|fire| second(&fire["due_at"]));
    for pair in fires.windows(2) {
        let until = if pair[0]["until_at"].is_null() { &pair[0]["due_at"] } else { &pair[0]["until_at"] };
        assert_eq!(second(&pair[1]["due_at"]), second(until) + 1, "{pair:?}");
    }
    fires.iter().map(|fire| fire["disposition"].as_str().unwrap().to_owned()).collect()
}
