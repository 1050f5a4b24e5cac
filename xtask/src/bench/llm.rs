//! A model API on loopback that answers at once: OpenAI's Chat Completions as a stream, a few tool calls and then a text. It
//! notes when requests come and when answers are gone, on the wall clock.

use anyhow::{Context as _, Result};
use serde_json::json;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

/// The server. It goes on until the program ends.
pub struct Llm {
    /// Where it listens, as `http://HOST:PORT`.
    pub url: String,
    calls: Arc<Mutex<Vec<Call>>>,
}

/// One request.
#[derive(Debug, Clone, Copy)]
pub struct Call {
    /// When its last byte had come.
    pub came: SystemTime,
    /// When the last byte of its answer was gone.
    pub gone: SystemTime,
}

impl Llm {
    /// Starts it; each conversation makes `steps` tool calls, and each answer takes `delay`.
    ///
    /// # Errors
    /// When it cannot listen.
    pub fn start(steps: usize, delay: Duration) -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").context("no port on loopback")?;
        let url = format!("http://{}", listener.local_addr()?);
        let calls = Arc::new(Mutex::new(Vec::new()));
        let noted = Arc::clone(&calls);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let noted = Arc::clone(&noted);
                std::thread::spawn(move || serve(&stream, &noted, steps, delay));
            }
        });
        Ok(Self { url, calls })
    }

    /// What came since the last time this was asked.
    pub fn take(&self) -> Vec<Call> {
        std::mem::take(&mut self.calls.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// Answers the requests of one connection until it ends.
fn serve(stream: &TcpStream, noted: &Mutex<Vec<Call>>, steps: usize, delay: Duration) -> Option<()> {
    stream.set_nodelay(true).ok()?;
    let mut reader = BufReader::new(stream.try_clone().ok()?);
    loop {
        let mut length = 0;
        loop {
            let mut line = String::new();
            if reader.read_line(&mut line).ok()? == 0 {
                return None;
            }
            if line.trim().is_empty() {
                break;
            }
            let (name, value) = line.split_once(':').unwrap_or_default();
            if name.eq_ignore_ascii_case("content-length") {
                length = value.trim().parse().ok()?;
            }
        }
        let mut body = vec![0; length];
        reader.read_exact(&mut body).ok()?;
        let came = SystemTime::now();
        let taken = String::from_utf8_lossy(&body).matches("\"role\":\"tool\"").count();
        std::thread::sleep(delay);
        let answer = answer(taken, steps);
        let head =
            format!("HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nContent-Length: {}\r\n\r\n", answer.len());
        let mut stream = stream;
        stream.write_all(format!("{head}{answer}").as_bytes()).ok()?;
        let call = Call { came, gone: SystemTime::now() };
        noted.lock().unwrap_or_else(PoisonError::into_inner).push(call);
    }
}

fn answer(taken: usize, steps: usize) -> String {
    let function = json!({ "name": "ls", "arguments": "{\"path\":\".\"}" });
    let call = json!([{ "index": 0, "id": format!("call-{taken}"), "type": "function", "function": function }]);
    let (delta, reason) = if taken < steps {
        (json!({ "role": "assistant", "tool_calls": call }), "tool_calls")
    } else {
        (json!({ "role": "assistant", "content": "Done." }), "stop")
    };
    let chunk = |delta: serde_json::Value, reason: Option<&str>| {
        let choice = json!({ "index": 0, "delta": delta, "finish_reason": reason });
        json!({ "id": "c", "object": "chat.completion.chunk", "model": "m", "choices": [choice] })
    };
    let usage = json!({ "id": "c", "object": "chat.completion.chunk", "model": "m", "choices": [],
        "usage": { "prompt_tokens": 100, "completion_tokens": 10 } });
    let chunks = [chunk(delta, None), chunk(json!({}), Some(reason)), usage].map(|chunk| format!("data: {chunk}\n\n"));
    chunks.concat() + "data: [DONE]\n\n"
}
