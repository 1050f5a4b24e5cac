//! What the demonstration stands on: a throw-away folder, a daemon of its own, and commands that are shown before they run.

use super::super::out::{Ink, Out};
use super::super::wait;
use anyhow::{Context as _, bail, ensure};
use reqwest::StatusCode;
use serde_json::Value;
use std::ffi::OsStr;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// How long any one thing may take.
const PATIENCE: Duration = Duration::from_secs(20);

/// The program's name, as it is typed.
const PROGRAM: &str = "bog-agents-daemon";

/// The folder of a demonstration, and what is typed there.
pub(super) struct Stage {
    folder: tempfile::TempDir,
    program: PathBuf,
    secret: (&'static str, String),
    out: Out,
}

/// The daemon of the demonstration. Stopped when dropped: an error must not leave it behind.
pub(super) struct Daemon {
    child: Child,
    /// Where it listens.
    pub(super) url: String,
}

impl Daemon {
    /// Kills it where it stands.
    pub(super) fn kill(&mut self) -> anyhow::Result<()> {
        self.child.kill()?;
        self.child.wait()?;
        Ok(())
    }

    /// Asks it to end, and waits until it has.
    pub(super) fn stop(mut self) -> anyhow::Result<()> {
        let asked = Command::new("kill").arg(self.pid().to_string()).status()?;
        ensure!(asked.success(), "the daemon cannot be told to stop");
        let status = self.child.wait()?;
        ensure!(status.success(), "the daemon ended with {status}");
        Ok(())
    }

