//! The daemon's own log, and the journal in its place.

use super::{delivered, save};
use crate::support::Home;
use serde_json::{Value, json};
use std::os::unix::net::UnixDatagram;

#[test]
fn in_the_log_a_text_is_one_line_and_in_the_journal_an_entry() {
    let home = Home::new();
    let says = "one\n2026-01-01T00:00:00Z ERROR forged";
    let daemon = home.start();
    save(&daemon, "a", says, &json!([{ "type": "log" }]));
    delivered(&daemon, "a", &Value::Null);
    let log = daemon.log();
    let line = log.lines().find(|line| line.contains("forged")).unwrap();
    assert!(line.contains("job.id=a") && line.contains("one\\n2026"), "{line}");
    drop(daemon);

    let path = home.path().join("journal");
    let journal = UnixDatagram::bind(&path).unwrap();
    let daemon = home.start_with(&[("BOG_TEST_JOURNAL", path.to_str().unwrap())]).unwrap();
    delivered(&daemon, "a", &Value::Null);
    let mut entry = vec![0; 65536];
    let length = journal.recv(&mut entry).unwrap();
    let entry = String::from_utf8_lossy(&entry[..length]);
    for field in
        ["MESSAGE\n", "one\n2026-01-01T00:00:00Z ERROR forged\n", "BOG_JOB_ID\n", "BOG_RUN_ID\n", "BOG_OUTCOME\n"]
    {
        assert!(entry.contains(field), "{entry:?}");
    }
    assert_eq!(daemon.log().matches("forged").count(), 1, "there and not here");
}
