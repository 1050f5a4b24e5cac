//! `demo`: the daemon shown at work, by typing the commands a person would type.
//!
//! It uses nothing but the program's own command line, so what it shows is what there is.

use super::exit::Exit;
use super::out::{Ink, Out};
use anyhow::{Context as _, bail, ensure};
use serde_json::Value;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// How long any one thing may take.
const PATIENCE: Duration = Duration::from_secs(20);

/// Show what it does, in under a minute, in a throw-away folder
///
/// Starts a real daemon with jobs that fire by cron and by hand, shows what they say, kills the daemon in the middle of a
/// run to show that nothing is lost, and cleans up after itself.
#[derive(Debug, clap::Args)]
pub struct Args {}

/// Runs the demonstration.
pub fn run(_args: &Args) -> anyhow::Result<Exit> {
    let begun = Instant::now();
    let demo = Demo::new()?;
    demo.say("A daemon, in a throw-away folder:")?;
    let mut daemon = demo.start_daemon()?;
    demo.cron()?;
    demo.by_hand()?;
    daemon = demo.kill_and_recover(daemon)?;
    demo.ledger()?;
    let runs = demo.stop(daemon)?;
    demo.say(&format!(
        "That was {runs} runs in {:.0} s, each from a fire that was written down first; all of them succeeded, and none ran \
         twice.",
        begun.elapsed().as_secs_f64()
    ))?;
    demo.say("Next, on your own machine:")?;
    demo.out.text(
        "  cargo install --locked --path crates/bog-agents-daemon      # puts it on your PATH\n  \
         bog-agents-daemon run                                       # the daemon, in the foreground\n  \
         bog-agents-daemon job add --name hello --cron '0 9 * * 1-5' --output log -- git log --oneline -5\n  \
         bog-agents-daemon job run hello --wait\n  \
         bog-agents-daemon --help",
    )?;
    Ok(Exit::Ok)
}

struct Demo {
    folder: tempfile::TempDir,
    program: PathBuf,
    repository: PathBuf,
    out: Out,
}

/// The daemon of the demonstration. Stopped when dropped: an error must not leave it behind.
struct Daemon(Child);

