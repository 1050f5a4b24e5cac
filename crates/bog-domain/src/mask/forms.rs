//! The forms in which a secret is looked for, each as a machine that reads a text byte by byte.
//!
//! A machine says which bytes it expects next, so that one description serves both to find a secret and to list how it
//! may begin.

/// A form of one secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Form {
    secret: u32,
    kind: Kind,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    /// As it is, each character percent-encoded (RFC 3986, 2.1; a space also as `+`) or escaped as in JSON (RFC 8259, 7)
    /// or not.
    Text,
    /// As part of something longer in base64 (RFC 4648, 4 and 5): so many bytes stand before it, counted modulo 3. Where
    /// it shares its first or last digit with its neighbours, only its own bits count.
    Base64 { before: Before, shared_digit: bool },
    /// In hexadecimal.
    Hex,
}

/// How many bytes stand before the secret, modulo 3.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Before {
    None,
    One,
    Two,
}

/// How far a form has been read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct At {
    /// Bytes of the value that were read; of the other forms than text, digits.
    done: usize,
    part: Part,
}

/// Within a byte or between two.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Part {
    Between,
    /// `%` was read.
    Percent,
    /// `%` and a digit were read.
    PercentDigit,
    /// A backslash was read.
    Backslash,
    /// `\u` was read, and so many digits of this UTF-16 unit of the character.
    Unit {
        unit: u8,
        digits: u8,
    },
    /// The first unit was read, and the backslash of the second where it says so.
    NextUnit {
        backslash: bool,
    },
    /// Between two digits so many characters of a line break were read.
    Break(u8),
    /// Besides them the backslash of a line break that is escaped as in JSON.
    BreakBackslash(u8),
}

/// Characters of a line break between two digits: CR and LF.
const BREAK_MAX: u8 = 2;

const BASE64: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

impl Form {
    /// The forms of the secret of this number.
    pub(super) fn all_of(secret: usize) -> impl Iterator<Item = Self> {
        let base64 = |before, shared_digit| Kind::Base64 { before, shared_digit };
        let kinds = [
            Kind::Text,
            base64(Before::None, false),
            base64(Before::One, true),
            base64(Before::One, false),
            base64(Before::Two, true),
            base64(Before::Two, false),
            Kind::Hex,
        ];
        // More secrets than that do not fit into memory.
        let secret = u32::try_from(secret).unwrap_or(u32::MAX);
        kinds.into_iter().map(move |kind| Self { secret, kind })
    }

    /// The number of its secret.
    pub(super) const fn secret(self) -> usize {
        self.secret as usize
    }

    /// Where reading begins.
    pub(super) const fn begin(self) -> At {
        At { done: 0, part: Part::Between }
    }

    /// Whether the whole secret has been read.
    pub(super) fn is_whole(self, at: At, value: &[u8]) -> bool {
        at.part == Part::Between
            && match self.kind {
                Kind::Text => at.done == value.len(),
                Kind::Base64 { .. } | Kind::Hex => at.done >= self.digits(value).needed,
            }
    }

    /// Names each byte that may come next, and where reading stands after it.
    pub(super) fn advance(self, at: At, value: &[u8], expect: &mut impl FnMut(u8, At)) {
        match self.kind {
            Kind::Text => text(at, value, expect),
            Kind::Base64 { .. } | Kind::Hex => self.digits(value).advance(at, expect),
        }
    }

    /// Names each way in which it may begin, in so many bytes.
    pub(super) fn prefixes(self, value: &[u8], length: usize, found: &mut impl FnMut(&[u8])) {
        let mut beginnings = vec![(Vec::new(), self.begin())];
        for _ in 0..length {
            let mut longer = Vec::new();
            for (bytes, at) in &beginnings {
                self.advance(*at, value, &mut |byte, then| longer.push(([bytes.as_slice(), &[byte]].concat(), then)));
            }
            beginnings = longer;
        }
        beginnings.iter().for_each(|(bytes, _)| found(bytes));
    }

    fn digits(self, value: &[u8]) -> Digits<'_> {
        match self.kind {
            Kind::Base64 { before, shared_digit } => {
                let skipped = match before {
                    Before::None => 0,
                    Before::One => 4,
                    Before::Two => 2,
                };
                let own_bits = value.len() * 8 - skipped;
                let first = if shared_digit { skipped as isize - 6 } else { skipped as isize };
                let needed = own_bits / 6 + usize::from(shared_digit);
                let most = own_bits.div_ceil(6) + usize::from(shared_digit);
                Digits { value, width: 6, first, needed, most }
            }
            Kind::Hex | Kind::Text => {
                Digits { value, width: 4, first: 0, needed: value.len() * 2, most: value.len() * 2 }
            }
        }
    }
}

