//! Results that are too long for a model's context: it gets the beginning and the end, and may read the rest in parts.

use std::collections::VecDeque;

/// The longest result that is told whole, in bytes.
pub const LIMIT: usize = 32 * 1024;

/// What is told of a longer one.
const HEAD: usize = 20 * 1024;
const TAIL: usize = 8 * 1024;

/// What is kept of all results together, and of one.
const KEPT: usize = 8 * 1024 * 1024;
const KEPT_OF_ONE: usize = 2 * 1024 * 1024;

/// What stands before an id where a result is read like a file.
const PREFIX: &str = "result:";

/// The latest big results.
#[derive(Debug, Default)]
pub struct Kept {
    results: VecDeque<(String, String)>,
}

impl Kept {
    /// The result that `path` names; none where it names a file.
    ///
    /// # Errors
    /// When it is not kept any more.
    pub fn find(&self, path: &str) -> Result<Option<String>, String> {
        let Some(id) = path.strip_prefix(PREFIX) else { return Ok(None) };
        let found = self.results.iter().find(|(kept, _)| kept == id).map(|(_, text)| text.clone());
        found.map(Some).ok_or_else(|| format!("`{path}` is not kept any more; make the call again"))
    }

    /// What the model is told of a result.
    pub fn cut(&mut self, id: &str, mut text: String) -> String {
        if text.len() <= LIMIT {
            return text;
        }
        let (head, tail) = (floor(&text, HEAD), ceiling(&text, text.len() - TAIL));
        let cut = format!(
            "{}\n[{} of {} bytes left out; `read` with the path `{PREFIX}{id}`, `offset` and `limit` shows them]\n{}",
            &text[..head],
            tail - head,
            text.len(),
            &text[tail..]
        );
        text.truncate(floor(&text, KEPT_OF_ONE));
        self.results.push_back((id.to_owned(), text));
        while self.results.iter().map(|(_, text)| text.len()).sum::<usize>() > KEPT {
            self.results.pop_front();
        }
        cut
    }
}

/// The last end of a character at or before `at`.
pub fn floor(text: &str, at: usize) -> usize {
    (0..=at.min(text.len())).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0)
}

/// The first beginning of a character at or after `at`.
fn ceiling(text: &str, at: usize) -> usize {
    (at..text.len()).find(|at| text.is_char_boundary(*at)).unwrap_or(text.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_result_is_cut_and_can_be_read_again() {
        let mut kept = Kept::default();
        let text = "ä".repeat(LIMIT);
        let cut = kept.cut("call_1", text.clone());
        assert!(cut.len() < LIMIT && cut.contains("`result:call_1`"));
        assert_eq!(kept.find("result:call_1"), Ok(Some(text)));
        assert_eq!(kept.find("call_1"), Ok(None));
        assert_eq!(kept.cut("call_2", "short".to_owned()), "short");
        for number in 0..20 {
            let _ = kept.cut(&format!("big{number}"), "x".repeat(KEPT_OF_ONE));
        }
        assert!(kept.find("result:call_1").is_err());
        assert_eq!(kept.results.len(), 4);
    }
}
