//! The least of an HTTP/1.1 client: one keep-alive connection, answers with a `Content-Length` or in chunks.
//!
//! Written out because the moment of the last request byte is what is measured.

use anyhow::{Context as _, Result, bail};
use serde_json::Value;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, SystemTime};

/// A keep-alive connection to the daemon.
pub struct Client {
    stream: BufReader<TcpStream>,
    head: String,
}

/// An answer.
pub struct Answer {
    /// The status code.
    pub status: u16,
    /// The body, whole.
    pub body: Vec<u8>,
    /// The wall clock just before the request, a single segment, was handed to the kernel.
    pub sent_at: SystemTime,
}

impl Answer {
    /// The body as JSON, if the status is the expected one.
    ///
    /// # Errors
    /// When the status is another, or the body is no JSON.
    pub fn json(&self, expected: u16) -> Result<Value> {
        let text = String::from_utf8_lossy(&self.body);
        if self.status != expected {
            let start: String = text.chars().take(300).collect();
            bail!("answered {} instead of {expected}: {start}", self.status);
        }
        serde_json::from_str(&text).context("the answer is no JSON")
    }
}

impl Client {
    /// Connects.
    ///
    /// # Errors
    /// When the daemon does not take the connection.
    pub fn connect(address: SocketAddr, token: &str) -> Result<Self> {
        let stream = TcpStream::connect(address).with_context(|| format!("no connection to {address}"))?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(Duration::from_secs(60)))?;
        let head = format!("Host: {address}\r\nAuthorization: Bearer {token}\r\n");
        Ok(Self { stream: BufReader::new(stream), head })
    }

    /// `GET`.
    ///
    /// # Errors
    /// When the connection breaks or the answer makes no sense.
    pub fn get(&mut self, path: &str) -> Result<Answer> {
        self.send(&format!("GET {path} HTTP/1.1\r\n{}\r\n", self.head))
    }

    /// `POST` without a body.
    ///
    /// # Errors
    /// As [`Client::get`].
    pub fn post(&mut self, path: &str) -> Result<Answer> {
        self.send(&format!("POST {path} HTTP/1.1\r\n{}Content-Length: 0\r\n\r\n", self.head))
    }

    /// A request as it is written.
    ///
    /// # Errors
    /// As [`Client::get`].
    pub fn exchange(&mut self, request: &str) -> Result<Answer> {
        self.send(request)
    }

    fn send(&mut self, request: &str) -> Result<Answer> {
        let sent_at = SystemTime::now();
        self.stream.get_mut().write_all(request.as_bytes())?;
        let (status, length) = self.read_head()?;
        let body = match length {
            Length::Bytes(length) => self.read_bytes(length)?,
            Length::Chunked => self.read_chunks()?,
        };
        Ok(Answer { status, body, sent_at })
    }

    fn read_head(&mut self) -> Result<(u16, Length)> {
        let first = self.read_line()?;
        let status = first.split(' ').nth(1).and_then(|code| code.parse().ok());
        let status = status.with_context(|| format!("`{first}` is no status line"))?;
        let mut length = Length::Bytes(0);
        loop {
            let line = self.read_line()?.to_ascii_lowercase();
            if line.is_empty() {
                return Ok((status, length));
            }
            if let Some(bytes) = line.strip_prefix("content-length:") {
                length = Length::Bytes(bytes.trim().parse().with_context(|| format!("`{line}` is no length"))?);
            } else if line.starts_with("transfer-encoding:") && line.ends_with("chunked") {
                length = Length::Chunked;
            }
        }
    }

    fn read_chunks(&mut self) -> Result<Vec<u8>> {
        let mut body = Vec::new();
        loop {
            let line = self.read_line()?;
            let size = line.split(';').next().unwrap_or_default().trim();
            let size = usize::from_str_radix(size, 16).with_context(|| format!("`{line}` is no chunk size"))?;
            body.extend(self.read_bytes(size)?);
            self.read_line()?;
            if size == 0 {
                return Ok(body);
            }
        }
    }

    fn read_bytes(&mut self, length: usize) -> Result<Vec<u8>> {
        let mut bytes = vec![0; length];
        self.stream.read_exact(&mut bytes)?;
        Ok(bytes)
    }

    fn read_line(&mut self) -> Result<String> {
        let mut line = String::new();
        if self.stream.read_line(&mut line)? == 0 {
            bail!("the daemon closed the connection");
        }
        Ok(line.trim_end().to_owned())
    }
}

enum Length {
    Bytes(usize),
    Chunked,
}

/// The sum of a counter's samples in Prometheus text whose labels contain `label`. `None` where there is no such counter.
pub fn counter(metrics: &str, name: &str, label: &str) -> Option<f64> {
    let values = metrics.lines().filter_map(|line| {
        let rest = line.strip_prefix(name)?;
        let (labels, value) = rest.rsplit_once(' ')?;
        let is_it = labels.is_empty() || labels.starts_with('{');
        (is_it && labels.contains(label)).then(|| value.parse::<f64>().ok())?
    });
    let described =
        metrics.lines().any(|line| line.starts_with("# TYPE") && line.contains(name.trim_end_matches("_total")));
    described.then(|| values.sum())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::TcpListener;

    #[test]
    fn reads_answers_of_both_kinds_on_one_connection() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let server = std::thread::spawn(move || {
            let (stream, _) = listener.accept().unwrap();
            let mut stream = BufReader::new(stream);
            let mut requests = Vec::new();
            let chunked =
                "HTTP/1.1 202 Accepted\r\nTransfer-Encoding: chunked\r\n\r\n3\r\n{\"a\r\n4\r\n\":1}\r\n0\r\n\r\n";
            for answer in ["HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}", chunked] {
                let mut line = String::new();
                while line != "\r\n" {
                    line.clear();
                    stream.read_line(&mut line).unwrap();
                    requests.push(line.clone());
                }
                stream.get_mut().write_all(answer.as_bytes()).unwrap();
            }
            requests.concat()
        });
        let mut client = Client::connect(address, "secret").unwrap();
        assert_eq!(client.get("/health").unwrap().body, b"{}");
        let answer = client.post("/jobs/a/run").unwrap();
        assert_eq!(answer.json(202).unwrap()["a"], 1);
        assert!(answer.json(200).unwrap_err().to_string().starts_with("answered 202 instead of 200"));
        drop(client);
        let requests = server.join().unwrap();
        assert!(requests.contains("POST /jobs/a/run HTTP/1.1\r\n"), "{requests}");
        assert_eq!(requests.matches("Authorization: Bearer secret\r\n").count(), 2);
    }

    #[test]
    fn sums_the_samples_of_a_counter() {
        let text = "# TYPE bog_fires counter\nbog_fires_total{disposition=\"run\"} 3\n\
                    bog_fires_total{disposition=\"missed\"} 4\nbog_fires_total_other 9\n";
        assert_eq!(counter(text, "bog_fires_total", ""), Some(7.0));
        assert_eq!(counter(text, "bog_fires_total", "disposition=\"run\""), Some(3.0));
        assert_eq!(counter(text, "bog_runs_total", ""), None);
    }
}
