//! Control groups: an attempt is in its own, and ends with it. Skipped where the hierarchy is not ours.

use super::attack::{Attack, Ground, groups};
use crate::runner::attempt::{ended, until};
use crate::support::{Home, eventually};
use bog_agents_daemon::runner::handle::{Ended, TreeLimits};
use bog_domain::run::Outcome;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::fs;
use std::path::{Path, PathBuf};

/// A process that no mark and no parent tells of: it is left by a shell that is gone.
const ORPHAN: &str =
    "(setsid env -i sh -c 'echo $$ > orphan.new; mv orphan.new orphan; exec sleep 1000' </dev/null >/dev/null 2>&1 &)
    until [ -e orphan ]; do sleep 0.02; done; ";

#[tokio::test]
async fn an_attempt_is_in_its_group_and_the_group_goes_with_it() {
    let Some(groups) = groups() else { return };
    let attack =
        Attack::new(&Ground::grouped(groups), &format!("{ORPHAN} cat /proc/self/cgroup"), TreeLimits::default());
    let record = attack.run().await;
    assert_eq!(record.outcome, Outcome::Succeeded, "{record:?}");
    let name = format!("/{}-1", attack.attempt.spec.run_id);
    assert!(record.output.lines().any(|line| line.starts_with("0::") && line.ends_with(&name)), "{}", record.output);
    assert!(!is_alive(&attack), "the orphan is gone");
    assert!(record.usage.cpu_seconds > Some(0.0));
}

#[tokio::test]
async fn what_a_killed_runner_leaves_is_ended_by_its_group() {
    let Some(groups) = groups() else { return };
    let attack =
        Attack::new(&Ground::grouped(groups), &format!("{ORPHAN} echo > ready; sleep 1000"), TreeLimits::default());
    let runner = attack.attempt.spawn();
    until("it is up", || attack.attempt.spec.working_dir.join("ready").exists()).await;
    let group = attack.group().expect("a group").to_owned();
    assert!(fs::read_to_string(group.join("cgroup.procs")).expect("a group").lines().count() >= 2);
    kill(attack.attempt.runner_pid().await, Signal::SIGKILL).expect("killed");
    let Ended::Lost { reason, left } = ended(runner).await else { panic!("lost was expected") };
    assert!(reason.contains("processes it left behind were ended") && left > 0, "{left}: {reason}");
    assert!(!is_alive(&attack), "the orphan is gone");
    assert!(!group.exists());
}

#[tokio::test]
async fn a_group_that_cannot_be_had_is_done_without() {
    let [ground, _] = Ground::all();
    let mut attack =
        Attack::new(&ground, "while :; do :; done", TreeLimits { cpu_time_ms: Some(300), ..TreeLimits::default() });
    let nowhere = attack.attempt.path("no/such/group");
    attack.attempt.spec.cgroup = Some(nowhere);
    let record = crate::runner::attempt::outcome(ended(attack.attempt.spawn()).await);
    assert_eq!(record.outcome, Outcome::LimitExceeded, "{record:?}");
    assert_eq!(record.containment.expect("what held").held, []);
}

#[test]
fn a_daemon_removes_the_groups_of_attempts_that_are_over() {
    if groups().is_none() {
        return;
    }
    let home = Home::new();
    let script = home.path().join("attack.sh");
    fs::write(&script, format!("cd {}\n{ORPHAN} sleep 1000", home.path().display())).expect("written");
    home.job("j", &format!("agent: {{command: [sh, '{}']}}\nsandbox: {{shell: host}}\n", script.display()));
    let daemon = home.start();
    let run = daemon.fire("j");
    eventually("the orphan is up", || home.path().join("orphan").exists());
    let orphan = fs::read_to_string(home.path().join("orphan")).expect("a pid");
    let group = group_of(&orphan);
    assert!(group.ends_with(format!("{run}-1")), "{}", group.display());
    let runner = runner_of(&home.data().join("runs").join(&run).join("1"));
    daemon.kill();
    kill(runner, Signal::SIGKILL).expect("killed");
    // Without its folder nothing tells of the attempt but its group.
    fs::remove_dir_all(home.data().join("runs").join(&run)).expect("removed");
    assert!(group.exists());

    let daemon = home.start();
    assert_eq!(daemon.finished(&run)["outcome"], "interrupted");
    eventually("the group is gone", || !group.exists());
    assert!(!runs(&orphan), "the orphan is gone");
}

/// The folder of a process's group.
fn group_of(pid: &str) -> PathBuf {
    let listed = fs::read_to_string(format!("/proc/{}/cgroup", pid.trim())).expect("a process");
    let path = listed.lines().find_map(|line| line.strip_prefix("0::/")).expect("a group");
    let mounts = fs::read_to_string("/proc/self/mountinfo").expect("mounts");
    let mount = mounts.lines().find(|line| line.contains(" - cgroup2 ")).expect("a hierarchy");
    Path::new(mount.split(' ').nth(4).expect("a mount point")).join(path)
}

/// The runner of an attempt.
fn runner_of(dir: &Path) -> Pid {
    let pids = fs::read_dir("/proc").expect("/proc").flatten();
    let mut pids = pids.filter_map(|entry| entry.file_name().to_str()?.parse::<i32>().ok());
    let command = format!("bog-agents-daemon\0runner\0{}\0", dir.display());
    let is_runner = |pid: &i32| fs::read(format!("/proc/{pid}/cmdline")).is_ok_and(|line| line == command.as_bytes());
    Pid::from_raw(pids.find(is_runner).expect("a live runner"))
}

fn is_alive(attack: &Attack) -> bool {
    runs(&fs::read_to_string(attack.attempt.spec.working_dir.join("orphan")).expect("it ran"))
}

/// Whether a process lives: one that is dead may yet have to be reaped, by whom is not ours to say.
fn runs(pid: &str) -> bool {
    fs::read_to_string(Path::new("/proc").join(pid.trim()).join("stat")).is_ok_and(|stat| !stat.contains(") Z "))
}
