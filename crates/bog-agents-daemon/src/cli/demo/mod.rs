//! `demo`: the daemon shown at work, by typing the commands a person would type.
//!
//! It uses nothing but the program's own command line, git, and a request like any sender's, so what it shows is what there
//! is.

mod stage;

use super::exit::Exit;
use crate::clock;
use anyhow::{Context as _, bail, ensure};
use bog_domain::signature::Key;
use bog_domain::spec::WebhookScheme;
use reqwest::StatusCode;
use serde_json::Value;
use stage::{Daemon, Stage};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

/// The variable that holds the secret of the demo's webhook.
const SECRET: &str = "DEMO_SECRET";

/// What a model said to a push, recorded: the tools it calls are real, and so is what they say.
const CONVERSATION: &str = r##"
{"text": "Let me see what was pushed.", "calls": [{"name": "git", "arguments": {"command": "show --stat --format=%an:%x20%s HEAD"}}], "usage": {"input": 1210, "output": 38}}
{"text": "I write it down for the next reader.", "calls": [{"name": "write", "arguments": {"path": "REVIEW.md", "content": "# Reviewed\nNothing to object to.\n"}}, {"name": "shell", "arguments": {"command": "wc -w NOTES.md REVIEW.md"}}], "usage": {"input": 1490, "output": 61}}
{"text": "One commit came in, with these words now:\n{{result}}", "usage": {"input": 1630, "output": 44}}
"##;

/// Show what it does, in under a minute, in a throw-away folder
///
/// Starts a real daemon with jobs that fire on a cron slot, a git push, a changed file and a signed webhook, shows what they
/// say, kills the daemon in the middle of a run to show that nothing is lost, and cleans up after itself.
#[derive(Debug, clap::Args)]
pub struct Args {}

/// Runs the demonstration.
pub fn run(_args: &Args) -> anyhow::Result<Exit> {
    let begun = Instant::now();
    let secret = clock::new_id().simple().to_string();
    let demo = Demo { repository: repository()?, stage: Stage::new((SECRET, secret.clone()))?, secret };
    let stage = &demo.stage;
    stage.say("A daemon, in a throw-away folder:")?;
    let mut daemon = stage.start_daemon()?;
    demo.jobs()?;
    demo.slots_come_due()?;
    demo.somebody_pushes()?;
    demo.a_file_is_edited()?;
    demo.a_webhook_arrives(&daemon)?;
    daemon = demo.kill_and_recover(daemon)?;
    demo.ledger()?;
    let runs = demo.end(daemon)?;
    let seconds = begun.elapsed().as_secs_f64();
    stage.say(&format!(
        "That was {runs} runs in {seconds:.0} s, each from a fire that was written down first; all of them succeeded, and none \
         ran twice."
    ))?;
    stage.say("Next, on your own machine:")?;
    stage.print(
        "  cargo install --locked --path crates/bog-agents-daemon      # puts it on your PATH\n  \
         bog-agents-daemon run                                       # the daemon, in the foreground\n  \
         bog-agents-daemon job add --name hello --cron '0 9 * * 1-5' --output log -- git log --oneline -5\n  \
         bog-agents-daemon job run hello --wait\n  \
         bog-agents-daemon --help",
    )?;
    Ok(Exit::Ok)
}

struct Demo {
    stage: Stage,
    /// Whose history is read.
    repository: PathBuf,
    /// What the webhook's sender and the daemon share.
    secret: String,
}

impl Demo {
    /// One job for each kind of thing that happens.
    fn jobs(&self) -> anyhow::Result<()> {
        let stage = &self.stage;
        // What has no place in a tour: somewhere to push to, from and about.
        let (from, notes) = (format!("file://{}", self.repository.display()), stage.path().join("notes"));
        stage.git(&["clone", "-q", "--bare", "--depth", "20", &from, "origin.git"])?;
        stage.git(&["clone", "-q", "origin.git", "checkout"])?;
        std::fs::create_dir(&notes)?;
        std::fs::write(stage.path().join("checkout/review.jsonl"), CONVERSATION)?;

        stage
            .say("Four jobs. A command on a cron slot, on this repository's own history, with the result in a file:")?;
        let mut add = vec!["job", "add", "--name", "Newest commit", "--cron", "*/2 * * * * *"];
        add.extend(["--working-dir", "checkout", "--output", "file:commits.md"]);
        add.extend(["--", "git", "log", "-1", "--format=%h %s (%an, %ar)"]);
        stage.show(&add)?;
        stage
            .say("The built-in agent on a git push; its model is a recorded conversation here, its tools are real:")?;
        let mut add = vec!["job", "add", "--name", "review", "--git-push", "origin.git", "--working-dir", "checkout"];
        add.extend(["--model", "scripted:review.jsonl", "--prompt", "Review what was pushed.", "--output", "log"]);
        stage.show(&add)?;
        stage.say("A command on a changed file, and one on a signed webhook:")?;
        let mut add = vec!["job", "add", "--name", "count", "--watch", "*.md", "--working-dir", "notes"];
        add.extend(["--output", "log", "--", "sh", "-c", "wc -w *.md"]);
        stage.show(&add)?;
        let mut add = vec!["job", "add", "--name", "deployed", "--webhook", "/hooks/deployed"];
        add.extend(["--webhook-secret-env", SECRET, "--prompt", "{{ event.payload.service }} is live"]);
        add.extend(["--output", "log", "--", "cat"]);
        stage.show(&add)
    }

