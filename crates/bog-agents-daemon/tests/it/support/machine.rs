//! What the machine is said to have. Tests take their expectation from what they find, so that they run anywhere; where
//! `BOG_TEST_EXPECT` names something, it must be found, so that a guest made for it cannot pass without.
//!
//! | word | what must be there |
//! |---|---|
//! | `controllers` | a part of the control groups that is ours, with every controller that is used |
//! | `groups` | a part of the control groups that is ours |
//! | `landlock` | Landlock that holds files by itself: version 3 or newer |
//! | `old-landlock` | Landlock before that |
//! | `systemd` | a system manager to run units with |

use bog_agents_daemon::cgroup::{Controller, Subtree};
use bog_agents_daemon::env;

/// Where a file may be truncated though the rules do not let it be written.
const TRUNCATES: std::ops::Range<u32> = 1..3;

/// Whether the machine is said to have it.
pub fn expects(word: &str) -> bool {
    let words = env::var_os("BOG_TEST_EXPECT").unwrap_or_default();
    words.to_string_lossy().split_whitespace().any(|said| said == word)
}

/// The control groups that were found. Where there are none that is said, so that a test's output tells of it.
pub fn groups(found: Result<Subtree, String>) -> Option<Subtree> {
    match found {
        Ok(groups) => {
            let has_all = groups.controllers() == Controller::ALL;
            assert!(has_all || !expects("controllers"), "there are only {:?}", groups.controllers());
            Some(groups)
        }
        Err(why) => {
            assert!(!expects("controllers") && !expects("groups"), "there must be control groups: {why}");
            println!("skipped, without control groups: {why}");
            None
        }
    }
}

/// Landlock of some version must be there.
#[track_caller]
pub fn has_landlock(version: u32) {
    assert!(version >= 1, "there is no Landlock");
    assert!(!expects("landlock") || !truncates(version), "it is version {version}");
    assert!(!expects("old-landlock") || truncates(version), "it is version {version}");
}

/// Whether this version lets a file be truncated that may not be written.
pub fn truncates(version: u32) -> bool {
    TRUNCATES.contains(&version)
}
