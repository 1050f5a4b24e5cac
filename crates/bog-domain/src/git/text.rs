//! Texts of others, made fit to be shown and kept: no control characters, no longer than they may be.

/// What stands in for a character that is not shown.
const HIDDEN: char = char::REPLACEMENT_CHARACTER;

/// What a text that was cut ends with.
const CUT: &str = " [cut]";

/// One line of at most `max` bytes.
pub(super) fn line(text: &str, max: usize) -> String {
    cut(text.trim().chars().map(|c| if hides(c) { HIDDEN } else { c }), max)
}

/// Lines of at most `max` bytes together.
pub(super) fn lines(text: &str, max: usize) -> String {
    let kept = text.trim_end().chars().filter(|c| *c != '\r');
    cut(kept.map(|c| if hides(c) && c != '\n' && c != '\t' { HIDDEN } else { c }), max)
}

/// Control characters, which move a terminal's cursor, and those that turn the direction of what follows, which make a
/// text look like another one.
fn hides(c: char) -> bool {
    c.is_control() || matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

fn cut(text: impl Iterator<Item = char>, max: usize) -> String {
    let mut whole = String::new();
    for c in text {
        if whole.len() + c.len_utf8() > max {
            return whole + CUT;
        }
        whole.push(c);
    }
    whole
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_moves_a_cursor_and_nothing_is_endless() {
        assert_eq!(line("  a\u{1b}[31mred\nnext \u{202e}gpj ", 100), "a\u{fffd}[31mred\u{fffd}next \u{fffd}gpj");
        assert_eq!(lines("one\r\ntwo\tx\u{7}\n\n", 100), "one\ntwo\tx\u{fffd}");
        assert_eq!(line("äöü", 4), "äö [cut]");
        assert_eq!(line("äöü", 6), "äöü");
    }
}
