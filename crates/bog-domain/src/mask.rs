//! Masking: known secrets are replaced in whatever an agent says, also where a secret is split over two reads, and also
//! where it was encoded on the way.
//!
//! It finds a secret as it is; percent-encoded; escaped as in JSON; in hexadecimal, either case; and within base64 of
//! either alphabet, at whatever offset it stands in what was encoded and wherever the lines are broken. It does not see
//! through anything else: reversed, compressed, encrypted or cut into two halves a secret is not found.

mod forms;
mod json;
mod stream;
#[cfg(test)]
mod tests;

pub use stream::Masker;

use forms::{At, Form};
use std::borrow::Cow;
use std::fmt;
use zeroize::Zeroizing;

/// Values with fewer characters are left alone: masking them would tear ordinary words apart.
pub const MIN_SECRET_CHARS: usize = 8;

/// How many bytes a form must have matched before it is followed any further, and the bits of a number that they take.
const PREFIX_BYTES: usize = 3;
const PREFIX_MASK: u32 = 0xff_ffff;

/// The fewest bits of the filter, and how many there are for each prefix in it.
const FILTER_MIN_BITS: usize = 1 << 16;
const FILTER_BITS_EACH: usize = 16;
const WORD: usize = u64::BITS as usize;

/// How many bytes of a text may stand for one byte of a secret: `\u002f`, or two hexadecimal digits with their line breaks.
pub const HELD_PER_BYTE: usize = 10;

/// Whether a value is long enough to be masked.
#[must_use]
pub fn is_maskable(value: &[u8]) -> bool {
    String::from_utf8_lossy(value).chars().nth(MIN_SECRET_CHARS - 1).is_some()
}

/// Known secrets, prepared to be found. Replaces them by `[NAME]`.
///
/// Where several begin at the same byte, the longest match wins; after a match the search goes on behind it.
#[derive(Default)]
pub struct Mask {
    /// Longest first: of two that match the same bytes, the first is named.
    secrets: Vec<Secret>,
    /// The prefixes of all forms of all secrets, in order.
    prefixes: Vec<(u32, Form)>,
    /// A set bit for each of `prefixes` by its hash: almost every byte of ordinary text is done with after this look.
    filter: Vec<u64>,
    shift: u32,
}

struct Secret {
    value: Zeroizing<Vec<u8>>,
    replacement: Vec<u8>,
}

/// What is known of the text at one position.
enum Here {
    /// This secret, in so many bytes.
    Secret(usize, usize),
    /// Too little of the text is there to say.
    Unclear(Option<Search>),
    Plain,
}

/// A search that began at one position, as far as it has come.
#[derive(Clone, Default)]
struct Search {
    /// Where the forms that still match stand.
    alive: Vec<(Form, At)>,
    /// How many bytes it has looked at.
    seen: usize,
    /// The longest match so far: which secret, and its end.
    best: Option<(usize, usize)>,
}

impl Mask {
    /// Takes names and values; values that are not [`is_maskable`] are left out.
    #[must_use]
    pub fn new(secrets: impl IntoIterator<Item = (String, Vec<u8>)>) -> Self {
        let secrets = secrets.into_iter().map(|(name, value)| (name, Zeroizing::new(value)));
        let mut kept: Vec<Secret> = secrets
            .filter(|(_, value)| is_maskable(value))
            .map(|(name, value)| Secret { value, replacement: format!("[{name}]").into_bytes() })
            .collect();
        kept.sort_by(|one, other| {
            let longest_first = other.value.len().cmp(&one.value.len());
            longest_first.then_with(|| one.replacement.cmp(&other.replacement))
        });
        let mut prefixes = Vec::new();
        for (index, secret) in kept.iter().enumerate() {
            for form in Form::all_of(index) {
                form.prefixes(&secret.value, PREFIX_BYTES, &mut |bytes| prefixes.push((prefix(bytes), form)));
            }
        }
        prefixes.sort_unstable();
        prefixes.dedup();
        let bits = (prefixes.len() * FILTER_BITS_EACH).next_power_of_two().max(FILTER_MIN_BITS);
        let shift = u32::BITS - bits.trailing_zeros();
        let mut mask = Self { secrets: kept, prefixes, filter: vec![0; bits / WORD], shift };
        for index in 0..mask.prefixes.len() {
            let bit = mask.bit_of(mask.prefixes[index].0);
            mask.filter[bit / WORD] |= 1 << (bit % WORD);
        }
        mask
    }

