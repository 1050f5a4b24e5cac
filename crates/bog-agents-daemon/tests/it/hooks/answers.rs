//! Every answer that a sender may get.

use super::fixture::{OTHER, PREVIOUS, SECRET, ask, job, one_fire, payload, send, signed, start, with};
use crate::support::{Home, eventually};
use serde_json::json;

const WEBHOOK: &str = "  - {type: webhook, path: /hooks/x, secret_env: HOOK_SECRET, scheme: gitlab}\n";

#[test]
fn what_is_no_webhook_explains_nothing() {
    let home = Home::new();
    home.job("x", &job(WEBHOOK));
    let daemon = start(&home);
    let token = signed("gitlab", SECRET.1, "");
    for path in ["/hooks/x/", "/hooks/y", "/hooks", "/", "/webhooks/github", "/hooks/x/../x"] {
        let answer = send(&daemon, path, &token, "{}");
        assert_eq!((answer.status, &answer.json()["type"]), (404, &json!("/problems/not-found")), "{path}");
    }
    // A path that is one looks, by any other method, like one that is none.
    for method in ["GET", "PUT", "DELETE", "OPTIONS"] {
        let (known, unknown) =
            (ask(&daemon, method, "/hooks/x", &token, ""), ask(&daemon, method, "/hooks/y", &token, ""));
        assert_eq!((known.status, known.body.as_str()), (401, unknown.body.as_str()), "{method}");
    }
    assert_eq!(daemon.request("GET", "/hooks/x", &[], None).unwrap().status, 404, "nor to who has the token");
    // The token opens no webhook, and a webhook's secret no API.
    assert_eq!(daemon.post("/hooks/x", Some(&json!({}))).status, 401);
    assert_eq!(ask(&daemon, "GET", "/jobs", &token, "").status, 401);
    // A job that is gone has no path any more, one that is new has one.
    assert_eq!(daemon.request("DELETE", "/jobs/x", &[], None).unwrap().status, 204);
    assert_eq!(send(&daemon, "/hooks/x", &token, "{}").status, 404);
    home.job("y", &job(&WEBHOOK.replace("/hooks/x", "/hooks/y")));
    eventually("the path of a new job is there", || send(&daemon, "/hooks/y", &token, "{}").status == 202);
    assert_eq!(daemon.post("/jobs/y/disable", None).status, 200);
    let fire = one_fire(&send(&daemon, "/hooks/y", &token, "{}"), 202);
    assert_eq!((&fire["disposition"], &fire["reason"]), (&json!("skipped"), &json!("disabled")));
}

