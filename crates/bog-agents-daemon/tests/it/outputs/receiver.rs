//! A receiver of HTTP requests that keeps what it got and answers as the path says - or does not.

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

/// A request that came.
#[derive(Debug, Clone)]
pub struct Request {
    pub method: String,
    pub path: String,
    /// By names in lower case.
    pub headers: HashMap<String, String>,
    pub body: String,
}

/// A receiver, as long as the test runs.
pub struct Receiver {
    pub port: u16,
    got: Arc<Mutex<Vec<Request>>>,
}

impl Receiver {
    /// Starts one. `behave` gets a request, how many came to that path before, and the connection.
    pub fn start(behave: impl Fn(&Request, usize, &mut TcpStream) + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let got = Arc::new(Mutex::new(Vec::<Request>::new()));
        let (kept, behave) = (Arc::clone(&got), Arc::new(behave));
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let (kept, behave) = (Arc::clone(&kept), Arc::clone(&behave));
                std::thread::spawn(move || {
                    let mut stream = stream.unwrap();
                    let Some(request) = read(&stream) else { return };
                    let before = {
                        let mut kept = kept.lock().unwrap();
                        kept.push(request.clone());
                        kept.iter().filter(|other| other.path == request.path).count() - 1
                    };
                    behave(&request, before, &mut stream);
                });
            }
        });
        Self { port, got }
    }

    /// What came to a path.
    pub fn got(&self, path: &str) -> Vec<Request> {
        self.got.lock().unwrap().iter().filter(|request| request.path == path).cloned().collect()
    }
}

fn read(stream: &TcpStream) -> Option<Request> {
    let mut reader = BufReader::new(stream);
    let mut line = String::new();
    reader.read_line(&mut line).ok()?;
    let mut words = line.split(' ').map(str::to_owned);
    let (method, path) = (words.next()?, words.next()?);
    let mut headers = HashMap::new();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok()?;
        let Some((name, value)) = line.trim_end().split_once(": ") else { break };
        headers.insert(name.to_lowercase(), value.to_owned());
    }
    let length = headers.get("content-length").map_or(0, |length: &String| length.parse().unwrap());
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    Some(Request { method, path, headers, body: String::from_utf8(body).unwrap() })
}

/// Answers in one piece and closes.
pub fn answer(stream: &mut TcpStream, head: &str, body: &str) {
    // Whoever asked may be gone.
    let _ = write!(stream, "HTTP/1.1 {head}\r\nConnection: close\r\nContent-Length: {}\r\n\r\n{body}", body.len());
}