    fn slots_come_due(&self) -> anyhow::Result<()> {
        let (stage, job) = (&self.stage, "newest-commit");
        stage.say("A slot comes due, and another:")?;
        stage.until("two slots have fired", || Ok(finished(&stage.runs(Some(job))?).count() >= 2))?;
        stage.show(&["runs", "list", "--job", job])?;
        let file = stage.path().join("checkout/commits.md");
        stage.until("the file is there", || Ok(file.exists()))?;
        stage.typed("cat checkout/commits.md")?;
        stage.print(std::fs::read_to_string(file)?.trim_end())
    }

    fn somebody_pushes(&self) -> anyhow::Result<()> {
        let stage = &self.stage;
        stage.say("Somebody pushes:")?;
        std::fs::write(stage.path().join("checkout/NOTES.md"), "A note that was pushed.\n")?;
        stage.git(&["-C", "checkout", "add", "--force", "NOTES.md"])?;
        stage.show_git(&["-C", "checkout", "commit", "-q", "-m", "Add a note"])?;
        stage.show_git(&["-C", "checkout", "push", "-q", "origin", "HEAD:refs/heads/main"])?;
        stage.follow("review")
    }

    fn a_file_is_edited(&self) -> anyhow::Result<()> {
        let stage = &self.stage;
        stage.say("Somebody edits a file:")?;
        stage.typed("echo three more words >> notes/todo.md")?;
        std::fs::write(stage.path().join("notes/todo.md"), "three more words\n")?;
        stage.follow("count")
    }

    fn a_webhook_arrives(&self, daemon: &Daemon) -> anyhow::Result<()> {
        let (stage, path, body) = (&self.stage, "/hooks/deployed", r#"{"service": "api"}"#);
        stage.say("A webhook arrives, and one that somebody forged:")?;
        let key = Key::new(WebhookScheme::Github, &self.secret).context("the secret is no key")?;
        let accepted = stage.post(daemon, path, body, &hex::encode(key.sign(&[body.as_bytes()])))?;
        ensure!(accepted == StatusCode::ACCEPTED, "the signed request was not accepted: {accepted}");
        let refused = stage.post(daemon, path, body, &hex::encode([0; 32]))?;
        ensure!(refused == StatusCode::UNAUTHORIZED, "the forged request was not refused: {refused}");
        stage.follow("deployed")
    }

    fn kill_and_recover(&self, mut daemon: Daemon) -> anyhow::Result<Daemon> {
        let stage = &self.stage;
        stage.say("The daemon is killed in the middle of a run, and started again:")?;
        let script = "echo begun under one daemon; sleep 4; echo ended under the next";
        stage.show(&["job", "add", "--name", "survivor", "--output", "log", "--", "sh", "-c", script])?;
        let fired = stage.ask(&["job", "run", "survivor"])?;
        let run = fired["run_id"].as_str().context("the fire has no run")?;
        stage.until("it runs", || Ok(stage.ask(&["runs", "show", run])?["state"] == "running"))?;
        stage.typed(&format!("kill -9 {}", daemon.pid()))?;
        daemon.kill()?;
        let next = stage.start_daemon()?;
        stage.show(&["runs", "logs", "-f", run])?;
        let ended = stage.ask(&["runs", "show", run])?;
        ensure!(ended["outcome"] == "succeeded" && ended["attempt"] == 1, "the run did not survive: {ended}");
        Ok(next)
    }

    fn ledger(&self) -> anyhow::Result<()> {
        let stage = &self.stage;
        stage.say("What happened, and why? The ledger knows:")?;
        stage.show(&["explain", "review"])?;
        stage.show(&["usage"])?;
        stage.say("Is everything as it must be?")?;
        stage.show(&["doctor", "--deep"])
    }

    /// Returns how many runs there were. All of them succeeded.
    fn end(&self, daemon: Daemon) -> anyhow::Result<usize> {
        let stage = &self.stage;
        stage.show(&["job", "disable", "newest-commit"])?;
        stage.until("everything has ended", || {
            let runs = stage.runs(None)?;
            Ok(finished(&runs).count() == runs.len())
        })?;
        let runs = stage.runs(None)?;
        let failed = runs.iter().filter(|run| run["outcome"] != "succeeded");
        let failed: Vec<_> =
            failed.map(|run| format!("{} {}: {}", run["job_id"], run["outcome"], run["error"])).collect();
        ensure!(failed.is_empty(), "{} of {} runs did not succeed:\n{}", failed.len(), runs.len(), failed.join("\n"));
        daemon.stop()?;
        Ok(runs.len())
    }
}

fn finished(runs: &[Value]) -> impl Iterator<Item = &Value> {
    runs.iter().filter(|run| run["state"] == "finished")
}

/// The repository around the current folder, else the one this program was built from.
fn repository() -> anyhow::Result<PathBuf> {
    let top = |folder: &Path| {
        let git = |arguments: &[&str]| {
            let output = Command::new("git").arg("-C").arg(folder).args(arguments).output().ok()?;
            output.status.success().then(|| String::from_utf8(output.stdout).ok()).flatten()
        };
        let found = git(&["rev-parse", "--show-toplevel"])?;
        git(&["rev-parse", "-q", "--verify", "HEAD"]).map(|_| PathBuf::from(found.trim_end()))
    };
    let Some(found) = top(Path::new(".")).or_else(|| top(Path::new(env!("CARGO_MANIFEST_DIR")))) else {
        bail!(
            "the demo reads the history of a git repository: run it inside one, for example in a clone of this project"
        )
    };
    Ok(found)
}
