//! A receiver that fails in every way: what passes is tried again under the same key, what does not is given up, and
//! nothing leads the daemon elsewhere.

use super::receiver::{Receiver, Request, answer};
use super::{configure, run, save, settled};
use crate::support::Home;
use serde_json::{Value, json};
use std::io::Write;
use std::net::TcpStream;

/// Fails once, as its path says, and answers well from then on; or fails always.
fn behave(request: &Request, before: usize, stream: &mut TcpStream) {
    match (request.path.as_str(), before) {
        ("/500", 0) => answer(stream, "500 Oops", "no"),
        ("/429", 0) => answer(stream, "429 Slow Down\r\nRetry-After: 1", ""),
        ("/hang", 0) => std::thread::park(),
        ("/reset", 0) => reset(stream),
        ("/half", 0) => drop(write!(stream, "HTTP/1.1 20")),
        ("/slow", _) => {
            // The status says all; whoever waits for such a body waits for ever.
            let mut drip = write!(stream, "HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n");
            while drip.is_ok() {
                std::thread::sleep(std::time::Duration::from_millis(100));
                drip = stream.write_all(b"x");
            }
        }
        ("/huge", _) => {
            let head = "HTTP/1.1 200 OK\r\nX-Request-Id: big\r\nContent-Length: 10000000000\r\n\r\n";
            let mut flood = stream.write_all(head.as_bytes());
            while flood.is_ok() {
                flood = stream.write_all(&[b'x'; 65536]);
            }
        }
        ("/redirect", _) => answer(stream, "307 Over There\r\nLocation: http://169.254.169.254/latest/meta-data", ""),
        ("/here", _) => answer(stream, "302 Found\r\nLocation: /elsewhere", ""),
        ("/404", _) => answer(stream, "404 Not Found", "no such\nhook"),
        ("/401", _) => answer(stream, "401 Unauthorized", ""),
        _ => answer(stream, "202 Accepted", r#"{"id": "made-of-it"}"#),
    }
}

/// Closes with a reset instead of an end.
fn reset(stream: &TcpStream) {
    rustix::net::sockopt::set_socket_linger(stream, Some(std::time::Duration::ZERO)).unwrap();
}

#[test]
fn what_passes_is_tried_again_and_what_does_not_is_given_up() {
    let home = Home::new();
    configure(&home, "timeout = '5s'");
    let receiver = Receiver::start(behave);
    let daemon = home.start();
    let paths =
        ["/ok", "/500", "/429", "/hang", "/reset", "/half", "/slow", "/huge", "/redirect", "/here", "/404", "/401"];
    let output = |path: &&str| json!({ "type": "webhook", "url": format!("http://127.0.0.1:{}{path}", receiver.port), "retry": { "backoff": 0.01 } });
    let elsewhere = [
        "http://169.254.169.254/latest",
        "http://[::ffff:169.254.169.254]/",
        "http://0.0.0.0/",
        "http://nowhere.invalid/",
    ];
    let elsewhere =
        elsewhere.map(|url| json!({ "type": "webhook", "url": url, "retry": { "max": 1, "backoff": 0.01 } }));
    let outputs: Vec<Value> = paths.iter().map(output).chain(elsewhere).collect();
    save(&daemon, "chaos", "hello", &json!(outputs));
    let deliveries = settled(&daemon, &run(&daemon, "chaos", &Value::Null));
    let shown = |delivery: &Value| {
        let target = delivery["target"].as_str().unwrap().replace(&receiver.port.to_string(), "PORT");
        let said = delivery["receipt"]
            .as_str()
            .or(delivery["error"].as_str())
            .unwrap()
            .replace(&receiver.port.to_string(), "PORT");
        format!("{target} {} after {}\n  {said}", delivery["state"].as_str().unwrap(), delivery["attempts"])
    };
    let (ours, theirs) = deliveries.split_at(paths.len() + 3);
    insta::assert_snapshot!(ours.iter().map(shown).collect::<Vec<_>>().join("\n"));
    // How a name that does not exist is called differs from system to system.
    assert_eq!((&theirs[0]["state"], &theirs[0]["attempts"]), (&json!("gave_up"), &json!(2)), "{theirs:?}");
    for (path, delivery) in paths.iter().zip(&deliveries) {
        let got = receiver.got(path);
        assert_eq!(json!(got.len()), delivery["attempts"], "{path}");
        for request in got {
            assert_eq!(request.headers["idempotency-key"], delivery["id"].as_str().unwrap(), "{path}");
        }
    }
    assert!(receiver.got("/elsewhere").is_empty(), "no redirect is followed");
}
