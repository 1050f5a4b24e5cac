//! The real daemon in a folder of its own, and a way to talk to it.

pub mod keyring;
pub mod machine;
pub mod reexec;

use serde_json::Value;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

/// How long anything that must happen may take on a machine that is busy, or emulated.
pub const PATIENCE: Duration = Duration::from_secs(180);

/// The program under test.
pub const PROGRAM: &str = env!("CARGO_BIN_EXE_bog-agents-daemon");

/// A folder that is a home and holds a data folder. Gone with the value.
pub struct Home {
    folder: tempfile::TempDir,
    program: Vec<String>,
}

impl Home {
    pub fn new() -> Self {
        Self::at(tempfile::tempdir().unwrap())
    }

    /// One that lies in no folder that every agent may write, as real ones do.
    pub fn out_of_tmp() -> Self {
        Self::at(tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap())
    }

    fn at(folder: tempfile::TempDir) -> Self {
        let home = Self { folder, program: vec![PROGRAM.to_owned()] };
        std::fs::create_dir_all(home.data().join("jobs")).unwrap();
        home
    }

    /// A home of an ordinary user: root, as whom tests run in containers, may read everything. Whoever is no root is
    /// one already.
    pub fn of_ordinary_user() -> Self {
        let mut home = Self::new();
        if nix::unistd::geteuid().is_root() {
            // The build folder may lie where others cannot go.
            let program = home.path().join("bog-agents-daemon");
            std::fs::copy(PROGRAM, &program).unwrap();
            let words = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", program.to_str().unwrap()];
            home.program = words.map(str::to_owned).to_vec();
            for path in [home.path(), &home.data(), &home.data().join("jobs")] {
                std::os::unix::fs::chown(path, Some(65534), Some(65534)).unwrap();
            }
        }
        home
    }

    /// A home whose program is started by these words: `unshare` or `sh` with their arguments.
    pub fn started_by(words: &[&str]) -> Self {
        let mut home = Self::new();
        home.program = words.iter().copied().chain([PROGRAM]).map(str::to_owned).collect();
        home
    }

    /// A text without what differs from test to test: the home's path.
    pub fn plain(&self, text: &str) -> String {
        text.replace(self.path().canonicalize().unwrap().to_str().unwrap(), "HOME")
            .replace(self.path().to_str().unwrap(), "HOME")
    }

    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    pub fn data(&self) -> PathBuf {
        self.path().join("data")
    }

    /// Writes a job file by hand, as editors do: whole, by one rename, so that no half of it is ever seen.
    pub fn job(&self, id: &str, text: &(impl AsRef<[u8]> + ?Sized)) {
        let aside = self.data().join(format!("jobs/.{id}.aside"));
        std::fs::write(&aside, text).unwrap();
        std::fs::rename(&aside, self.data().join(format!("jobs/{id}.yaml"))).unwrap();
    }

    /// The program with this home, and nothing else of the environment that matters to it.
    pub fn command(&self) -> Command {
        let mut command = Command::new(&self.program[0]);
        command
            .args(&self.program[1..])
            .env("HOME", self.path())
            .env("BOG_DAEMON_DATA_DIR", self.data())
            .env("XDG_RUNTIME_DIR", self.path())
            .env("TMPDIR", self.path())
            .env("TZ", "UTC")
            .env_remove("BOG_LOG")
            .env_remove("BOG_FAILPOINTS")
            .env_remove("DBUS_SESSION_BUS_ADDRESS")
            .env_remove("SSL_CERT_FILE");
        for proxy in
            ["HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy", "NO_PROXY", "no_proxy"]
        {
            command.env_remove(proxy);
        }
        command.stdin(Stdio::null());
        command
    }

    /// Starts a daemon and waits until it is ready.
    pub fn start(&self) -> Daemon {
        self.start_with(&[]).unwrap_or_else(|log| panic!("the daemon did not start:\n{log}"))
    }

