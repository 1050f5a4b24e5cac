//! Programs by others: where `cargo xtask test` puts them, and how they are started.

use crate::support::{PATIENCE, PROGRAM, eventually};
use serde_json::Value;
use std::io::{BufRead, BufReader};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};

/// A folder below the one that `xtask/src/packages.rs` installs into.
fn tools(name: &str) -> PathBuf {
    let target = Path::new(PROGRAM).ancestors().nth(2).unwrap();
    let folder = target.join("test-tools").join(name);
    assert!(folder.exists(), "`{}` is missing: `cargo xtask test` installs it", folder.display());
    folder
}

/// A server that says a line of JSON for everything it gets. Killed when dropped.
pub struct Server {
    child: Child,
    pub port: u16,
    got: Arc<Mutex<Vec<Value>>>,
}

impl Server {
    /// Starts one of our scripts around a library from PyPI. Its first line is its port.
    pub fn python(script: &str, arguments: &[&str]) -> Self {
        let mut command = Command::new("python3");
        command.args(["-c", script]).args(arguments).env("PYTHONPATH", tools("python"));
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let first = lines.next().unwrap_or_else(|| panic!("the server ended: {arguments:?}\n{script}"));
        let port = first.unwrap().parse().unwrap();
        let got = Arc::new(Mutex::new(Vec::new()));
        let kept = Arc::clone(&got);
        std::thread::spawn(move || {
            for line in lines.map_while(Result::ok) {
                kept.lock().unwrap().push(serde_json::from_str(&line).unwrap());
            }
        });
        Self { child, port, got }
    }

    /// Starts `emulate` for a service, which knows the token [`TOKEN`].
    pub fn emulate(service: &str, home: &Path) -> Self {
        let seed = home.join("seed.yaml");
        let own = match service {
            "slack" => "slack: {channels: [{name: general}], bots: [{name: bog}]}",
            _ => "github: {users: [{login: octocat}], repos: [{owner: octocat, name: hello, auto_init: true}]}",
        };
        std::fs::write(&seed, format!("tokens: {{{TOKEN}: {{login: octocat, scopes: [repo, user]}}}}\n{own}\n"))
            .unwrap();
        // It takes no port 0.
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let mut command = Command::new(tools("npm").join("node_modules/.bin/emulate"));
        command.args(["start", "--service", service, "--port", &port.to_string(), "--seed"]).arg(seed);
        let child = command.stdin(Stdio::null()).stdout(Stdio::null()).spawn().unwrap();
        let mut server = Self { child, port, got: Arc::default() };
        eventually("the emulator listens", || {
            assert!(server.child.try_wait().unwrap().is_none(), "the emulator ended");
            TcpStream::connect(("localhost", port)).is_ok()
        });
        server
    }

    /// Waits until it got so much, and returns all of it.
    pub fn got(&self, count: usize) -> Vec<Value> {
        eventually(&format!("the server gets {count}"), || self.got.lock().unwrap().len() >= count);
        self.got.lock().unwrap().clone()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The token that the emulators know.
pub const TOKEN: &str = "xoxb-a-token-for-tests-0123456789";

/// Asks an emulator.
pub fn ask(port: u16, method: &str, path: &str, body: Option<&Value>) -> Value {
    use std::io::{Read, Write};
    let mut stream = TcpStream::connect(("localhost", port)).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let body = body.map(ToString::to_string).unwrap_or_default();
    let request = format!(
        "{method} {path} HTTP/1.0\r\nHost: localhost\r\nAuthorization: Bearer {TOKEN}\r\nContent-Type: application/json\r\n\
         Content-Length: {}\r\n\r\n{body}",
        body.len()
    );
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    serde_json::from_str(body).unwrap_or_else(|error| panic!("{method} {path}: {error}\n{head}\n{body}"))
}

/// A certificate authority and a certificate of `localhost` by it: the files `ca.pem`, `cert.pem` and `key.pem`.
pub fn certificates(folder: &Path) {
    std::fs::write(folder.join("ext"), "subjectAltName=DNS:localhost,IP:127.0.0.1\nbasicConstraints=CA:FALSE\n")
        .unwrap();
    let key = "-newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes";
    for arguments in [
        format!("req -x509 {key} -keyout ca.key -out ca.pem -days 2 -subj /CN=TestCA"),
        format!("req {key} -keyout key.pem -out req.pem -subj /CN=localhost"),
        "x509 -req -in req.pem -CA ca.pem -CAkey ca.key -CAcreateserial -days 2 -extfile ext -out cert.pem".to_owned(),
    ] {
        let done = Command::new("openssl").args(arguments.split(' ')).current_dir(folder).output().unwrap();
        assert!(done.status.success(), "openssl {arguments}: {}", String::from_utf8_lossy(&done.stderr));
    }
}
