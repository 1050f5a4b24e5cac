use super::*;
use proptest::prelude::*;
use serde_json::json;

const FIELDS: [&str; 4] = ["delivery_id", "headers", "path", "payload"];

fn event() -> Value {
    json!({
        "path": "/hooks/x",
        "delivery_id": null,
        "headers": { "x-github-event": "issues", "host": "h" },
        "payload": {
            "action": "opened", "number": 7, "big": 9_007_199_254_740_993_u64, "ratio": 0.5, "draft": false, "nothing": null,
            "labels": ["bug", "p1"], "it's": "quoted",
            "issue": { "labels": [{ "name": "Bug" }, { "name": "p2" }, {}], "title": "Fix ÄÖ" },
            "commits": [{ "added": ["a.rs"] }, { "added": ["b.rs", "c.rs"] }],
            "empty": { "list": [], "text": "", "object": {} },
        },
    })
}

fn holds(text: &str) -> bool {
    Filter::parse(text, &FIELDS).unwrap_or_else(|error| panic!("{text}: {error}")).lets_through(&event())
}

#[test]
fn what_holds_and_what_does_not() {
    for text in [
        "payload.action == 'opened' and 'bug' in payload.labels",
        "payload.action == \"opened\"",
        "headers['x-github-event'] in ['issues', 'push',]",
        "event.headers.host == headers.host and event.path == '/hooks/x'",
        "not payload.draft",
        "not not payload.action",
        "payload.number > 6 and payload.number <= 7 and payload.number == 7.0 and payload.number != 8",
        "payload.big == 9007199254740993 and payload.big > 9007199254740992",
        "payload.ratio < 1 and payload.ratio >= 0.5",
        "-1 < payload.number",
        "payload.labels[0] == 'bug' and payload.labels[-1] == 'p1'",
        "payload.labels == ['bug', 'p1'] and payload.labels != ['bug']",
        "payload['it\\'s'] == 'quoted'",
        "'Bug' in payload.issue.labels.name and 'bug' not in payload.issue.labels.name",
        "lower(payload.issue.title) == 'fix äö' and len(payload.issue.title) == 6",
        "'c.rs' in payload.commits.added and len(payload.commits.added) == 3",
        "payload.commits.added[1] == 'b.rs'",
        "startswith(payload.action, 'open') and endswith(payload.action, 'ed') and 'pen' in payload.action",
        "'action' in payload and 'reaction' not in payload",
        "payload.nothing == none and payload.missing == null and payload.missing != 'x'",
        "payload.missing.deep[3]['er'] == none",
        "(payload.action == 'closed' or payload.number == 7) and not (payload.number == 8)",
        "payload.action == 'closed' and false or true",
        "payload.issue.labels[0] == payload.issue.labels[0]",
    ] {
        assert!(holds(text), "{text}");
    }
    for text in [
        "payload.missing == 'x'",
        "payload.missing < 5",
        "payload.missing > 5",
        "payload.missing <= payload.missing",
        "payload.missing in payload.labels",
        "none in [none]",
        "'x' in payload.missing",
        "payload.number == '7'",
        "payload.number < 'a'",
        "payload.draft == 0",
        "payload.labels > 1",
        "payload.labels[2]",
        "payload.labels[-3]",
        "payload.action[0]",
        "payload.empty.list or payload.empty.text or payload.empty.object or payload.nothing or 0",
        "lower(payload.number)",
        "startswith(payload.number, '7')",
        "len(payload.number)",
        "payload.issue.labels.missing",
    ] {
        assert!(!holds(text), "{text}");
    }
}

#[test]
fn mistakes_are_named_with_their_place() {
    let deep = format!("{}payload{}", "(".repeat(40), ")".repeat(40));
    let nots = "not ".repeat(40) + "payload";
    let wide = vec!["payload"; 200].join(" or ");
    let long = format!("'{}'", "x".repeat(MAX_BYTES));
    let mistakes: Vec<String> = [
        "",
        "payload.action =",
        "payload.action = 'x'",
        "payload.action == 'x",
        "payload.action == opened",
        "action == 'x'",
        "payload.action == 'x' payload",
        "payload | length",
        "event.paylod == 1",
        "payload.a < 1 < 2",
        "upper(payload)",
        "lower()",
        "payload['a'",
        "payload[1.5]",
        "payload.1",
        "payload not 'x'",
        "(payload",
        "[1 2]",
        "1x == 1",
        "and",
        "- payload",
        "payload.ä and ü",
        "payload && true",
        "!payload",
        &deep,
        &nots,
        &wide,
        &long,
    ]
    .into_iter()
    .map(|text| {
        let error = Filter::parse(text, &FIELDS).unwrap_err();
        format!("{:.40}\n    {error}", text)
    })
    .collect();
    insta::assert_snapshot!(mistakes.join("\n"));
}

#[test]
fn keeps_its_text() {
    assert_eq!(Filter::parse(" payload.a  == 1", &FIELDS).unwrap().to_string(), " payload.a  == 1");
}

proptest! {
    #[test]
    fn no_text_is_too_odd(text in "([a-z.()\\[\\]'\"<>=!, 0-9-]|payload|event|headers|and|or|not|in|none|len|ä){0,60}") {
        if let Ok(filter) = Filter::parse(&text, &FIELDS) {
            let _either_way = filter.lets_through(&event());
        }
    }

    #[test]
    fn the_opposite_operators_are_opposite(a in -3i64..3, b in -3i64..3) {
        let ask = |operator: &str| holds(&format!("{a} {operator} {b}"));
        prop_assert_eq!(ask("=="), a == b);
        prop_assert_eq!(ask("<"), a < b);
        prop_assert_eq!(ask("<="), a <= b);
        prop_assert_eq!(ask("!="), !ask("=="));
        prop_assert_eq!(ask(">"), !ask("<="));
        prop_assert_eq!(ask(">="), !ask("<"));
    }
}
