//! Finds where a field stands in a YAML text, so that an error can name line and column.
//!
//! Serde loses positions inside tagged enums, and a check that involves two fields has none to begin with. So errors
//! carry a field path, and this walks the YAML events to that path. It does not judge the text.

use granit_parser::{Event, Parser};

/// A place in a text. Lines and columns count from 1, columns in characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Position {
    /// The line.
    pub line: usize,
    /// The column.
    pub column: usize,
}

/// One step of a field path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// A mapping's key.
    Key(String),
    /// A sequence's index, from 0.
    Index(usize),
}

/// Splits `triggers[0].cron` into its steps.
#[must_use]
pub fn steps(path: &str) -> Vec<Step> {
    let mut steps = Vec::new();
    for part in path.split('.') {
        let mut pieces = part.split('[');
        if let Some(key) = pieces.next().filter(|key| !key.is_empty()) {
            steps.push(Step::Key(key.to_owned()));
        }
        steps.extend(pieces.filter_map(|piece| piece.trim_end_matches(']').parse().ok().map(Step::Index)));
    }
    steps
}

/// Where the value at `path` begins, or the deepest part of the path that exists; `None` for an empty path or a text
/// that is no YAML. An alias is where it is written.
#[must_use]
pub fn locate(yaml: &str, path: &str) -> Option<Position> {
    let target = steps(path);
    (1..=target.len()).rev().find_map(|depth| find(yaml, &target[..depth]).map(|found| found.value))
}

/// Where the key at the end of `path` is written; `None` where it is not.
#[must_use]
pub fn locate_key(yaml: &str, path: &str) -> Option<Position> {
    find(yaml, &steps(path)).map(|found| found.key)
}

/// The byte range of the scalar at a path, for edits that must leave the rest of the text alone.
#[must_use]
pub fn scalar_range(yaml: &str, path: &str) -> Option<std::ops::Range<usize>> {
    find(yaml, &steps(path)).and_then(|found| found.bytes)
}

struct Found {
    key: Position,
    value: Position,
    bytes: Option<std::ops::Range<usize>>,
}

/// What the walk is inside of: a mapping waiting for a key or a value, or a sequence.
enum Frame {
    Mapping { key: Option<(String, Position)> },
    Sequence { next: usize },
}

#[expect(clippy::wildcard_enum_match_arm, reason = "the library's events are non-exhaustive, and only nodes matter")]
fn find(yaml: &str, target: &[Step]) -> Option<Found> {
    let mut frames: Vec<Frame> = Vec::new();
    for item in Parser::new_from_str(yaml) {
        let (event, span) = item.ok()?;
        let at = Position { line: span.start.line(), column: span.start.col() + 1 };
        let opens = match &event {
            Event::MappingStart(..) => Some(Frame::Mapping { key: None }),
            Event::SequenceStart(..) => Some(Frame::Sequence { next: 0 }),
            Event::MappingEnd | Event::SequenceEnd => {
                frames.pop();
                value_done(&mut frames);
                continue;
            }
            Event::Scalar(..) | Event::Alias(..) => None,
            _ => continue,
        };
        if let (Event::Scalar(text, ..), Some(Frame::Mapping { key: key @ None })) = (&event, frames.last_mut()) {
            *key = Some((text.to_string(), at));
            continue;
        }
        if matches_path(&frames, target) {
            let key = match frames.last() {
                Some(Frame::Mapping { key: Some((_, key_at)) }) => *key_at,
                Some(Frame::Mapping { key: None } | Frame::Sequence { .. }) | None => at,
            };
            return Some(Found { key, value: at, bytes: span.byte_range() });
        }
        match opens {
            Some(frame) => frames.push(frame),
            None => value_done(&mut frames),
        }
    }
    None
}

fn value_done(frames: &mut [Frame]) {
    match frames.last_mut() {
        Some(Frame::Mapping { key }) => *key = None,
        Some(Frame::Sequence { next }) => *next += 1,
        None => {}
    }
}

fn matches_path(frames: &[Frame], target: &[Step]) -> bool {
    frames.len() == target.len()
        && frames.iter().zip(target).all(|(frame, step)| match (frame, step) {
            (Frame::Mapping { key: Some((key, _)) }, Step::Key(wanted)) => key == wanted,
            (Frame::Sequence { next }, Step::Index(wanted)) => next == wanted,
            (Frame::Mapping { .. }, _) | (Frame::Sequence { .. }, _) => false,
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    const JOB: &str = "name: a # note\ntriggers:\n  - {type: cron, cron: '0 9 * * *'}\n  - type: interval\n    seconds: 5\nenabled: true\n";

    fn at(path: &str) -> Option<(usize, usize)> {
        locate(JOB, path).map(|p| (p.line, p.column))
    }

    #[test]
    fn finds_values_keys_and_ranges() {
        assert_eq!(at("name"), Some((1, 7)));
        assert_eq!(at("triggers[0].cron"), Some((3, 24)));
        assert_eq!(at("triggers[1].seconds"), Some((5, 14)));
        assert_eq!(at("triggers[1].nothing"), Some((4, 5)));
        assert_eq!(at("nothing"), None);
        assert_eq!(locate_key(JOB, "triggers[1].seconds"), Some(Position { line: 5, column: 5 }));
        assert_eq!(scalar_range(JOB, "enabled").map(|r| &JOB[r]), Some("true"));
        assert_eq!(locate("a: [", "a"), Some(Position { line: 1, column: 4 }));
    }

    #[test]
    fn garbage_has_no_places() {
        assert_eq!(locate("{{{{", "a"), None);
        assert_eq!(locate("", "a.b[2]"), None);
    }
}
