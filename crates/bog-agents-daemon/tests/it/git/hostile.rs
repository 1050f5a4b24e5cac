//! Repositories that belong to somebody else, who means no good.

use super::fixture::{Repos, command, events, git, said, seen, subjects};
use crate::support::Home;
use serde_json::json;
use std::path::Path;

/// Every setting of a repository by which git starts a program, each leading into a trap.
fn trapped(bare: &Path, trap: &str, hooks: &str) {
    let alias = format!("!{trap}");
    let promisor = format!("ext::{trap}");
    for (name, value) in [
        ("core.fsmonitor", trap),
        ("core.hooksPath", hooks),
        ("core.sshCommand", trap),
        ("core.pager", trap),
        ("core.editor", trap),
        ("core.askPass", trap),
        ("core.gitProxy", trap),
        ("core.alternateRefsCommand", trap),
        ("pager.rev-list", trap),
        ("pager.for-each-ref", trap),
        ("pager.diff-tree", trap),
        ("diff.external", trap),
        ("diff.evil.command", trap),
        ("diff.evil.textconv", trap),
        ("filter.evil.smudge", trap),
        ("gpg.program", trap),
        ("log.showSignature", "true"),
        ("credential.helper", trap),
        ("alias.for-each-ref", &alias),
        ("alias.rev-list", &alias),
        ("alias.diff-tree", &alias),
        ("remote.promisor.url", &promisor),
        ("remote.promisor.uploadpack", trap),
        ("remote.promisor.promisor", "true"),
        ("protocol.allow", "always"),
        ("protocol.ext.allow", "always"),
        ("core.repositoryFormatVersion", "1"),
        ("extensions.partialClone", "promisor"),
    ] {
        git(bare, &["config", name, value]);
    }
}

#[test]
fn nothing_that_a_repository_names_is_started() {
    let home = Home::new();
    let repos = Repos::new(&home);
    let sentinel = home.path().join("pwned");
    let trap = home.path().join("trap");
    std::fs::write(&trap, format!("#!/bin/sh\necho \"$0 $*\" >> {}\nexit 1\n", sentinel.display())).unwrap();
    std::fs::set_permissions(&trap, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    let trap = trap.to_str().unwrap();
    let hooks = home.path().join("hooks");
    std::fs::create_dir(&hooks).unwrap();
    for hook in ["post-index-change", "reference-transaction", "fsmonitor-watchman"] {
        std::os::unix::fs::symlink(trap, hooks.join(hook)).unwrap();
    }
    // What is to be pushed is in the repository before its traps are, and one commit whose files are not.
    let new = repos.commit(".gitattributes", "* diff=evil filter=evil");
    repos.push(&["main:refs/hidden/new"]);
    let lost = format!("tree {}\nauthor A <a@b> 1 +0000\ncommitter A <a@b> 1 +0000\n\nlost\n", "1".repeat(40));
    std::fs::write(home.path().join("lost"), lost).unwrap();
    let lost = home.path().join("lost");
    let lost = git(&repos.bare, &["hash-object", "-t", "commit", "-w", "--literally", lost.to_str().unwrap()]);
    repos.job(&home, "j", "");
    let daemon = home.start();
    seen(&home, 1);
    trapped(&repos.bare, trap, hooks.to_str().unwrap());
    assert!(!sentinel.exists());
    for (branch, sha) in [("lost", &lost), ("main", &new)] {
        let aside = repos.bare.join("aside");
        std::fs::write(&aside, format!("{sha}\n")).unwrap();
        std::fs::rename(aside, repos.bare.join("refs/heads").join(branch)).unwrap();
    }
    let mut told = events(&daemon, "j", 2);
    told.sort_by_key(|event| event["branch"].as_str().unwrap().to_owned());
    assert_eq!((subjects(&told[0]), &told[0]["paths"]), (vec!["lost"], &json!([])), "{told:?}");
    assert_eq!((subjects(&told[1]), &told[1]["paths"]), (vec!["* diff=evil filter=evil"], &json!([".gitattributes"])));
    assert!(!sentinel.exists(), "{}", std::fs::read_to_string(&sentinel).unwrap());
    // They are real traps.
    let _ = command(&repos.bare).args(["diff-tree", "--root", "-r", &lost]).output().unwrap();
    assert!(sentinel.exists());
}

#[test]
fn the_repository_of_another_user_is_read() {
    if !nix::unistd::geteuid().is_root() {
        eprintln!("only root can give a repository away: nothing to test");
        return;
    }
    let home = Home::new();
    let repos = Repos::new(&home);
    let given = std::process::Command::new("chown").args(["-R", "65534:65534"]).arg(&repos.bare).status().unwrap();
    assert!(given.success());
    let trusting = home.path().join("gitconfig");
    std::fs::write(&trusting, "[safe]\n    directory = *\n").unwrap();
    repos.job(&home, "j", "");
    let daemon = home.start();
    seen(&home, 1);
    repos.commit("file", "second");
    let mut push = command(&repos.clone);
    let push = push.env("GIT_CONFIG_GLOBAL", trusting).args(["push", "--quiet", "origin", "main"]);
    said(push.output().unwrap(), &["push"]);
    let event = &events(&daemon, "j", 1)[0];
    assert_eq!((subjects(event), &event["forced"]), (vec!["second"], &json!(false)));
}
