//! Calling git: with a cleared environment, bounded in time and output, and with everything out of reach by which a
//! repository's configuration could start a program.

use super::layout::Layout;
use crate::env;
use std::ffi::OsStr;
use std::io;
use std::process::Stdio;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio::process::{Child, Command};
use tokio::sync::Semaphore;

/// How long one call may take.
pub(super) const PATIENCE: Duration = Duration::from_secs(60);

/// Calls that begin at the same time, and after how long a slow one no longer counts: it holds nobody up.
static BEGINNING: Semaphore = Semaphore::const_new(4);
const SLOW: Duration = Duration::from_secs(2);

/// Bytes kept of what git complains about.
const COMPLAINT: u64 = 4096;

/// Variables that a call for a remote gets besides the usual ones: where credentials come from, and how git is to go about it.
const FOR_REMOTES: [&str; 12] = [
    "SSH_AUTH_SOCK",
    "SSH_AGENT_PID",
    "DBUS_SESSION_BUS_ADDRESS",
    "GIT_CONFIG_GLOBAL",
    "GIT_CONFIG_SYSTEM",
    "GIT_CONFIG_NOSYSTEM",
    "GIT_PROXY_COMMAND",
    "GIT_SSL_CAINFO",
    "GIT_SSL_CAPATH",
    "GIT_SSL_CERT",
    "GIT_SSL_KEY",
    "GIT_SSL_NO_VERIFY",
];

/// Settings under which nothing that a repository's configuration names is started. Fetching what a partial clone lacks is
/// among it: that would ask an address, with a program, of the repository's choice.
const DISARMED: [&str; 9] = [
    "safe.directory=*",
    "safe.bareRepository=all",
    "core.fsmonitor=false",
    "core.hooksPath=/dev/null",
    "core.sshCommand=false",
    "core.pager=cat",
    "gpg.program=false",
    "log.showSignature=false",
    "protocol.allow=never",
];

/// Why git did not say what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum GitError {
    /// There is no git.
    #[error("`git` cannot be started: {0}; install it, or put it on the daemon's `PATH`")]
    NotStarted(io::Error),
    /// It did not answer in time.
    #[error("git did not answer within {} s", PATIENCE.as_secs())]
    Slow,
    /// It says more than anyone could use.
    #[error("git says more than {0} MiB")]
    Endless(u64),
    /// It refused.
    #[error("{0}")]
    Refused(String),
    /// What it says makes no sense.
    #[error("{0}")]
    Nonsense(#[from] bog_domain::git::ListingError),
}

/// One call.
pub(super) struct Call {
    command: Command,
    stdin: Vec<u8>,
    most: u64,
}

/// What git said.
pub(super) struct Said {
    /// Its standard output.
    pub stdout: Vec<u8>,
    /// Whether it would have said more.
    pub cut: bool,
    /// The beginning of its standard error.
    pub complaint: String,
    /// Its exit code; none where it was ended.
    pub code: Option<i32>,
}

impl Call {
    /// A call that reads a repository of this machine and starts nothing else.
    pub(super) fn local(layout: &Layout, command: &str) -> Self {
        let mut call = Self::bare();
        call.command
            .env("GIT_CONFIG_NOSYSTEM", "1")
            .env("GIT_CONFIG_GLOBAL", "/dev/null")
            .env("GIT_ATTR_NOSYSTEM", "1")
            .env("GIT_NO_REPLACE_OBJECTS", "1")
            .env("GIT_NO_LAZY_FETCH", "1")
            // No transport is called this: none may be used.
            .env("GIT_ALLOW_PROTOCOL", "none");
        call.command.args(["--no-pager", "--no-optional-locks"]).arg("--git-dir").arg(&layout.git_dir);
        call.command.args(DISARMED.iter().flat_map(|setting| ["-c", setting])).arg(command);
        call
    }

    /// A call that asks a remote, with what the daemon's user has configured: git's credential helpers, ssh's keys. Nobody
    /// is asked for a password.
    pub(super) fn remote(command: &str) -> Self {
        let mut call = Self::bare();
        let named = FOR_REMOTES.map(str::to_owned);
        let ssh = env::var("GIT_SSH_COMMAND").unwrap_or_else(|| "ssh".to_owned());
        call.command
            .envs(env::for_agent(&named, &[]))
            .env("LC_ALL", "C")
            .env("GIT_TERMINAL_PROMPT", "0")
            // Set but empty: no program that asks is started.
            .env("GIT_ASKPASS", "")
            .env("SSH_ASKPASS_REQUIRE", "never")
            .env("GIT_SSH_COMMAND", format!("{ssh} -oBatchMode=yes"))
            .env("GIT_ALLOW_PROTOCOL", "file:git:http:https:ssh");
        call.command.args(["--no-pager", "-c", "core.askPass=", command]);
        call
    }

