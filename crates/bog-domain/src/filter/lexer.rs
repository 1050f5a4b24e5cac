//! The words of a filter.

/// A word.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Token {
    /// A name or keyword.
    Word(String),
    /// A text in quotes, unescaped.
    Text(String),
    /// A number, as it is written.
    Number(serde_json::Number),
    /// Punctuation or an operator.
    Sign(&'static str),
}

/// A mistake: its offset in bytes, and what it is.
pub(super) type Mistake = (usize, String);

/// Longer ones before those they begin with.
const SIGNS: [&str; 13] = ["==", "!=", "<=", ">=", "<", ">", "(", ")", "[", "]", ",", ".", "-"];

/// The words of a text, each with its offset in bytes.
pub(super) fn tokens(text: &str) -> Result<Vec<(usize, Token)>, Mistake> {
    let mut tokens = Vec::new();
    let mut at = 0;
    while let Some(first) = text[at..].chars().next() {
        let rest = &text[at..];
        let (token, length) = if first.is_whitespace() {
            at += first.len_utf8();
            continue;
        } else if first == '\'' || first == '"' {
            quoted(rest, first).map_err(|problem| (at, problem))?
        } else if first.is_ascii_digit() {
            number(rest).map_err(|problem| (at, problem))?
        } else if first.is_alphabetic() || first == '_' {
            let word = rest.split(|c: char| !c.is_alphanumeric() && c != '_').next().unwrap_or_default();
            (Token::Word(word.to_owned()), word.len())
        } else {
            let sign = SIGNS.into_iter().find(|sign| rest.starts_with(sign));
            let sign = sign.ok_or_else(|| (at, unknown(first)))?;
            (Token::Sign(sign), sign.len())
        };
        tokens.push((at, token));
        at += length;
    }
    Ok(tokens)
}

fn unknown(found: char) -> String {
    let hint = match found {
        '=' => ": to compare, write `==`",
        '&' => ": write `and`",
        '|' => ": write `or`; there are no pipes in filters",
        '!' => ": write `not`, or `!=`",
        _ => "",
    };
    format!("`{found}` means nothing here{hint}")
}

/// A text in quotes: a backslash takes the next character as it is.
fn quoted(rest: &str, quote: char) -> Result<(Token, usize), String> {
    let mut text = String::new();
    let mut escaped = false;
    for (offset, c) in rest.char_indices().skip(1) {
        if escaped || (c != '\\' && c != quote) {
            text.push(c);
            escaped = false;
        } else if c == '\\' {
            escaped = true;
        } else {
            return Ok((Token::Text(text), offset + quote.len_utf8()));
        }
    }
    Err(format!("the text that begins with {quote} has no end"))
}

fn number(rest: &str) -> Result<(Token, usize), String> {
    let word = rest.split(|c: char| !c.is_alphanumeric() && c != '.').next().unwrap_or_default();
    let number = word.parse().map_err(|_| format!("`{word}` is no number; texts stand in quotes"))?;
    Ok((Token::Number(number), word.len()))
}
