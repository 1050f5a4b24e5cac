//! The norms that no lint of the compiler checks: file sizes and names, which module imports which, what may not be
//! written at all. Reads the sources as text and parses no Rust: rules that need more belong into a lint.

use std::collections::BTreeSet;
use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};

const MAX_LINES: usize = 500;
const MAX_ARCHITECTURE_LINES: usize = 150;
const VAGUE_NAMES: [&str; 7] = ["util", "utils", "common", "core", "helper", "helpers", "imp"];
const IMPURE: [&str; 7] = ["axum", "hyper", "nix", "notify", "reqwest", "rusqlite", "tokio"];
const DAEMON_SRC: &str = "crates/bog-agents-daemon/src/";

/// Words that may not stand in any source, put together here so that this file does not hold them either.
const UNFINISHED: [&str; 4] =
    [concat!("TO", "DO"), concat!("FIX", "ME"), concat!("to", "do!"), concat!("unimple", "mented!")];
const LOSSY: [&str; 2] = [concat!("un", "tagged"), concat!("flat", "ten")];
const SILENCED: [&str; 2] = [concat!("#[", "allow"), concat!("#![", "allow")];

/// A breach of a rule, with what to do about it.
#[derive(Debug, PartialEq, Eq)]
struct Breach {
    file: String,
    line: usize,
    rule: String,
    next_step: &'static str,
}

impl fmt::Display for Breach {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}; {}", self.file, self.line, self.rule, self.next_step)
    }
}

/// A source file, its path relative to the repository with `/` between the names.
struct Source<'a> {
    file: &'a str,
    text: &'a str,
}

