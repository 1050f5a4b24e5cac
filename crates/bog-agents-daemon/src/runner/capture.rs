//! What an agent says: bytes in, masked text out, within bounds.

use bog_domain::mask::Masker;
use std::collections::VecDeque;

/// One stream of the agent: secrets masked, then decoded as UTF-8. What is no UTF-8 becomes U+FFFD; a character that
/// is split over two reads does not.
pub struct Stream {
    masker: Masker,
    /// The beginning of a character whose end has not come yet.
    partial: Vec<u8>,
}

impl Stream {
    /// A stream in which the masker's secrets are replaced.
    pub fn new(masker: Masker) -> Self {
        Self { masker, partial: Vec::new() }
    }

    /// Takes the next piece and returns the text it completes.
    pub fn push(&mut self, piece: &[u8]) -> String {
        let masked = self.masker.push(piece);
        self.decode(&masked)
    }

    /// Ends the stream and returns what was held back.
    pub fn finish(&mut self) -> String {
        let masked = self.masker.finish();
        let mut text = self.decode(&masked);
        if !self.partial.is_empty() {
            self.partial.clear();
            text.push(char::REPLACEMENT_CHARACTER);
        }
        text
    }

    fn decode(&mut self, bytes: &[u8]) -> String {
        self.partial.extend_from_slice(bytes);
        let bytes = std::mem::take(&mut self.partial);
        let mut rest = bytes.as_slice();
        let mut text = String::with_capacity(rest.len());
        while let Err(error) = std::str::from_utf8(rest) {
            let (valid, after) = rest.split_at(error.valid_up_to());
            text.push_str(&String::from_utf8_lossy(valid));
            let Some(invalid) = error.error_len() else {
                self.partial = after.to_vec();
                return text;
            };
            text.push(char::REPLACEMENT_CHARACTER);
            rest = &after[invalid..];
        }
        text.push_str(&String::from_utf8_lossy(rest));
        text
    }
}

/// The first bytes of a text.
pub struct Head {
    text: String,
    cap: usize,
    truncated: bool,
}

impl Head {
    /// Keeps at most `cap` bytes.
    pub fn new(cap: usize) -> Self {
        Self { text: String::new(), cap, truncated: false }
    }

    /// Takes more text.
    pub fn push(&mut self, text: &str) {
        let kept = if self.truncated { "" } else { &text[..text.floor_char_boundary(self.cap - self.text.len())] };
        self.truncated |= kept.len() < text.len();
        self.text.push_str(kept);
    }

    /// The text, and whether there was more.
    pub fn into_parts(self) -> (String, bool) {
        (self.text, self.truncated)
    }
}

/// The last bytes of a text.
pub struct Tail {
    bytes: VecDeque<u8>,
    cap: usize,
}

impl Tail {
    /// Keeps at most `cap` bytes.
    pub fn new(cap: usize) -> Self {
        Self { bytes: VecDeque::new(), cap }
    }

    /// Takes more text.
    pub fn push(&mut self, text: &str) {
        let new = &text.as_bytes()[text.len().saturating_sub(self.cap)..];
        let excess = (self.bytes.len() + new.len()).saturating_sub(self.cap);
        self.bytes.drain(..excess);
        self.bytes.extend(new);
    }

    /// The text, from its first whole character on, without blanks around it.
    pub fn into_text(self) -> String {
        let bytes = Vec::from(self.bytes);
        let begin = bytes.iter().position(|byte| byte & 0b1100_0000 != 0b1000_0000).unwrap_or(bytes.len());
        String::from_utf8_lossy(&bytes[begin..]).trim().to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decoded(pieces: &[&[u8]]) -> String {
        let mut stream = Stream::new(Masker::new([("KEY".to_owned(), "geheimnüß".into())]));
        let mut text: String = pieces.iter().map(|piece| stream.push(piece)).collect();
        text.push_str(&stream.finish());
        text
    }

    #[test]
    fn characters_and_secrets_may_be_split_anywhere() {
        let text = "ä geheimnüß 🦀.".as_bytes();
        for cut in 0..=text.len() {
            assert_eq!(decoded(&[&text[..cut], &text[cut..]]), "ä [KEY] 🦀.", "cut at {cut}");
        }
        let single: Vec<&[u8]> = text.chunks(1).collect();
        assert_eq!(decoded(&single), "ä [KEY] 🦀.");
    }

    #[test]
    fn what_is_no_utf8_is_replaced() {
        assert_eq!(decoded(&[b"a\xffb\xc3"]), "a\u{fffd}b\u{fffd}");
        assert_eq!(decoded(&[b"\xf0\x9f", b"a"]), "\u{fffd}a");
    }

    #[test]
    fn the_head_stops_at_a_character_and_stays_stopped() {
        let mut head = Head::new(4);
        for text in ["ab", "", "c", "äx", "y"] {
            head.push(text);
        }
        assert_eq!(head.into_parts(), ("abc".to_owned(), true));
        let mut exact = Head::new(2);
        exact.push("ab");
        assert_eq!(exact.into_parts(), ("ab".to_owned(), false));
    }

    #[test]
    fn the_tail_begins_with_a_whole_character() {
        let mut tail = Tail::new(4);
        for text in ["lost", "xä", "bc"] {
            tail.push(text);
        }
        assert_eq!(tail.into_text(), "äbc");
        let mut cut = Tail::new(3);
        cut.push("ääb");
        assert_eq!(cut.into_text(), "äb");
        let mut cut = Tail::new(2);
        cut.push("äb");
        assert_eq!(cut.into_text(), "b");
    }
}