#[test]
fn too_much_is_refused_and_said() {
    let home = Home::new();
    std::fs::write(home.data().join("config.toml"), "[webhooks]\nmax_body = '64KiB'\npublic_rate = 1\n").unwrap();
    home.job("x", &job(WEBHOOK));
    let open = "  - {type: webhook, path: /hooks/open, scheme: none, public: true}\n";
    home.job("open", &job(open));
    let held =
        "agent: {command: [sh, -c, 'while [ -e \"$0\" ]; do sleep 0.1; done', 'HELD']}\nsandbox: {shell: host}\n\
                trust: {event: full}\nmax_queued: 1\ntriggers:\n"
            .replace("HELD", home.path().join("daemon.log").to_str().unwrap());
    home.job("held", &(held + &WEBHOOK.replace("/hooks/x", "/hooks/held")));
    let daemon = start(&home);
    let token = signed("gitlab", SECRET.1, "");
    // Longer than allowed, and so long that the sender is still sending when it is refused.
    for length in [65_537, 4_000_000] {
        let answer = send(&daemon, "/hooks/x", &token, &"x".repeat(length));
        assert_eq!((answer.status, &answer.json()["detail"]), (413, &json!("at most 65536 bytes are read")));
    }
    assert_eq!(send(&daemon, "/hooks/x", &token, &"x".repeat(65_536)).status, 202);
    // On a machine however slow, two of many at the same time come within a second.
    let mut answers = Vec::new();
    eventually("an open path takes one and refuses another", || {
        std::thread::scope(|scope| {
            let threads: Vec<_> = (0..8).map(|_| scope.spawn(|| send(&daemon, "/hooks/open", &[], "{}"))).collect();
            answers.extend(threads.into_iter().map(|thread| thread.join().unwrap()));
        });
        [202, 429].iter().all(|status| answers.iter().any(|answer| answer.status == *status))
    });
    let refused: Vec<_> = answers.iter().filter(|answer| answer.status == 429).collect();
    assert!(refused.iter().all(|answer| answer.headers.contains("retry-after: 1")), "{refused:?}");
    // One runs, one waits, a third is refused and may come again.
    let deliver = |id: &str| send(&daemon, "/hooks/held", &with(token.clone(), "Idempotency-Key", id), "{\"a\":1}");
    let running = one_fire(&deliver("1"), 202)["run_id"].as_str().unwrap().to_owned();
    daemon.run_when(&running, "running", |run| run["state"] == "running");
    let waiting = one_fire(&deliver("2"), 202)["run_id"].as_str().unwrap().to_owned();
    let full = deliver("3");
    assert_eq!((full.status, &full.json()["type"]), (429, &json!("/problems/queue-full")), "{full:?}");
    assert!(full.headers.contains("retry-after: 5"), "{full:?}");
    assert_eq!(one_fire(&deliver("2"), 200)["run_id"], waiting.as_str(), "what was taken stays taken");
    let fires = daemon.list("/fires?job=held");
    let refused = fires.iter().find(|fire| fire["disposition"] == "refused").unwrap();
    assert_eq!((&refused["reason"], &refused["context"]), (&json!("queue full"), &json!({})), "and keeps no event");
    assert_eq!(daemon.post(&format!("/runs/{waiting}/cancel"), None).status, 200);
    assert_eq!(one_fire(&deliver("3"), 202)["disposition"], "run", "a refused event is taken when it comes again");
    // A daemon that takes no new work says so.
    assert_eq!(daemon.post("/drain", None).status, 202);
    let draining = deliver("4");
    assert_eq!((draining.status, &draining.json()["type"]), (503, &json!("/problems/draining")), "{draining:?}");
    assert!(draining.headers.contains("retry-after: 30"), "{draining:?}");
}

#[test]
fn a_secret_that_is_missing_is_loud_and_opens_nothing() {
    let home = Home::new();
    home.job("x", &job("  - {type: webhook, path: /hooks/x, secret_env: LACKING_SECRET}\n"));
    home.job("g", &job("  - {type: github}\n"));
    home.job("k", &job("  - {type: webhook, path: /hooks/k, scheme: standard, secret_env: NO_KEY}\n"));
    let daemon = home.start_with(&[("NO_KEY", "whsec_this is not base64!")]).unwrap();
    let problem = daemon.problem("LACKING_SECRET");
    assert!(problem.starts_with("webhooks are refused: secret `LACKING_SECRET` is not there"), "{problem}");
    daemon.problem("GITHUB_WEBHOOK_SECRET");
    let body = payload("github_issues_labeled");
    let headers = with(signed("github", "", &body), "X-GitHub-Event", "issues");
    for path in ["/hooks/x", "/webhooks/github"] {
        for headers in [&headers[..], &[]] {
            let answer = send(&daemon, path, headers, &body);
            assert_eq!((answer.status, &answer.json()["type"]), (503, &json!("/problems/unavailable")), "{path}");
            assert!(!answer.body.contains("SECRET"), "a stranger is not told: {answer:?}");
        }
    }
    let standard = signed("standard", SECRET.1, &body);
    assert_eq!(send(&daemon, "/hooks/k", &standard, &body).status, 503, "a secret that is no key is none");
    let job = daemon.get("/jobs/x");
    assert!(job["warnings"].to_string().contains("LACKING_SECRET"), "{job}");
    let doctor = home.run(&["doctor"]);
    let said = String::from_utf8_lossy(&doctor.stdout).into_owned();
    assert!(said.contains("LACKING_SECRET"), "{said}");
}