fn text(at: At, value: &[u8], expect: &mut impl FnMut(u8, At)) {
    let Some(byte) = value.get(at.done).copied() else { return };
    let mut then = |next: u8, part| expect(next, At { done: at.done, part });
    match at.part {
        Part::Between => {
            then(b'%', Part::Percent);
            then(b'\\', Part::Backslash);
            expect(byte, past(at.done + 1));
            if byte == b' ' {
                expect(b'+', past(at.done + 1));
            }
        }
        Part::Percent => hex(byte >> 4, |digit| then(digit, Part::PercentDigit)),
        Part::PercentDigit => hex(byte & 15, |digit| expect(digit, past(at.done + 1))),
        Part::Backslash => {
            if let Some(letter) = escape(byte) {
                expect(letter, past(at.done + 1));
            }
            if character(value, at.done).is_some() {
                expect(b'u', At { done: at.done, part: Part::Unit { unit: 0, digits: 0 } });
            }
        }
        Part::NextUnit { backslash: false } => then(b'\\', Part::NextUnit { backslash: true }),
        Part::NextUnit { backslash: true } => then(b'u', Part::Unit { unit: 1, digits: 0 }),
        Part::Unit { unit, digits } => {
            let Some(character) = character(value, at.done) else { return };
            let mut units = [0; 2];
            let units = character.encode_utf16(&mut units);
            let digit = (units[usize::from(unit)] >> (12 - 4 * digits) & 15) as u8;
            let next = match digits {
                0..3 => At { done: at.done, part: Part::Unit { unit, digits: digits + 1 } },
                _ if usize::from(unit) + 1 < units.len() => {
                    At { done: at.done, part: Part::NextUnit { backslash: false } }
                }
                _ => past(at.done + character.len_utf8()),
            };
            hex(digit, |digit| expect(digit, next));
        }
        Part::Break(_) | Part::BreakBackslash(_) => {}
    }
}

const fn past(done: usize) -> At {
    At { done, part: Part::Between }
}

/// The letter behind the backslash for this byte.
const fn escape(byte: u8) -> Option<u8> {
    match byte {
        b'"' | b'\'' | b'\\' | b'/' => Some(byte),
        b'\n' => Some(b'n'),
        b'\r' => Some(b'r'),
        b'\t' => Some(b't'),
        8 => Some(b'b'),
        12 => Some(b'f'),
        _ => None,
    }
}

/// The character that begins at this byte, if one does.
fn character(value: &[u8], at: usize) -> Option<char> {
    let encoded = (1..=4).filter_map(|length| value.get(at..at + length));
    encoded.filter_map(|bytes| std::str::from_utf8(bytes).ok()).find_map(|text| text.chars().next())
}

/// Both ways to write a hexadecimal digit.
fn hex(digit: u8, mut each: impl FnMut(u8)) {
    let [lower, upper] = [b"0123456789abcdef", b"0123456789ABCDEF"].map(|digits| digits[usize::from(digit)]);
    each(lower);
    if upper != lower {
        each(upper);
    }
}

/// A value as digits of a power of two, with line breaks between them.
struct Digits<'a> {
    value: &'a [u8],
    /// Bits of a digit.
    width: isize,
    /// The bit of the value with which the first digit begins; before the value where it is negative.
    first: isize,
    /// Digits that must be there.
    needed: usize,
    /// Digits that may be there: a last one may belong to the value in part.
    most: usize,
}

impl Digits<'_> {
    fn advance(&self, at: At, expect: &mut impl FnMut(u8, At)) {
        if at.done == self.most {
            return;
        }
        let mut wait = |byte, part| expect(byte, At { done: at.done, part });
        let breaks = match at.part {
            Part::BreakBackslash(breaks) => {
                wait(b'n', Part::Break(breaks + 1));
                wait(b'r', Part::Break(breaks + 1));
                return;
            }
            Part::Break(breaks) => breaks,
            Part::Between
            | Part::Percent
            | Part::PercentDigit
            | Part::Backslash
            | Part::Unit { .. }
            | Part::NextUnit { .. } => 0,
        };
        if at.done > 0 && breaks < BREAK_MAX {
            wait(b'\n', Part::Break(breaks + 1));
            wait(b'\r', Part::Break(breaks + 1));
            wait(b'\\', Part::BreakBackslash(breaks));
        }
        let (digit, known) = self.digit(at.done);
        for candidate in (0..1 << self.width).filter(|candidate| candidate & known == digit) {
            self.written(candidate, |byte| expect(byte, past(at.done + 1)));
        }
    }

    /// A digit, and which of its bits belong to the value.
    fn digit(&self, index: usize) -> (u8, u8) {
        let first = self.first + index as isize * self.width;
        (first..first + self.width).fold((0, 0), |(digit, known), bit| match self.bit(bit) {
            Some(bit) => (digit << 1 | bit, known << 1 | 1),
            None => (digit << 1, known << 1),
        })
    }

    fn bit(&self, index: isize) -> Option<u8> {
        let index = usize::try_from(index).ok()?;
        self.value.get(index / 8).map(|byte| byte >> (7 - index % 8) & 1)
    }

    /// Each way to write a digit.
    fn written(&self, digit: u8, mut each: impl FnMut(u8)) {
        if self.width == 4 {
            return hex(digit, each);
        }
        each(BASE64[usize::from(digit)]);
        match digit {
            62 => each(b'-'),
            63 => each(b'_'),
            _ => {}
        }
    }
}
