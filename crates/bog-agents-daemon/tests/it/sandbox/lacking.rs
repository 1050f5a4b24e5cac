//! Machines that lack something: what is required is refused with the cure, and best effort holds what it can.

use super::super::support::{Home, machine};
use super::world::{User, World, assert_refused};
use bog_agents_daemon::sandbox::policy::{Enforcement, Policy};
use bog_domain::containment::{Confinement, Containment, Mechanism, NetworkAccess};
use serde_json::json;
use std::ffi::OsStr;
use std::fs;
use std::net::TcpListener;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixListener};
use std::process::Command;

/// A user who may make no namespaces: no capability is left, and no user namespace may be made.
const NO_NAMESPACES: [&str; 6] = [
    "unshare",
    "-Ur",
    "sh",
    "-c",
    "echo 0 > /proc/sys/user/max_user_namespaces; exec setpriv --bounding-set=-all --inh-caps=-all -- \"$@\"",
    "sh",
];

/// A container, which covers parts of `/proc` for whoever is in it.
const COVERED_PROC: [&str; 7] = [
    "unshare",
    "--map-current-user",
    "--keep-caps",
    "--mount",
    "sh",
    "-c",
    "mount -t tmpfs none /proc/tty && exec setpriv --inh-caps=-all --ambient-caps=-all -- \"$@\"",
];

fn said(world: &World, wrapper: &[&str], policy: &Policy) -> (Option<i32>, String, String) {
    let output = world.wrapped(wrapper, policy, &[]).output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap().replace(world.path("").to_str().unwrap(), "BASE/");
    (output.status.code(), text(output.stdout), text(output.stderr))
}

fn best_effort(world: &World) -> Policy {
    Policy { enforcement: Enforcement::BestEffort, ..world.policy.clone() }
}

fn missing(containment: &Containment) -> Vec<Mechanism> {
    containment.missing.iter().map(|missing| missing.mechanism).collect()
}

#[test]
fn where_no_namespace_can_be_made_a_required_sandbox_is_refused_with_the_cure() {
    let world = World::new(User::Ordinary);
    let (code, _, error) = said(&world, &NO_NAMESPACES, &world.policy);
    assert_eq!(code, Some(126), "{error}");
    insta::assert_snapshot!(error);
}

#[test]
fn best_effort_holds_by_landlock_and_filters_alone() {
    let world = World::new(User::Ordinary);
    let policy = best_effort(&world);
    let (code, report, error) = said(&world, &NO_NAMESPACES, &policy);
    assert_eq!(code, Some(0), "{error}");
    let containment: Containment = serde_json::from_str(&report).unwrap();
    // An old Landlock does not hold files alone.
    let truncates = machine::truncates(containment.landlock_abi);
    let mut held = vec![Mechanism::NoNewPrivs, Mechanism::NoCapabilities, Mechanism::Landlock, Mechanism::Seccomp];
    held.retain(|mechanism| *mechanism != Mechanism::Landlock || !truncates);
    assert_eq!((containment.sandbox, &containment.held), (Confinement::Partial, &held));
    let mut lacking = vec![
        Mechanism::UserNamespace,
        Mechanism::PidNamespace,
        Mechanism::IpcNamespace,
        Mechanism::MountNamespace,
        Mechanism::NetworkNamespace,
    ];
    lacking.extend(truncates.then_some(Mechanism::Landlock));
    assert_eq!((missing(&containment), containment.network), (lacking, NetworkAccess::None));

    let attack = |group: &str, targets| world.attack_wrapped(&NO_NAMESPACES, &policy, group, &targets);
    let secrets = json!({
        "files": {"key": world.path("home/.ssh/id"), "notes": world.path("home/notes"), "db": world.path("data/daemon.db")},
        "folders": {"home": world.path("home"), "outside": world.path("outside"), "tmp": "/tmp"},
    });
    assert_refused(&attack("see", secrets));
    let outside = json!({"file": world.path("outside/file"), "folder": world.path("outside"), "own": world.work(),
                         "device": "/dev/null"});
    let mut results = attack("change", outside);
    // Landlock knows nothing of permissions, owners and times: this is why it is not enough.
    for name in ["chmod", "chmod_folder", "chown", "set_attribute", "set_time"] {
        results.remove(name).unwrap();
    }
    assert_eq!(results["truncate"] == "reached", truncates);
    if truncates {
        results.remove("truncate").unwrap();
        fs::write(world.path("outside/file"), "outside").unwrap();
    }
    assert_refused(&results);
    assert_eq!(fs::read_to_string(world.path("outside/file")).unwrap(), "outside");
    assert_refused(&attack("kernel", json!({"own": world.work()})));
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    assert_refused(&attack("reach", json!({"tcp": listener.local_addr().unwrap().port()})));

    // Processes are seen; signals and sockets by name are kept away where Landlock has it; this is version 6.
    let mut victim = world.on_host(&["sleep", "1000"]).spawn().unwrap();
    let name = world.path("socket").display().to_string();
    let _socket = UnixListener::bind_addr(&SocketAddr::from_abstract_name(&name).unwrap()).unwrap();
    let mut results = attack("reach", json!({"pid": victim.id(), "abstract": name}));
    victim.kill().unwrap();
    victim.wait().unwrap();
    assert_eq!(results["see_process"], "reached");
    let kept_away: &[&str] = if containment.landlock_abi >= 6 {
        &["signal_process", "signal_by_pidfd", "trace", "abstract"]
    } else {
        &["trace"]
    };
    results.retain(|name, _| kept_away.contains(&name.as_str()));
    assert_eq!(results.len(), kept_away.len());
    assert_refused(&results);
}

