//! Signed webhooks: durable accepts over 64 connections, and from the last byte of a request to the first instruction of the
//! agent. Beside them, in the same run, Debian's `webhook` where it is installed: it starts a command for a signed request as
//! well, writes nothing down and contains nothing.

use super::daemon::{Daemon, Scratch};
use super::http::{Answer, Client};
use super::limits::Limits;
use super::peer::Peer;
use super::request_to_agent::finished;
use super::stats::{Samples, per_second};
use super::{Effort, Row, jobs};
use anyhow::{Context as _, Result, anyhow};
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;
use std::net::SocketAddr;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

const CONNECTIONS: usize = 64;

/// What signs, and the variable that holds it.
pub const SECRET: (&str, &str) = ("BENCH_WEBHOOK_SECRET", "benchmark-benchmark-benchmark");

/// The body of every request: about what GitHub sends for a comment.
fn body() -> String {
    format!("{{\"action\":\"created\",\"comment\":{{\"body\":\"{}\"}}}}", "x".repeat(6000))
}

/// Everything about webhooks.
pub fn measure(effort: Effort, limits: &Limits) -> Result<Vec<Row>> {
    let peer = Peer::start()?;
    let mut rows = vec![accept(effort, limits)?];
    rows.extend(peer.as_ref().map(|peer| peer_accept(effort, peer)).transpose()?);
    rows.push(to_agent(effort)?);
    match peer {
        Some(peer) => rows.push(peer_to_agent(effort, &peer)?),
        None => {
            rows.push(Row::new("the same with Debian's `webhook`", "not installed (`apt-get install webhook`)", ""));
        }
    }
    Ok(rows)
}

/// As `accept` does by hand: the first run waits, so that nothing but accepting is measured.
fn accept(effort: Effort, limits: &Limits) -> Result<Row> {
    let data = Scratch::new("webhook-accept")?;
    data.max_concurrent(1)?;
    let folder = data.path().to_string_lossy();
    let hold = ["sh", "-c", "while [ -d \"$0\" ]; do sleep 0.2; done", &*folder];
    let more = "overlap: queue\nmax_queued: 1000000\nsandbox: {shell: host}\ntrust: {event: full}\n";
    jobs::command(&data, "held", &hold, &format!("{more}{}", trigger("/hooks/held")))?;
    let daemon = Daemon::start_with(&data, &[SECRET])?;
    let (samples, elapsed) = flood(effort, daemon.address(), "/hooks/held", &[200, 202])?;
    let rate = per_second(samples.len(), elapsed);
    let (least, why) = limits.accept_target();
    let what = format!("durable accept of a signed webhook, {CONNECTIONS} connections, job held");
    let target = format!("p99 50 ms; {least:.0} a second ({why})");
    Ok(Row::new(what, format!("{}, {rate:.0} a second", samples.p50_p99()), target))
}

fn peer_accept(effort: Effort, peer: &Peer) -> Result<Row> {
    let (samples, elapsed) = flood(effort, peer.address(), "/hooks/true", &[200])?;
    let rate = per_second(samples.len(), elapsed);
    let what = format!("Debian's `webhook`: signed, {CONNECTIONS} connections, `true` started, not waited for");
    Ok(Row::new(what, format!("{}, {rate:.0} a second", samples.p50_p99()), ""))
}

fn to_agent(effort: Effort) -> Result<Row> {
    let data = Scratch::new("webhook-to-agent")?;
    data.max_concurrent(8)?;
    let program = std::env::current_exe()?;
    jobs::command(&data, "stamp", &[&*program.to_string_lossy(), "stamp"], &trigger("/hooks/stamp"))?;
    let daemon = Daemon::start_with(&data, &[SECRET])?;
    let mut client = daemon.connect()?;
    let mut once = |number: usize| -> Result<Duration> {
        let accepted = client.exchange(&request("/hooks/stamp", number))?;
        let sent = accepted.sent_at.duration_since(UNIX_EPOCH)?;
        let answer = accepted.json(202)?;
        let run = answer["fires"][0]["run_id"].as_str().context("the answer has no `run_id`")?;
        Ok(finished(&mut client, run, sent)?.begun)
    };
    // The first ones warm caches.
    (0..5).try_for_each(|number| once(number).map(drop))?;
    let samples = (5..5 + effort.pick(300, 50)).map(once).collect::<Result<_>>()?;
    let samples = Samples::new(samples);
    let what = format!("last byte of a signed webhook to agent's first instruction, {} runs", samples.len());
    Ok(Row::new(what, samples.p50_p99(), "p50 25 ms, p99 60 ms"))
}

fn peer_to_agent(effort: Effort, peer: &Peer) -> Result<Row> {
    let mut client = Client::connect(peer.address(), "")?;
    let mut once = |number: usize| -> Result<Duration> {
        let Answer { status, body, sent_at } = client.exchange(&request("/hooks/stamp", number))?;
        let text = String::from_utf8_lossy(&body).trim().to_owned();
        let begun: u64 = text.parse().with_context(|| format!("`webhook` answered {status}: {text}"))?;
        Ok(Duration::from_nanos(begun).saturating_sub(sent_at.duration_since(SystemTime::UNIX_EPOCH)?))
    };
    let samples = Samples::new((0..effort.pick(300, 50)).map(&mut once).collect::<Result<_>>()?);
    let what = "Debian's `webhook`: last byte to its command's first instruction, nothing contained";
    Ok(Row::new(what, samples.p50_p99(), ""))
}

/// Sends as fast as all connections can for 10 seconds (2 when quick).
fn flood(effort: Effort, address: SocketAddr, path: &str, good: &[u16]) -> Result<(Samples, Duration)> {
    let (window, start) = (Duration::from_secs(effort.pick(10, 2)), Instant::now());
    let send = |connection: usize| -> Result<Vec<Duration>> {
        let mut client = Client::connect(address, "")?;
        let mut samples = Vec::new();
        while start.elapsed() < window {
            let request = request(path, connection * 1_000_000 + samples.len());
            let before = Instant::now();
            let answer = client.exchange(&request).context("after some requests")?;
            samples.push(before.elapsed());
            if !good.contains(&answer.status) {
                answer.json(good[0])?;
            }
        }
        Ok(samples)
    };
    let samples = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..CONNECTIONS).map(|number| scope.spawn(move || send(number))).collect();
        let joined = threads.into_iter().map(|thread| thread.join().map_err(|_| anyhow!("a connection panicked"))?);
        joined.collect::<Result<Vec<_>>>().map(|all| all.concat())
    })?;
    Ok((Samples::new(samples), start.elapsed()))
}

/// The lines of a job that is fired by requests to a path.
pub fn trigger(path: &str) -> String {
    format!("triggers:\n  - {{type: webhook, path: {path}, secret_env: {}}}\n", SECRET.0)
}

/// A signed request under a delivery id of its own.
pub fn request(path: &str, number: usize) -> String {
    let body = body();
    let mut mac =
        Hmac::<Sha256>::new_from_slice(SECRET.1.as_bytes()).unwrap_or_else(|_| unreachable!("any key will do"));
    mac.update(body.as_bytes());
    let signature = hex::encode(mac.finalize().into_bytes());
    format!(
        "POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nX-GitHub-Event: issue_comment\r\n\
         X-GitHub-Delivery: bench-{number}\r\nX-Hub-Signature-256: sha256={signature}\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )
}