    fn bare() -> Self {
        let mut command = Command::new("git");
        command
            .env_clear()
            .envs(env::var_os("PATH").map(|path| ("PATH", path)))
            .env("LC_ALL", "C")
            .current_dir("/")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true);
        // What git starts is ended with it.
        #[cfg(unix)]
        command.process_group(0);
        Self { command, stdin: Vec::new(), most: 1 << 20 }
    }

    pub(super) fn args(mut self, args: impl IntoIterator<Item = impl AsRef<OsStr>>) -> Self {
        self.command.args(args);
        self
    }

    pub(super) fn stdin(mut self, stdin: String) -> Self {
        self.stdin = stdin.into_bytes();
        self
    }

    /// Takes at most this many MiB of what it says.
    pub(super) fn most_mib(mut self, mib: u64) -> Self {
        self.most = mib << 20;
        self
    }

    /// Calls git.
    ///
    /// # Errors
    /// When it cannot be started or takes too long.
    pub(super) async fn run(self) -> Result<Said, GitError> {
        let permit = BEGINNING.acquire().await.ok();
        let mut call = std::pin::pin!(tokio::time::timeout(PATIENCE, self.talk()));
        let said = match tokio::time::timeout(SLOW, &mut call).await {
            Ok(said) => said,
            Err(_) => {
                drop(permit);
                call.await
            }
        };
        said.unwrap_or(Err(GitError::Slow))
    }

    async fn talk(mut self) -> Result<Said, GitError> {
        let mut child = self.command.spawn().map_err(GitError::NotStarted)?;
        let ends = Ends(child.id());
        let said = listen(&mut child, &self.stdin, self.most).await.map_err(GitError::NotStarted);
        // Reaped, its number may be another's.
        ends.disarm();
        said
    }

    /// Calls git and takes nothing but a whole answer.
    ///
    /// # Errors
    /// Also when it says that it failed, or says too much.
    pub(super) async fn answer(self) -> Result<Said, GitError> {
        let most = self.most >> 20;
        let said = self.run().await?;
        if said.cut {
            return Err(GitError::Endless(most));
        }
        if said.code != Some(0) {
            return Err(GitError::Refused(said.reason()));
        }
        Ok(said)
    }
}

impl Said {
    /// Why it failed, in git's words.
    fn reason(&self) -> String {
        let lines = self.complaint.lines().map(str::trim).filter(|line| !line.is_empty());
        let told: Vec<&str> = lines.take(3).map(|line| line.trim_start_matches("fatal: ")).collect();
        if told.is_empty() {
            return self.code.map_or("git was ended".to_owned(), |code| format!("git ended with exit code {code}"));
        }
        told.join("; ").chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
    }
}

async fn listen(child: &mut Child, stdin: &[u8], most: u64) -> io::Result<Said> {
    let (Some(mut to), Some(mut out), Some(mut err)) = (child.stdin.take(), child.stdout.take(), child.stderr.take())
    else {
        return Err(io::Error::other("no pipe to it"));
    };
    let tell = async move {
        // It may not care to read.
        let _ = to.write_all(stdin).await;
    };
    let hear = async move {
        let mut stdout = head(&mut out, most + 1).await?;
        let cut = stdout.len() as u64 > most;
        stdout.truncate(usize::try_from(most).unwrap_or(usize::MAX));
        // Where it has more to say, it ends, as nobody hears it any more.
        io::Result::Ok((stdout, cut))
    };
    let complain = async {
        let complaint = head(&mut err, COMPLAINT).await?;
        // The rest is read as well, or git would wait.
        tokio::io::copy(&mut err, &mut tokio::io::sink()).await?;
        io::Result::Ok(String::from_utf8_lossy(&complaint).into_owned())
    };
    let ((), heard, complaint) = tokio::join!(tell, hear, complain);
    let code = child.wait().await?.code();
    let (stdout, cut) = heard?;
    Ok(Said { stdout, cut, complaint: complaint?, code })
}

async fn head(from: &mut (impl AsyncRead + Unpin), most: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    from.take(most).read_to_end(&mut bytes).await?;
    Ok(bytes)
}

/// Ends a call's whole group when it is given up.
struct Ends(Option<u32>);

impl Ends {
    fn disarm(mut self) {
        self.0 = None;
    }
}

impl Drop for Ends {
    fn drop(&mut self) {
        end(self.0);
    }
}

#[cfg(unix)]
fn end(group: Option<u32>) {
    use nix::sys::signal::{Signal, killpg};
    if let Some(group) = group.and_then(|group| i32::try_from(group).ok()) {
        // It may have ended by itself.
        let _ = killpg(nix::unistd::Pid::from_raw(group), Signal::SIGKILL);
    }
}

#[cfg(not(unix))]
fn end(_group: Option<u32>) {}