#[test]
fn without_namespaces_what_is_hidden_within_a_grant_is_left_out_of_it() {
    let world = World::new(User::Ordinary);
    let policy = Policy { write: vec![world.path("home")], ..best_effort(&world) };
    let attack = |targets| world.attack_wrapped(&NO_NAMESPACES, &policy, "see", &targets);
    let (key, cloud) = (world.path("home/.ssh/id"), world.path("home/.config/cloud/key"));
    assert_refused(&attack(json!({"files": {"key": key, "cloud": cloud}})));
    let output =
        world.wrapped(&NO_NAMESPACES, &policy, &["sh", "-c", "cat notes && echo > project/x && echo > $TMPDIR/y"]);
    let output = { output }.output().unwrap();
    assert_eq!((output.status.code(), output.stdout.as_slice()), (Some(0), &b"secret"[..]), "{output:?}");
    assert!(world.path("home/project/x").exists() && world.path("data/runs/r/private/tmp/y").exists());
}

#[test]
fn where_proc_is_covered_processes_cannot_be_hidden() {
    let world = World::new(User::Ordinary);
    let wrapper = [&COVERED_PROC[..], &["sh"]].concat();
    let (code, _, error) = said(&world, &wrapper, &world.policy);
    assert_eq!(code, Some(126), "{error}");
    assert!(error.contains("`pid_namespace`") && error.contains("`/proc`"), "{error}");
    let (code, report, error) = said(&world, &wrapper, &best_effort(&world));
    assert_eq!(code, Some(0), "{error}");
    let containment: Containment = serde_json::from_str(&report).unwrap();
    assert_eq!(missing(&containment), [Mechanism::PidNamespace]);
    assert!(containment.held.contains(&Mechanism::MountNamespace));
}

#[test]
fn a_working_folder_that_is_not_there_is_named() {
    let world = World::new(User::Ordinary);
    let mut policy = world.policy.clone();
    policy.write.insert(0, world.path("outside/in"));
    fs::remove_dir(world.path("outside/in")).unwrap();
    assert!(world.refusal(&policy).contains("`BASE/outside/in`"));
}

#[test]
fn doctor_says_what_this_machine_has() {
    let home = Home::of_ordinary_user();
    let said = String::from_utf8(home.run(&["doctor"]).stdout).unwrap();
    let line = said.lines().find(|line| line.contains("sandbox")).unwrap_or_default();
    assert!(line.starts_with("ok") && line.contains("complete: user_namespace, pid_namespace"), "{said}");
    let command = home.command();
    let mut words: Vec<_> = std::iter::once(command.get_program()).chain(command.get_args()).collect();
    let program = words.pop().unwrap();
    words.extend(NO_NAMESPACES.map(OsStr::new));
    words.extend([program, OsStr::new("doctor")]);
    let mut doctor = Command::new(words[0]);
    let output = doctor.args(&words[1..]).env("HOME", home.path()).env("BOG_DAEMON_DATA_DIR", home.data()).output();
    let output = output.unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    assert!(said.contains("fail  sandbox") && said.contains("max_user_namespaces"), "{said}");
    assert_eq!(output.status.code(), Some(1));
}