    /// Whether there is nothing to be found.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.secrets.is_empty()
    }

    /// Masks a whole text.
    #[must_use]
    pub fn mask<'a>(&self, text: &'a str) -> Cow<'a, str> {
        match self.mask_bytes(text.as_bytes()) {
            Cow::Borrowed(_) => Cow::Borrowed(text),
            // A secret that is no text can be found within a character.
            Cow::Owned(masked) => Cow::Owned(String::from_utf8_lossy(&masked).into_owned()),
        }
    }

    /// Masks whole bytes; borrowed where there was nothing to mask.
    #[must_use]
    pub fn mask_bytes<'a>(&self, bytes: &'a [u8]) -> Cow<'a, [u8]> {
        let mut said = Vec::new();
        let mut search = None;
        let end = self.scan(bytes, &mut search, true, &mut said);
        if said.is_empty() && end == 0 {
            return Cow::Borrowed(bytes);
        }
        said.extend_from_slice(&bytes[end..]);
        Cow::Owned(said)
    }

    /// Says what is clear of `text`, in which `search` is under way from its first byte, and returns how far that was. Of
    /// a text that has `ended` all the rest is plain; of any other it is unclear, and the search in it goes on later.
    fn scan(&self, text: &[u8], search: &mut Option<Search>, ended: bool, said: &mut Vec<u8>) -> usize {
        let (mut at, mut plain) = (0, 0);
        loop {
            let here = match search.take() {
                Some(search) => self.follow(search, &text[at..], ended),
                None => {
                    at = self.next_candidate(text, at, ended);
                    if at == text.len() {
                        break;
                    }
                    self.look(&text[at..], ended)
                }
            };
            match here {
                Here::Plain => at += 1,
                Here::Secret(secret, length) => {
                    said.extend_from_slice(&text[plain..at]);
                    said.extend_from_slice(&self.secrets[secret].replacement);
                    at += length;
                    plain = at;
                }
                Here::Unclear(unclear) => {
                    *search = unclear;
                    said.extend_from_slice(&text[plain..at]);
                    return at;
                }
            }
        }
        if ended {
            return plain;
        }
        said.extend_from_slice(&text[plain..]);
        text.len()
    }

    /// The next position at which a secret may begin, or the text's end.
    fn next_candidate(&self, text: &[u8], from: usize, ended: bool) -> usize {
        if self.is_empty() {
            return text.len();
        }
        let mut rolling = prefix(&text[from..]) >> 8;
        let thirds = text[from..].iter().skip(PREFIX_BYTES - 1);
        let hit = thirds.zip(from..).find(|(byte, _)| {
            rolling = rolling << 8 & PREFIX_MASK | u32::from(**byte);
            self.may_begin(rolling)
        });
        match hit {
            Some((_, at)) => at,
            // What is left is too short for a secret, but may be the beginning of one.
            None if ended => text.len(),
            None => from.max(text.len().saturating_sub(PREFIX_BYTES - 1)),
        }
    }

    /// What stands at the beginning of `rest`.
    fn look(&self, rest: &[u8], ended: bool) -> Here {
        if rest.len() < PREFIX_BYTES {
            let unclear = !ended && !self.beginning_with(rest).is_empty();
            return if unclear { Here::Unclear(None) } else { Here::Plain };
        }
        let found = self.beginning_with(&rest[..PREFIX_BYTES]);
        let alive = found.iter().map(|(_, form)| (*form, form.begin())).collect();
        self.follow(Search { alive, ..Search::default() }, rest, ended)
    }

    /// Goes on with a search in `rest`, which begins where the search began.
    fn follow(&self, mut search: Search, rest: &[u8], ended: bool) -> Here {
        let mut next = Vec::new();
        for byte in &rest[search.seen..] {
            if search.alive.is_empty() {
                break;
            }
            search.seen += 1;
            for (form, at) in search.alive.drain(..) {
                form.advance(at, self.value(form), &mut |expected, then| {
                    if expected == *byte && !next.contains(&(form, then)) {
                        next.push((form, then));
                    }
                });
            }
            std::mem::swap(&mut search.alive, &mut next);
            let whole = search.alive.iter().filter(|(form, at)| form.is_whole(*at, self.value(*form)));
            // Both match the same bytes: the first of the secrets is named.
            if let Some(secret) = whole.map(|(form, _)| form.secret()).min() {
                search.best = Some((secret, search.seen));
            }
        }
        match search.best {
            _ if !ended && !search.alive.is_empty() => Here::Unclear(Some(search)),
            Some((secret, length)) => Here::Secret(secret, length),
            None => Here::Plain,
        }
    }

    fn value(&self, form: Form) -> &[u8] {
        &self.secrets[form.secret()].value
    }

    /// The forms that begin with these bytes, at most [`PREFIX_BYTES`] of them.
    fn beginning_with(&self, bytes: &[u8]) -> &[(u32, Form)] {
        let padded = |with: u8| {
            let mut whole = [with; PREFIX_BYTES];
            whole[..bytes.len()].copy_from_slice(bytes);
            prefix(&whole)
        };
        let (lowest, highest) = (padded(0), padded(u8::MAX));
        let from = self.prefixes.partition_point(|(prefix, _)| *prefix < lowest);
        let to = self.prefixes.partition_point(|(prefix, _)| *prefix <= highest);
        &self.prefixes[from..to]
    }

    /// Whether a form may begin so: never wrong where it says no.
    fn may_begin(&self, prefix: u32) -> bool {
        let bit = self.bit_of(prefix);
        self.filter[bit / WORD] & (1 << (bit % WORD)) != 0
    }

    /// Multiplicative hashing (Knuth, The Art of Computer Programming, volume 3, 6.4).
    fn bit_of(&self, prefix: u32) -> usize {
        (prefix.wrapping_mul(0x9E37_79B1) >> self.shift) as usize
    }
}

/// The first [`PREFIX_BYTES`] bytes as a number, so that numbers are in the order of the bytes.
fn prefix(bytes: &[u8]) -> u32 {
    bytes.iter().take(PREFIX_BYTES).fold(0, |number, byte| number << 8 | u32::from(*byte))
}

impl fmt::Debug for Mask {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Mask").field("secrets", &self.secrets.len()).finish_non_exhaustive()
    }
}
