//! A receiver of webhooks that behaves as it is told, by path: `/status/N` answers N, `/wait/N` answers 429 with
//! `Retry-After: N`, `/hang` answers nothing until it is told to, and a path below `/later` is refused with 503 until it is
//! told to answer. It listens on every loopback address: each is a host of its own.

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

/// A request that was received.
#[derive(Debug, Clone)]
pub struct Request {
    pub path: String,
    pub headers: HashMap<String, String>,
    pub body: String,
}

impl Request {
    /// The idempotency key.
    pub fn key(&self) -> String {
        self.headers.get("idempotency-key").cloned().unwrap_or_else(|| panic!("no idempotency key: {self:?}"))
    }
}

/// The receiver.
pub struct Receiver {
    pub port: u16,
    requests: Arc<Mutex<Vec<Request>>>,
    willing: Arc<AtomicBool>,
}

impl Receiver {
    pub fn start() -> Self {
        let listener = TcpListener::bind("0.0.0.0:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let requests: Arc<Mutex<Vec<Request>>> = Arc::default();
        let willing = Arc::new(AtomicBool::new(false));
        let (kept, told) = (Arc::clone(&requests), Arc::clone(&willing));
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (kept, told) = (Arc::clone(&kept), Arc::clone(&told));
                std::thread::spawn(move || serve(stream, &kept, &told));
            }
        });
        Self { port, requests, willing }
    }

    /// The address of a path.
    pub fn url(&self, path: &str) -> String {
        self.url_at(1, path)
    }

    /// The same at the n-th loopback address.
    pub fn url_at(&self, host: u8, path: &str) -> String {
        format!("http://127.0.0.{host}:{}{path}", self.port)
    }

    /// From now on what was refused until now is taken.
    pub fn be_willing(&self) {
        self.willing.store(true, Ordering::SeqCst);
    }

    pub fn requests(&self) -> Vec<Request> {
        self.requests.lock().unwrap().clone()
    }

    /// How many requests for a path have come.
    pub fn count(&self, path: &str) -> usize {
        self.requests().iter().filter(|request| request.path == path).count()
    }
}

/// One request on each connection; one that is cut off did not arrive.
fn serve(stream: TcpStream, kept: &Mutex<Vec<Request>>, willing: &AtomicBool) -> Option<()> {
    let mut reader = BufReader::new(stream);
    let mut line = String::new();
    reader.read_line(&mut line).ok()?;
    let path = line.split(' ').nth(1)?.to_owned();
    let mut headers = HashMap::new();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok()?;
        let Some((name, value)) = line.trim_end().split_once(": ") else { break };
        headers.insert(name.to_ascii_lowercase(), value.to_owned());
    }
    let mut body = vec![0; headers.get("content-length")?.parse().ok()?];
    reader.read_exact(&mut body).ok()?;
    kept.lock().unwrap().push(Request { path: path.clone(), headers, body: String::from_utf8(body).ok()? });
    let is_willing = || willing.load(Ordering::SeqCst);
    let (status, more) = match path.trim_start_matches('/').split_once('/') {
        Some(("status", status)) => (status.to_owned(), String::new()),
        Some(("wait", seconds)) if !is_willing() => ("429".to_owned(), format!("Retry-After: {seconds}\r\n")),
        Some(("later", _)) if !is_willing() => ("503".to_owned(), String::new()),
        _ => {
            if path.starts_with("/hang") {
                while !is_willing() {
                    std::thread::sleep(std::time::Duration::from_millis(5));
                }
            }
            ("200".to_owned(), String::new())
        }
    };
    let answer = format!("HTTP/1.1 {status} X\r\n{more}Content-Length: 0\r\nConnection: close\r\n\r\n");
    reader.get_mut().write_all(answer.as_bytes()).ok()
}
