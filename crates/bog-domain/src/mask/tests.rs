use super::*;
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE, URL_SAFE_NO_PAD};
use proptest::prelude::*;
use serde_json::json;

fn masker(secrets: &[(&str, &str)]) -> Masker {
    Masker::new(secrets.iter().map(|(name, value)| ((*name).to_owned(), value.as_bytes().to_vec())))
}

fn streamed(masker: &Masker, pieces: &[&[u8]]) -> String {
    let mut masker = masker.clone();
    let mut said: Vec<u8> = pieces.iter().flat_map(|piece| masker.push(piece)).collect();
    said.extend(masker.finish());
    assert!(masker.held.is_empty() && masker.search.is_none());
    String::from_utf8(said).expect("these tests use UTF-8")
}

/// The pieces of a text that is cut at these places.
fn cut<'a>(text: &'a [u8], cuts: &[usize]) -> Vec<&'a [u8]> {
    let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut % (text.len() + 1)).collect();
    cuts.extend([0, text.len()]);
    cuts.sort_unstable();
    cuts.windows(2).map(|pair| &text[pair[0]..pair[1]]).collect()
}

fn percent(text: &str, also: impl Fn(u8) -> bool) -> String {
    let one = |byte: u8| if also(byte) { format!("%{byte:02X}") } else { char::from(byte).to_string() };
    text.bytes().map(one).collect()
}

fn all_escaped(text: &str) -> String {
    text.encode_utf16().map(|unit| format!("\\u{unit:04x}")).collect()
}

fn wrapped(text: &str, columns: usize, end: &str) -> String {
    let lines: Vec<_> = text.as_bytes().chunks(columns).map(String::from_utf8_lossy).collect();
    lines.join(end) + end
}

#[test]
fn masks_whole_and_split_secrets() {
    let masker = masker(&[("TOKEN", "hunter2hunter2")]);
    assert_eq!(masker.mask("a hunter2hunter2 b"), "a [TOKEN] b");
    assert_eq!(streamed(&masker, &[b"a hunter2", b"hun", b"ter2 b"]), "a [TOKEN] b");
    assert_eq!(streamed(&masker, &[b"a hunter2", b"hun"]), "a hunter2hun");
    assert_eq!(streamed(&masker, &[b"hunterhunter2hunter2"]), "hunter[TOKEN]");
    assert_eq!(masker.mask("hunter2hunter2hunter2hunter2"), "[TOKEN][TOKEN]");
}

#[test]
fn the_longest_secret_wins_even_when_it_arrives_late() {
    let masker = masker(&[("SHORT", "abcdefgh"), ("LONG", "abcdefghijkl")]);
    assert_eq!(streamed(&masker, &[b"abcdefgh", b"ijkl"]), "[LONG]");
    assert_eq!(streamed(&masker, &[b"abcdefgh", b"ijk!"]), "[SHORT]ijk!");
    assert_eq!(streamed(&masker, &[b"abcdefgh"]), "[SHORT]");
}

#[test]
fn of_two_names_for_one_value_always_the_same_is_said() {
    for names in [["A", "B"], ["B", "A"]] {
        assert_eq!(masker(&names.map(|name| (name, "hunter2hunter2"))).mask("hunter2hunter2"), "[A]");
    }
}

#[test]
fn short_values_are_left_alone() {
    assert_eq!(
        masker(&[("PIN", "1234567"), ("NONE", ""), ("SHORT", "äöüäöüä")]).mask("1234567 äöüäöüä"),
        "1234567 äöüäöüä"
    );
    assert_eq!(masker(&[("PIN", "12345678"), ("LONG", "äöüäöüäö")]).mask("12345678 äöüäöüäö"), "[PIN] [LONG]");
}

#[test]
fn what_is_no_text_is_found_too() {
    let value = b"\xff\xfe\x00\x01\x02\x03\x04\x05\x06".to_vec();
    let mask = Mask::new([("KEY".to_owned(), value.clone())]);
    assert_eq!(mask.mask_bytes(&[b"a ".as_slice(), &value, b" b"].concat()).as_ref(), b"a [KEY] b");
    assert_eq!(mask.mask(&STANDARD.encode(&value)), "[KEY]");
}

