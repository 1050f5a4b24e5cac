//! `install-git-hook`: pushes told by the repository itself.

use super::fixture::{Repos, command, events, git, said, seen, subjects};
use crate::support::{Daemon, Home, eventually};
use serde_json::{Value, json};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

/// What is in the folders where a hook leaves what it tells.
fn spooled(home: &Home, bare: &Path) -> Vec<PathBuf> {
    let in_data = fs::read_dir(home.data().join("spool/git")).into_iter().flatten().flatten().map(|entry| entry.path());
    let folders = in_data.chain([bare.join("bog-agents-daemon/spool")]);
    folders.flat_map(|folder| fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path())).collect()
}

fn install(home: &Home, arguments: &[&str]) -> String {
    let output = home.run(&[&["install-git-hook"], arguments].concat());
    let said = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    format!("{}\n{}", output.status.code().unwrap(), home.plain(&said))
}

fn write_hook(path: &Path, script: &str) {
    fs::write(path, script).unwrap();
    fs::set_permissions(path, PermissionsExt::from_mode(0o755)).unwrap();
}

#[test]
fn a_hook_is_installed_keeps_the_one_before_and_can_be_removed() {
    let home = Home::new();
    let repos = Repos::new(&home);
    let bare = repos.bare.to_str().unwrap();
    let hook = repos.bare.join("hooks/post-receive");
    let before = format!("#!/bin/sh\ncat >> {}/heard\nexit 3\n", home.path().display());
    write_hook(&hook, &before);
    let mut told = vec![install(&home, &[bare]), install(&home, &[bare])];
    repos.commit_and_push("second");
    let heard = fs::read_to_string(home.path().join("heard")).unwrap();
    assert!(heard.ends_with(&format!("{} refs/heads/main\n", repos.head())), "{heard}");
    assert_eq!(spooled(&home, &repos.bare).len(), 1, "{:?}", spooled(&home, &repos.bare));
    told.push(install(&home, &[bare, "--remove"]));
    assert_eq!(fs::read_to_string(&hook).unwrap(), before);
    told.push(install(&home, &[bare, "--remove"]));
    fs::remove_file(&hook).unwrap();
    told.push(install(&home, &[repos.clone.to_str().unwrap()]));
    told.push(install(&home, &[repos.clone.to_str().unwrap(), "--remove"]));
    told.push(install(&home, &[bare]));
    told.push(install(&home, &[bare, "--remove"]));
    assert!(!hook.exists());
    // Somebody put another one in the place of ours.
    write_hook(&hook, &before);
    install(&home, &[bare]);
    write_hook(&hook, "#!/bin/sh\n");
    told.push(install(&home, &[bare]));
    told.push(install(&home, &[bare, "--remove"]));
    told.push(install(&home, &[home.path().join("nowhere").to_str().unwrap()]));
    told.push(install(&home, &[home.path().to_str().unwrap()]));
    git(&repos.clone, &["config", "core.hooksPath", "/usr/share/hooks"]);
    told.push(install(&home, &[repos.clone.to_str().unwrap()]));
    insta::assert_snapshot!(told.join("\n"));
}

#[test]
fn a_push_that_is_watched_and_told_fires_once() {
    let home = Home::new();
    let repos = Repos::new(&home);
    assert!(install(&home, &[repos.bare.to_str().unwrap()]).starts_with('0'));
    repos.job(&home, "j", "");
    let daemon = home.start();
    seen(&home, 1);
    repos.commit_and_push("second");
    assert_eq!(subjects(&events(&daemon, "j", 1)[0]), ["second"]);
    daemon.kill();
    repos.commit_and_push("third");
    assert_eq!(spooled(&home, &repos.bare).len(), 1);
    let daemon = home.start();
    assert_eq!(subjects(&events(&daemon, "j", 2)[1]), ["third"]);
    repos.commit_and_push("fourth");
    events(&daemon, "j", 3);
    eventually("what was told is taken away", || spooled(&home, &repos.bare).is_empty());
    assert_eq!(daemon.list("/fires?job=j").len(), 3);
}

