//! Long texts in pieces, for targets that take only so much at once.

/// Splits a text into pieces of at most `most` characters (at least 1), none empty: between lines where it can, else between
/// words, else anywhere. Joined they are the text again. An empty text has no pieces.
#[must_use]
pub fn split(text: &str, most: usize) -> Vec<&str> {
    let mut pieces = Vec::new();
    let mut rest = text;
    while let Some((end, _)) = rest.char_indices().nth(most.max(1)) {
        let (piece, after) = rest.split_at(seam(&rest[..end]));
        pieces.push(piece);
        rest = after;
    }
    if !rest.is_empty() {
        pieces.push(rest);
    }
    pieces
}

/// The first `most` characters of a text, and whether that is not all of it.
#[must_use]
pub fn head(text: &str, most: usize) -> (&str, bool) {
    match text.char_indices().nth(most) {
        Some((end, _)) => (&text[..end], true),
        None => (text, false),
    }
}

/// Where to cut: after the last line end or, failing that, the last blank, unless that leaves less than half.
fn seam(head: &str) -> usize {
    let after = |at: usize| at + 1;
    let worth_it = |at: &usize| *at > head.len() / 2;
    let line = head.rfind('\n').map(after).filter(worth_it);
    line.or_else(|| head.rfind(' ').map(after).filter(worth_it)).unwrap_or(head.len())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn cuts_where_it_hurts_least() {
        assert_eq!(split("one\ntwo\nthree\n", 9), ["one\ntwo\n", "three\n"]);
        assert_eq!(split("one two three", 9), ["one two ", "three"]);
        assert_eq!(split("ääääää", 4), ["ääää", "ää"]);
        assert_eq!(split("a bbbbbbbbb", 6), ["a bbbb", "bbbbb"], "a piece of one letter helps nobody");
        assert_eq!(split("", 4), Vec::<&str>::new());
        assert_eq!(head("äbc", 2), ("äb", true));
        assert_eq!(head("äbc", 3), ("äbc", false));
    }

    proptest! {
        #[test]
        fn nothing_is_lost_and_no_piece_is_too_long(text in "[a \nä€]{0,80}", most in 0_usize..9) {
            let pieces = split(&text, most);
            prop_assert_eq!(pieces.concat(), text.as_str());
            prop_assert!(pieces.iter().all(|piece| !piece.is_empty() && piece.chars().count() <= most.max(1)));
        }
    }
}
