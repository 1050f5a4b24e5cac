//! Processes that outlived their run: found by their marks, ended, counted and shown. What is another daemon's, or of a
//! run that is under way, is left alone.

use super::support::{Daemon, Home, eventually, violations};
use bog_agents_daemon::cgroup;
use nix::errno::Errno;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::json;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command};

/// A home with a job that says its marks, and one that runs until it may go.
fn home() -> Home {
    let home = Home::new();
    let of = |script: &str, more: &str| {
        let work = home.path().join("work");
        std::fs::create_dir_all(&work).unwrap();
        format!("agent: {{command: [sh, -c, '{script}']}}\nworking_dir: {}\n{more}", work.display())
    };
    home.job("marks", &of("echo $BOG_INSTANCE", ""));
    home.job("waits", &of("echo > up; until [ -e go ]; do sleep 0.05; done; echo went", ""));
    let hides = "(setsid sh -c \"trap \\\"\\\" TERM; echo \\$\\$ > aside && mv aside hidden; \
                 exec sleep 1000 <&- >&- 2>&-\" &); sleep 1000";
    // In a sandbox the kernel ends it together with the runner.
    home.job("hides", &of(hides, "sandbox: {shell: host}\n"));
    home
}

/// A process started by hand, with marks. It does not mind a TERM, and is gone with the value.
struct Stray(Child);

impl Stray {
    fn new(marks: &[(&str, &str)]) -> Self {
        Self::running("exec sleep 1000", marks)
    }

    fn running(script: &str, marks: &[(&str, &str)]) -> Self {
        let mut command = Command::new("sh");
        command.args(["-c", &format!("trap '' TERM; {script}")]).envs(marks.iter().copied());
        Self(command.spawn().unwrap())
    }

    fn was_killed(&mut self) -> bool {
        self.0.try_wait().unwrap().is_some_and(|status| status.signal() == Some(Signal::SIGKILL as i32))
    }

    fn lives(&mut self) -> bool {
        self.0.try_wait().unwrap().is_none()
    }
}