#[test]
fn whoever_may_not_write_to_the_data_folder_leaves_it_in_the_repository() {
    let home = Home::new();
    let repos = Repos::new(&home);
    install(&home, &[repos.bare.to_str().unwrap()]);
    let folder = fs::read_dir(home.data().join("spool/git")).unwrap().next().unwrap().unwrap().path();
    fs::remove_dir(&folder).unwrap();
    repos.commit_and_push("second");
    let told = spooled(&home, &repos.bare);
    assert_eq!(told.len(), 1);
    assert!(told[0].starts_with(repos.bare.join("bog-agents-daemon/spool")), "{told:?}");
    // A link there is not followed, and nonsense does no harm.
    let spool = repos.bare.join("bog-agents-daemon/spool");
    fs::write(spool.join("push-0"), b"\xff\0").unwrap();
    std::os::unix::fs::symlink("/dev/zero", spool.join("push-1")).unwrap();
    repos.job(&home, "j", "");
    let daemon = home.start();
    seen(&home, 1);
    repos.commit_and_push("third");
    assert_eq!(subjects(&events(&daemon, "j", 1)[0]), ["third"]);
    eventually("what was told is taken away", || spooled(&home, &repos.bare).is_empty());
}

/// The fire that a run's push caused.
fn caused(daemon: &Daemon, job: &str) -> Value {
    let mut fires = Vec::new();
    eventually("the push has fired", || {
        fires = daemon.list(&format!("/fires?job={job}"));
        !fires.is_empty()
    });
    fires[0]["cause"].clone()
}

/// A repository with its hook, a job that follows it, and another's run with its fire.
fn with_a_pusher(home: &Home, repos: &Repos) -> (Daemon, String, Value) {
    install(home, &[repos.bare.to_str().unwrap()]);
    home.job("pusher", "agent: {command: ['true']}\n");
    repos.job(home, "j", "");
    let daemon = home.start();
    seen(home, 1);
    let run = daemon.fire("pusher");
    let fire = daemon.list("/fires?job=pusher")[0]["id"].clone();
    (daemon, run, fire)
}

#[test]
fn the_push_of_a_run_says_whose_it_is() {
    let home = Home::new();
    let repos = Repos::new(&home);
    let (daemon, run, fire) = with_a_pusher(&home, &repos);
    repos.commit("file", "second");
    let push =
        command(&repos.clone).env("BOG_RUN_ID", &run).args(["push", "--quiet", "origin", "main"]).output().unwrap();
    said(push, &["push"]);
    assert_eq!(caused(&daemon, "j"), json!({ "fire": fire, "depth": 1 }));
}

#[test]
fn what_a_hook_told_counts_though_it_takes_a_second_look() {
    let home = Home::new();
    let repos = Repos::new(&home);
    git(&repos.bare, &["config", "receive.denyDeleteCurrent", "ignore"]);
    let (daemon, run, fire) = with_a_pusher(&home, &repos);
    daemon.finished(&run);
    // So long ago that nothing but the hook knows of it. That all is gone is believed at the second look.
    let then = std::time::Instant::now() + std::time::Duration::from_secs(8);
    eventually("time passes", || std::time::Instant::now() > then);
    let push = command(&repos.clone).env("BOG_RUN_ID", &run).args(["push", "--quiet", "origin", ":main"]).output();
    said(push.unwrap(), &["push"]);
    assert_eq!(caused(&daemon, "j"), json!({ "fire": fire, "depth": 1 }));
}

#[test]
fn a_repository_that_may_not_be_read_is_told_of() {
    if !nix::unistd::geteuid().is_root() {
        eprintln!("only root can keep a repository from its user: nothing to test");
        return;
    }
    let home = Home::of_ordinary_user();
    let repos = Repos::new(&home);
    fs::set_permissions(&repos.bare, PermissionsExt::from_mode(0o700)).unwrap();
    repos.job(&home, "j", ", branch: main");
    let daemon = home.start();
    let problem = daemon.problem("main.git");
    assert!(problem.contains("ermission denied"), "{problem}");
    // Root installs it, in a folder of the daemon's.
    let mut installed = std::process::Command::new(crate::support::PROGRAM);
    installed.args(["install-git-hook", repos.bare.to_str().unwrap(), "--data-dir", home.data().to_str().unwrap()]);
    assert!(installed.output().unwrap().status.success());
    let second = repos.commit_and_push("second");
    let told = &events(&daemon, "j", 1)[0];
    assert_eq!((&told["new_sha"], &told["forced"], &told["commits"]), (&json!(second), &Value::Null, &json!([])));
    daemon.kill();
    let third = repos.commit_and_push("third");
    repos.push(&["main:side"]);
    let fourth = repos.commit_and_push("fourth");
    let daemon = home.start();
    let told = events(&daemon, "j", 3);
    assert_eq!((&told[1]["old_sha"], &told[1]["new_sha"]), (&json!(second), &json!(third)));
    assert_eq!((&told[2]["old_sha"], &told[2]["new_sha"]), (&json!(third), &json!(fourth)));
    eventually("what was told is taken away", || spooled(&home, &repos.bare).is_empty());
}