#[test]
fn encodings_are_seen_through() {
    let secret = "pa\"ss\\w/ör d?\n+Ü🦀";
    let masker = masker(&[("KEY", secret)]);
    let json = serde_json::to_string(secret).expect("a string");
    let json = json.trim_matches('"');
    for (what, text) in [
        ("percent-encoded", percent(secret, |byte| !byte.is_ascii_alphanumeric())),
        ("percent-encoded throughout", percent(secret, |_| true).to_lowercase()),
        (
            "a form's",
            percent(&secret.replace('+', "%2B"), |byte| !byte.is_ascii_alphanumeric() && byte != b' ' && byte != b'%')
                .replace(' ', "+"),
        ),
        ("JSON", json.to_owned()),
        ("JSON of other writers", json.replace('/', "\\/").replace('ö', "\\u00f6").replace('🦀', "\\uD83E\\udd80")),
        ("JSON escaped throughout", all_escaped(secret)),
        ("hex", hex::encode(secret)),
        ("upper-case hex", hex::encode_upper(secret)),
        ("wrapped hex", wrapped(&hex::encode(secret), 30, "\n").trim_end().to_owned()),
        ("a string in Rust's notation", format!("{secret:?}").trim_matches('"').to_owned()),
    ] {
        assert_eq!(masker.mask(&format!("<{text}>")), "<[KEY]>", "{what}: {text}");
    }
}

#[test]
fn base64_is_seen_through_at_every_offset_and_width() {
    let secret = "subjects?_d~~>~?~>~hunter2";
    let masker = masker(&[("KEY", secret)]);
    for (before, after) in (0..7).flat_map(|before| (0..7).map(move |after| (before, after))) {
        let whole = format!("{}{secret}{}", &"user:x:"[..before], &"\n;tail."[..after]);
        for engine in [STANDARD, URL_SAFE, STANDARD_NO_PAD, URL_SAFE_NO_PAD] {
            let text = engine.encode(&whole);
            for text in [
                text.clone(),
                wrapped(&text, 76, "\n"),
                wrapped(&text, 7, "\r\n"),
                wrapped(&text, 1, "\n"),
                wrapped(&text, 20, "\\n"),
            ] {
                let masked = masker.mask(&text);
                assert!(masked.contains("[KEY]"), "{before} before, {after} after: {text}");
                // Not even a part of it can be told: what is left are the digits that hold nothing but its neighbours.
                let left: String = masked.replace("[KEY]", "").replace("\\n", "").split_whitespace().collect();
                let digits = |bytes: usize| (bytes * 8).div_ceil(6);
                let others = before * 8 / 6 + digits(whole.len()) - digits(before + secret.len());
                assert_eq!(left.trim_end_matches('=').len(), others, "{left} is left of {text}");
            }
        }
    }
}

#[test]
fn base64_that_was_cut_right_before_the_secret_is_seen_through() {
    let masker = masker(&[("KEY", "hunter2hunter2")]);
    for core in cores("hunter2hunter2") {
        assert_eq!(masker.mask(&format!("key: {core}")), "key: [KEY]");
    }
}

#[test]
fn a_tail_that_may_be_a_beginning_waits_and_nothing_else_does() {
    let mut masker = masker(&[("TOKEN", "hunter2hunter2")]);
    assert_eq!(masker.push(b"working... "), b"working... ");
    assert_eq!(masker.push(b"a hunter"), b"a ");
    assert_eq!(masker.push(b"s "), b"hunters ");
    assert_eq!(masker.push(b"h"), b"");
    assert_eq!(masker.push(b"e"), b"he");
    assert_eq!(masker.finish(), b"");
}

#[test]
fn what_is_held_back_is_bounded() {
    let secret = "0123456789 \"\\/%+ÄÖÜ";
    let mut masker = masker(&[("KEY", secret)]);
    let texts = [
        all_escaped(secret),
        percent(secret, |_| true),
        wrapped(&hex::encode(secret), 1, "\\r\\n"),
        wrapped(&STANDARD.encode(secret), 1, "\\r\\n"),
        wrapped(&hex::encode(secret), 1, "\n\n\n\n\n"),
        secret.repeat(3),
    ];
    let mut most = 0;
    for byte in texts.concat().into_bytes() {
        let _ = masker.push(&[byte]);
        most = most.max(masker.held.len());
    }
    assert!(most <= HELD_PER_BYTE * secret.len(), "{most}");
    assert!(most > 6 * secret.len(), "{most}: the texts here come near the bound");
}

