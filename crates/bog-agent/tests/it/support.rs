//! Fixtures: programs from npm, a working folder, a turn with what it told, and a server that says what it is told to say.

use bog_agent::agent::{Answer, Opening, Session, Teller, Told};
use bog_agent::environment::Environment;
use bog_agent::launch::Through;
use bog_agent::model::Patience;
use bog_agent::session::{Report, Settings, Turn};
use std::fs;
use std::io::{BufRead as _, BufReader, Lines};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

/// A program that `cargo xtask test` installs from npm.
pub fn npm_program(name: &str) -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let program = root.join("target/test-tools/npm/node_modules/.bin").join(name);
    assert!(program.exists(), "`{}` is not there: `cargo xtask test` installs it", program.display());
    program
}

/// The server of model APIs by others, ended with the test.
pub struct Mock {
    child: Child,
    /// Open as long as it may say something.
    _words: Lines<BufReader<ChildStdout>>,
    /// Where it listens.
    pub url: String,
}

impl Mock {
    /// With these fixtures, in its format.
    pub fn start(folder: &Path, fixtures: &serde_json::Value) -> Self {
        let file = folder.join("fixtures.json");
        fs::write(&file, fixtures.to_string()).unwrap();
        let mut command = Command::new(npm_program("llmock"));
        command.args(["--port", "0", "--strict", "--fixtures"]).arg(file).stdin(Stdio::null()).stdout(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let mut words = BufReader::new(child.stdout.take().unwrap()).lines();
        let url = words.find_map(|line| Some(line.unwrap().split_once("listening on ")?.1.trim().to_owned()));
        Self { child, _words: words, url: url.expect("`llmock` says where it listens") }
    }

    /// The requests that it got, newest last.
    pub async fn requests(&self) -> Vec<serde_json::Value> {
        bog_agent::tls::use_ring();
        let client = reqwest::Client::builder().no_proxy().build().unwrap();
        let journal = client.get(format!("{}/__aimock/journal", self.url)).send().await.unwrap();
        serde_json::from_str(&journal.text().await.unwrap()).unwrap()
    }
}

impl Drop for Mock {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A session's surroundings.
pub struct World {
    /// Holds the working folder.
    pub folder: tempfile::TempDir,
    /// What the session is given.
    pub settings: Settings,
    /// Its environment.
    pub variables: Vec<(String, String)>,
}

impl World {
    /// With a working folder in which `a.txt` says hello, and these models.
    pub fn new(models: &[&str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("work")).unwrap();
        fs::write(folder.path().join("work/a.txt"), "hello\n").unwrap();
        let settings =
            Settings { models: models.iter().map(|model| (*model).to_owned()).collect(), ..Settings::default() };
        let path = std::env::split_paths(env!("PATH")).map(|path| path.display().to_string());
        let variables = vec![("PATH".to_owned(), path.collect::<Vec<_>>().join(":"))];
        Self { folder, settings, variables }
    }

    /// Sets a variable.
    pub fn set(&mut self, name: &str, value: &str) {
        self.variables.push((name.to_owned(), value.to_owned()));
    }

    /// The working folder.
    pub fn work(&self) -> PathBuf {
        self.folder.path().join("work")
    }

    /// The environment.
    pub fn environment(&self) -> Environment {
        Environment::new(self.variables.iter().map(|(name, value)| (name.into(), value.into())).collect())
    }

    /// What a session is opened with.
    pub fn opening(&self) -> Opening {
        let patience = Patience { first: Duration::from_millis(1), ..Patience::default() };
        let (settings, environment) = (self.settings.clone(), self.environment());
        Opening { cwd: self.work(), servers: Vec::new(), settings, environment, through: Through::default(), patience }
    }

    /// A turn of a new session.
    pub async fn run(&self, prompt: &str) -> (Report, Vec<Told>) {
        let mut session = Session::begin(self.opening()).await.unwrap();
        go(&mut session, prompt).await
    }
}

/// A turn, with what it told; everything is permitted.
pub async fn go(session: &mut Session, prompt: &str) -> (Report, Vec<Told>) {
    let (sender, mut receiver) = mpsc::unbounded_channel();
    let teller = Teller::new(sender, session.mask());
    let (turn, cancel) = (Turn::default(), CancellationToken::new());
    let work = session.turn(prompt.to_owned(), &turn, &cancel, teller);
    let watch = async {
        let mut all = Vec::new();
        while let Some(told) = receiver.recv().await {
            if let Told::Ask(_, answer) = told {
                answer.send(Answer::Allowed).unwrap();
            } else {
                all.push(told);
            }
        }
        all
    };
    tokio::join!(work, watch)
}

/// What was told of one kind.
pub fn notes(told: &[Told]) -> Vec<&str> {
    told.iter().filter_map(|told| if let Told::Note(text) = told { Some(text.as_str()) } else { None }).collect()
}

/// What tools came to.
pub fn results(told: &[Told]) -> Vec<(&str, bool)> {
    let result =
        |told| if let &Told::Result { ref text, is_error, .. } = told { Some((text.as_str(), is_error)) } else { None };
    told.iter().filter_map(result).collect()
}

/// A server that answers one request after the other with what it is told, and closes the connection after each.
pub struct Server {
    listener: TcpListener,
    /// Where it listens.
    pub url: String,
}

impl Server {
    /// Listening, not answering yet.
    pub async fn bind() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        Self { listener, url }
    }

    /// Answers, and returns the requests as they came.
    pub async fn answer(&self, answers: impl IntoIterator<Item = String>) -> Vec<String> {
        let mut requests = Vec::new();
        for answer in answers {
            let (mut stream, _) = self.listener.accept().await.unwrap();
            requests.push(request(&mut stream).await);
            stream.write_all(answer.as_bytes()).await.unwrap();
            stream.shutdown().await.unwrap();
        }
        requests
    }
}

/// Reads a request with its body.
pub async fn request(stream: &mut TcpStream) -> String {
    let mut read = Vec::new();
    loop {
        let text = String::from_utf8_lossy(&read).into_owned();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length =
                head.lines().find_map(|line| line.to_lowercase().strip_prefix("content-length:")?.trim().parse().ok());
            if body.len() >= length.unwrap_or(0) {
                return text;
            }
        }
        let mut buffer = [0; 16 * 1024];
        let count = stream.read(&mut buffer).await.unwrap();
        assert!(count > 0, "the request broke off: {text}");
        read.extend_from_slice(&buffer[..count]);
    }
}

/// An answer with a status and a body that ends with the connection.
pub fn answer(status: &str, headers: &str, body: &str) -> String {
    format!("HTTP/1.1 {status}\r\nConnection: close\r\n{headers}\r\n{body}")
}

/// A stream of server-sent events with this data.
pub fn events(data: &[serde_json::Value]) -> String {
    let body: String = data.iter().map(|data| format!("data: {data}\n\n")).collect();
    answer("200 OK", "Content-Type: text/event-stream\r\n", &body)
}
