//! What a guest's results come to: every pass was there, ran the tests it is there for, and all of them held.
//!
//! `boot.sh` says how the results look. A test that was not run is a failure: a name that changed must not empty a pass.

use super::boots::Pass;

const MARK: &str = "@@ ";

/// What a pass said between its begin and its end.
struct Section<'a> {
    text: &'a str,
    status: Option<&'a str>,
}

/// One line per pass where all is well; else everything that helps to find out why not.
///
/// # Errors
/// The names of the passes that failed with the reason, and the output of each.
pub fn judge(results: &str, passes: &[Pass]) -> Result<Vec<String>, String> {
    let mut good = Vec::new();
    let mut bad = Vec::new();
    for pass in passes {
        let section = section(results, pass.name);
        match fault(section.as_ref(), pass) {
            None => good.push(format!("{}: {}", pass.name, summary(section.map_or("", |section| section.text)))),
            Some(fault) => {
                let text = section.map_or("", |section| section.text);
                bad.push(format!("`{}` failed: {fault}\n{text}", pass.name));
            }
        }
    }
    if bad.is_empty() && !results.lines().any(|line| line.trim_end() == "@@ done") {
        bad.push("the guest ended before it was done".to_owned());
    }
    if bad.is_empty() { Ok(good) } else { Err(bad.join("\n")) }
}

/// The guest's own words about itself: its kernel.
pub fn about(results: &str) -> &str {
    results.lines().find_map(|line| line.strip_prefix("@@ kernel ")).unwrap_or("unknown").trim_end()
}

fn section<'a>(results: &'a str, name: &str) -> Option<Section<'a>> {
    let (_, text) = results.split_once(&format!("{MARK}begin {name}\n"))?;
    let Some((text, rest)) = text.split_once(&format!("{MARK}end {name} ")) else {
        return Some(Section { text, status: None });
    };
    Some(Section { text, status: rest.lines().next() })
}

fn fault(section: Option<&Section<'_>>, pass: &Pass) -> Option<String> {
    let Some(Section { text, status }) = section else { return Some("it was not begun".to_owned()) };
    match *status {
        Some("0") => {}
        Some(other) => return Some(format!("the tests ended with {other}")),
        None => return Some("it was not ended; the last test that is named may be the cause".to_owned()),
    }
    let held = |module: &str| {
        let begin = format!("test {module}");
        text.lines().any(|line| line.starts_with(&begin) && line.trim_end().ends_with("... ok"))
    };
    let empty = pass.modules.iter().find(|module| !held(module));
    empty.map(|module| format!("no test of `{module}` was run: was it renamed?"))
}

/// The line of libtest with the numbers.
fn summary(text: &str) -> &str {
    text.lines().find_map(|line| line.strip_prefix("test result: ")).unwrap_or("no result").trim_end()
}

#[cfg(test)]
mod tests {
    use super::*;

    const PASS: Pass =
        Pass { name: "root", user: "root", expect: "", modules: &["runner::"], arguments: "", before: "" };
    const GOOD: &str = "@@ kernel 6.12, security modules landlock\n@@ begin root\nrunning 1 test\n\
                        test runner::x ... ok\n\ntest result: ok. 1 passed; 0 failed\n\n@@ end root 0\n@@ done\n";

    #[test]
    fn a_whole_result_is_good() {
        assert_eq!(judge(GOOD, &[PASS]), Ok(vec!["root: ok. 1 passed; 0 failed".to_owned()]));
        assert_eq!(about(GOOD), "6.12, security modules landlock");
    }

    #[test]
    fn a_serial_line_may_end_its_lines_with_carriage_returns() {
        assert!(judge(&GOOD.replace('\n', "\r\n").replace("\r\n", "\n"), &[PASS]).is_ok());
    }

    #[test]
    fn whatever_is_missing_is_a_failure_that_shows_the_output() {
        let failure = |results: &str| judge(results, &[PASS]).expect_err("must fail");
        assert_eq!(failure(""), "`root` failed: it was not begun\n");
        assert!(failure(&GOOD.replace("end root 0", "end root 101")).contains("the tests ended with 101"));
        assert!(failure(&GOOD.replace("end root 0", "end root 101")).contains("test runner::x ... ok"));
        assert!(failure(&GOOD.replace("@@ end root 0\n@@ done", "")).contains("it was not ended"));
        assert!(failure(&GOOD.replace("runner::x", "other::x")).contains("no test of `runner::` was run"));
        assert!(failure(&GOOD.replace("x ... ok", "x ... ignored")).contains("no test of `runner::` was run"));
        assert_eq!(failure(&GOOD.replace("@@ done\n", "")), "the guest ended before it was done");
    }
}