#[test]
fn a_long_secret_may_come_byte_by_byte() {
    let value: Vec<u8> = (0..64 * 1024_u32).map(|n| b'!' + (n.wrapping_mul(2_654_435_761) >> 26) as u8).collect();
    let mut masker = Masker::new([("KEY".to_owned(), value.clone())]);
    let mut said: Vec<u8> = value.iter().flat_map(|byte| masker.push(&[*byte])).collect();
    said.extend(masker.finish());
    assert_eq!(said, b"[KEY]");
}

#[test]
fn debug_shows_no_secret() {
    let mut masker = masker(&[("TOKEN", "hunter2hunter2")]);
    let _ = masker.push(b"hunter2h");
    assert_eq!(format!("{masker:?}"), "Masker { mask: Mask { secrets: 1, .. }, .. }");
}

#[test]
fn masked_json_is_json() {
    let mask = |secret: &str, document: &serde_json::Value| {
        let mask = Mask::new([("KEY".to_owned(), secret.as_bytes().to_vec())]);
        let text = document.to_string();
        let masked = mask.mask_json(text.as_bytes()).into_owned();
        serde_json::from_slice::<serde_json::Value>(&masked).unwrap_or_else(|error| panic!("{error}: {masked:?}"))
    };
    let document = json!({ "a": ["say hunter2\"hunter2", 1, null, true], "hunter2\"hunter2": { "b": 2.5 } });
    let expected = json!({ "a": ["say [KEY]", 1, null, true], "[KEY]": { "b": 2.5 } });
    assert_eq!(mask("hunter2\"hunter2", &document), expected);
    assert_eq!(mask("hunter2\"hunter2", &json!(r#"{"a":"hunter2\"hunter2"}"#)), json!(r#"{"a":"[KEY]"}"#));
    // What only looks like a secret because of how it is escaped is none.
    for (secret, text) in [("nhunter2", "\nhunter2"), ("hunter2\\", "hunter2\""), ("hunter\\n", "hunter\n")] {
        assert_eq!(mask(secret, &json!([text, secret])), json!([text, "[KEY]"]), "{secret}");
    }
    // Nor does a secret hold the document together.
    assert_eq!(mask("\":\"a\",\"b", &json!({ "x": "a", "b": "" })), json!({ "x": "a", "b": "" }));
    let mask = Mask::new([("KEY".to_owned(), b"hunter2hunter2".to_vec())]);
    assert_eq!(mask.mask_json(b"{\"cut: hunter2hunter2").as_ref(), b"{\"cut: [KEY]");
}

/// An independent way to find secrets: every form spelt out, every position tried.
fn by_hand(secrets: &[(&str, &str)], text: &str) -> String {
    let mut spelt: Vec<(String, &str)> = Vec::new();
    for (name, value) in secrets {
        spelt.push(((*value).to_owned(), name));
        spelt.push((percent(value, |_| true), name));
        spelt.push((hex::encode(value), name));
        spelt.push((hex::encode_upper(value), name));
        spelt.push((all_escaped(value), name));
    }
    spelt.sort_by_key(|(form, _)| std::cmp::Reverse(form.len()));
    let (mut said, mut rest) = (String::new(), text);
    while let Some(next) = rest.chars().next() {
        match spelt.iter().find(|(form, _)| rest.starts_with(form.as_str())) {
            Some((form, name)) => {
                said += &format!("[{name}]");
                rest = &rest[form.len()..];
            }
            None => {
                said.push(next);
                rest = &rest[next.len_utf8()..];
            }
        }
    }
    said
}

/// The digits of base64 that tell a secret alone, for each offset: those that stay the same whatever stands around it.
fn cores(secret: &str) -> Vec<String> {
    let core = |before: usize| {
        let encoded = |other: u8| {
            let around = [&vec![other; before], secret.as_bytes(), &[other, other]].concat();
            STANDARD_NO_PAD.encode(around)
        };
        let (one, two) = (encoded(0), encoded(0xff));
        one.chars().zip(two.chars()).filter(|(one, two)| one == two).map(|(one, _)| one).collect()
    };
    (0..3).map(core).collect()
}

/// Anything in which secrets may stand: plain, encoded, and pieces of them.
fn texts(secrets: &'static [(&'static str, &'static str)]) -> impl Strategy<Value = String> {
    let secret = (0..secrets.len(), 0..12_u8, "[a-z:]{0,4}", "[a-z:]{0,4}", 0..40_usize);
    let piece = secret.prop_map(|(which, how, before, after, most)| {
        let value = secrets[which].1;
        let around = format!("{before}{value}{after}");
        let text = match how {
            0 => value.to_owned(),
            1 => STANDARD.encode(&around),
            2 => URL_SAFE_NO_PAD.encode(&around),
            3 => wrapped(&STANDARD.encode(around.repeat(3)), 76, "\n"),
            4 => wrapped(&URL_SAFE.encode(around), 10, "\r\n"),
            5 => hex::encode(value),
            6 => hex::encode_upper(value),
            7 => percent(value, |byte| !byte.is_ascii_alphanumeric()),
            8 => serde_json::to_string(&around).unwrap_or_default(),
            9 => all_escaped(value),
            10 => value.chars().take(most).collect(),
            _ => STANDARD.encode(value).chars().take(most).collect(),
        };
        text + &after
    });
    proptest::collection::vec(piece, 0..6).prop_map(|pieces| pieces.concat())
}

const SECRETS: &[(&str, &str)] = &[
    ("TOKEN", "ghp_16C7e42F292c69"),
    ("QUOTED", "a\"b\\c/d e%f+g"),
    ("UMLAUT", "Zügelstraße🦀"),
    ("PREFIX", "ghp_16C7"),
    ("PERCENT", "%25%41\\u0041\\\\"),
];

proptest! {
    #[test]
    fn how_the_stream_is_cut_does_not_matter(text in "[ab]{0,60}", cuts in proptest::collection::vec(any::<usize>(), 0..8)) {
        let secrets = [("X", "abababab"), ("Y", "abababababaa"), ("Z", "bbbbbbbb")];
        let masker = masker(&secrets);
        let masked = streamed(&masker, &cut(text.as_bytes(), &cuts));
        prop_assert_eq!(&masked, &masker.mask(&text));
        prop_assert_eq!(&masked, &by_hand(&secrets, &text));
        prop_assert!(!masked.contains("abababab") && !masked.contains("bbbbbbbb"));
    }

    #[test]
    fn nor_with_encodings(text in texts(SECRETS), cuts in proptest::collection::vec(any::<usize>(), 0..20)) {
        let masker = masker(SECRETS);
        let masked = streamed(&masker, &cut(text.as_bytes(), &cuts));
        prop_assert_eq!(&masked, &masker.mask(&text));
        let single: Vec<&[u8]> = text.as_bytes().chunks(1).collect();
        prop_assert_eq!(&masked, &streamed(&masker, &single));
        let together: String = masked.split_whitespace().collect();
        for (name, value) in SECRETS {
            for form in [(*value).to_owned(), hex::encode(value), hex::encode_upper(value), percent(value, |_| true)] {
                prop_assert!(!masked.contains(&form), "{} in {}", name, masked);
            }
            for core in cores(value) {
                prop_assert!(core.len() + 1 >= value.len() * 8 / 6, "{} is no core of {}", core, value);
                let url_safe = core.replace('+', "-").replace('/', "_");
                prop_assert!(!together.contains(&core) && !together.contains(&url_safe), "{} in {}", name, masked);
            }
        }
    }

    #[test]
    fn what_is_around_stays(before in "[g-z .,\n]{0,40}", how in 0..4_u8, after in "[g-z .,\n]{0,40}", cuts in proptest::collection::vec(any::<usize>(), 0..8)) {
        let value = "ghp_16C7e42F292c69";
        let form = match how {
            0 => value.to_owned(),
            1 => hex::encode(value),
            2 => percent(value, |_| true),
            _ => all_escaped(value),
        };
        let text = format!("{before}{form}{after}");
        let masked = streamed(&masker(&[("TOKEN", value)]), &cut(text.as_bytes(), &cuts));
        prop_assert_eq!(masked, format!("{before}[TOKEN]{after}"));
    }

    #[test]
    fn a_text_without_secrets_is_left_as_it_is(text in "\\PC{0,200}", cuts in proptest::collection::vec(any::<usize>(), 0..8)) {
        let secrets = [("TOKEN", "ghp_16C7e42F292c69"), ("OTHER", "correct horse battery")];
        prop_assert_eq!(streamed(&masker(&secrets), &cut(text.as_bytes(), &cuts)), text);
    }
}
