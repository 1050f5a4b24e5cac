//! What a job is granted is there, at its own path, however grants, links and hidden folders lie within each other.

use super::super::support::machine;
use super::world::as_each_user;
use bog_agents_daemon::sandbox::policy::Policy;
use bog_domain::containment::{Confinement, Mechanism, NetworkAccess};
use serde_json::json;
use std::fs;
use std::os::unix::fs::symlink;

use super::world::{User, assert_reached};

#[test]
fn grants_within_each_other_come_out_as_they_are_named() {
    as_each_user(|world| {
        for folder in ["tree/read/write/read/write", "tree/hidden/read", "tree/hidden/write/hidden"] {
            fs::create_dir_all(world.path(folder)).unwrap();
            fs::write(world.path(folder).join("file"), folder).unwrap();
        }
        world.give(&world.path("tree"));
        let paths = |names: &[&str]| names.iter().map(|name| world.path(name)).collect::<Vec<_>>();
        let mut policy = Policy {
            write: paths(&["tree/read/write", "tree/hidden/write", "tree/read/write/read/write"]),
            hidden: paths(&["tree/hidden", "tree/hidden/write/hidden"]),
            ..world.policy.clone()
        };
        policy.read.extend(paths(&["tree", "tree/read/write/read", "tree/hidden/read", "tree/none"]));
        let folders = [
            ".",
            "read",
            "read/write",
            "read/write/read",
            "read/write/read/write",
            "hidden",
            "hidden/read",
            "hidden/write",
            "hidden/write/hidden",
        ];
        let script = format!(
            "cd {}; for f in {}; do touch $f/new && echo $f; done; find . -type f | sort",
            world.path("tree").display(),
            folders.join(" ")
        );
        let said = world.shell(&policy, &script);
        let expected = [
            "read/write",
            "read/write/read/write",
            "hidden/write",
            "./hidden/read/file",
            "./hidden/write/new",
            "./read/write/new",
            "./read/write/read/write/file",
            "./read/write/read/write/new",
        ];
        assert_eq!(said.lines().collect::<Vec<_>>(), expected);
    });
}

#[test]
fn what_is_reached_over_links_is_there_under_both_names() {
    as_each_user(|world| {
        fs::create_dir_all(world.path("disk/projects/one")).unwrap();
        world.give(&world.path("disk"));
        symlink("../disk/projects", world.path("home/projects")).unwrap();
        symlink(world.path("home/projects/one"), world.path("home/one")).unwrap();
        let policy = Policy { write: vec![world.path("home/one")], ..world.policy.clone() };
        let script = format!(
            "pwd -P; echo 1 > a; cd {}/one && cat a && cd ~/projects/one && cat a",
            world.path("disk/projects").display()
        );
        let said = world.shell(&policy, &script);
        assert_eq!(said, format!("{}\n1\n1\n", world.path("disk/projects/one").display()));
        // The links lead to nothing that was not granted.
        assert_eq!(world.shell(&policy, "ls ~/projects/"), "one\n");
        assert!(world.path("disk/projects/one/a").exists());
    });
}

#[test]
fn what_is_missing_is_passed_over_or_named() {
    as_each_user(|world| {
        let mut policy = world.policy.clone();
        policy.read.push(world.path("none"));
        policy.hidden.push(world.path("none too"));
        world.shell(&policy, "test ! -e ../../../../none");
        policy.write.push(world.path("none"));
        insta::allow_duplicates! { insta::assert_snapshot!(world.refusal(&policy)); }
    });
}

#[test]
fn a_link_that_an_agent_could_have_made_grants_nothing() {
    as_each_user(|world| {
        symlink(world.path("outside"), world.work().join("out")).unwrap();
        let mut policy = world.policy.clone();
        policy.read.push(world.work().join("out"));
        world.shell(&policy, "test -L out && test ! -e out/file");
        policy.write.push(world.work().join("out"));
        insta::allow_duplicates! { insta::assert_snapshot!(world.refusal(&policy)); }
    });
}

#[test]
fn single_files_can_be_granted_and_hidden() {
    as_each_user(|world| {
        let (read, written) = (world.file("outside/read", "read"), world.file("outside/written", "old"));
        let hidden = world.file("data/runs/r/work/.env", "secret");
        let mut policy = world.policy.clone();
        policy.read.push(read);
        policy.write.push(written.clone());
        policy.hidden.push(hidden.clone());
        let script = "cd ../../../../outside; cat read; echo new > written; ls; test ! -s ../data/runs/r/work/.env; ! rm ../data/runs/r/work/.env";
        assert_eq!(world.shell(&policy, script), "readread\nwritten\n");
        assert_eq!(fs::read_to_string(written).unwrap(), "new\n");
        assert_eq!(fs::read_to_string(hidden).unwrap(), "secret");
    });
}

#[test]
fn agents_can_work() {
    as_each_user(|world| {
        for network in [NetworkAccess::None, NetworkAccess::Full] {
            let own = world.work().join(network.as_str());
            fs::create_dir(&own).unwrap();
            world.give(&own);
            let policy = Policy { network, ..world.policy.clone() };
            assert_reached(&world.attack(&policy, "work", &json!({"own": own, "home": world.path("home")})), &[]);
        }
    });
}

#[test]
fn the_whole_file_system_can_be_granted() {
    as_each_user(|world| {
        let policy = Policy { read: vec!["/".into()], ..world.policy.clone() };
        let said = world.shell(&policy, "cat ../../../../outside/file; ls ~ ; ls -d /boot; touch x");
        assert_eq!(said, "/boot\n", "`/tmp`, where the file is, and home are still the run's own");
        let targets = json!({"file": "/etc/hostname", "folder": "/etc", "own": world.work(), "device": "/dev/null"});
        super::world::assert_refused(&world.attack(&policy, "change", &targets));
    });
}

#[test]
fn the_record_says_what_held() {
    as_each_user(|world| {
        let containment = world.containment(&world.policy);
        let mut expected = vec![
            Mechanism::PidNamespace,
            Mechanism::IpcNamespace,
            Mechanism::MountNamespace,
            Mechanism::NetworkNamespace,
            Mechanism::NoNewPrivs,
            Mechanism::NoCapabilities,
            Mechanism::Landlock,
            Mechanism::Seccomp,
        ];
        if world.user == User::Ordinary {
            expected.insert(0, Mechanism::UserNamespace);
        }
        assert_eq!((containment.held, containment.missing), (expected, Vec::new()));
        assert_eq!((containment.sandbox, containment.network), (Confinement::Enforced, NetworkAccess::None));
        machine::has_landlock(containment.landlock_abi);
        let full = world.containment(&Policy { network: NetworkAccess::Full, ..world.policy.clone() });
        assert_eq!((full.sandbox, full.network), (Confinement::Enforced, NetworkAccess::Full));
        assert!(!full.held.contains(&Mechanism::NetworkNamespace));
    });
}
