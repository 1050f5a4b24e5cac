//! Processes: an agent's tree sees and touches no other, inherits nothing, and ends as a whole.

use super::super::support::eventually;
use super::world::{User, as_each_user, assert_reached, assert_refused};
use bog_agents_daemon::sandbox::policy::Policy;
use bog_domain::containment::NetworkAccess;
use serde_json::json;
use std::fs;
use std::io::{BufRead, BufReader};
use std::process::Stdio;

#[test]
fn the_hosts_processes_are_out_of_sight_and_reach() {
    as_each_user(|world| {
        let mut victim = world.on_host(&["sleep", "1000"]).env("SECRET", "x").spawn().unwrap();
        let targets = json!({"pid": victim.id()});
        for network in [NetworkAccess::None, NetworkAccess::Full] {
            let policy = Policy { network, ..world.policy.clone() };
            assert_refused(&world.attack(&policy, "reach", &targets));
        }
        // Tracing may be reserved to parents.
        let except: &[&str] = if world.user == User::Root { &[] } else { &["trace"] };
        let reached = world.attack_on_host("reach", &targets);
        assert_eq!(victim.try_wait().unwrap(), None);
        victim.kill().unwrap();
        victim.wait().unwrap();
        assert_reached(&reached, except);
        // A process table with nothing in it but this tree.
        let shown = world.shell(&world.policy, "echo /proc/[0-9]* | wc -w");
        assert!(shown.trim().parse::<u32>().unwrap() < 5, "{shown}");
    });
}

#[test]
fn no_open_file_is_handed_down() {
    as_each_user(|world| {
        // As a shell or a service manager might start the daemon.
        let wrapper = ["sh", "-c", "exec 7< /etc/passwd 9> /dev/null; exec \"$@\"", "sh"];
        let list = ["sh", "-c", "echo /proc/self/fd/*"];
        let output = world.wrapped(&wrapper, &world.policy, &list).output().unwrap();
        let said = String::from_utf8(output.stdout).unwrap();
        // The last is the shell's own look at the folder.
        assert_eq!(said.trim(), "/proc/self/fd/0 /proc/self/fd/1 /proc/self/fd/2 /proc/self/fd/3");
        let output = world.on_host(&[&wrapper[..], &list].concat()).output().unwrap();
        assert!(String::from_utf8(output.stdout).unwrap().contains("/fd/7"), "nothing was handed down at all");
    });
}

#[test]
fn the_tree_ends_with_whoever_supervises_it() {
    as_each_user(|world| {
        // A process that left session, group and parent behind and has no pipe left.
        let script = "(setsid sleep 1000 > /dev/null 2>&1 < /dev/null &) ; echo ready; exec sleep 1000";
        let mark = format!("BOG_TEST_MARK={}", world.path("").display());
        let mut command = world.inside(&world.policy, &["sh", "-c", script]);
        let mut supervisor = command.env("BOG_TEST_MARK", world.path("")).stdout(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(supervisor.stdout.take().unwrap()).read_line(&mut line).unwrap();
        assert_eq!(line, "ready\n");
        eventually("both processes run", || marked(&mark) >= 3);
        supervisor.kill().unwrap();
        supervisor.wait().unwrap();
        eventually("nothing is left", || marked(&mark) == 0);
    });
}

#[test]
fn the_tree_ends_with_its_first_process() {
    as_each_user(|world| {
        let mark = format!("BOG_TEST_MARK={}", world.path("").display());
        let script = "(setsid sleep 1000 &) ; trap '' TERM; exit 7";
        let status = world.inside(&world.policy, &["sh", "-c", script]).env("BOG_TEST_MARK", world.path("")).status();
        assert_eq!(status.unwrap().code(), Some(7));
        eventually("nothing is left", || marked(&mark) == 0);
    });
}

/// How many processes carry a mark in their environment.
fn marked(mark: &str) -> usize {
    let carries = |entry: &fs::DirEntry| {
        let environment = fs::read(entry.path().join("environ")).unwrap_or_default();
        environment.split(|byte| *byte == 0).any(|variable| variable == mark.as_bytes())
    };
    fs::read_dir("/proc").unwrap().flatten().filter(carries).count()
}