impl Drop for Daemon {
    fn drop(&mut self) {
        // It has ended in all but the unhappy cases.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Demo {
    fn new() -> anyhow::Result<Self> {
        let folder = tempfile::Builder::new().prefix("bog-demo-").tempdir().context("no folder for the demo")?;
        let program = std::env::current_exe().context("the program does not know its own path")?;
        let out = Out::new();
        let repository = match repository() {
            Some(found) => found,
            None => bail!(
                "the demo reads the history of a git repository: run it inside one, for example in a clone of this project"
            ),
        };
        std::fs::create_dir(folder.path().join("work"))?;
        Ok(Self { folder, program, repository, out })
    }

    fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    fn work(&self) -> PathBuf {
        self.folder.path().join("work")
    }

    fn say(&self, text: &str) -> anyhow::Result<()> {
        Ok(self.out.text(&format!("\n{}", self.out.paint.with(Ink::Strong, text)))?)
    }

    fn command(&self) -> Command {
        let mut command = Command::new(&self.program);
        command.env("BOG_DAEMON_DATA_DIR", self.data()).current_dir(self.work());
        // Of the demo's own daemon, whatever else is set up here.
        command.env_remove("BOG_DAEMON_URL").env_remove("BOG_DAEMON_TOKEN").stdin(Stdio::null());
        command
    }

    /// Types a command, lets it print, and insists that it works.
    fn show(&self, arguments: &[&str]) -> anyhow::Result<()> {
        let typed: Vec<String> = arguments.iter().map(|argument| quoted(argument)).collect();
        let typed = format!("$ bog-agents-daemon {}", typed.join(" "));
        self.out.text(&self.out.paint.with(Ink::Faint, &typed))?;
        let status = self.command().args(arguments).status()?;
        ensure!(status.success(), "`bog-agents-daemon {}` ended with {status}", arguments.join(" "));
        Ok(())
    }

    fn ask(&self, arguments: &[&str]) -> anyhow::Result<Value> {
        let output = self.command().args(arguments).stderr(Stdio::inherit()).output()?;
        ensure!(output.status.success(), "`bog-agents-daemon {}` ended with {}", arguments.join(" "), output.status);
        Ok(serde_json::from_slice(&output.stdout)?)
    }

    fn start_daemon(&self) -> anyhow::Result<Daemon> {
        self.out.text(&self.out.paint.with(Ink::Faint, "$ bog-agents-daemon run --port 0 &"))?;
        let log = std::fs::OpenOptions::new().create(true).append(true).open(self.folder.path().join("daemon.log"))?;
        let mut command = self.command();
        let child = command.args(["run", "--port", "0"]).stdout(Stdio::piped()).stderr(log).spawn()?;
        let mut daemon = Daemon(child);
        let stdout = daemon.0.stdout.take().context("the daemon's output is not to be had")?;
        for line in BufReader::new(stdout).lines() {
            let line = line?;
            if line.starts_with("listening on ") {
                self.out.text(&line)?;
                return Ok(daemon);
            }
        }
        let log = std::fs::read_to_string(self.folder.path().join("daemon.log")).unwrap_or_default();
        bail!("the daemon did not start:\n{log}")
    }

    fn cron(&self) -> anyhow::Result<()> {
        self.say("A job that fires every two seconds, on real input, into a file:")?;
        let repository = self.repository.display().to_string();
        let file = format!("file:{}", self.work().join("commits.md").display());
        self.show(&[
            "job",
            "add",
            "--name",
            "Newest commit",
            "--cron",
            "*/2 * * * * *",
            "--output",
            &file,
            "--",
            "git",
            "-C",
            &repository,
            "log",
            "-1",
            "--format=%h %s (%an, %ar)",
        ])?;
        self.until("two slots have fired", || {
            let runs = self.ask(&["runs", "list", "--job", "newest-commit", "--json"])?;
            Ok(finished(&runs).count() >= 2)
        })?;
        self.show(&["runs", "list", "--job", "newest-commit"])?;
        self.until("the file is there", || Ok(self.work().join("commits.md").exists()))?;
        self.out.text(&self.out.paint.with(Ink::Faint, "$ cat commits.md"))?;
        self.out.text(std::fs::read_to_string(self.work().join("commits.md"))?.trim_end())?;
        Ok(())
    }

    fn by_hand(&self) -> anyhow::Result<()> {
        self.say("A job fired by hand, its output as it comes:")?;
        let script = "echo commits: $(git rev-list --count HEAD); sleep 1; echo authors:; git shortlog -sn HEAD | head -3; \
                      sleep 1; echo files: $(git ls-files | wc -l)";
        let repository = self.repository.display().to_string();
        self.show(&[
            "job",
            "add",
            "--name",
            "report",
            "--working-dir",
            &repository,
            "--output",
            "log",
            "--",
            "sh",
            "-c",
            script,
        ])?;
        self.show(&["job", "run", "report", "--wait"])
    }

    fn kill_and_recover(&self, mut daemon: Daemon) -> anyhow::Result<Daemon> {
        self.say("The daemon killed with `kill -9` in the middle of a run, and started again:")?;
        let script = "echo begun under one daemon; sleep 4; echo ended under the next";
        self.show(&["job", "add", "--name", "survivor", "--output", "log", "--", "sh", "-c", script])?;
        let fired = self.ask(&["job", "run", "survivor", "--json"])?;
        let run = fired["run_id"].as_str().context("the fire has no run")?.to_owned();
        self.until("it runs", || Ok(self.ask(&["runs", "show", &run, "--json"])?["state"] == "running"))?;
        self.out.text(&self.out.paint.with(Ink::Faint, &format!("$ kill -9 {}", daemon.0.id())))?;
        daemon.0.kill()?;
        daemon.0.wait()?;
        let next = self.start_daemon()?;
        self.show(&["runs", "logs", "-f", &run])?;
        let ended = self.ask(&["runs", "show", &run, "--json"])?;
        ensure!(ended["outcome"] == "succeeded" && ended["attempt"] == 1, "the run did not survive: {ended}");
        Ok(next)
    }

    fn ledger(&self) -> anyhow::Result<()> {
        self.say("Why did it run, or not? The ledger knows:")?;
        self.show(&["explain", "newest-commit"])?;
        self.say("Is everything as it must be?")?;
        self.show(&["doctor", "--deep"])
    }

    fn stop(&self, mut daemon: Daemon) -> anyhow::Result<usize> {
        self.show(&["job", "disable", "newest-commit"])?;
        self.until("everything has ended", || {
            let runs = self.ask(&["runs", "list", "--json"])?;
            Ok(finished(&runs).count() == items(&runs).len())
        })?;
        let runs = self.ask(&["runs", "list", "--limit", "1000", "--json"])?;
        let failed = finished(&runs).filter(|run| run["outcome"] != "succeeded").count();
        ensure!(failed == 0, "{failed} runs did not succeed: {runs}");
        let ended = Command::new("kill").arg(daemon.0.id().to_string()).status()?;
        ensure!(ended.success(), "the daemon cannot be told to stop");
        let status = daemon.0.wait()?;
        ensure!(status.success(), "the daemon ended with {status}");
        Ok(items(&runs).len())
    }

    fn until(&self, what: &str, mut condition: impl FnMut() -> anyhow::Result<bool>) -> anyhow::Result<()> {
        let latest = Instant::now() + PATIENCE;
        while !condition()? {
            ensure!(Instant::now() < latest, "waited {PATIENCE:?} in vain until {what}");
            std::thread::sleep(Duration::from_millis(50));
        }
        Ok(())
    }
}

fn items(list: &Value) -> &[Value] {
    list.get("items").unwrap_or(list).as_array().map_or(&[], Vec::as_slice)
}

fn finished(runs: &Value) -> impl Iterator<Item = &Value> {
    items(runs).iter().filter(|run| run["state"] == "finished")
}

/// The repository around the current folder, else the one this program was built from.
fn repository() -> Option<PathBuf> {
    let top = |folder: &Path| {
        let output = Command::new("git").arg("-C").arg(folder).args(["rev-parse", "--show-toplevel"]).output().ok()?;
        let commits =
            Command::new("git").arg("-C").arg(folder).args(["rev-parse", "-q", "--verify", "HEAD"]).output().ok()?;
        let found = String::from_utf8(output.stdout).ok()?;
        (output.status.success() && commits.status.success()).then(|| PathBuf::from(found.trim_end()))
    };
    top(Path::new(".")).or_else(|| top(Path::new(env!("CARGO_MANIFEST_DIR"))))
}

/// An argument as a person would type it.
fn quoted(argument: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./:=,@%+".contains(c);
    if !argument.is_empty() && argument.chars().all(plain) { argument.to_owned() } else { format!("'{argument}'") }
}
