//! Each of the sources, as it really sends.

use super::fixture::{OTHER, PREVIOUS, SECRET, job, one_fire, payload, send, signed, signed_at, start, with};
use crate::support::Home;
use serde_json::Value;

#[test]
fn a_signed_event_of_each_source_runs_and_nothing_else_does() {
    let home = Home::new();
    // Scheme, payload, further headers, filter that holds of it.
    let sources = [
        ("github", "github_issues_labeled", ("X-GitHub-Delivery", "d-1"), "'bug' in payload.issue.labels.name"),
        (
            "gitlab",
            "gitlab_merge_request",
            ("X-Gitlab-Event-UUID", "d-2"),
            "payload.object_attributes.action == 'open'",
        ),
        ("stripe", "stripe_invoice", ("Accept", "*/*"), "startswith(payload.type, 'invoice.')"),
        ("slack", "slack_app_mention", ("X-Slack-Retry-Num", "1"), "payload.event.type == 'app_mention'"),
        ("standard", "stripe_invoice", ("Accept", "*/*"), "headers['webhook-id'] == 'msg_1'"),
    ];
    for (scheme, _, _, filter) in &sources {
        let trigger = format!(
            "  - {{type: webhook, path: /hooks/{scheme}, scheme: {scheme}, secret_env: HOOK_SECRET, \
             secret_env_previous: HOOK_SECRET_OLD, filter: \"{filter}\"}}\n"
        );
        home.job(scheme, &job(&trigger));
    }
    let daemon = start(&home);
    let now = jiff::Timestamp::now().as_second();
    for (scheme, name, (header, value), _) in sources {
        let (path, body) = (format!("/hooks/{scheme}"), payload(name));
        let refuse = |why: &str, headers: &[(String, String)], body: &str| {
            let answer = send(&daemon, &path, headers, body);
            assert_eq!(answer.status, 401, "{scheme}: {why}: {answer:?}");
            assert_eq!(answer.json()["type"], "/problems/bad-signature", "{answer:?}");
        };
        refuse("not signed", &[], &body);
        refuse("another secret", &signed(scheme, OTHER, &body), &body);
        if scheme != "gitlab" {
            refuse("another body", &signed(scheme, SECRET.1, &body), &format!("{body} "));
        }
        if !["gitlab", "github"].contains(&scheme) {
            refuse("of ten minutes ago", &signed_at(scheme, SECRET.1, &body, now - 600), &body);
            refuse("in ten minutes", &signed_at(scheme, SECRET.1, &body, now + 600), &body);
        }
        let headers = with(signed(scheme, SECRET.1, &body), header, value);
        let fire = one_fire(&send(&daemon, &path, &headers, &body), 202);
        assert_eq!((&fire["job_id"], &fire["disposition"]), (&scheme.into(), &"run".into()));
        let run = daemon.finished(fire["run_id"].as_str().unwrap());
        assert_eq!(run["outcome"], "succeeded", "{run}");
        let recorded = &daemon.list(&format!("/fires?job={scheme}"))[0];
        let context = &recorded["context"];
        assert_eq!((&recorded["tier"], &recorded["id"]), (&"event".into(), &fire["fire_id"]));
        assert_eq!(context["payload"], serde_json::from_str::<Value>(&body).unwrap());
        assert_eq!(context["path"], path.as_str());
        assert!(context["delivery_id"].is_string(), "{context}");
        let headers = context["headers"].as_object().unwrap();
        let secret = headers
            .keys()
            .find(|name| name.contains("signature") || name.contains("token") || *name == "authorization");
        assert_eq!(secret, None, "{headers:?}");
        // The secret before opens too.
        let headers = with(signed(scheme, PREVIOUS.1, &body), header, value);
        let again = send(&daemon, &path, &headers, &body);
        assert_eq!(one_fire(&again, 200)["fire_id"], fire["fire_id"], "{scheme}");
    }
    assert_eq!(daemon.list("/fires").len(), sources.len(), "what was refused left no fire");
    let text = std::fs::read_to_string(home.path().join("daemon.log")).unwrap();
    assert!(text.contains("a request was refused") && !text.contains(SECRET.1), "{text}");
}

#[test]
fn slack_and_github_get_the_answers_that_they_ask_for() {
    let home = Home::new();
    home.job("s", &job("  - {type: webhook, path: /hooks/slack, scheme: slack, secret_env: HOOK_SECRET}\n"));
    home.job("g", &job("  - {type: github, secret_env: HOOK_SECRET}\n"));
    home.job("w", &job("  - {type: webhook, path: /hooks/w, secret_env: HOOK_SECRET}\n"));
    let daemon = start(&home);
    let body = payload("slack_url_verification");
    let challenge = send(&daemon, "/hooks/slack", &signed("slack", SECRET.1, &body), &body);
    let expected = "3eZbrw1aBm2rZgRNFdxV2595E9CY3gmdALWMmHkvFXO7tYXAYM8P";
    assert_eq!((challenge.status, challenge.body.as_str()), (200, expected));
    assert_eq!(
        send(&daemon, "/hooks/slack", &signed("slack", OTHER, &body), &body).status,
        401,
        "only who has the secret"
    );
    let body = payload("github_ping");
    for path in ["/webhooks/github", "/hooks/w"] {
        let headers = with(signed("github", SECRET.1, &body), "X-GitHub-Event", "ping");
        let pong = send(&daemon, path, &headers, &body);
        assert_eq!((pong.status, pong.body.as_str()), (200, r#"{"fires":[]}"#), "{path}");
    }
    assert!(daemon.list("/fires").is_empty());
}

#[test]
fn bodies_are_json_forms_or_text() {
    let home = Home::new();
    let prompt =
        "prompt: '{% if event.payload is mapping %}{{ event.payload.text }}{% else %}{{ event.payload }}{% endif %}'\n";
    let trigger = "  - {type: webhook, path: /hooks/any, secret_env: HOOK_SECRET, scheme: gitlab}\n";
    home.job("any", &format!("{prompt}agent: {{command: [cat]}}\ntriggers:\n{trigger}"));
    let daemon = start(&home);
    let says = |content_type: &str, body: &str| {
        let headers = with(signed("gitlab", SECRET.1, body), "Content-Type", content_type);
        let fire = one_fire(&send(&daemon, "/hooks/any", &headers, body), 202);
        daemon.finished(fire["run_id"].as_str().unwrap())["output"].as_str().unwrap().to_owned()
    };
    assert_eq!(says("application/json", r#"{"text": "from JSON"}"#), "from JSON");
    assert_eq!(says("application/x-www-form-urlencoded", "text=from+a+form%21&x=1"), "from a form!");
    assert_eq!(says("application/x-www-form-urlencoded", "payload=%7B%22text%22%3A%22in+a+form%22%7D"), "in a form");
    assert_eq!(says("text/plain", "text=as it is"), "text=as it is");
}