    /// Starts a daemon with variables; its log where it ends before it is ready.
    #[expect(clippy::zombie_processes, reason = "dropping the daemon waits for it")]
    pub fn start_with(&self, variables: &[(&str, &str)]) -> Result<Daemon, String> {
        let log = self.path().join("daemon.log");
        let log_file = std::fs::OpenOptions::new().create(true).append(true).open(&log).unwrap();
        let begun = std::fs::metadata(&log).unwrap().len();
        let mut child = self
            .command()
            .args(["run", "--port", "0"])
            .envs(variables.iter().copied())
            .stdout(Stdio::piped())
            .stderr(log_file)
            .spawn()
            .unwrap();
        let mut stdout = BufReader::new(child.stdout.take().unwrap());
        let mut said = String::new();
        loop {
            let mut line = String::new();
            if stdout.read_line(&mut line).unwrap() == 0 {
                child.wait().unwrap();
                let text = std::fs::read_to_string(&log).unwrap();
                return Err(said + &text[usize::try_from(begun).unwrap()..]);
            }
            if let Some(address) = line.trim().strip_prefix("listening on http://") {
                let token = std::fs::read_to_string(self.data().join(".token")).unwrap_or_default();
                let address = address.to_owned();
                return Ok(Daemon { child, address, token: token.trim().to_owned(), said, log, stdout });
            }
            said.push_str(&line);
        }
    }

    /// Runs the program to its end.
    pub fn run(&self, arguments: &[&str]) -> std::process::Output {
        self.command().args(arguments).output().unwrap()
    }
}

/// A running daemon. Killed when dropped.
pub struct Daemon {
    child: Child,
    pub address: String,
    pub token: String,
    /// What it said on standard output before it was ready.
    pub said: String,
    log: PathBuf,
    stdout: BufReader<std::process::ChildStdout>,
}

/// An answer of the API.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub headers: String,
    pub body: String,
}

impl Answer {
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }
}

impl Daemon {
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// `kill -9`.
    pub fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// `kill -9`, and what it had said on standard output since it was ready.
    pub fn kill_and_read(mut self) -> String {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
        self.rest()
    }

    /// SIGTERM, a good end, and what it had said on standard output since it was ready.
    pub fn stop_and_read(mut self) -> String {
        self.signal("TERM");
        assert!(self.wait().success());
        self.rest()
    }

    fn rest(&mut self) -> String {
        let mut rest = String::new();
        self.stdout.read_to_string(&mut rest).unwrap();
        rest
    }

    /// SIGTERM, and its exit status.
    pub fn stop(mut self) -> ExitStatus {
        self.signal("TERM");
        self.wait()
    }

    pub fn signal(&self, name: &str) {
        let pid = self.pid().to_string();
        assert!(Command::new("kill").args(["-s", name, &pid]).status().unwrap().success());
    }

    /// Waits until it ends.
    pub fn wait(&mut self) -> ExitStatus {
        let mut status = None;
        eventually("the daemon ends", || {
            status = self.child.try_wait().unwrap();
            status.is_some()
        });
        status.unwrap()
    }

    /// Whether it has ended by itself.
    pub fn has_ended(&mut self) -> bool {
        self.child.try_wait().unwrap().is_some()
    }

    pub fn log(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap_or_default()
    }

    pub fn get(&self, path: &str) -> Value {
        let answer = self.request("GET", path, &[], None).unwrap();
        assert!(answer.status < 300, "GET {path}: {answer:?}");
        answer.json()
    }

    pub fn post(&self, path: &str, body: Option<&Value>) -> Answer {
        self.request("POST", path, &[], body.map(ToString::to_string).as_deref()).unwrap()
    }

