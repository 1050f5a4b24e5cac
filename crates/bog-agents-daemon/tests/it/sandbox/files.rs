//! What may not be seen is not there, and what may not be written stays as it is.

use super::world::{User, as_each_user, assert_reached, assert_refused};
use bog_agents_daemon::sandbox::policy::Policy;
use serde_json::json;
use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};

#[test]
fn nothing_outside_can_be_changed() {
    as_each_user(|world| {
        let targets = json!({"file": world.path("outside/file"), "folder": world.path("outside"), "own": world.work(),
                             "device": "/dev/null"});
        assert_refused(&world.attack(&world.policy, "change", &targets));
        assert_eq!(fs::read_to_string(world.path("outside/file")).unwrap(), "outside");
        assert_eq!(fs::read_dir(world.path("outside")).unwrap().count(), 2);

        let targets = json!({"file": world.path("outside/file"), "folder": world.path("outside"),
                             "own": world.path("home/project"), "device": "/dev/null"});
        let except: &[&str] = if world.user == User::Root { &[] } else { &["chmod_device", "chmod_input"] };
        let mut reached = world.attack_on_host("change", &targets);
        // Before Linux 6.6 files in memory have no such attributes.
        reached.retain(|name, said| name != "set_attribute" || said != "ENOTSUP");
        assert_reached(&reached, except);
    });
}

#[test]
fn what_may_be_read_cannot_be_changed() {
    as_each_user(|world| {
        let mut policy = world.policy.clone();
        policy.read.push(world.path("outside"));
        let (file, folder) = (world.path("outside/file"), world.path("outside"));
        assert_reached(&world.attack(&policy, "see", &json!({"files": {"it": file}, "folders": {"its": folder}})), &[]);
        let targets = json!({"file": file, "folder": folder, "own": world.work(), "device": "/dev/null"});
        assert_refused(&world.attack(&policy, "change", &targets));
        assert_eq!(fs::read_to_string(file).unwrap(), "outside");
        // Permissions, times and owner too.
        let before = fs::metadata(&folder).unwrap();
        world.shell(&policy, &format!("chmod 777 {0} || chgrp 0 {0} || touch {0} || true", folder.display()));
        let after = fs::metadata(&folder).unwrap();
        assert_eq!(
            (before.permissions(), before.modified().unwrap()),
            (after.permissions(), after.modified().unwrap())
        );
    });
}

#[test]
fn home_other_folders_and_the_daemons_data_are_not_there() {
    as_each_user(|world| {
        let targets = json!({
            "files": {
                "key": world.path("home/.ssh/id"), "cloud": world.path("home/.config/cloud/key"),
                "notes": world.path("home/notes"), "cache": world.path("home/.cache/old"),
                "ledger": world.path("data/daemon.db"), "outside": world.path("outside/file"),
                "program": world.path("bog-agents-daemon"),
            },
            "folders": {
                "ssh": world.path("home/.ssh"), "project": world.path("home/project"), "outside": world.path("outside"),
                "old root": "/old_root", "disks": "/dev/disk", "run": "/run", "boot": "/boot", "host": "/proc/1/root/run",
            },
        });
        assert_refused(&world.attack(&world.policy, "see", &targets));
        let hosts = ["list old root", "list disks", "list run", "list boot", "list host", "list project"];
        assert_reached(&world.attack_on_host("see", &targets), &hosts);
        // Of home there is the empty folder and a cache, of the data folder the way to the working folder.
        let shown = world.shell(&world.policy, &format!("ls -A ~ ~/.cache {}", world.path("data").display()));
        let shown = shown.replace(world.path("").to_str().unwrap(), "/");
        assert_eq!(shown, "/data:\nruns\n\n/home:\n.cache\n\n/home/.cache:\n");
    });
}

