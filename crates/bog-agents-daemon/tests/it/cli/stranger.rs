//! Against a listener that is no daemon: what it is told, and what is made of its answers.

use super::{Said, cli_with};
use crate::support::{Home, eventually};
use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;

/// Gives one canned answer per connection, the last of them for ever after, and returns the requests' heads.
fn talk(arguments: &[&str], answers: &[&str]) -> (Said, Vec<String>) {
    let home = Home::new();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let variables =
        [("BOG_DAEMON_URL", url.as_str()), ("BOG_DAEMON_TOKEN", "s3cret"), ("http_proxy", "http://127.0.0.1:9")];
    std::thread::scope(|scope| {
        let said = scope.spawn(|| cli_with(&home, arguments, &variables, ""));
        let mut heads = Vec::new();
        for answer in answers {
            let mut stream = None;
            eventually("it asks", || {
                stream = listener.accept().ok();
                stream.is_some()
            });
            let (mut stream, _) = stream.unwrap();
            stream.set_nonblocking(false).unwrap();
            let mut reader = BufReader::new(stream.try_clone().unwrap());
            let mut head = String::new();
            while !head.ends_with("\r\n\r\n") && reader.read_line(&mut head).unwrap() > 0 {}
            stream.write_all(answer.as_bytes()).unwrap();
            heads.push(head);
        }
        let said = said.join().unwrap();
        (said, heads)
    })
}

fn json(status: &str, kind: &str, body: &str) -> String {
    format!(
        "HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
        body.len()
    )
}

#[test]
fn requests_carry_token_and_name_and_pass_by_every_proxy() {
    let (_, heads) = talk(&["status"], &[&json("500 Oops", "text/plain", "")]);
    let head = heads[0].to_lowercase();
    assert!(head.starts_with("get /health http/1.1\r\n"), "{head}");
    assert!(
        head.contains("\r\nauthorization: bearer s3cret\r\n") && head.contains("\r\nx-bog-client: cli\r\n"),
        "{head}"
    );
}

#[test]
fn answers_that_are_not_the_daemons_are_told_apart() {
    let elsewhere =
        "HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:9/\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
    let problem =
        r#"{"type":"/problems/disk-full","title":"disk full","status":507,"detail":"no space left: make room"}"#;
    let told = |answer: &str| {
        let (said, _) = talk(&["status"], &[answer]);
        let port = said
            .err
            .split("127.0.0.1:")
            .nth(1)
            .and_then(|rest| rest.split(['/', '`']).next())
            .unwrap_or("none")
            .to_owned();
        format!("exit {}: {}", said.code, said.err.replace(&port, "PORT"))
    };
    let all = [
        told(elsewhere),
        told(&json("200 OK", "text/html", "<html>")),
        told(&json("404 Not Found", "text/html", "<html>")),
        told(&json("507 Insufficient Storage", "application/problem+json", problem)),
        told(&json("401 Unauthorized", "application/problem+json", problem)),
        told(""),
    ];
    insta::assert_snapshot!(all.join(""));
}

#[test]
fn a_broken_stream_is_taken_up_where_it_broke() {
    let run = "01890a5d-ac96-774b-bcce-b302099a8057";
    let whole = r#"{"id":"01890a5d-ac96-774b-bcce-b302099a8057","job_id":"a","job_name":"a","revision":1,"fire_id":"f","trigger":"manual","fires":1,"attempt":1,"max_attempts":1,"state":"finished","outcome":"succeeded","queued_at":"2026-11-23T09:00:00Z","started_at":"2026-11-23T09:00:00Z","finished_at":"2026-11-23T09:00:01Z","exit_code":0,"output":"onetwo","output_truncated":false,"error":null,"usage":{},"dispatch_errors":[]}"#;
    let event = |seq: u64, text: &str| {
        format!(
            "id: 1-{seq}\nevent: event\ndata: {{\"attempt\":1,\"seq\":{seq},\"at\":\"2026-11-23T09:00:00Z\",\"kind\":\"stdout\",\"data\":{{\"text\":\"{text}\"}}}}\n\n"
        )
    };
    let stream =
        |body: &str| format!("HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\n{body}");
    // The first connection breaks in the middle of the second event.
    let second = event(2, "two");
    let first = stream(&format!("{}{}", event(1, "one"), &second[..second.len() / 2]));
    let rest = stream(&format!("{second}event: end\ndata: {whole}\n\n"));
    let (said, heads) = talk(&["runs", "logs", "-f", run], &[&first, &rest]);
    assert_eq!((said.code, said.out.as_str()), (0, "onetwo\n"), "{said:?}");
    assert!(!heads[0].to_lowercase().contains("last-event-id"), "{heads:?}");
    assert!(heads[1].to_lowercase().contains("\r\nlast-event-id: 1-1\r\n"), "{heads:?}");
}
