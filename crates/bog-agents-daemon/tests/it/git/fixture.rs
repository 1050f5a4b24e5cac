//! Repositories, clones of them, and what a daemon has recorded of pushes.

use crate::support::{Daemon, Home, eventually};
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

/// Git without anything of this machine's configuration.
pub fn command(folder: &Path) -> Command {
    let mut command = Command::new("git");
    for (name, value) in [("AUTHOR", "A U Thor"), ("COMMITTER", "C O Mitter")] {
        command.env(format!("GIT_{name}_NAME"), value).env(format!("GIT_{name}_EMAIL"), "author@example.com");
    }
    command
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .env("GIT_CONFIG_NOSYSTEM", "1")
        .env("GIT_TERMINAL_PROMPT", "0")
        .env_remove("BOG_RUN_ID")
        .args(["-c", "safe.directory=*", "-c", "init.defaultBranch=main", "-c", "gc.auto=0", "-C"])
        .arg(folder)
        .stdin(Stdio::null());
    command
}

/// Runs git, which must succeed, and returns what it said.
pub fn git(folder: &Path, arguments: &[&str]) -> String {
    said(command(folder).args(arguments).output().unwrap(), arguments)
}

pub fn said(output: Output, arguments: &[&str]) -> String {
    let complaint = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "git {arguments:?}: {complaint}");
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

/// A bare repository, and a clone of it with one commit that was pushed to `main`.
pub struct Repos {
    pub bare: PathBuf,
    pub clone: PathBuf,
}

impl Repos {
    pub fn new(home: &Home) -> Self {
        Self::with(home, &[])
    }

    /// A repository made with these options of `git init`.
    pub fn with(home: &Home, options: &[&str]) -> Self {
        let repos = Self { bare: home.path().join("main.git"), clone: home.path().join("clone") };
        git(home.path(), &[&["init", "--quiet", "--bare"], options, &["main.git"]].concat());
        git(home.path(), &["clone", "--quiet", "main.git", "clone"]);
        repos.commit("first", "first");
        repos.push(&["main"]);
        repos
    }

    /// Commits a file in the clone, and returns the commit's id.
    pub fn commit(&self, file: &str, message: &str) -> String {
        let path = self.clone.join(file);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, message).unwrap();
        git(&self.clone, &["add", "--all"]);
        git(&self.clone, &["commit", "--quiet", "--message", message]);
        self.head()
    }

    pub fn head(&self) -> String {
        git(&self.clone, &["rev-parse", "HEAD"])
    }

    pub fn push(&self, arguments: &[&str]) {
        git(&self.clone, &[&["push", "--quiet", "origin"], arguments].concat());
    }

    /// Commits and pushes to `main`, and returns the commit's id.
    pub fn commit_and_push(&self, message: &str) -> String {
        let sha = self.commit("file", message);
        self.push(&["main"]);
        sha
    }

    /// A job that fires at pushes to the bare repository. `fields` are the trigger's, with a comma before each.
    pub fn job(&self, home: &Home, id: &str, fields: &str) {
        job(home, id, self.bare.to_str().unwrap(), fields);
    }
}

/// A job that fires at pushes to a repository.
pub fn job(home: &Home, id: &str, repo: &str, fields: &str) {
    home.job(id, &format!("agent: {{command: ['true']}}\ntriggers: [{{type: git_push, repo: '{repo}'{fields}}}]\n"));
}

/// How many triggers have seen their repository.
fn memories(home: &Home) -> usize {
    let Ok(database) = rusqlite::Connection::open(home.data().join("daemon.db")) else { return 0 };
    database.query_row("SELECT count(*) FROM git_memories", [], |row| row.get(0)).unwrap_or(0)
}

/// Waits until that many triggers have seen their repository.
pub fn seen(home: &Home, triggers: usize) {
    eventually("the repositories are seen for the first time", || memories(home) == triggers);
}

/// Waits until a job has that many fires and returns their events, oldest first.
pub fn events(daemon: &Daemon, job: &str, count: usize) -> Vec<Value> {
    let mut fires = Vec::new();
    eventually(&format!("`{job}` has {count} fires"), || {
        fires = daemon.list(&format!("/fires?job={job}"));
        fires.len() >= count
    });
    assert_eq!(fires.len(), count, "{fires:?}");
    fires.iter().for_each(|fire| assert_eq!((&fire["kind"], &fire["tier"]), (&"git_push".into(), &"event".into())));
    fires.into_iter().map(|fire| fire["context"].clone()).collect()
}

/// The subjects of an event's commits.
pub fn subjects(event: &Value) -> Vec<&str> {
    event["commits"].as_array().unwrap().iter().map(|commit| commit["subject"].as_str().unwrap()).collect()
}
