//! Webhooks that find their job at work, or its gate closed.

use super::fixture::{SECRET, job, one_fire, send, signed, start, with};
use crate::support::{Answer, Daemon, Home, PATIENCE, eventually, violations};
use serde_json::{Value, json};
use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;

const WAITS: &str = "while ! test -e go; do sleep 0.02; done";

/// A home whose job is fired by GitLab's requests, works in `work`, and merges what comes while it does.
fn home(more: &str) -> Home {
    let home = Home::new();
    fs::create_dir(home.path().join("work")).unwrap();
    let job = format!(
        "{more}\nworking_dir: {}/work\ntrust: {{event: full}}\noverlap: coalesce\ntriggers:\n  \
         - {{type: webhook, path: /hooks/x, secret_env: HOOK_SECRET, scheme: gitlab}}\n",
        home.path().display()
    );
    home.job("j", &job);
    home
}

fn go(home: &Home) {
    fs::write(home.path().join("work/go"), "").unwrap();
}

fn deliver(daemon: &Daemon, number: u32) -> Answer {
    let headers = with(signed("gitlab", SECRET.1, ""), "Idempotency-Key", &number.to_string());
    send(daemon, "/hooks/x", &headers, &json!({ "n": number }).to_string())
}

#[test]
fn a_thousand_webhooks_during_one_run_become_one_that_sees_them_all() {
    let prompt = "{{ event.event_count }} events, {{ event.events|length }} shown, the last {{ event.payload.n }}";
    let home = home(&format!("prompt: '{prompt}'\nagent: {{command: [sh, -c, '{WAITS}; cat']}}"));
    let daemon = start(&home);
    let token = signed("gitlab", SECRET.1, "");
    let deliver = |number: u32| {
        let headers = with(token.clone(), "Idempotency-Key", &number.to_string());
        one_fire(&send(&daemon, "/hooks/x", &headers, &json!({ "n": number }).to_string()), 202)
    };
    let first = deliver(4000);
    daemon.run_when(first["run_id"].as_str().unwrap(), "running", |run| run["state"] == "running");
    let second = deliver(5000)["run_id"].clone();
    std::thread::scope(|scope| {
        for part in 0..4 {
            let (deliver, second) = (&deliver, &second);
            scope.spawn(move || {
                for number in 0..250 {
                    let merged = deliver(part * 250 + number);
                    assert_eq!((&merged["disposition"], &merged["run_id"]), (&json!("coalesced"), second));
                }
            });
        }
    });
    deliver(7777);
    go(&home);
    let run = daemon.finished(second.as_str().unwrap());
    assert_eq!(run["output"], "1002 events, 100 shown, the last 7777", "{run}");
    assert_eq!(daemon.list("/runs").len(), 2);
    drop(daemon);
    assert_eq!(violations(&home.data()), Vec::<String>::new());
}

#[test]
fn a_closed_gate_skips_what_was_taken_and_all_that_was_merged_into_it() {
    let gate = format!("when: {{command: [sh, -c, '{WAITS}; echo nothing new; exit 1']}}");
    let home = home(&format!("agent: {{command: [sh, -c, 'echo ran > ran']}}\n{gate}"));
    let daemon = start(&home);
    let taken = one_fire(&deliver(&daemon, 1), 202);
    assert_eq!(taken["disposition"], "run");
    daemon.run_when(taken["run_id"].as_str().unwrap(), "at its gate", |run| run["state"] == "running");
    assert_eq!(one_fire(&deliver(&daemon, 1), 200), taken, "known again while the gate is asked");
    let next = one_fire(&deliver(&daemon, 2), 202);
    for number in 3..6 {
        let merged = one_fire(&deliver(&daemon, number), 202);
        assert_eq!((&merged["disposition"], &merged["run_id"]), (&json!("coalesced"), &next["run_id"]));
    }
    go(&home);
    let became = || -> Vec<Value> {
        let fires = daemon.list("/fires");
        fires.iter().map(|fire| json!([fire["disposition"], fire["reason"], fire["run_id"]])).collect()
    };
    let skipped = json!(["skipped", "gate: nothing new", null]);
    eventually("every fire is skipped", || became().iter().all(|fire| *fire == skipped));
    assert_eq!((became().len(), daemon.list("/runs").len()), (5, 0));
    // A repetition is told what became of it.
    let again = one_fire(&deliver(&daemon, 1), 200);
    assert_eq!(again["fire_id"], taken["fire_id"]);
    assert_eq!((&again["disposition"], &again["run_id"]), (&json!("skipped"), &Value::Null));
    assert!(!home.path().join("work/ran").exists());
    drop(daemon);
    assert_eq!(violations(&home.data()), Vec::<String>::new());
}

#[test]
fn bodies_that_stall_at_one_path_leave_room_at_the_others() {
    const BODY: usize = 1 << 20;
    let home = home("agent: {command: ['true']}");
    home.job("other", &job("  - {type: webhook, path: /hooks/other, secret_env: HOOK_SECRET, scheme: gitlab}\n"));
    let daemon = start(&home);
    let head = format!("POST /hooks/x HTTP/1.1\r\nHost: localhost\r\nContent-Length: {BODY}\r\n\r\n");
    let stall = || {
        let mut stream = TcpStream::connect(&daemon.address).unwrap();
        // It is refused in the middle where there is no room.
        let _ = stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(&vec![b'x'; BODY - 1]));
        stream
    };
    let stalled: Vec<TcpStream> = (0..80).map(|_| stall()).collect();
    let token = signed("gitlab", SECRET.1, "");
    assert_eq!(send(&daemon, "/hooks/other", &token, &"x".repeat(BODY)).status, 202);
    // Nobody waits for the rest of a long body for ever.
    let answered = |mut stream: TcpStream| {
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let mut answer = [0; 12];
        let read = stream.read_exact(&mut answer);
        read.is_err() || [&b"HTTP/1.1 408"[..], b"HTTP/1.1 429"].contains(&answer.as_slice())
    };
    assert!(stalled.into_iter().all(answered));
}
