//! Every text is a filter or a mistake with a place; every filter says yes or no of every event.
#![no_main]

use bog_domain::filter::{Filter, MAX_BYTES};
use libfuzzer_sys::fuzz_target;
use serde_json::{Value, json};

fuzz_target!(|data: &[u8]| {
    let text = String::from_utf8_lossy(data);
    let (text, payload) =
        text.split_once('\n').unwrap_or((&text, "{\"a\": [{\"b\": [1, 2.5, null]}, {\"b\": \"text\"}]}"));
    let payload: Value = serde_json::from_str(payload).unwrap_or_else(|_| payload.into());
    let event = json!({ "payload": payload, "headers": { "a": "b" }, "path": "/x" });
    match Filter::parse(text, &["headers", "path", "payload"]) {
        Ok(filter) => {
            assert_eq!(filter.to_string(), text);
            let _either_way = filter.lets_through(&event);
        }
        Err(error) => {
            assert!(error.at >= 1 && error.at <= text.chars().count().min(MAX_BYTES) + 1, "{text:?}: {error}")
        }
    }
});
