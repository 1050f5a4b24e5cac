//! Whether an output says something new: the digest by which `when: changed` compares.

use crate::run::Outcome;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

/// What an output says, as far as it is compared: SHA-256 in hexadecimal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Digest(pub String);

/// The digest of what a run said. Runs that ended differently differ; of the text, line ends (CRLF is LF), blanks at
/// the ends of lines and empty lines at the end do not count. All else does, times in the text too: whether a time is
/// news cannot be known here.
#[must_use]
pub fn digest(outcome: Outcome, output: &str) -> Digest {
    let mut hash = Sha256::new();
    hash.update(outcome.as_str());
    for line in output.trim_end().lines() {
        hash.update(b"\n");
        hash.update(line.trim_end());
    }
    Digest(hex::encode(hash.finalize()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_seen_does_not_count() {
        let of = |output| digest(Outcome::Succeeded, output);
        for same in ["a\nb", "a\nb\n", "a  \r\nb\t\r\n\r\n", "a\nb\n \n\n"] {
            assert_eq!(of(same), of("a\nb\n"), "{same:?}");
        }
        for other in ["", "a", "a\n\nb", " a\nb", "a b", "A\nb"] {
            assert_ne!(of(other), of("a\nb\n"), "{other:?}");
        }
        assert_eq!(of(""), of(" \n\n"));
    }

    #[test]
    fn another_end_is_another_message() {
        assert_ne!(digest(Outcome::Failed, "a"), digest(Outcome::Succeeded, "a"));
        assert_ne!(digest(Outcome::Failed, "a"), digest(Outcome::TimedOut, "a"));
    }
}
