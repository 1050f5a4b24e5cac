//! Every body is a payload, of whatever kind it is declared to be, and every payload an event of GitHub or none.
#![no_main]

use bog_domain::hook::{GithubEvent, Headers, payload};
use libfuzzer_sys::fuzz_target;

const EVENTS: [&str; 7] = [
    "issues",
    "issue_comment",
    "pull_request",
    "pull_request_review",
    "pull_request_review_comment",
    "check_run",
    "workflow_run",
];

fuzz_target!(|data: &[u8]| {
    for content_type in [None, Some("application/x-www-form-urlencoded"), Some("application/json")] {
        let payload = payload(content_type, data);
        assert!(serde_json::to_string(&payload).is_ok());
        for event in EVENTS {
            let headers = Headers::from([("x-github-event".to_owned(), event.to_owned())]);
            let _event = GithubEvent::of(&headers, &payload);
        }
    }
});
