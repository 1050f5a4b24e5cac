//! How a run's cause travels through what it causes: as a header of the requests that the daemon sends, and as an
//! invisible line of the comments that it writes. Whoever receives one of them back knows that the event is its own
//! doing, and how deep in a chain of runs it is.
//!
//! Neither is a proof: whoever may fire a job may send both. They only ever raise the depth of a fire, which can only
//! keep it from running.

use crate::fire::Cause;

/// The header of a request that a run caused.
pub const HEADER: &str = "x-bog-cause";

/// How the line begins that stands in a comment a run caused.
const MARKER: &str = "<!-- bog-agents-daemon cause: ";

/// How that line ends.
const MARKER_END: &str = " -->";

impl Cause {
    /// The cause of whatever is caused by a run that this fire began, itself at `depth`.
    #[must_use]
    pub const fn of_run(fire: crate::ids::FireId, depth: u32) -> Self {
        Self { fire: Some(fire), depth: depth.saturating_add(1) }
    }

    /// The header's value: `FIRE;depth=N`, or `-;depth=N` where no fire is known.
    #[must_use]
    pub fn to_header(self) -> String {
        let fire = self.fire.map_or_else(|| "-".to_owned(), |fire| fire.to_string());
        format!("{fire};depth={}", self.depth)
    }

    /// Reads a header's value: the deepest cause where it was given more than once, and what is no cause passed over.
    /// `None` where [`Cause::to_header`] wrote nothing of it.
    #[must_use]
    pub fn from_header(value: &str) -> Option<Self> {
        Self::deepest(value.split(',').map(Self::from_one))
    }

    fn from_one(value: &str) -> Option<Self> {
        let (fire, depth) = value.trim().split_once(";depth=")?;
        let fire = if fire == "-" { None } else { Some(fire.parse().ok()?) };
        Some(Self { fire, depth: depth.parse().ok()? })
    }

    /// The deepest of those that are said.
    pub(crate) fn deepest(said: impl IntoIterator<Item = Option<Self>>) -> Option<Self> {
        said.into_iter().flatten().max_by_key(|cause| cause.depth)
    }

    /// The line that marks a comment; no reader sees it.
    #[must_use]
    pub fn to_marker(self) -> String {
        format!("{MARKER}{}{MARKER_END}", self.to_header())
    }

    /// The deepest cause that a text is marked with, if it is marked at all.
    #[must_use]
    pub fn from_marked(text: &str) -> Option<Self> {
        let marked = text.match_indices(MARKER).filter_map(|(at, _)| {
            let (value, _) = text[at + MARKER.len()..].split_once(MARKER_END)?;
            Self::from_header(value)
        });
        Self::deepest(marked.map(Some))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::FireId;

    #[test]
    fn a_cause_comes_back_from_header_and_marker() {
        let cause = Cause::of_run(FireId::new(uuid::Uuid::from_u128(7)), 2);
        assert_eq!(cause.to_header(), "00000000-0000-0000-0000-000000000007;depth=3");
        assert_eq!(Cause::from_header(&cause.to_header()), Some(cause));
        let unknown = Cause { fire: None, depth: 4 };
        assert_eq!(Cause::from_header(&unknown.to_header()), Some(unknown));
        let text = format!("Done.\n\n{}\nquoted: {}\n", cause.to_marker(), unknown.to_marker());
        assert_eq!(Cause::from_marked(&text), Some(unknown));
        assert_eq!(Cause::from_marked("Done. <!-- bog-agents-daemon cause: "), None);
        for bad in ["", "x", "x;depth=1", "-;depth=", "-;depth=-1", "-;depth=99999999999"] {
            assert_eq!(Cause::from_header(bad), None, "{bad}");
        }
        let twice = format!("x, -;depth=2, {}, -;depth=1", cause.to_header());
        assert_eq!(Cause::from_header(&twice), Some(cause), "the deepest of those that are given");
    }
}
