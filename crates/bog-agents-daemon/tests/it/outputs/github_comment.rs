//! GitHub, as `emulate` plays it, and with somebody in between who swallows an answer.

use super::receiver::{Receiver, answer};
use super::tools::{Server, TOKEN, ask};
use super::{configure, delivered, refused, run, save, settled};
use crate::support::{Daemon, Home};
use bog_domain::fire::Cause;
use serde_json::{Value, json};

const ISSUES: &str = "/repos/octocat/hello/issues";

fn start(home: &Home, port: u16) -> Daemon {
    configure(home, &format!("github_api_url = 'http://localhost:{port}'"));
    home.start_with(&[("GITHUB_TOKEN", TOKEN)]).unwrap()
}

fn issue(server: &Server) -> u64 {
    ask(server.port, "POST", ISSUES, Some(&json!({ "title": "Broken" })))["number"].as_u64().unwrap()
}

fn comments(server: &Server, issue: u64) -> Vec<String> {
    let said = ask(server.port, "GET", &format!("{ISSUES}/{issue}/comments?per_page=100"), None);
    said.as_array().unwrap().iter().map(|comment| comment["body"].as_str().unwrap().to_owned()).collect()
}

fn comment(more: &Value) -> Value {
    let mut output = json!({ "type": "github_comment", "repo": "octocat/hello", "issue": "{{ event.payload.number }}",
        "retry": { "backoff": 0.01 } });
    output.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    json!([output])
}

#[test]
fn comments_are_written_split_and_rewritten() {
    let home = Home::new();
    let server = Server::emulate("github", home.path());
    let daemon = start(&home, server.port);
    let (one, two) = (issue(&server), issue(&server));
    save(&daemon, "new", "All is **well**.", &comment(&json!({})));
    let receipt = delivered(&daemon, "new", &json!({ "number": one }));
    assert!(receipt.contains(&format!("/octocat/hello/issues/{one}#issuecomment-")), "{receipt}");
    delivered(&daemon, "new", &json!({ "number": one }));
    let written = comments(&server, one);
    assert_eq!(written.len(), 2);
    assert_eq!(Cause::from_marked(&written[0]).map(|cause| cause.depth), Some(1), "{}", written[0]);
    assert!(written[0].ends_with("-->\n\nAll is **well**.\n"), "{}", written[0]);

    save(&daemon, "long", &"A line that is one of very many.\n".repeat(3000), &comment(&json!({})));
    let receipt = delivered(&daemon, "long", &json!({ "number": two }));
    assert!(receipt.ends_with(" (and 1 more)"), "{receipt}");
    assert_eq!(comments(&server, two).len(), 2);

    let three = issue(&server);
    save(&daemon, "status", "{{", &comment(&json!({ "mode": "update", "template": "Now {{ event.payload.now }}" })));
    let first = delivered(&daemon, "status", &json!({ "number": three, "now": "bad" }));
    assert_eq!(delivered(&daemon, "status", &json!({ "number": three, "now": "good" })), first);
    // On another issue it is another comment, and back on the first it is found by its mark.
    delivered(&daemon, "status", &json!({ "number": one, "now": "elsewhere" }));
    assert_eq!(delivered(&daemon, "status", &json!({ "number": three, "now": "best" })), first);
    let written = comments(&server, three);
    assert!(written.len() == 1 && written[0].ends_with("\n\nNow best\n"), "{written:?}");
    assert_eq!(comments(&server, one).len(), 3);

    save(&daemon, "nowhere", "hello", &comment(&json!({ "issue": 4711 })));
    let error = refused(&daemon, "nowhere");
    assert!(
        error.contains("404")
            && error.ends_with("is there such an issue, and may the token see it and write comments?"),
        "{error}"
    );
}

#[test]
fn a_comment_whose_answer_was_lost_is_not_written_again() {
    let home = Home::new();
    let server = Server::emulate("github", home.path());
    let (port, number) = (server.port, issue(&server));
    // Passes everything on; says nothing of the first comment that was written.
    let between = Receiver::start(move |request, before, stream| {
        let body: Option<Value> = serde_json::from_str(&request.body).ok();
        let said = ask(port, &request.method, &request.path, body.as_ref());
        if request.method == "GET" || before > 0 {
            answer(stream, "200 OK", &said.to_string());
        }
    });
    let daemon = start(&home, between.port);
    save(&daemon, "once", "hello", &comment(&json!({})));
    let receipt = delivered(&daemon, "once", &json!({ "number": number }));
    assert!(receipt.ends_with("#issuecomment-1"), "{receipt}");
    assert_eq!(comments(&server, number).len(), 1);
}

#[test]
fn a_limit_that_passes_is_told_from_a_right_that_is_missing() {
    let home = Home::new();
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs();
    let receiver = Receiver::start(move |request, before, stream| match (request.method.as_str(), before) {
        ("GET", _) => answer(stream, "200 OK", "[]"),
        _ if request.path.contains("/8/") => {
            answer(stream, "403 Forbidden", r#"{"message": "Resource not accessible"}"#);
        }
        (_, 0) => {
            let head = format!("403 Forbidden\r\nX-RateLimit-Remaining: 0\r\nX-RateLimit-Reset: {}", now + 1);
            answer(stream, &head, "no");
        }
        (_, 1) => answer(stream, "403 Forbidden\r\nRetry-After: 0", r#"{"message": "a secondary rate limit"}"#),
        (_, _) => {
            answer(stream, "201 Created", r#"{"id": 1, "html_url": "https://github.com/a/b/issues/7#issuecomment-1"}"#);
        }
    });
    let daemon = start(&home, receiver.port);
    save(&daemon, "limited", "hello", &comment(&json!({ "issue": 7 })));
    let deliveries = settled(&daemon, &run(&daemon, "limited", &Value::Null));
    assert_eq!(
        (&deliveries[0]["state"], &deliveries[0]["attempts"]),
        (&json!("delivered"), &json!(3)),
        "{deliveries:?}"
    );
    save(&daemon, "forbidden", "hello", &comment(&json!({ "issue": 8 })));
    assert!(refused(&daemon, "forbidden").ends_with("Resource not accessible\"}"));
}