#[test]
fn a_rotated_secret_is_taken_up_and_the_old_one_put_away() {
    let home = Home::new();
    home.job("x", &job("  - {type: webhook, path: /hooks/x, secret_env: ROTATED, secret_env_previous: BEFORE}\n"));
    let (now, before) = (home.path().join("now"), home.path().join("before"));
    std::fs::write(&now, PREVIOUS.1).unwrap();
    let files = [("ROTATED_FILE", now.to_str().unwrap()), ("BEFORE_FILE", before.to_str().unwrap())];
    let daemon = home.start_with(&files).unwrap();
    let ask = |secret: &str| send(&daemon, "/hooks/x", &signed("github", secret, "{}"), "{}").status;
    assert_eq!((ask(PREVIOUS.1), ask(SECRET.1)), (202, 401));
    std::fs::rename(&now, &before).unwrap();
    std::fs::write(&now, SECRET.1).unwrap();
    eventually("the new secret opens", || ask(SECRET.1) == 202);
    eventually("the old one still does", || ask(PREVIOUS.1) == 202);
    std::fs::remove_file(&before).unwrap();
    eventually("until it is put away", || ask(PREVIOUS.1) == 401);
    assert_eq!((ask(SECRET.1), ask(OTHER)), (202, 401));
}

#[test]
fn another_name_or_a_web_page_needs_a_signature() {
    let home = Home::new();
    std::fs::write(home.data().join("config.toml"), "[webhooks]\nhosts = ['hooks.example.com']\npublic_rate = 1000\n")
        .unwrap();
    home.job("x", &job(WEBHOOK));
    home.job("open", &job("  - {type: webhook, path: /hooks/open, scheme: none, public: true}\n"));
    let daemon = start(&home);
    let from = |name: &str, value: &str| with(signed("gitlab", SECRET.1, ""), name, value);
    // The request of `support` has its own `Host` first; a second one is not HTTP, so that one is written here.
    let to_host = |path: &str, host: &str, token: &str| {
        use std::io::{Read, Write};
        let mut stream = std::net::TcpStream::connect(&daemon.address).unwrap();
        let head = format!(
            "POST {path} HTTP/1.1\r\nHost: {host}\r\n{token}Content-Length: 2\r\nConnection: close\r\n\r\n{{}}"
        );
        stream.write_all(head.as_bytes()).unwrap();
        let mut text = String::new();
        stream.read_to_string(&mut text).unwrap();
        text.split(' ').nth(1).unwrap().to_owned()
    };
    let token = format!("X-Gitlab-Token: {}\r\n", SECRET.1);
    assert_eq!(to_host("/hooks/x", "tunnel.example", &token), "202", "through a tunnel, under its name");
    assert_eq!(to_host("/hooks/x", "tunnel.example", ""), "401");
    assert_eq!(to_host("/hooks/open", "tunnel.example", ""), "421");
    assert_eq!(to_host("/hooks/open", "hooks.example.com:443", ""), "202");
    assert_eq!(to_host("/jobs", "hooks.example.com", ""), "421", "the API has its own guard");
    assert_eq!(send(&daemon, "/hooks/open", &from("Origin", "https://evil.example"), "{}").status, 421);
    assert_eq!(send(&daemon, "/hooks/open", &from("Origin", "null"), "{}").status, 421);
    assert_eq!(send(&daemon, "/hooks/open", &from("Origin", "http://localhost:3000"), "{}").status, 202);
    assert_eq!(send(&daemon, "/hooks/x", &from("Origin", "https://evil.example"), "{}").status, 202);
    let job = daemon.get("/jobs/open");
    assert!(job["warnings"].to_string().contains("takes events from anyone"), "{job}");
}