impl Source<'_> {
    fn breach(&self, line: usize, rule: String, next_step: &'static str) -> Breach {
        Breach { file: self.file.to_owned(), line, rule, next_step }
    }

    /// The lines before the file's test module, as (number, text).
    fn product_lines(&self) -> impl Iterator<Item = (usize, &str)> {
        let lines: Vec<&str> = self.text.lines().collect();
        let is_test_module = |at: usize| {
            lines[at].trim() == "#[cfg(test)]" && lines.get(at + 1).is_some_and(|next| next.trim().starts_with("mod "))
        };
        let end = if self.is_test_file() {
            0
        } else {
            (0..lines.len()).find(|at| is_test_module(*at)).unwrap_or(lines.len())
        };
        lines.into_iter().take(end).enumerate().map(|(at, line)| (at + 1, line))
    }

    fn is_test_file(&self) -> bool {
        self.file.contains("/tests/") || self.is_test_module()
    }

    /// A module's tests in a file of their own; the name says all.
    fn is_test_module(&self) -> bool {
        self.file.ends_with("/tests.rs")
    }

    fn check(&self, imports: &Imports) -> Vec<Breach> {
        let mut breaches = Vec::new();
        breaches.extend(self.check_size());
        breaches.extend(self.check_names());
        breaches.extend(self.check_opening());
        breaches.extend(self.check_words());
        breaches.extend(self.check_serde());
        breaches.extend(self.check_imports(imports));
        breaches
    }

    fn check_size(&self) -> Option<Breach> {
        let lines = self.product_lines().count();
        (lines > MAX_LINES).then(|| {
            let rule = format!("the file has {lines} non-test lines, {MAX_LINES} are allowed");
            self.breach(MAX_LINES + 1, rule, "split it by what a reader would look for")
        })
    }

    fn check_names(&self) -> Vec<Breach> {
        let next_step = "name it after what it holds";
        let names = self.file.split('/').map(|name| name.trim_end_matches(".rs"));
        let vague = names.filter(|name| VAGUE_NAMES.contains(name));
        let mut breaches: Vec<Breach> =
            vague.map(|name| self.breach(1, format!("`{name}` says nothing as a name"), next_step)).collect();
        for (at, line) in self.text.lines().enumerate() {
            let line = line.trim().trim_start_matches("pub(crate) ").trim_start_matches("pub ");
            let name = line.strip_prefix("mod ").map(|rest| rest.trim_end_matches([';', '{', ' ', '}']));
            if let Some(name) = name.filter(|name| VAGUE_NAMES.contains(name)) {
                breaches.push(self.breach(at + 1, format!("`mod {name}` says nothing as a name"), next_step));
            }
        }
        breaches
    }

    fn check_opening(&self) -> Option<Breach> {
        (!self.text.starts_with("//!") && !self.is_test_module()).then(|| {
            let rule = "the file does not open with `//!`".to_owned();
            self.breach(1, rule, "say what it does and what it deliberately does not do")
        })
    }

    fn check_words(&self) -> Vec<Breach> {
        let mut breaches = Vec::new();
        for (at, line) in self.text.lines().enumerate() {
            for word in UNFINISHED.into_iter().filter(|word| has_word(line, word)) {
                let rule = format!("`{word}` is left");
                breaches.push(self.breach(at + 1, rule, "finish it, or take it out and file an issue"));
            }
            if SILENCED.iter().any(|start| line.contains(start)) {
                let rule = format!("`{}(...)]` silences a lint for good", SILENCED[0]);
                breaches.push(self.breach(at + 1, rule, "use `#[expect(..., reason = \"...\")]`"));
            }
        }
        breaches
    }

    fn check_serde(&self) -> Vec<Breach> {
        let mut breaches = Vec::new();
        for (start, _) in self.text.match_indices("serde(") {
            let attribute = self.text[start..].split(")]").next().unwrap_or_default();
            for word in LOSSY.into_iter().filter(|word| has_word(attribute, word)) {
                let rule = format!("serde's `{word}` loses error messages and unknown fields");
                breaches.push(self.breach(self.line_of(start), rule, "use a tagged enum, or write the fields out"));
            }
        }
        breaches
    }

    fn check_imports(&self, imports: &Imports) -> Vec<Breach> {
        let Some(module) = self.file.strip_prefix(DAEMON_SRC) else { return Vec::new() };
        let module: Vec<&str> = module.trim_end_matches(".rs").trim_end_matches("/mod").split('/').collect();
        // Comments may name anything: documentation links go where they like.
        let code = self.product_lines().map(|(_, line)| line.split("//").next().unwrap_or_default());
        let code = code.collect::<Vec<_>>().join("\n");
        let mut breaches = Vec::new();
        for (offset, path) in crate_paths(&code) {
            if !imports.allow(&module, &path) {
                let line = code[..offset].matches('\n').count() + 1;
                let rule = format!("`{}` may not import `crate::{}`", module.join("::"), path.join("::"));
                let next_step = "turn the dependency round, or change the table in `ARCHITECTURE.md` and say why";
                breaches.push(self.breach(line, rule, next_step));
            }
        }
        // As many steps up as the module is deep lead to the crate's root, past the table.
        for (at, line) in code.lines().enumerate().filter(|(_, line)| line.contains(&"super::".repeat(module.len()))) {
            let rule = format!("`{}` leaves its module by `super::`", line.trim());
            breaches.push(self.breach(at + 1, rule, "write the path from `crate::`"));
        }
        breaches
    }

    fn line_of(&self, offset: usize) -> usize {
        self.text[..offset].matches('\n').count() + 1
    }
}

/// Whether `word` stands in `line` with nothing that could continue it before or after.
fn has_word(line: &str, word: &str) -> bool {
    let is_part = |c: char| c.is_alphanumeric() || c == '_';
    line.match_indices(word).any(|(at, _)| {
        !line[..at].ends_with(is_part) && (word.ends_with('!') || !line[at + word.len()..].starts_with(is_part))
    })
}