#[test]
fn secrets_stay_hidden_where_home_is_the_working_folder() {
    as_each_user(|world| {
        let policy = Policy { write: vec![world.path("home")], ..world.policy.clone() };
        let (ssh, cloud) = (world.path("home/.ssh"), world.path("home/.config/cloud"));
        let targets = json!({"files": {"key": ssh.join("id"), "cloud": cloud.join("key"), "cache": "~/.cache/old"},
                             "folders": {"ssh": ssh}});
        assert_refused(&world.attack(&policy, "see", &targets));
        // Nor can they be put where the next run would see them, or be replaced.
        for script in [
            "mv .ssh .other",
            "mv .config .other",
            "mv .config/cloud .other",
            "mv .config/cloud/key key",
            "rmdir .ssh",
            "rm .config/cloud/key",
            "ln .config/cloud/key key",
            "touch .ssh/authorized_keys",
            "> .config/cloud/key",
        ] {
            let output = world.inside(&policy, &["sh", "-c", script]).output().unwrap();
            assert!(!output.status.success(), "{script}: {output:?}");
        }
        assert_eq!(fs::read_to_string(cloud.join("key")).unwrap(), "secret");
        assert_eq!(fs::read_dir(ssh).unwrap().count(), 1);
        // All else in there is the agent's.
        world.shell(&policy, "cat notes > copy && mv notes .config/notes && test ! -e .cache/old && touch .cache/new");
        assert_eq!(fs::read_to_string(world.path("home/copy")).unwrap(), "secret");
        assert!(world.path("home/.config/notes").exists() && world.path("home/.cache/old").exists());
        assert!(world.path("data/runs/r/private/cache/new").exists());
    });
}

#[test]
fn temporary_folders_are_the_runs_own() {
    as_each_user(|world| {
        let theirs = tempfile::Builder::new().tempfile_in("/tmp").unwrap();
        world.give(theirs.path());
        fs::write(theirs.path(), "theirs").unwrap();
        let targets = json!({"files": {"temporary": theirs.path()}});
        assert_refused(&world.attack(&world.policy, "see", &targets));
        assert_reached(&world.attack_on_host("see", &targets), &[]);
        world.shell(
            &world.policy,
            "echo 1 > /tmp/one; echo 2 > /var/tmp/two; echo 3 > $TMPDIR/three; echo > /dev/shm/four",
        );
        let private = world.path("data/runs/r/private");
        for (file, text) in [("tmp/one", "1\n"), ("var-tmp/two", "2\n"), ("tmp/three", "3\n")] {
            assert_eq!(fs::read_to_string(private.join(file)).unwrap(), text);
        }
        // The next attempt of the run finds them again; memory does not outlive an attempt.
        assert_eq!(world.shell(&world.policy, "cat /tmp/one; ls /dev/shm"), "1\n");
    });
}

#[test]
fn what_an_attempt_left_leads_the_next_one_nowhere() {
    as_each_user(|world| {
        // Within its `/tmp` an attempt puts a link where the next one must make folders.
        let own_tmp = world.path("data/runs/r/private/tmp");
        world.shell(&world.policy, "true");
        let name = world.path("");
        let way = own_tmp.join(name.strip_prefix("/tmp").unwrap());
        fs::remove_dir_all(&way).unwrap();
        symlink(world.path("outside/in"), &way).unwrap();
        let said = world.refusal(&world.policy);
        assert!(said.contains("`mount_namespace`") && said.contains("BASE/data/runs/r/work"), "{said}");
        assert_eq!(fs::read_dir(world.path("outside/in")).unwrap().count(), 0);
    });
}

#[test]
fn files_of_others_keep_their_permissions_in_there() {
    // Being root of a sandbox is being nobody: what only capabilities would open stays closed.
    as_each_user(|world| {
        let closed = world.file("outside/closed", "closed");
        fs::set_permissions(&closed, PermissionsExt::from_mode(0o000)).unwrap();
        let mut policy = world.policy.clone();
        policy.read.push(world.path("outside"));
        assert_refused(&world.attack(&policy, "see", &json!({"files": {"closed": closed}})));
    });
}
