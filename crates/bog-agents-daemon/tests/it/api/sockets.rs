//! The server on real sockets: nobody starves anybody, refused senders read their answer, and the end is orderly.

use super::fixture::app;
use bog_agents_daemon::api::serve;
use bog_agents_daemon::tasks::Group;
use serde_json::json;
use std::net::SocketAddr;
use std::time::{Duration, Instant};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;

const PATIENCE: Duration = Duration::from_secs(30);

/// A server in a folder of its own.
struct Server {
    _folder: TempDir,
    address: SocketAddr,
    token: String,
    stop: CancellationToken,
    serving: Group,
}

impl Server {
    async fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let (app, _) = app(folder.path());
        let token = app.token.expose();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (address, stop) = (listener.local_addr().unwrap(), CancellationToken::new());
        let mut serving = Group::new();
        serving.start("api", serve(listener, app, stop.clone()));
        Self { _folder: folder, address, token, stop, serving }
    }

    async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.address).await.unwrap()
    }

    fn head(&self, method: &str, path: &str, more: &str) -> String {
        let (host, token) = (self.address, &self.token);
        format!("{method} {path} HTTP/1.1\r\nhost: {host}\r\nauthorization: Bearer {token}\r\n{more}\r\n")
    }

    /// Asks on a connection of its own and reads to its end.
    async fn ask(&self, method: &str, path: &str, body: &str) -> String {
        let mut socket = self.connect().await;
        let length = body.len();
        let more = format!("content-type: application/json\r\ncontent-length: {length}\r\nconnection: close\r\n");
        socket.write_all((self.head(method, path, &more) + body).as_bytes()).await.unwrap();
        rest(&mut socket).await
    }
}

/// Everything until the other side closes.
async fn rest(socket: &mut TcpStream) -> String {
    let mut bytes = Vec::new();
    let read = tokio::time::timeout(PATIENCE, socket.read_to_end(&mut bytes)).await;
    read.expect("an end within the deadline").unwrap();
    String::from_utf8(bytes).unwrap()
}

/// Reads until the text holds `wanted`.
async fn until(socket: &mut TcpStream, wanted: &str) -> String {
    let (mut text, mut piece) = (String::new(), [0; 4096]);
    while !text.contains(wanted) {
        let read = tokio::time::timeout(PATIENCE, socket.read(&mut piece)).await.expect("in time").unwrap();
        assert_ne!(read, 0, "closed after {text:?}");
        text.push_str(std::str::from_utf8(&piece[..read]).unwrap());
    }
    text
}

#[tokio::test(flavor = "multi_thread")]
async fn slow_clients_starve_nobody() {
    let server = Server::start().await;
    // One that asks for events holds its place, however old it is.
    assert!(
        server
            .ask("POST", "/jobs", &json!({ "id": "j", "agent": { "command": ["true"] } }).to_string())
            .await
            .starts_with("HTTP/1.1 201")
    );
    let fired = server.ask("POST", "/jobs/j/run", "").await;
    let run = fired.split("\"run_id\":\"").nth(1).and_then(|rest| rest.split('"').next()).unwrap().to_owned();
    let mut stream = server.connect().await;
    stream.write_all(server.head("GET", &format!("/runs/{run}/events"), "").as_bytes()).await.unwrap();
    until(&mut stream, "text/event-stream").await;
    let mut slow = Vec::new();
    for _ in 0..600 {
        let mut socket = server.connect().await;
        socket.write_all(b"GET /health HTTP/1.1\r\nx-slow: ").await.unwrap();
        slow.push(socket);
    }
    let begun = Instant::now();
    let answer = server.ask("GET", "/health", "").await;
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    // Without places made for it, it would wait out the ten seconds of the slow ones.
    assert!(begun.elapsed() < Duration::from_secs(5), "{:?}", begun.elapsed());
    assert!(server.ask("POST", &format!("/runs/{run}/cancel"), "").await.starts_with("HTTP/1.1 200"));
    until(&mut stream, "event: end").await;
    drop(slow);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_head_that_does_not_end_is_cut_off() {
    let server = Server::start().await;
    let mut socket = server.connect().await;
    socket.write_all(b"GET /health HTTP/1.1\r\nx-slow: ").await.unwrap();
    let begun = Instant::now();
    rest(&mut socket).await;
    assert!(begun.elapsed() >= Duration::from_secs(9), "{:?}", begun.elapsed());
}

#[tokio::test(flavor = "multi_thread")]
async fn refused_senders_read_their_answer() {
    let server = Server::start().await;
    let body = format!("{{\"prompt\":\"{}\"}}", "x".repeat(3 << 20));
    let answer = server.ask("POST", "/jobs", &body).await;
    assert!(answer.starts_with("HTTP/1.1 413"), "{answer}");
    let mut socket = server.connect().await;
    let head = format!(
        "POST /jobs HTTP/1.1\r\nhost: {}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n",
        server.address,
        body.len()
    );
    socket.write_all((head + &body).as_bytes()).await.unwrap();
    let answer = rest(&mut socket).await;
    assert!(answer.starts_with("HTTP/1.1 401"), "{answer}");
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_under_way_finish_and_streams_end() {
    let mut server = Server::start().await;
    let body = json!({ "id": "j", "agent": { "command": ["true"] } }).to_string();
    let more = format!("content-type: application/json\r\nexpect: 100-continue\r\ncontent-length: {}\r\n", body.len());
    let mut under_way = server.connect().await;
    under_way.write_all(server.head("POST", "/jobs", &more).as_bytes()).await.unwrap();
    // Said when the handler asks for the body.
    until(&mut under_way, "100 Continue").await;
    let mut idle = server.connect().await;
    idle.write_all(server.head("GET", "/health", "").as_bytes()).await.unwrap();
    until(&mut idle, "\"status\":\"ok\"").await;
    server.stop.cancel();
    assert_eq!(rest(&mut idle).await, "", "an idle connection is closed");
    under_way.write_all(body.as_bytes()).await.unwrap();
    let answer = rest(&mut under_way).await;
    assert!(answer.starts_with("HTTP/1.1 201"), "{answer}");
    let ended = tokio::time::timeout(PATIENCE, server.serving.ended()).await;
    assert_eq!(ended.expect("an end").unwrap().unwrap(), "api");
    assert!(TcpStream::connect(server.address).await.is_err(), "nothing listens any more");
}
