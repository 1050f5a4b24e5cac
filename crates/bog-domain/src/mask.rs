//! Masking: known secrets are replaced in whatever an agent says, also where a secret is split over two reads.
//!
//! It finds the exact bytes of a secret. It does not see through encodings: a secret that an agent prints as base64 is
//! not found, and neither are its halves when it is printed in two lines.

use std::fmt;

/// Shorter values are left alone: masking them would tear ordinary words apart.
pub const MIN_SECRET_BYTES: usize = 8;

/// Replaces secrets by `[NAME]` in a stream of bytes.
///
/// Where several secrets begin at the same byte, the longest wins; after a match the search goes on behind it. The
/// result does not depend on how the stream is cut into pieces.
#[derive(Clone)]
pub struct Masker {
    /// Longest first.
    secrets: Vec<Secret>,
    /// Whether a secret begins with this byte: almost every byte of ordinary text is done with after this look.
    begins: [bool; 256],
    /// What may yet turn out to be the beginning of a secret.
    held: Vec<u8>,
}

#[derive(Clone)]
struct Secret {
    value: Vec<u8>,
    replacement: Vec<u8>,
}

/// What is known of the text at one position.
enum Here<'a> {
    Secret(&'a Secret),
    MaybeSecret,
    Plain,
}

impl Masker {
    /// Takes names and values; values shorter than [`MIN_SECRET_BYTES`] are left out.
    #[must_use]
    pub fn new(secrets: impl IntoIterator<Item = (String, Vec<u8>)>) -> Self {
        let mut begins = [false; 256];
        let mut kept: Vec<Secret> = secrets
            .into_iter()
            .filter(|(_, value)| value.len() >= MIN_SECRET_BYTES)
            .map(|(name, value)| Secret { value, replacement: format!("[{name}]").into_bytes() })
            .collect();
        kept.sort_by_key(|secret| std::cmp::Reverse(secret.value.len()));
        for secret in &kept {
            begins[usize::from(secret.value[0])] = true;
        }
        Self { secrets: kept, begins, held: Vec::new() }
    }

    /// Takes the next piece of the stream and returns what can be said of it so far; the rest is held back until the
    /// next call, at most the length of the longest secret.
    #[must_use]
    pub fn push(&mut self, piece: &[u8]) -> Vec<u8> {
        if self.secrets.is_empty() {
            return piece.to_vec();
        }
        self.held.extend_from_slice(piece);
        self.scan(false)
    }

    /// Ends the stream and returns what was held back.
    #[must_use]
    pub fn finish(&mut self) -> Vec<u8> {
        self.scan(true)
    }

    /// Masks a whole text, apart from the stream.
    #[must_use]
    pub fn mask(&self, text: &str) -> String {
        let mut whole = Self { held: text.as_bytes().to_vec(), ..self.clone() };
        String::from_utf8_lossy(&whole.scan(true)).into_owned()
    }

    fn scan(&mut self, ended: bool) -> Vec<u8> {
        let held = std::mem::take(&mut self.held);
        let mut said = Vec::with_capacity(held.len());
        let mut at = 0;
        while at < held.len() {
            match self.look(&held[at..], ended) {
                Here::Plain => {
                    said.push(held[at]);
                    at += 1;
                }
                Here::Secret(secret) => {
                    said.extend_from_slice(&secret.replacement);
                    at += secret.value.len();
                }
                Here::MaybeSecret => {
                    self.held = held[at..].to_vec();
                    break;
                }
            }
        }
        said
    }

    fn look(&self, rest: &[u8], ended: bool) -> Here<'_> {
        if !self.begins[usize::from(rest[0])] {
            return Here::Plain;
        }
        // Longest first: a longer secret that may yet be completed keeps a shorter one from matching too early.
        for secret in &self.secrets {
            if rest.starts_with(&secret.value) {
                return Here::Secret(secret);
            }
            if !ended && secret.value.starts_with(rest) {
                return Here::MaybeSecret;
            }
        }
        Here::Plain
    }
}

impl fmt::Debug for Masker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Masker").field("secrets", &self.secrets.len()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn masker(secrets: &[(&str, &str)]) -> Masker {
        Masker::new(secrets.iter().map(|(name, value)| ((*name).to_owned(), value.as_bytes().to_vec())))
    }

    fn streamed(masker: &Masker, pieces: &[&[u8]]) -> String {
        let mut masker = masker.clone();
        let mut said: Vec<u8> = pieces.iter().flat_map(|piece| masker.push(piece)).collect();
        said.extend(masker.finish());
        String::from_utf8(said).expect("these tests use UTF-8")
    }

    #[test]
    fn masks_whole_and_split_secrets() {
        let masker = masker(&[("TOKEN", "hunter2hunter2")]);
        assert_eq!(masker.mask("a hunter2hunter2 b"), "a [TOKEN] b");
        assert_eq!(streamed(&masker, &[b"a hunter2", b"hun", b"ter2 b"]), "a [TOKEN] b");
        assert_eq!(streamed(&masker, &[b"a hunter2", b"hun"]), "a hunter2hun");
        assert_eq!(streamed(&masker, &[b"hunterhunter2hunter2"]), "hunter[TOKEN]");
    }

    #[test]
    fn the_longest_secret_wins_even_when_it_arrives_late() {
        let masker = masker(&[("SHORT", "abcdefgh"), ("LONG", "abcdefghijkl")]);
        assert_eq!(streamed(&masker, &[b"abcdefgh", b"ijkl"]), "[LONG]");
        assert_eq!(streamed(&masker, &[b"abcdefgh", b"ijk!"]), "[SHORT]ijk!");
        assert_eq!(streamed(&masker, &[b"abcdefgh"]), "[SHORT]");
    }

    #[test]
    fn short_values_are_left_alone() {
        assert_eq!(masker(&[("PIN", "1234567"), ("NONE", "")]).mask("1234567"), "1234567");
    }

    #[test]
    fn debug_shows_no_secret() {
        let mut masker = masker(&[("TOKEN", "hunter2hunter2")]);
        let _ = masker.push(b"hunter2h");
        assert_eq!(format!("{masker:?}"), "Masker { secrets: 1, .. }");
    }

    proptest! {
        #[test]
        fn how_the_stream_is_cut_does_not_matter(text in "[ab]{0,60}", cuts in proptest::collection::vec(0..61_usize, 0..8)) {
            let masker = masker(&[("X", "abababab"), ("Y", "abababababaa"), ("Z", "bbbbbbbb")]);
            let mut cuts: Vec<usize> = cuts.into_iter().map(|cut| cut.min(text.len())).collect();
            cuts.extend([0, text.len()]);
            cuts.sort_unstable();
            let pieces: Vec<&[u8]> = cuts.windows(2).map(|pair| &text.as_bytes()[pair[0]..pair[1]]).collect();
            let masked = streamed(&masker, &pieces);
            prop_assert_eq!(&masked, &masker.mask(&text));
            prop_assert!(!masked.contains("abababab") && !masked.contains("bbbbbbbb"));
        }
    }
}