    /// One request on a connection of its own; an error where the daemon is gone before it has answered.
    pub fn request(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: Option<&str>,
    ) -> std::io::Result<Answer> {
        let mut stream = TcpStream::connect(&self.address)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        let mut request = format!("{method} {path} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n", self.address);
        if !headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("authorization")) {
            request += &format!("Authorization: Bearer {}\r\n", self.token);
        }
        for (name, value) in headers {
            request += &format!("{name}: {value}\r\n");
        }
        if let Some(body) = body {
            if !headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("content-type")) {
                request += "Content-Type: application/json\r\n";
            }
            request += &format!("Content-Length: {}\r\n", body.len());
        }
        stream.write_all(format!("{request}\r\n{}", body.unwrap_or_default()).as_bytes())?;
        let mut text = Vec::new();
        stream.read_to_end(&mut text)?;
        answer(&String::from_utf8_lossy(&text))
            .ok_or_else(|| std::io::Error::new(std::io::ErrorKind::UnexpectedEof, "no whole answer"))
    }

    /// Fires a job by hand and returns the run's id.
    pub fn fire(&self, job: &str) -> String {
        let answer = self.post(&format!("/jobs/{job}/run"), None);
        assert_eq!(answer.status, 202, "{answer:?}");
        answer.json()["run_id"].as_str().unwrap_or_else(|| panic!("no run: {answer:?}")).to_owned()
    }

    /// All of a list, up to 1000, oldest first.
    pub fn list(&self, path: &str) -> Vec<Value> {
        let separator = if path.contains('?') { '&' } else { '?' };
        let mut items = self.get(&format!("{path}{separator}limit=1000"))["items"].as_array().unwrap().clone();
        items.reverse();
        items
    }

    /// Waits until the daemon has a problem whose text contains this, and returns the text.
    pub fn problem(&self, containing: &str) -> String {
        let mut found = None;
        eventually(&format!("/health speaks of `{containing}`"), || {
            let health = self.get("/health");
            let problems =
                health["problems"].as_array().unwrap().iter().map(|problem| problem.as_str().unwrap().to_owned());
            found = problems.into_iter().find(|problem| problem.contains(containing));
            found.is_some() && health["status"] == "degraded"
        });
        found.unwrap()
    }

    /// Waits until all is well.
    pub fn well(&self) {
        let mut health = Value::Null;
        eventually("all is well", || {
            health = self.get("/health");
            health["status"] == "ok"
        });
    }

    /// Waits until a run is finished and returns it.
    pub fn finished(&self, run: &str) -> Value {
        self.run_when(run, "finished", |run| run["state"] == "finished")
    }

    /// Waits until a run is as wanted and returns it.
    pub fn run_when(&self, run: &str, what: &str, wanted: impl Fn(&Value) -> bool) -> Value {
        let mut last = Value::Null;
        eventually(&format!("run {run} is {what}"), || {
            last = self.get(&format!("/runs/{run}"));
            wanted(&last)
        });
        last
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        // Ended already in most tests.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn answer(text: &str) -> Option<Answer> {
    let (head, body) = text.split_once("\r\n\r\n")?;
    let status = head.split(' ').nth(1)?.parse().ok()?;
    let chunked = head.to_lowercase().contains("transfer-encoding: chunked");
    let body = if chunked { unchunk(body)? } else { body.to_owned() };
    let length =
        head.lines().find_map(|line| line.to_lowercase().strip_prefix("content-length: ")?.parse::<usize>().ok());
    if length.is_some_and(|length| length > body.len()) {
        return None;
    }
    Some(Answer { status, headers: head.to_owned(), body })
}

fn unchunk(mut body: &str) -> Option<String> {
    let mut whole = String::new();
    loop {
        let (size, rest) = body.split_once("\r\n")?;
        let size = usize::from_str_radix(size, 16).ok()?;
        if size == 0 {
            return Some(whole);
        }
        whole.push_str(rest.get(..size)?);
        body = rest.get(size + 2..)?;
    }
}

/// Waits for a condition, looking every few milliseconds; a clear failure where it does not come.
pub fn eventually(what: &str, mut condition: impl FnMut() -> bool) {
    let latest = Instant::now() + PATIENCE;
    while !condition() {
        assert!(Instant::now() < latest, "waited {PATIENCE:?} in vain: {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// What the invariant checker finds in a data folder: nothing, if all is well.
pub fn violations(data: &Path) -> Vec<String> {
    let found = bog_agents_daemon::store::check(&data.join("daemon.db")).unwrap();
    found.into_iter().map(|violation| format!("{}: {}", violation.rule, violation.detail)).collect()
}
