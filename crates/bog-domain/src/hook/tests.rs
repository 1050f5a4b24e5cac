use super::*;
use crate::job::{Defaults, Job};
use crate::spec::yaml;
use std::collections::BTreeMap;

fn hook(trigger: &str) -> Hook {
    let text = format!("agent: {{command: ['true']}}\ntriggers: [{trigger}]\n");
    let job = Job::parse("j".parse().unwrap(), &yaml::parse(&text).unwrap(), &Defaults::default());
    job.unwrap_or_else(|error| panic!("{trigger}: {error}")).triggers[0].hook.clone().unwrap()
}

fn refused(trigger: &str) -> String {
    let text = format!("agent: {{command: ['true']}}\ntriggers: [{trigger}]\n");
    Job::parse("j".parse().unwrap(), &yaml::parse(&text).unwrap(), &Defaults::default()).unwrap_err().to_string()
}

fn headers(pairs: &[(&str, &str)]) -> Headers {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

fn hear(hook: &Hook, headers: &Headers, payload: &Value) -> Heard {
    hook.hear(Received { path: hook.path(), headers, payload, delivery_id: Some("d1") }, Some("Our-Bot"))
}

fn of(heard: &Heard) -> (Option<Reason>, u32) {
    match heard {
        Heard::Event { filtered, cause, .. } => (*filtered, cause.depth),
        Heard::NotMine => panic!("nobody's event"),
    }
}

#[test]
fn a_webhook_hears_all_that_its_filter_lets_through() {
    let hook = hook("{type: webhook, path: /hooks/x, secret_env: S, filter: \"payload.action == 'opened'\"}");
    let headers = headers(&[
        ("x-bog-cause", "-;depth=3"),
        ("x-hub-signature-256", "sha256=00"),
        ("authorization", "Basic x"),
        ("cookie", "x"),
        ("x-gitlab-token", "x"),
        ("x-api-key", "x"),
        ("x-github-event", "issues"),
    ]);
    let heard = hear(&hook, &headers, &json!({ "action": "opened" }));
    assert_eq!(of(&heard), (None, 3));
    let Heard::Event { context, .. } = heard else { unreachable!() };
    assert_eq!(
        context,
        json!({ "path": "/hooks/x", "delivery_id": "d1", "payload": { "action": "opened" },
                "headers": { "x-bog-cause": "-;depth=3", "x-github-event": "issues" } })
    );
    assert_eq!(of(&hear(&hook, &headers, &json!({ "action": "closed" }))), (Some(Reason::Filter), 3));
    assert_eq!(of(&hear(&hook, &Headers::new(), &json!("text"))), (Some(Reason::Filter), 0));
}

#[test]
fn the_deepest_mark_of_what_comes_back_is_its_cause() {
    let mark = |depth| Cause { fire: None, depth }.to_marker();
    let depth = |scheme: &str, said: &str, payload: Value| {
        let hook = hook(&format!("{{type: webhook, path: /hooks/x, secret_env: S, scheme: {scheme}}}"));
        of(&hear(&hook, &headers(&[("x-bog-cause", said)]), &payload)).1
    };
    for place in ["comment", "review", "issue", "pull_request"] {
        let payload = json!({ place: { "body": format!("Done.\n{}", mark(2)) } });
        assert_eq!(depth("github", "", payload.clone()), 2, "{place}");
        assert_eq!(depth("github", "-;depth=3", payload.clone()), 3, "{place}");
        assert_eq!(depth("standard", "", payload), 0, "{place}: a mark of another service's text is none");
    }
    let both = json!({ "comment": { "body": mark(1) }, "issue": { "body": mark(4) } });
    assert_eq!(depth("github", "-;depth=2, -;depth=3", both), 4);
    let message = json!({ "event": { "metadata": { "event_payload": { "cause": "-;depth=5" } } } });
    assert_eq!((depth("slack", "", message.clone()), depth("github", "", message)), (5, 0));
    assert_eq!(depth("slack", "", json!({ "event": { "metadata": "x" } })), 0);
}

fn issue(action: &str, labels: &[&str]) -> Value {
    json!({
        "action": action, "label": { "name": labels.first() }, "repository": { "full_name": "Example/API" },
        "sender": { "login": "ada" }, "comment": { "body": "looks good", "html_url": "https://h/1" },
        "issue": { "number": 7, "title": "It breaks", "body": "badly",
                   "labels": labels.iter().map(|name| json!({ "name": name })).collect::<Vec<_>>() },
    })
}

#[test]
fn a_github_trigger_selects() {
    let labeled = headers(&[("x-github-event", "issues")]);
    let ask =
        |trigger: &str, payload: &Value| match hear(&hook(&format!("{{type: github{trigger}}}")), &labeled, payload) {
            Heard::NotMine => Err(()),
            Heard::Event { filtered, .. } => Ok(filtered),
        };
    let bug = issue("labeled", &["bug", "p1"]);
    assert_eq!(ask("", &bug), Ok(None));
    assert_eq!(
        ask(", events: [issue_labeled], repo: example/api, number: 7, labels: [BUG], actor: Ada", &bug),
        Ok(None)
    );
    assert_eq!(ask(", events: [issue_opened]", &bug), Err(()));
    assert_eq!(ask(", repo: example/web", &bug), Err(()));
    assert_eq!(ask(", number: 8", &bug), Ok(Some(Reason::Number)));
    assert_eq!(ask(", actor: eve", &bug), Ok(Some(Reason::Actor)));
    assert_eq!(ask(", branch: main", &bug), Ok(Some(Reason::Branch)));
    // The label that was given counts, not one that was there before.
    assert_eq!(ask(", labels: [p1]", &bug), Ok(Some(Reason::Labels)));
    assert_eq!(ask(", labels: [p1]", &issue("opened", &["bug", "p1"])), Ok(None));
    assert_eq!(ask(", filter: \"event.number == 8\"", &bug), Ok(Some(Reason::Filter)));
    assert_eq!(ask(", filter: \"'bug' in event.labels and payload.issue.title\"", &bug), Ok(None));
    assert_eq!(ask("", &issue("deleted", &[])), Err(()), "no event that has a name here");
    assert_eq!(hear(&hook("{type: github}"), &Headers::new(), &bug), Heard::NotMine);
}

#[test]
fn its_own_comments_never_fire() {
    let hook = hook("{type: github, events: [issue_comment, issue_opened]}");
    let said = headers(&[("x-github-event", "issue_comment")]);
    let marked = |depth| Cause { fire: None, depth }.to_marker();
    let with = |body: &str, login: &str| {
        let mut payload = issue("created", &[]);
        payload["comment"]["body"] = body.into();
        payload["sender"]["login"] = login.into();
        payload
    };
    assert_eq!(of(&hear(&hook, &said, &with("hello", "ada"))), (None, 0));
    assert_eq!(of(&hear(&hook, &said, &with("hello", "our-bot"))), (Some(Reason::OwnComment), 0));
    let text = format!("Done.\n{}", marked(2));
    assert_eq!(of(&hear(&hook, &said, &with(&text, "ada"))), (Some(Reason::OwnComment), 2));
    // An issue that an agent opened is no comment; it fires, deeper.
    let mut opened = issue("opened", &[]);
    opened["issue"]["body"] = marked(2).into();
    assert_eq!(of(&hear(&hook, &headers(&[("x-github-event", "issues")]), &opened)), (None, 2));
}

#[test]
fn every_kind_of_github_event_is_read() {
    let review = json!({ "number": 9, "title": "Add it", "head": { "ref": "feature/x" }, "body": "the PR", "labels": [{ "name": "wip" }] });
    let base = |action: &str| {
        json!({ "action": action, "repository": { "full_name": "o/r" }, "sender": { "login": "ada" }, "pull_request": review,
                "review": { "body": "no" }, "comment": { "body": "line" }, "issue": { "number": 7, "title": "I", "body": "b" } })
    };
    let check = |of: &str, conclusion: &str| {
        let mut payload =
            json!({ "action": "completed", "repository": { "full_name": "o/r" }, "sender": { "login": "ada" } });
        payload[of] = json!({ "name": "build", "conclusion": conclusion, "head_branch": "main", "pull_requests": [{ "number": 3 }],
                              "check_suite": { "head_branch": "main" }, "output": { "summary": "red" } });
        payload
    };
    let cases = [
        ("issues", base("opened"), "issue_opened 7 I b "),
        ("issues", base("assigned"), "issue_assigned 7 I b "),
        ("issues", base("labeled"), "issue_labeled 7 I b "),
        ("issue_comment", base("created"), "issue_comment 7 I line "),
        ("pull_request_review_comment", base("created"), "review_comment 9 Add it line feature/x"),
        ("pull_request_review", base("submitted"), "review_submitted 9 Add it no feature/x"),
        ("pull_request", base("opened"), "pull_request_opened 9 Add it the PR feature/x"),
        ("pull_request", base("ready_for_review"), "pull_request_ready 9 Add it the PR feature/x"),
        ("pull_request", base("labeled"), "pull_request_labeled 9 Add it the PR feature/x"),
        ("pull_request", base("review_requested"), "review_requested 9 Add it the PR feature/x"),
        ("check_run", check("check_run", "failure"), "check_failed 3 build red main"),
        ("workflow_run", check("workflow_run", "timed_out"), "workflow_failed 3 build  main"),
    ];
    let mut seen = BTreeMap::new();
    for (event, payload, expected) in &cases {
        let read = GithubEvent::of(&headers(&[("x-github-event", event)]), payload).unwrap();
        let number = read.number.unwrap();
        assert_eq!(format!("{} {number} {} {} {}", read.kind, read.title, read.body, read.branch), *expected);
        seen.insert(read.kind.as_str(), ());
    }
    assert_eq!(seen.len(), GithubEventKind::ALL.len(), "each kind has a case");
    let none =
        |event: &str, payload: &Value| GithubEvent::of(&headers(&[("x-github-event", event)]), payload).is_none();
    assert!(none("issue_comment", &base("edited")) && none("check_run", &check("check_run", "success")));
    assert!(none("push", &json!({})) && none("issues", &json!([1])) && none("issues", &Value::Null));
}

#[test]
fn mistakes_in_triggers_are_named() {
    let mistakes: Vec<String> = [
        "{type: webhook, path: /jobs/x, secret_env: S}",
        "{type: webhook, path: /webhooks/github, secret_env: S}",
        "{type: webhook, path: hooks, secret_env: S}",
        "{type: webhook, path: '/a?b', secret_env: S}",
        "{type: webhook, path: '/a{b}', secret_env: S}",
        "{type: webhook, path: /x}",
        "{type: webhook, path: /x, scheme: none}",
        "{type: webhook, path: /x, scheme: none, public: true, secret_env: S}",
        "{type: webhook, path: /x, secret_env: S, secret_env_previous: 'hunter2-hunter2'}",
        "{type: webhook, path: /x, secret_env: S, filter: 'payload.action = 1'}",
        "{type: webhook, path: /x, secret_env: S, filter: 'event.actor == 1'}",
        "{type: github, events: [push]}",
        "{type: github, repo: api}",
        "{type: github, branch: '[x'}",
        "{type: github, secret_env: 'hunter2-hunter2'}",
        "{type: github, filter: 'x'}",
    ]
    .map(refused)
    .to_vec();
    insta::assert_snapshot!(mistakes.join("\n"));
}

#[test]
fn a_body_is_json_else_a_declared_form_else_text() {
    let form = Some("application/x-www-form-urlencoded; charset=utf-8");
    let cases: [(Option<&str>, &[u8], Value); 10] = [
        (None, br#"{"a":1}"#, json!({ "a": 1 })),
        (form, br#"{"a":1}"#, json!({ "a": 1 })),
        (form, b"a=1&b=x+y%21&a=2&a=3", json!({ "a": ["1", "2", "3"], "b": "x y!" })),
        (form, b"payload=%7B%22a%22%3A1%7D", json!({ "a": 1 })),
        (form, b"payload=%7B%22a%22%3A1%7D&token=x", json!({ "payload": "{\"a\":1}", "token": "x" })),
        (form, b"payload=no", json!({ "payload": "no" })),
        (form, b"", json!({})),
        (Some("text/plain"), b"a=1", json!("a=1")),
        (None, b"\xff\xfe", json!("\u{fffd}\u{fffd}")),
        (None, b"", json!("")),
    ];
    for (content_type, body, expected) in cases {
        assert_eq!(payload(content_type, body), expected, "{content_type:?} {}", String::from_utf8_lossy(body));
    }
    let deep = "[".repeat(100_000);
    assert_eq!(payload(None, deep.as_bytes()), json!(deep), "too deep to be taken for JSON");
    let many = "a=1&".repeat(5000);
    assert_eq!(payload(form, many.as_bytes())["a"].as_array().unwrap().len(), 1000);
}