/// Every path that begins with `crate::`, groups spelled out, without `crate` itself; with its byte offset.
fn crate_paths(code: &str) -> Vec<(usize, Vec<String>)> {
    let mut found = Vec::new();
    for (at, start) in code.match_indices("crate::") {
        let before = code[..at].chars().next_back();
        if before.is_none_or(|c| !c.is_alphanumeric() && c != '_' && c != '$') {
            let mut paths = Vec::new();
            use_tree(&code[at + start.len()..], &[], &mut paths);
            found.extend(paths.into_iter().map(|path| (at, path)));
        }
    }
    found
}

/// Reads one path or group, `a::b`, `{a, b::{c, d}}`, adds what it names to `paths`, and returns what follows.
fn use_tree<'a>(text: &'a str, prefix: &[String], paths: &mut Vec<Vec<String>>) -> &'a str {
    let text = text.trim_start();
    if let Some(mut rest) = text.strip_prefix('{') {
        loop {
            rest = rest.trim_start();
            if let Some(after) = rest.strip_prefix('}') {
                return after;
            }
            rest = use_tree(rest, prefix, paths);
            // What may stand between two items: `as Name`, a comma.
            let Some(at) = rest.find([',', '}']) else { return "" };
            rest = rest[at..].strip_prefix(',').unwrap_or(&rest[at..]);
        }
    }
    let end = text.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(text.len());
    let (name, rest) = text.split_at(end);
    let mut path = prefix.to_vec();
    if !name.is_empty() && name != "self" {
        path.push(name.to_owned());
    }
    match rest.strip_prefix("::") {
        Some(rest) if !name.is_empty() && rest.starts_with(|c: char| c.is_alphanumeric() || c == '_' || c == '{') => {
            use_tree(rest, &path, paths)
        }
        _ => {
            paths.push(path);
            rest
        }
    }
}

/// The import table: which module may name which others.
struct Imports(Vec<(Vec<String>, Vec<Vec<String>>)>);

impl Imports {
    /// Parses the fenced block that begins with three backticks and `imports`: lines `module -> module, module`, where
    /// `*` on the left means everyone, and a nested path on either side means only that part.
    fn parse(architecture: &str) -> Option<Self> {
        let block = architecture.split("```imports\n").nth(1)?.split("```").next()?;
        let path = |text: &str| text.trim().split("::").map(str::to_owned).collect::<Vec<_>>();
        let rows = block.lines().filter_map(|line| line.split_once("->"));
        let targets = |list: &str| list.split(',').map(path).filter(|path| !path[0].is_empty()).collect::<Vec<_>>();
        Some(Self(rows.map(|(module, list)| (path(module), targets(list))).collect()))
    }

    fn allow(&self, module: &[&str], path: &[String]) -> bool {
        let begins =
            |whole: &[&str], part: &[String]| part.iter().zip(whole).filter(|(a, b)| a == b).count() == part.len();
        let target: Vec<&str> = path.iter().map(String::as_str).collect();
        let mut rows = self.0.iter().filter(|(from, _)| from[0] == "*" || begins(module, from));
        target.first() == module.first() || rows.any(|(_, to)| to.iter().any(|to| begins(&target, to)))
    }

    /// Every top-level module that the table speaks of.
    fn modules(&self) -> BTreeSet<&str> {
        let all = self.0.iter().flat_map(|(from, to)| std::iter::once(from).chain(to));
        all.map(|path| path[0].as_str()).filter(|name| *name != "*").collect()
    }
}

/// What the last column of the table of crash windows names in backticks: tests and failpoints.
fn crash_window_names(architecture: &str) -> Vec<&str> {
    let section = architecture.split("## Crash windows").nth(1).unwrap_or_default();
    let section = section.split("\n## ").next().unwrap_or_default();
    let rows = section.lines().filter(|line| line.starts_with('|') && !line.starts_with("|--")).skip(1);
    let last_cells = rows.filter_map(|row| row.trim().trim_end_matches('|').rsplit('|').next());
    last_cells.flat_map(|cell| cell.split('`').skip(1).step_by(2)).collect()
}

