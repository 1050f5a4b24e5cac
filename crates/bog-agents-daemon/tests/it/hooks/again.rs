//! The same event once more, several jobs at one path, and what a filter keeps out.

use super::fixture::{SECRET, job, one_fire, payload, send, signed, start, with};
use crate::support::{Home, violations};
use serde_json::{Value, json};

#[test]
fn a_delivery_is_one_fire_also_over_a_restart_and_for_72_hours() {
    let home = Home::new();
    home.job("x", &job("  - {type: webhook, path: /hooks/x, secret_env: HOOK_SECRET}\n"));
    let deliver = |daemon: &crate::support::Daemon, id: &str| {
        let headers = with(signed("github", SECRET.1, "{}"), "X-GitHub-Delivery", id);
        send(daemon, "/hooks/x", &headers, "{}")
    };
    let daemon = start(&home);
    let first = one_fire(&deliver(&daemon, "d1"), 202);
    assert_eq!(one_fire(&deliver(&daemon, "d1"), 200), first, "the first answer");
    daemon.kill();
    let daemon = start(&home);
    assert_eq!(one_fire(&deliver(&daemon, "d1"), 200), first, "after a restart too");
    assert_eq!(one_fire(&deliver(&daemon, "d2"), 202)["disposition"], "run");
    // Without an id it is a new event each time.
    let bare = || one_fire(&send(&daemon, "/hooks/x", &signed("github", SECRET.1, "{}"), "{}"), 202);
    assert_ne!(bare()["fire_id"], bare()["fire_id"]);
    daemon.stop();
    let clock = |hours: i64| (hours * 3_600_000).to_string();
    let later = |hours: i64| {
        std::fs::write(home.path().join("clock"), clock(hours)).unwrap();
        let file = home.path().join("clock").to_str().unwrap().to_owned();
        home.start_with(&[SECRET, ("BOG_TEST_CLOCK", &file)]).unwrap()
    };
    let daemon = later(71);
    assert_eq!(one_fire(&deliver(&daemon, "d1"), 200), first, "for 72 hours");
    daemon.stop();
    let daemon = later(73);
    assert_ne!(one_fire(&deliver(&daemon, "d1"), 202)["fire_id"], first["fire_id"], "and no longer");
    daemon.stop();
    assert_eq!(violations(&home.data()), Vec::<String>::new());
}

#[test]
fn a_request_without_an_answer_is_known_when_it_comes_again() {
    let home = Home::new();
    home.job("x", &job("  - {type: webhook, path: /hooks/x, secret_env: HOOK_SECRET}\n"));
    let headers = |id: &str| {
        let all = with(with(signed("github", SECRET.1, "{}"), "X-GitHub-Delivery", id), "Authorization", "-");
        all.into_iter().collect::<Vec<_>>()
    };
    for (failpoint, then) in [("store.accept", 202), ("hooks.before_answer", 200)] {
        let armed = format!("{failpoint}=kill");
        let daemon = home.start_with(&[SECRET, ("BOG_FAILPOINTS", &armed)]).unwrap();
        let headers = headers(failpoint);
        let pairs: Vec<(&str, &str)> = headers.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        assert!(daemon.request("POST", "/hooks/x", &pairs, Some("{}")).is_err(), "{failpoint}: it answered");
        drop(daemon);
        let daemon = start(&home);
        let fire = one_fire(&send(&daemon, "/hooks/x", &headers, "{}"), then);
        assert_eq!(fire["disposition"], "run", "{failpoint}");
        assert_eq!(daemon.finished(fire["run_id"].as_str().unwrap())["outcome"], "succeeded", "{failpoint}");
        daemon.stop();
    }
    let daemon = start(&home);
    assert_eq!(daemon.list("/fires").len(), 2, "one fire for each event");
    daemon.stop();
    assert_eq!(violations(&home.data()), Vec::<String>::new());
}

#[test]
fn jobs_share_a_path_and_each_has_its_filter_and_its_secret() {
    let home = Home::new();
    let hook = |more: &str| job(&format!("  - {{type: webhook, path: /hooks/shared, {more}}}\n"));
    home.job("all", &hook("secret_env: HOOK_SECRET"));
    home.job("bugs", &hook("secret_env: HOOK_SECRET, filter: \"'bug' in payload.issue.labels.name\""));
    home.job("none", &hook("secret_env: HOOK_SECRET, filter: \"payload.action == 'closed'\""));
    home.job("others", &hook("secret_env: HOOK_SECRET_OLD"));
    let twice = "  - {type: webhook, id: opened, path: /hooks/shared, secret_env: HOOK_SECRET, filter: \"payload.action == 'opened'\"}\n  \
                 - {type: webhook, id: labeled, path: /hooks/shared, secret_env: HOOK_SECRET, filter: \"payload.action == 'labeled'\"}\n";
    home.job("twice", &job(twice));
    let daemon = start(&home);
    let body = payload("github_issues_labeled");
    let headers = with(signed("github", SECRET.1, &body), "X-GitHub-Delivery", "one");
    let headers = with(headers, "X-Bog-Cause", "-;depth=2");
    let answer = send(&daemon, "/hooks/shared", &headers, &body);
    assert_eq!(answer.status, 202, "{answer:?}");
    let fires = answer.json()["fires"].as_array().unwrap().clone();
    let told: Vec<String> = fires
        .iter()
        .map(|fire| format!("{} {} {}", fire["job_id"], fire["disposition"], fire["reason"]).replace('"', ""))
        .collect();
    let expected = ["all run null", "bugs run null", "none filtered filter", "twice run null", "twice filtered filter"];
    assert_eq!(told, expected);
    assert_eq!(send(&daemon, "/hooks/shared", &headers, &body).status, 200);
    let recorded = daemon.list("/fires");
    assert_eq!(recorded.len(), 5);
    assert!(recorded.iter().all(|fire| fire["cause"] == json!({"fire": null, "depth": 2})), "{recorded:?}");
    let filtered = recorded.iter().find(|fire| fire["job_id"] == "none").unwrap();
    assert_eq!((&filtered["run_id"], &filtered["context"]["payload"]["action"]), (&Value::Null, &json!("labeled")));
    // A job that joins later has its fire, the others keep theirs.
    home.job("late", &hook("secret_env: HOOK_SECRET"));
    crate::support::eventually("the new job has its fire", || {
        let answer = send(&daemon, "/hooks/shared", &headers, &body);
        answer.json()["fires"].as_array().unwrap().len() == 6 && answer.status == 202
    });
    assert_eq!(daemon.list("/fires").len(), 6);
    // A large event that nobody wants is not kept.
    let large =
        body.replace("\"action\": \"labeled\"", &format!("\"action\": \"x\", \"more\": \"{}\"", "y".repeat(9000)));
    let headers = with(signed("github", SECRET.1, &large), "X-GitHub-Delivery", "two");
    assert_eq!(send(&daemon, "/hooks/shared", &headers, &large).status, 202);
    let fires = daemon.list("/fires?job=none");
    let context = &fires.last().unwrap()["context"];
    assert_eq!((&context["payload"], &context["delivery_id"]), (&Value::Null, &json!("two")), "{context}");
    // Of one that fired all is kept, and a list says what it leaves out.
    let listed = daemon.list("/fires?job=all").pop().unwrap();
    assert_eq!((&listed["context"]["payload"], &listed["context"]["cut"]), (&Value::Null, &json!(["payload"])));
    let whole = daemon.get(&format!("/fires/{}", listed["id"].as_str().unwrap()));
    assert_eq!(whole["context"]["payload"]["more"].as_str().unwrap().len(), 9000);
}
