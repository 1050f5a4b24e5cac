//! System calls that would widen an agent's view, or reach parts of the kernel that it never needs.

use super::world::{User, World, as_each_user, assert_refused};
use bog_agents_daemon::sandbox::policy::Policy;
use bog_domain::containment::NetworkAccess;
use serde_json::json;

/// What everybody may do on most machines without a sandbox.
const ANYBODY: [&str; 5] = ["keyring", "add_key", "steal_descriptor", "set_user_id", "make_set_user_id"];
/// What root may do besides. Some of the rest depends on how the kernel was built.
const ROOT: [&str; 9] = [
    "set_group_id",
    "unshare_mounts",
    "mount",
    "unmount",
    "remount",
    "change_root",
    "join_namespace",
    "set_clock",
    "become_another",
];

fn expected(world: &World) -> Vec<&'static str> {
    let of_root: &[&str] = if world.user == User::Root { &ROOT } else { &[] };
    [&ANYBODY, of_root].concat()
}

#[test]
fn the_kernel_refuses_what_agents_never_need() {
    as_each_user(|world| {
        for network in [NetworkAccess::None, NetworkAccess::Full] {
            let policy = Policy { network, ..world.policy.clone() };
            let results = world.attack(&policy, "kernel", &json!({"own": world.work()}));
            assert_refused(&results);
            // Where the kernel does not know the second set of numbers it would say that; this is the filter.
            assert!(!cfg!(target_arch = "x86_64") || results["unshare_user_x32"] == "EPERM");
        }
        let results = world.attack_on_host("kernel", &json!({"own": world.path("home/project")}));
        let refused: Vec<_> = expected(world).into_iter().filter(|name| results[*name] != "reached").collect();
        assert!(refused.is_empty(), "the attacks prove nothing: {refused:?}\n{results:#?}");
    });
}

#[test]
fn devices_are_few_and_harmless() {
    as_each_user(|world| {
        let said =
            world.shell(&world.policy, "ls /dev; find /dev -type b; find / -xdev -type b 2> /dev/null | head -1");
        let names = "fd full null ptmx pts random shm stderr stdin stdout tty urandom zero ";
        assert_eq!(said.replace('\n', " "), names);
    });
}

#[test]
fn no_privilege_is_left_or_can_be_gained() {
    as_each_user(|world| {
        let status = world.shell(&world.policy, "cat /proc/self/status");
        let field = |name: &str| {
            status.lines().find_map(|line| line.strip_prefix(name)).map(str::trim).unwrap_or_default().to_owned()
        };
        for name in ["CapInh:", "CapPrm:", "CapEff:", "CapBnd:", "CapAmb:"] {
            assert_eq!(field(name), "0000000000000000", "{name}");
        }
        assert_eq!((field("NoNewPrivs:"), field("Seccomp:")), ("1".to_owned(), "2".to_owned()));
    });
}
