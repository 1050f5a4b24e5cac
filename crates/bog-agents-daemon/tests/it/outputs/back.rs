//! What an output sends comes back to a trigger, of the same daemon or of another: it is known for what it is.

use super::receiver::{Receiver, answer};
use super::{configure, delivered, settled};
use crate::hooks::fixture::{SECRET, one_fire, send, signed, start, with};
use crate::support::{Daemon, Home, eventually};
use serde_json::{Value, json};

/// Saves a job that the path `/hooks/ID` fires and whose output is sent to a URL.
fn save(daemon: &Daemon, id: &str, scheme: &str, url: &str) {
    let mut trigger = json!({ "type": "webhook", "path": format!("/hooks/{id}"), "scheme": scheme });
    let mut output = json!({ "type": "webhook", "url": url, "retry": { "backoff": 0.01 } });
    if scheme == "none" {
        trigger["public"] = true.into();
    } else {
        (trigger["secret_env"], output["hmac_secret_env"]) = (SECRET.0.into(), SECRET.0.into());
    }
    let spec = json!({ "id": id, "agent": { "command": ["true"] }, "triggers": [trigger], "outputs": [output] });
    let saved = daemon.post("/jobs", Some(&spec));
    assert_eq!(saved.status, 201, "{saved:?}");
}

#[test]
fn a_webhook_that_fires_its_own_job_is_stopped_with_one_incident() {
    let home = Home::new();
    let daemon = start(&home);
    for scheme in ["github", "standard", "none"] {
        save(&daemon, scheme, scheme, &format!("http://{}/hooks/{scheme}", daemon.address));
        daemon.fire(scheme);
    }
    for scheme in ["github", "standard", "none"] {
        let blocked = || daemon.list(&format!("/fires?job={scheme}&disposition=blocked"));
        eventually("the loop is held", || !blocked().is_empty());
        assert_eq!(blocked().len(), 1);
        let fires = daemon.list(&format!("/fires?job={scheme}"));
        let depths: Vec<Value> = fires.iter().map(|fire| fire["cause"]["depth"].clone()).collect();
        assert_eq!(depths, (0..10).map(Value::from).collect::<Vec<_>>(), "{scheme}");
        for pair in fires.windows(2) {
            assert_eq!(pair[1]["cause"]["fire"], pair[0]["id"], "{scheme}");
        }
        daemon.problem(&format!("job `{scheme}` is in a loop: 1 of its fires were blocked (depth)"));
    }
    // Whoever finds a public path can make up no depth: it counts only as far as there are fires for it.
    let forged = |cause: &str| {
        let fire = one_fire(&send(&daemon, "/hooks/none", &[("X-Bog-Cause".to_owned(), cause.to_owned())], "{}"), 202);
        daemon.get(&format!("/fires/{}", fire["fire_id"].as_str().unwrap()))["cause"]["depth"].clone()
    };
    let first = daemon.list("/fires?job=none")[0]["id"].as_str().unwrap().to_owned();
    for (cause, depth) in [
        ("-;depth=9".to_owned(), 0),
        ("00000000-0000-7000-8000-000000000007;depth=9".to_owned(), 0),
        (format!("{first};depth=9"), 1),
    ] {
        assert_eq!(forged(&cause), depth, "{cause}");
    }
}

#[test]
fn a_daemon_that_sends_again_after_a_crash_fires_another_once() {
    for scheme in ["github", "standard"] {
        let (sender, receiver) = (Home::new(), Home::new());
        let takes = start(&receiver);
        let nowhere = Receiver::start(|_, _, stream| answer(stream, "200 OK", ""));
        save(&takes, "in", scheme, &format!("http://127.0.0.1:{}/", nowhere.port));
        let url = format!("http://{}/hooks/in", takes.address);
        let mut dying = sender.start_with(&[SECRET, ("BOG_FAILPOINTS", "outbox.delivered=kill")]).unwrap();
        save(&dying, "out", scheme, &url);
        let run = dying.fire("out");
        eventually("the sender dies over its delivery", || dying.has_ended());
        let sends = start(&sender);
        let deliveries = settled(&sends, &sends.finished(&run));
        assert_eq!(deliveries[0]["state"], "delivered", "{deliveries:?}");
        let fires = takes.list("/fires");
        assert_eq!((fires.len(), &fires[0]["disposition"]), (1, &json!("run")), "{scheme}: {fires:?}");
        assert_eq!((&fires[0]["dedupe_key"], &fires[0]["cause"]["depth"]), (&deliveries[0]["id"], &json!(1)));
    }
}

#[test]
fn a_comment_of_the_daemon_that_comes_back_is_known() {
    let home = Home::new();
    let github = Receiver::start(|request, _, stream| match request.method.as_str() {
        "GET" => answer(stream, "200 OK", "[]"),
        _ => {
            answer(stream, "201 Created", r#"{"id": 1, "html_url": "https://github.com/a/b/issues/7#issuecomment-1"}"#);
        }
    });
    configure(&home, &format!("github_api_url = 'http://localhost:{}'", github.port));
    let secret = ("GITHUB_WEBHOOK_SECRET", SECRET.1);
    let daemon = home.start_with(&[SECRET, secret, ("GITHUB_TOKEN", "t")]).unwrap();
    super::save(&daemon, "says", "hello", &json!([{ "type": "github_comment", "repo": "a/b", "issue": 7 }]));
    for (id, trigger) in [
        ("named", json!({ "type": "github", "events": ["issue_comment"] })),
        ("plain", json!({ "type": "webhook", "path": "/hooks/plain", "secret_env": SECRET.0 })),
    ] {
        let spec = json!({ "id": id, "agent": { "command": ["true"] }, "triggers": [trigger] });
        assert_eq!(daemon.post("/jobs", Some(&spec)).status, 201);
    }
    delivered(&daemon, "says", &Value::Null);
    let written = github.got("/repos/a/b/issues/7/comments").pop().unwrap();
    let comment: Value = serde_json::from_str(&written.body).unwrap();
    let body = json!({
        "action": "created", "repository": { "full_name": "a/b" }, "sender": { "login": "somebody" },
        "issue": { "number": 7, "title": "It breaks", "body": "badly" }, "comment": comment,
    });
    let body = body.to_string();
    let headers = with(signed("github", SECRET.1, &body), "X-GitHub-Event", "issue_comment");
    let fire = one_fire(&send(&daemon, "/webhooks/github", &headers, &body), 202);
    assert_eq!((&fire["disposition"], &fire["reason"]), (&json!("filtered"), &json!("own comment")), "{fire}");
    let fire = one_fire(&send(&daemon, "/hooks/plain", &headers, &body), 202);
    assert_eq!(fire["disposition"], "run");
    let said = daemon.list("/fires?job=says")[0]["id"].clone();
    for id in ["named", "plain"] {
        assert_eq!(daemon.list(&format!("/fires?job={id}"))[0]["cause"], json!({ "fire": said, "depth": 1 }), "{id}");
    }
}
