//! A network namespace with the doors of a relay, in a child test; and what is outside of it.

use crate::support::{PATIENCE, PROGRAM, reexec};
use bog_agents_daemon::relay::{Doors, Reach, Relay, hand_over, spawn_from};
use serde_json::{Value, json};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::fd::AsFd;
use std::path::Path;
use std::process::{Child, Command, Stdio};

/// An empty network namespace, as the sandbox makes it: directly where we are root, else with a user namespace.
pub fn empty() -> &'static [&'static str] {
    if nix::unistd::geteuid().is_root() { &["unshare", "--net"] } else { unprivileged() }
}

/// The same with a user namespace, whoever we are.
pub fn unprivileged() -> &'static [&'static str] {
    &["unshare", "--user", "--map-root-user", "--net"]
}

/// Starts the relay of the program under test.
pub fn relay(reach: &Reach, closed: &[u16]) -> Relay {
    spawn_from(Path::new(PROGRAM), reach, closed).unwrap()
}

/// A relay to these hosts.
pub fn relay_to(hosts: &[String]) -> Relay {
    relay(&Reach::hosts(hosts).unwrap(), &[])
}

/// Runs a child test in a namespace with the relay's doors, tells it something, and returns what it said.
pub fn inside(relay: &Relay, namespace: &[&str], test: &str, told: &Value) -> String {
    let argument = json!({ "doors": relay.doors(), "told": told }).to_string();
    reexec::inside_with(namespace, test, Path::new(&argument), relay.control().try_clone_to_owned().unwrap())
}

/// What the child test is told.
pub struct Inside {
    pub told: Value,
    /// What the agent would find in its environment.
    pub environment: Vec<(&'static str, String)>,
}

/// Enters the namespace, in the child test: what the launch stage does there. `None` where this is no child.
pub fn enter() -> Option<Inside> {
    let argument: Value = serde_json::from_str(&reexec::argument()?).unwrap();
    bring_up_loopback();
    let doors: Doors = serde_json::from_value(argument["doors"].clone()).unwrap();
    let control = std::io::stdin().as_fd().try_clone_to_owned().unwrap();
    let environment = hand_over(control, &doors).unwrap();
    Some(Inside { told: argument["told"].clone(), environment })
}

pub fn bring_up_loopback() {
    run(&["ip", "link", "set", "lo", "up"]);
}

/// Runs a program that must succeed.
pub fn run(words: &[&str]) {
    assert!(Command::new(words[0]).args(&words[1..]).stdin(Stdio::null()).status().unwrap().success(), "{words:?}");
}

impl Inside {
    pub fn port(&self, name: &str) -> u16 {
        u16::try_from(self.told[name].as_u64().unwrap()).unwrap()
    }

    /// Where the proxy is.
    pub fn proxy(&self) -> String {
        let url = self.environment.iter().find(|(name, _)| *name == "HTTPS_PROXY").map(|(_, url)| url).unwrap();
        url.strip_prefix("http://").unwrap().to_owned()
    }

    /// Says one thing to the proxy and returns all that it answers.
    pub fn ask_proxy(&self, request: &str) -> String {
        let mut stream = connect(&self.proxy());
        stream.write_all(request.as_bytes()).unwrap();
        read_all(&mut stream)
    }
}

pub fn connect(to: &str) -> TcpStream {
    let stream = TcpStream::connect(to).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.set_write_timeout(Some(PATIENCE)).unwrap();
    stream
}

pub fn read_all(stream: &mut TcpStream) -> String {
    let mut text = String::new();
    stream.read_to_string(&mut text).unwrap();
    text
}

/// Serves every connection to a port outside on a thread of its own, for as long as the test's process lives.
pub fn serve(address: &str, with: impl Fn(TcpStream) + Send + Clone + 'static) -> u16 {
    let listener = TcpListener::bind(address).unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let with = with.clone();
            std::thread::spawn(move || with(stream.unwrap()));
        }
    });
    port
}

/// Says back what it is told, to its end.
pub fn echo(mut stream: TcpStream) {
    let mut back = stream.try_clone().unwrap();
    // The other side may be gone before it has heard all.
    let _ = std::io::copy(&mut stream, &mut back);
    let _ = back.shutdown(std::net::Shutdown::Write);
}

/// A web server by others, which answers with what it was asked as JSON. Ended with the value.
pub struct WebServer {
    child: Child,
    pub address: SocketAddr,
}

/// Answers every request with what it got. `/chunked` comes in chunks.
const WEB_SERVER: &str = r#"
import http.server, json, socketserver, sys

class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def body(self):
        if self.headers.get("transfer-encoding", "") == "chunked":
            pieces = []
            while size := int(self.rfile.readline(), 16):
                pieces.append(self.rfile.read(size))
                self.rfile.readline()
            self.rfile.readline()
            return b"".join(pieces)
        return self.rfile.read(int(self.headers.get("content-length", 0)))

    def answer(self):
        asked = {"line": self.requestline, "body": self.body().decode(),
                 "headers": sorted([name.lower(), value] for name, value in self.headers.items())}
        text = json.dumps(asked).encode() + b"\n"
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Keep-Alive", "timeout=5")
        self.send_header("Connection", "keep-alive, X-Of-The-Connection")
        self.send_header("X-Of-The-Connection", "1")
        self.send_header("X-Answer", "1")
        if self.path == "/chunked":
            self.send_header("Transfer-Encoding", "chunked")
            self.end_headers()
            for piece in (text[:5], text[5:], b""):
                self.wfile.write(b"%x\r\n%s\r\n" % (len(piece), piece))
        else:
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)

    do_GET = do_POST = do_PUT = answer

    def log_message(self, *args):
        pass

class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True
    def server_bind(self):
        # The usual one asks the name service for its own name.
        socketserver.TCPServer.server_bind(self)
        self.server_name, self.server_port = self.server_address

server = Server((sys.argv[1], 0), Handler)
print(server.server_address[1], flush=True)
server.serve_forever()
"#;

impl WebServer {
    pub fn start(address: &str) -> Self {
        let mut child = Command::new("python3")
            .args(["-c", WEB_SERVER, address])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        Self { child, address: SocketAddr::new(address.parse().unwrap(), line.trim().parse().unwrap()) }
    }
}

impl Drop for WebServer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