    pub(super) fn pid(&self) -> u32 {
        self.child.id()
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        // It has ended in all but the unhappy cases.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Stage {
    /// An empty one. Its daemons have this secret in their environment, by that name.
    pub(super) fn new(secret: (&'static str, String)) -> anyhow::Result<Self> {
        let folder = tempfile::Builder::new().prefix("bog-demo-").tempdir().context("no folder for the demo")?;
        let program = std::env::current_exe().context("the program does not know its own path")?;
        Ok(Self { folder, program, secret, out: Out::new() })
    }

    /// The folder that everything is typed in.
    pub(super) fn path(&self) -> &Path {
        self.folder.path()
    }

    pub(super) fn say(&self, text: &str) -> anyhow::Result<()> {
        Ok(self.out.text(&format!("\n{}", self.out.paint.with(Ink::Strong, text)))?)
    }

    pub(super) fn print(&self, text: &str) -> anyhow::Result<()> {
        Ok(self.out.text(text)?)
    }

    /// Shows what a person would type.
    pub(super) fn typed(&self, line: &str) -> anyhow::Result<()> {
        self.print(&self.out.paint.with(Ink::Faint, &format!("$ {line}")))
    }

    /// Types a command of this program, lets it print, and insists that it works.
    pub(super) fn show(&self, arguments: &[&str]) -> anyhow::Result<()> {
        self.typed(&line(PROGRAM, arguments))?;
        done(&mut self.command(arguments), PROGRAM, arguments)
    }

    /// Types a git command, and insists that it works.
    pub(super) fn show_git(&self, arguments: &[&str]) -> anyhow::Result<()> {
        self.typed(&line("git", arguments))?;
        self.git(arguments)
    }

    /// Lets git do something that is not shown.
    pub(super) fn git(&self, arguments: &[impl AsRef<OsStr> + AsRef<str>]) -> anyhow::Result<()> {
        let mut command = Command::new("git");
        // Whatever else is set up here: hooks, signatures, and who commits.
        command.args(["-c", "core.hooksPath=/dev/null", "-c", "commit.gpgSign=false"]);
        for role in ["AUTHOR", "COMMITTER"] {
            command.env(format!("GIT_{role}_NAME"), "A. Developer");
            command.env(format!("GIT_{role}_EMAIL"), "developer@localhost");
        }
        let arguments: Vec<&str> = arguments.iter().map(AsRef::as_ref).collect();
        done(command.args(&arguments).current_dir(self.path()).stdin(Stdio::null()), "git", &arguments)
    }

    /// What a command of this program says, in JSON.
    pub(super) fn ask(&self, arguments: &[&str]) -> anyhow::Result<Value> {
        let output = self.command(arguments).arg("--json").stderr(Stdio::inherit()).output()?;
        ensure!(output.status.success(), "`{}` ended with {}", line(PROGRAM, arguments), output.status);
        Ok(serde_json::from_slice(&output.stdout)?)
    }

    /// The runs of a job, or of all, newest first.
    pub(super) fn runs(&self, job: Option<&str>) -> anyhow::Result<Vec<Value>> {
        let job = job.iter().flat_map(|job| ["--job", *job]);
        let arguments: Vec<&str> = ["runs", "list", "--limit", "1000"].into_iter().chain(job).collect();
        let list = self.ask(&arguments)?;
        Ok(list.get("items").unwrap_or(&list).as_array().cloned().unwrap_or_default())
    }

    /// Waits for the first run of a job, and follows what it says.
    pub(super) fn follow(&self, job: &str) -> anyhow::Result<()> {
        let mut run = String::new();
        self.until(&format!("`{job}` is fired"), || {
            let runs = self.runs(Some(job))?;
            run = runs.first().and_then(|run| run["id"].as_str()).unwrap_or_default().to_owned();
            Ok(!run.is_empty())
        })?;
        self.show(&["runs", "logs", "-f", &run])
    }

    pub(super) fn until(&self, what: &str, mut condition: impl FnMut() -> anyhow::Result<bool>) -> anyhow::Result<()> {
        let latest = Instant::now() + PATIENCE;
        while !condition()? {
            ensure!(Instant::now() < latest, "waited {PATIENCE:?} in vain until {what}\n{}", self.log());
            std::thread::sleep(Duration::from_millis(50));
        }
        Ok(())
    }

    pub(super) fn start_daemon(&self) -> anyhow::Result<Daemon> {
        self.typed(&format!("{PROGRAM} run --port 0 &"))?;
        let log = std::fs::OpenOptions::new().create(true).append(true).open(self.path().join("daemon.log"))?;
        let (name, value) = &self.secret;
        let mut command = self.command(&["run", "--port", "0"]);
        let mut child = command.env(name, value).stdout(Stdio::piped()).stderr(log).spawn()?;
        let stdout = child.stdout.take();
        let mut daemon = Daemon { child, url: String::new() };
        for line in BufReader::new(stdout.context("the daemon's output is not to be had")?).lines() {
            let line = line?;
            if let Some(url) = line.strip_prefix("listening on ") {
                self.print(&line)?;
                url.clone_into(&mut daemon.url);
                return Ok(daemon);
            }
        }
        bail!("the daemon did not start:\n{}", self.log())
    }

    /// Sends a JSON body to a path of the daemon with a signature, as GitHub does; returns the answer.
    pub(super) fn post(&self, daemon: &Daemon, path: &str, body: &str, signature: &str) -> anyhow::Result<StatusCode> {
        let url = format!("{}{path}", daemon.url);
        let header = format!("X-Hub-Signature-256: sha256={signature}");
        self.typed(&line("curl", &["-H", &header, "-d", body, &url]))?;
        bog_agent::tls::use_ring();
        let tls = crate::tls::client(Vec::new())?;
        let client = reqwest::Client::builder().tls_backend_preconfigured(tls).no_proxy().timeout(PATIENCE).build()?;
        let request = client.post(&url).header("x-hub-signature-256", format!("sha256={signature}"));
        let request = request.header("content-type", "application/json").body(body.to_owned());
        let (status, text) = wait(async {
            let response = request.send().await?;
            Ok((response.status(), response.text().await?))
        })?;
        self.print(&format!("{status}\n{}", text.trim_end()))?;
        Ok(status)
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(&self.program);
        command.env("BOG_DAEMON_DATA_DIR", self.path().join("data")).current_dir(self.path());
        // Of the demo's own daemon, whatever else is set up here.
        command.env_remove("BOG_DAEMON_URL").env_remove("BOG_DAEMON_TOKEN").stdin(Stdio::null());
        command.args(arguments);
        command
    }

    /// What the daemon had to say, for those who want to know why it went wrong.
    fn log(&self) -> String {
        std::fs::read_to_string(self.path().join("daemon.log")).unwrap_or_default()
    }
}

fn done(command: &mut Command, program: &str, arguments: &[&str]) -> anyhow::Result<()> {
    let status = command.status().with_context(|| format!("`{program}` cannot be started"))?;
    ensure!(status.success(), "`{}` ended with {status}", line(program, arguments));
    Ok(())
}

/// A command as a person would type it.
fn line(program: &str, arguments: &[&str]) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./:=,@%+".contains(c);
    let quoted = arguments.iter().map(|argument| {
        let is_plain = !argument.is_empty() && argument.chars().all(plain);
        if is_plain { (*argument).to_owned() } else { format!("'{argument}'") }
    });
    std::iter::once(program.to_owned()).chain(quoted).collect::<Vec<_>>().join(" ")
}