/// What a text names in backticks that can only be tests: names of four words and more.
fn named_tests(text: &str) -> Vec<&str> {
    let is_name = |name: &&str| {
        name.matches('_').count() >= 3 && name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_')
    };
    text.split('`').skip(1).step_by(2).filter(is_name).collect()
}

/// Dependencies of `manifest` that a pure crate may not have.
fn impure(manifest: &str) -> Vec<&str> {
    let mut section = "";
    let mut found = Vec::new();
    for line in manifest.lines() {
        if line.starts_with('[') {
            section = line.trim_matches(['[', ']']);
        }
        let key = line.split(['.', '=', ' ']).next().unwrap_or_default();
        let named = section.rsplit_once("dependencies.").map_or(key, |(_, name)| name);
        if section.contains("dependencies") && IMPURE.contains(&named) && !found.contains(&named) {
            found.push(named);
        }
    }
    found
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn read(file: &str) -> String {
    fs::read_to_string(root().join(file)).unwrap_or_else(|error| panic!("`{file}` cannot be read: {error}"))
}

fn collect_sources(folder: &Path, found: &mut Vec<PathBuf>) {
    let Ok(entries) = fs::read_dir(folder) else { return };
    for entry in entries.flatten() {
        let path = entry.path();
        let name = entry.file_name();
        if path.is_dir() && name != "target" && !name.to_string_lossy().starts_with('.') {
            collect_sources(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

#[test]
fn sources_keep_the_norms() {
    let architecture = read("ARCHITECTURE.md");
    let imports = Imports::parse(&architecture).expect("`ARCHITECTURE.md` has a fenced block `imports`");
    let mut files = Vec::new();
    for folder in ["crates", "xtask"] {
        collect_sources(&root().join(folder), &mut files);
    }
    assert!(files.len() > 10, "only {} sources found: the walk is broken", files.len());
    files.sort();
    let mut breaches = Vec::new();
    for path in files {
        let file = path.strip_prefix(root()).unwrap().to_string_lossy().replace('\\', "/");
        let text = fs::read_to_string(&path).unwrap();
        breaches.extend(Source { file: &file, text: &text }.check(&imports));
    }
    let list: Vec<String> = breaches.iter().map(ToString::to_string).collect();
    assert!(list.is_empty(), "{} breaches of the norms:\n{}", list.len(), list.join("\n"));
}

#[test]
fn the_architecture_page_is_short_and_its_table_complete() {
    let architecture = read("ARCHITECTURE.md");
    let lines = architecture.lines().count();
    assert!(
        lines <= MAX_ARCHITECTURE_LINES,
        "`ARCHITECTURE.md` has {lines} lines, {MAX_ARCHITECTURE_LINES} are allowed: cut"
    );
    let imports = Imports::parse(&architecture).unwrap();
    for entry in fs::read_dir(root().join(DAEMON_SRC)).unwrap().flatten() {
        let name = entry.file_name().to_string_lossy().trim_end_matches(".rs").to_owned();
        assert!(
            imports.modules().contains(name.as_str()),
            "`{name}` is not in the import table of `ARCHITECTURE.md`: add it"
        );
    }
}

#[test]
fn every_test_and_failpoint_of_the_crash_windows_exists() {
    let mut files = Vec::new();
    collect_sources(Path::new(env!("CARGO_MANIFEST_DIR")), &mut files);
    let sources: String = files.iter().map(|file| fs::read_to_string(file).unwrap()).collect();
    for name in crash_window_names(&read("ARCHITECTURE.md")) {
        let found = has_word(&sources, name.rsplit("::").next().unwrap_or(name));
        assert!(
            found,
            "`{name}` of the crash windows in `ARCHITECTURE.md` is in no source: correct the row or write the test"
        );
    }
}

#[test]
fn every_promise_names_a_test_and_every_named_test_exists() {
    let mut files = Vec::new();
    collect_sources(&root().join("crates"), &mut files);
    let sources: String = files.iter().map(|file| fs::read_to_string(file).unwrap()).collect();
    let page = read("docs/security.md");
    for name in named_tests(&page) {
        let found = sources.contains(&format!("fn {name}("));
        assert!(found, "`{name}` in `docs/security.md` is no function: correct the name or write the test");
    }
    let section = page.split("## What is promised").nth(1).unwrap().split("\n## ").next().unwrap();
    let rows: Vec<&str> = section.lines().filter(|line| line.starts_with("| ")).skip(1).collect();
    assert!(rows.len() > 10, "the table of promises is gone");
    for row in rows {
        assert!(!named_tests(row).is_empty(), "no test is named for this promise in `docs/security.md`: {row}");
    }
}

#[test]
fn the_domain_is_pure() {
    let manifest = read("crates/bog-domain/Cargo.toml");
    let found = impure(&manifest);
    assert!(found.is_empty(), "`bog-domain` depends on {found:?}: move what needs it into the daemon");
}

/// The rules seen to fail, on small samples.
mod rules {
    use super::*;

    const TABLE: &str = "```imports\ncli -> client, api::wire\ncli::run -> daemon\n* -> failpoint\nstore ->\n```\n";

    fn check(file: &str, text: &str) -> Vec<(usize, String)> {
        let breaches = Source { file, text }.check(&Imports::parse(TABLE).unwrap());
        breaches.into_iter().map(|breach| (breach.line, breach.rule)).collect()
    }

    fn imports(file: &str, code: &str) -> Vec<(usize, String)> {
        check(&format!("{DAEMON_SRC}{file}"), &format!("//! Sample.\n{code}\n"))
    }

    #[test]
    fn long_files_are_found_and_tests_do_not_count() {
        let long = format!("//! Sample.\n{}", "\n".repeat(500));
        assert_eq!(check("a.rs", &long), [(501, "the file has 501 non-test lines, 500 are allowed".to_owned())]);
        assert_eq!(check("crates/x/tests/a.rs", &long), []);
        assert_eq!(check("crates/x/src/a/tests.rs", &long), []);
        assert_eq!(check("a.rs", &format!("//! Sample.\n#[cfg(test)]\nmod tests {{\n{}}}", "\n".repeat(600))), []);
        let gated_item = format!("//! Sample.\n#[cfg(test)]\nfn only() {{}}\n{}", "\n".repeat(500));
        assert_eq!(check("a.rs", &gated_item).len(), 1);
    }

    #[test]
    fn vague_names_are_found() {
        assert_eq!(check("crates/x/src/utils.rs", "//! Sample."), [(1, "`utils` says nothing as a name".to_owned())]);
        assert_eq!(check("crates/x/src/common/a.rs", "//! Sample.").len(), 1);
        let inline = check("a.rs", "//! Sample.\npub(crate) mod helpers {}\nmod scores;");
        assert_eq!(inline, [(2, "`mod helpers` says nothing as a name".to_owned())]);
    }

    #[test]
    fn files_say_what_they_do() {
        assert_eq!(check("crates/x/src/a/tests.rs", "use super::*;"), []);
        assert_eq!(check("a.rs", "use std::fs;"), [(1, "the file does not open with `//!`".to_owned())]);
    }

    #[test]
    fn unfinished_and_silenced_code_is_found() {
        for word in UNFINISHED {
            assert_eq!(check("a.rs", &format!("//! Sample.\n{word}(1)")), [(2, format!("`{word}` is left"))]);
        }
        assert_eq!(check("a.rs", &format!("//! Sample.\n/// mas{}n {}s", UNFINISHED[0], UNFINISHED[0])), []);
        for start in SILENCED {
            assert_eq!(check("a.rs", &format!("//! Sample.\n{start}(dead_code)]")).len(), 1);
        }
    }

    #[test]
    fn lossy_serde_attributes_are_found() {
        for word in LOSSY {
            let several_lines = format!("//! Sample.\n#[serde(\n    default,\n    {word}\n)]");
            assert_eq!(check("a.rs", &several_lines)[0].0, 2);
            assert_eq!(check("a.rs", &format!("//! Sample.\n#[cfg_attr(x, serde({word}))]")).len(), 1);
        }
        assert_eq!(check("a.rs", "//! Sample.\n#[serde(default)]\nlet v: Vec<_> = lists.flatten();"), []);
    }

    #[test]
    fn imports_follow_the_table() {
        let upward = imports("store/fires.rs", "use std::fs;\nuse crate::cli::Args;");
        assert_eq!(upward, [(3, "`store::fires` may not import `crate::cli::Args`".to_owned())]);
        assert_eq!(imports("cli/add.rs", "use crate::{\n    api::{wire::Job, routes},\n    client,\n};").len(), 1);
        assert_eq!(imports("cli/add.rs", "fn f() { crate::daemon::start() }").len(), 1);
        assert_eq!(imports("cli/run.rs", "fn f() { crate::daemon::start() }"), []);
        assert_eq!(imports("store.rs", "use crate::VERSION;").len(), 1);
        assert_eq!(imports("unknown.rs", "use crate::store::Store;").len(), 1);
    }

    #[test]
    fn the_table_cannot_be_passed_by_going_up() {
        assert_eq!(imports("store/fires.rs", "use super::super::cli::Args;").len(), 1);
        assert_eq!(imports("store/mod.rs", "use super::cli::Args;").len(), 1);
        assert_eq!(imports("store/fires.rs", "use super::rows;"), []);
    }

    #[test]
    fn own_modules_macros_and_comments_are_no_imports() {
        assert_eq!(imports("store/mod.rs", "use crate::store::{fires, runs};\ncrate::failpoint::hit(\"x\");"), []);
        assert_eq!(imports("store/mod.rs", "// see crate::cli\n/// [`crate::api`]\nlet x = $crate::api::y;"), []);
        assert_eq!(imports("store/mod.rs", "#[cfg(test)]\nmod tests {\n    use crate::cli::Args;\n}"), []);
        assert_eq!(imports("cli/add.rs", "use crate::client::{self as http, Client};\nuse crate::api::wire::*;"), []);
    }

    #[test]
    fn groups_are_spelled_out() {
        let paths = crate_paths("use crate::{a::{self, b::*, c as d,}, e::f};\nlet x = crate::g::H::<u8>::new();");
        let joined: Vec<String> = paths.into_iter().map(|(_, path)| path.join("::")).collect();
        assert_eq!(joined, ["a", "a::b", "a::c", "e::f", "g::H"]);
    }

    #[test]
    fn impure_dependencies_are_found() {
        let manifest = "[package]\nname = \"tokio\"\n[dependencies]\nserde = \"1\"\ntokio.workspace = true\n\
                        [dev-dependencies]\nnotify-debouncer = \"1\"\n[target.'cfg(unix)'.dependencies.nix]\nversion = \"1\"\n";
        assert_eq!(impure(manifest), ["tokio", "nix"]);
    }

    #[test]
    fn crash_windows_name_their_tests() {
        let page = "## Crash windows\n\n| instant | recovery | test |\n|---|---|---|\n| `a` | b | `kill::x`, `after_x` |\n\
                    | c | d | `y` |\n\n## Next\n| `z` |\n| `z` |\n";
        assert_eq!(crash_window_names(page), ["kill::x", "after_x", "y"]);
    }

    #[test]
    fn names_of_tests_are_told_from_others() {
        let text = "`a_b_c_d` and `no_new_privs`, `RLIMIT_A_B_C`, a_b_c_e, `x y_z_a_b`, `it_is_2_times`";
        assert_eq!(named_tests(text), ["a_b_c_d", "it_is_2_times"]);
    }

    #[test]
    fn messages_name_place_rule_and_next_step() {
        let breach = Source { file: "a.rs", text: "" }.check_opening().unwrap();
        assert_eq!(
            breach.to_string(),
            "a.rs:1: the file does not open with `//!`; say what it does and what it deliberately does not do"
        );
    }
}
