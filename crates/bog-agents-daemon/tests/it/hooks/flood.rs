//! Many events at once, and a daemon that is killed meanwhile: what was acknowledged is there, once.

use super::fixture::{SECRET, job, signed, start};
use crate::support::{Daemon, Home, PATIENCE, eventually, violations};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, RwLock};
use std::time::{Duration, Instant};

const EVENTS: usize = 10_000;
const CONNECTIONS: usize = 64;
/// After so many acknowledged events the daemon is killed.
const KILLS: [usize; 3] = [2000, 5000, 8000];

struct Flood {
    address: RwLock<String>,
    headers: String,
    next: AtomicUsize,
    /// The fire that each event was acknowledged as, each time that it was.
    acknowledged: Mutex<BTreeMap<usize, Vec<(u16, String)>>>,
}

#[test]
fn ten_thousand_events_over_three_kills_are_one_fire_each() {
    let home = Home::new();
    // Its first run waits for its end, so that every further event is taken, queued, and not run.
    let log = home.path().join("daemon.log");
    let wait =
        format!("agent: {{command: [sh, -c, 'while [ -e \"$0\" ]; do sleep 0.2; done', '{}']}}\n", log.display());
    let hook = "  - {type: webhook, path: /hooks/flood, secret_env: HOOK_SECRET}\n";
    let held = job(hook).replace("agent: {command: ['true']}\n", &wait);
    home.job(
        "flood",
        &(held + "sandbox: {shell: host}\ntrust: {event: full}\nmax_queued: 1000000\nlimits: {grace: 1s}\n"),
    );
    let first = start(&home);
    let headers = signed("github", SECRET.1, "{}").iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
    let flood = Flood {
        address: RwLock::new(first.address.clone()),
        headers,
        next: AtomicUsize::new(0),
        acknowledged: Mutex::default(),
    };
    let daemon = std::thread::scope(|scope| {
        for _ in 0..CONNECTIONS {
            scope.spawn(|| flood.send_all());
        }
        let mut daemon = first;
        for kill in KILLS {
            eventually("events are taken", || flood.acknowledged.lock().unwrap().len() >= kill);
            daemon.kill();
            daemon = start(&home);
            flood.address.write().unwrap().clone_from(&daemon.address);
        }
        daemon
    });
    let acknowledged = flood.acknowledged.into_inner().unwrap();
    assert_eq!(acknowledged.len(), EVENTS);
    judge(&daemon, &acknowledged);
    daemon.kill();
    assert_eq!(violations(&home.data()), Vec::<String>::new());
}

fn judge(daemon: &Daemon, acknowledged: &BTreeMap<usize, Vec<(u16, String)>>) {
    let fires = all_fires(daemon);
    let recorded: BTreeMap<&str, &str> =
        fires.iter().map(|fire| (fire["dedupe_key"].as_str().unwrap(), fire["id"].as_str().unwrap())).collect();
    assert_eq!((fires.len(), recorded.len()), (EVENTS, EVENTS), "each event is in the ledger once");
    for (event, answers) in acknowledged {
        let fire = recorded[format!("event-{event}").as_str()];
        assert!(answers.iter().all(|(_, id)| id == fire), "event {event} is fire {fire} and was told as {answers:?}");
        assert!(answers.iter().filter(|(status, _)| *status == 202).count() <= 1, "{event}: {answers:?}");
    }
    let runs: BTreeSet<&str> = fires.iter().map(|fire| fire["run_id"].as_str().unwrap()).collect();
    assert_eq!(runs.len(), EVENTS, "each has a run of its own");
}

fn all_fires(daemon: &Daemon) -> Vec<Value> {
    let (mut fires, mut cursor) = (Vec::new(), String::new());
    loop {
        let page = daemon.get(&format!("/fires?limit=1000{cursor}"));
        fires.extend(page["items"].as_array().unwrap().iter().cloned());
        match page["next"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => return fires,
        }
    }
}

impl Flood {
    fn send_all(&self) {
        let mut connection = None;
        loop {
            let event = self.next.fetch_add(1, Ordering::SeqCst);
            if event >= EVENTS {
                return;
            }
            let latest = Instant::now() + PATIENCE;
            while let Err(error) = self.send(event, &mut connection) {
                assert!(Instant::now() < latest, "event {event}: {error}");
                connection = None;
                // As senders do: the daemon is gone, and comes back in a moment.
                std::thread::sleep(Duration::from_millis(10));
            }
        }
    }

    /// Sends an event once; an error where it was not acknowledged.
    fn send(&self, event: usize, connection: &mut Option<BufReader<TcpStream>>) -> std::io::Result<()> {
        let stream = match connection {
            Some(stream) => stream,
            None => {
                let stream = TcpStream::connect(self.address.read().unwrap().as_str())?;
                stream.set_nodelay(true)?;
                stream.set_read_timeout(Some(PATIENCE))?;
                connection.insert(BufReader::new(stream))
            }
        };
        let head = &self.headers;
        let request = format!(
            "POST /hooks/flood HTTP/1.1\r\nHost: localhost\r\n{head}X-GitHub-Delivery: event-{event}\r\nContent-Length: 2\r\n\r\n{{}}"
        );
        stream.get_mut().write_all(request.as_bytes())?;
        let (status, body) = answer(stream)?;
        assert!(status == 202 || status == 200, "event {event}: {status} {body}");
        let answer: Value = serde_json::from_str(&body).unwrap();
        let fire = answer["fires"][0]["fire_id"].as_str().unwrap().to_owned();
        self.acknowledged.lock().unwrap().entry(event).or_default().push((status, fire));
        Ok(())
    }
}

fn answer(stream: &mut BufReader<TcpStream>) -> std::io::Result<(u16, String)> {
    let broken = || std::io::Error::from(std::io::ErrorKind::UnexpectedEof);
    let (mut status, mut length) = (None, 0);
    loop {
        let mut line = String::new();
        if stream.read_line(&mut line)? == 0 {
            return Err(broken());
        }
        let line = line.trim_end().to_ascii_lowercase();
        if let Some(rest) = line.strip_prefix("http/1.1 ") {
            status = rest.get(..3).and_then(|code| code.parse().ok());
        } else if let Some(rest) = line.strip_prefix("content-length: ") {
            length = rest.parse().map_err(|_| broken())?;
        } else if line.is_empty() {
            break;
        }
    }
    let mut body = vec![0; length];
    stream.read_exact(&mut body)?;
    Ok((status.ok_or_else(broken)?, String::from_utf8_lossy(&body).into_owned()))
}
