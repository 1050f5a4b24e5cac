//! `edit`: one text in a file is replaced by another. The old one is to be exactly as it stands there, and to stand there
//! once: a guess would change what nobody meant.

use super::object;
use super::roots::Roots;
use serde::Deserialize;
use serde_json::Value;

/// The largest file that is changed, in bytes.
const LARGEST: u64 = 16 * 1024 * 1024;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Args {
    path: String,
    old_string: String,
    new_string: String,
    #[serde(default)]
    replace_all: bool,
}

pub fn about() -> (&'static str, Value) {
    let parameters = object(
        3,
        &[
            ("path", "string", "the file"),
            ("old_string", "string", "the text to be replaced, exactly as it is in the file, without line numbers"),
            ("new_string", "string", "what is to stand there instead"),
            ("replace_all", "boolean", "replace it everywhere; otherwise it has to be there exactly once"),
        ],
    );
    ("Replaces a text in a file by another. Read the file first.", parameters)
}

pub fn run(roots: &Roots, args: &Args) -> Result<String, String> {
    let content = String::from_utf8(roots.read(&args.path, LARGEST)?)
        .map_err(|_| format!("`{}` is no text file in UTF-8", args.path))?;
    let (changed, count) = changed(&content, args)?;
    roots.write(&args.path, changed.as_bytes())?;
    let times = if count == 1 { "once".to_owned() } else { format!("{count} times") };
    Ok(format!("replaced {times} in `{}`", args.path))
}

fn changed(content: &str, args: &Args) -> Result<(String, usize), String> {
    let (old, new, path) = (args.old_string.as_str(), args.new_string.as_str(), &args.path);
    if old.is_empty() {
        return Err("`old_string` is empty; to make a new file use `write`".to_owned());
    }
    if old == new {
        return Err("`old_string` and `new_string` are the same; nothing was changed".to_owned());
    }
    let lines: Vec<String> = content.match_indices(old).map(|(at, _)| line_of(content, at).to_string()).collect();
    match lines.len() {
        0 => Err(format!("`old_string` is not in `{path}`{}; nothing was changed", hint(content, old))),
        1 => Ok((content.replacen(old, new, 1), 1)),
        count if args.replace_all => Ok((content.replace(old, new), count)),
        count => {
            let shown = lines[..count.min(10)].join(", ");
            Err(format!(
                "`old_string` is {count} times in `{path}`, at the lines {shown}; nothing was changed: add lines around it \
                 until it is there once, or set `replace_all`"
            ))
        }
    }
}

/// What is nearly the same, for the most frequent mistakes.
fn hint(content: &str, old: &str) -> String {
    let squeezed = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
    let Some(first) = old.lines().map(squeezed).find(|line| !line.is_empty()) else { return String::new() };
    let near = content.lines().position(|line| squeezed(line) == first);
    match near {
        Some(at) => format!(", but its first line is line {} with other spaces or other lines after it", at + 1),
        None => String::new(),
    }
}

fn line_of(content: &str, at: usize) -> usize {
    content[..at].matches('\n').count() + 1
}

#[cfg(test)]
mod tests {
    use super::*;

    fn edit(content: &str, old: &str, new: &str, replace_all: bool) -> Result<String, String> {
        let (old_string, new_string) = (old.to_owned(), new.to_owned());
        changed(content, &Args { path: "f".to_owned(), old_string, new_string, replace_all }).map(|(text, _)| text)
    }

    #[test]
    fn only_an_exact_and_single_match_is_replaced() {
        assert_eq!(edit("a b c", "b", "x", false).unwrap(), "a x c");
        assert_eq!(edit("a b b", "b", "x", true).unwrap(), "a x x");
        let error = edit("a\nb\nb\n", "b", "x", false).unwrap_err();
        assert!(error.contains("2 times") && error.contains("lines 2, 3"), "{error}");
        let error = edit("fn main() {\n    one();\n}\n", "  one();", "x", false).unwrap();
        assert_eq!(error, "fn main() {\n  x\n}\n");
        let error = edit("x\n    one();\n", "\tone();", "x", false).unwrap_err();
        assert!(error.contains("line 2 with other spaces"), "{error}");
        for (old, new) in [("", "x"), ("a", "a"), ("zzz", "x")] {
            assert!(edit("a", old, new, false).is_err(), "{old}");
        }
    }
}