impl Drop for Stray {
    fn drop(&mut self) {
        // Ended already in most tests.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A clock that the test sets, and goes on from there at the usual speed.
struct Clock {
    file: PathBuf,
    minutes: u32,
}

impl Clock {
    fn new(home: &Home) -> Self {
        Self { file: home.path().join("clock"), minutes: 0 }
    }

    fn a_minute_later(&mut self) {
        self.minutes += 1;
        // By one rename: the daemon sees the old time or the new one.
        let aside = self.file.with_extension("aside");
        std::fs::write(&aside, (self.minutes * 60_000).to_string()).unwrap();
        std::fs::rename(&aside, &self.file).unwrap();
    }
}

/// The mark of the daemon of this home, as a run of its own says it.
fn instance(daemon: &Daemon) -> (String, String) {
    let run = daemon.fire("marks");
    let ended = daemon.finished(&run);
    let instance = ended["output"].as_str().unwrap().trim().to_owned();
    assert!(instance.len() >= 16, "{ended}");
    (instance, run)
}

/// What is written into a file, once it is.
pub fn number_in(path: &Path) -> Pid {
    let read = || std::fs::read_to_string(path).ok()?.trim().parse().ok();
    eventually("a process says its number", || read().is_some());
    Pid::from_raw(read().unwrap())
}

/// Whether a process is gone, or dead and only not reaped.
pub fn is_gone(pid: Pid) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    kill(pid, None) == Err(Errno::ESRCH) || stat.rsplit_once(") ").is_some_and(|(_, rest)| rest.starts_with('Z'))
}

fn counted(daemon: &Daemon) -> u64 {
    daemon.get("/health")["orphans_ended"].as_u64().unwrap()
}

fn doctor(home: &Home) -> String {
    let said = String::from_utf8(home.run(&["doctor"]).stdout).unwrap();
    said.lines().find(|line| line.contains(" orphans ")).unwrap_or_else(|| panic!("{said}")).to_owned()
}

#[test]
fn what_outlived_its_run_is_ended_and_all_else_is_left_alone() {
    let home = home();
    let daemon = home.start();
    let (instance, run) = instance(&daemon);
    assert!(doctor(&home).starts_with("ok "), "{}", doctor(&home));
    let live = daemon.fire("waits");
    eventually("the agent is up", || home.path().join("work/up").exists());
    daemon.kill();

    let us = ("BOG_INSTANCE", instance.as_str());
    let unknown = bog_agents_daemon::clock::new_id().to_string();
    let mut finished = Stray::new(&[us, ("BOG_RUN_ID", &run), ("BOG_ATTEMPT", "1")]);
    let mut unknown = Stray::new(&[us, ("BOG_RUN_ID", &unknown)]);
    let mut of_live = Stray::new(&[us, ("BOG_RUN_ID", &live), ("BOG_ATTEMPT", "1")]);
    let mut earlier = Stray::new(&[us, ("BOG_RUN_ID", &live), ("BOG_ATTEMPT", "0")]);
    let mut others = Stray::new(&[("BOG_INSTANCE", "0123456789abcdef"), ("BOG_RUN_ID", &run)]);
    // Another daemon's process, below an orphan of ours.
    let nested = home.path().join("nested");
    let script = format!("BOG_INSTANCE=0123456789abcdef sleep 1000 & echo $! > {}; exec sleep 1000", nested.display());
    let mut above = Stray::running(&script, &[us, ("BOG_RUN_ID", &run), ("BOG_ATTEMPT", "1")]);
    let nested = number_in(&nested);

    let daemon = home.start();
    for orphan in [&mut finished, &mut unknown, &mut earlier, &mut above] {
        eventually("the orphan is killed", || orphan.was_killed());
    }
    eventually("they are counted", || counted(&daemon) == 4);
    assert!(others.lives() && !is_gone(nested), "another daemon's process was ended");
    assert!(of_live.lives(), "a process of a run that is under way was ended");
    // It would be an orphan like the others once that run is over.
    drop(of_live);
    kill(nested, Signal::SIGKILL).unwrap();
    std::fs::write(home.path().join("work/go"), "").unwrap();
    let ended = daemon.finished(&live);
    assert_eq!((&ended["outcome"], &ended["output"]), (&json!("succeeded"), &json!("went\n")), "{ended}");

    assert_eq!(daemon.log().matches("processes that outlived their runs were ended").count(), 1, "{}", daemon.log());
    let metrics = daemon.request("GET", "/metrics", &[], None).unwrap().body;
    assert!(metrics.contains("\nbog_orphans_ended_total 4\n"), "{metrics}");
    assert!(daemon.stop().success());
    let told = doctor(&home);
    assert!(told.starts_with("warn ") && told.contains("4 processes outlived their runs"), "{told}");
    let daemon = home.start();
    assert_eq!(counted(&daemon), 4, "it is forgotten");
    assert!(daemon.get("/health")["last_orphan_at"].is_string());
    assert_eq!(violations(&home.data()), Vec::<String>::new());
}

#[test]
fn what_its_dead_runner_left_behind_is_ended_and_counted() {
    let home = home();
    let daemon = home.start();
    let run = daemon.fire("hides");
    let hidden = number_in(&home.path().join("work/hidden"));
    let runner = runner_of(&run);
    kill(runner, Signal::SIGKILL).unwrap();
    let ended = daemon.finished(&run);
    assert_eq!(ended["outcome"], "interrupted", "{ended}");
    eventually("the hidden process is gone", || is_gone(hidden));
    assert!(counted(&daemon) > 0);
    assert!(doctor(&home).starts_with("warn "), "{}", doctor(&home));
    assert_eq!(violations(&home.data()), Vec::<String>::new());
}

pub fn runner_of(run: &str) -> Pid {
    let is_runner = |pid: &i32| {
        let line = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        let words: Vec<_> = line.split(|byte| *byte == 0).map(String::from_utf8_lossy).collect();
        words.get(1).is_some_and(|word| word == "runner") && words.get(2).is_some_and(|dir| dir.contains(run))
    };
    let entries = std::fs::read_dir("/proc").unwrap().flatten();
    let mut pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    Pid::from_raw(pids.find(is_runner).expect("the runner"))
}

#[test]
fn it_is_looked_again_every_minute() {
    let home = home();
    let mut clock = Clock::new(&home);
    let daemon = home.start_with(&[("BOG_TEST_CLOCK", clock.file.to_str().unwrap())]).unwrap();
    let (instance, _) = instance(&daemon);
    let unknown = bog_agents_daemon::clock::new_id().to_string();
    let mut stray = Stray::new(&[("BOG_INSTANCE", &instance), ("BOG_RUN_ID", &unknown)]);
    eventually("the orphan is killed", || {
        // Again and again: a look may have begun before the orphan did, and counts its minute from its end.
        clock.a_minute_later();
        stray.was_killed()
    });
    eventually("it is counted", || counted(&daemon) == 1);
}

#[test]
fn what_took_its_marks_off_is_found_by_its_control_group() {
    // Skipped where no part of the hierarchy is ours.
    let Ok(place) = cgroup::find("self") else { return };
    let home = home();
    let mut clock = Clock::new(&home);
    let daemon = home.start_with(&[("BOG_TEST_CLOCK", clock.file.to_str().unwrap())]).unwrap();
    let (instance, run) = instance(&daemon);
    let group = |instance: &str| place.base.join(format!("bog-runs-{instance}/{run}-1"));
    let (ours, other) = (group(&instance), group("0123456789abcdef"));
    let (mut stray, mut others) = (Stray::new(&[]), Stray::new(&[]));
    for (group, stray) in [(&ours, &stray), (&other, &others)] {
        cgroup::Group::make(group).unwrap();
        std::fs::write(group.join("cgroup.procs"), stray.0.id().to_string()).unwrap();
    }
    eventually("the orphan is killed", || {
        clock.a_minute_later();
        stray.was_killed()
    });
    eventually("it is counted and its group removed", || counted(&daemon) == 1 && !ours.exists());
    assert!(others.lives(), "another daemon's process was ended");
    drop(others);
    cgroup::end(&other);
}
