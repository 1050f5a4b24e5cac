//! Patterns, roots, debounce, dirt and authorship on their own.

use super::*;
use crate::spec::{TriggerSpec, yaml};
use jiff::Timestamp;
use std::ffi::OsStr;

fn spec(fields: &str) -> FileChangeSpec {
    let text = format!("prompt: x\nworking_dir: /w\ntriggers: [{{type: file_change, {fields}}}]\n");
    match yaml::parse(&text).unwrap().triggers.remove(0) {
        TriggerSpec::FileChange(spec) => spec,
        other @ (TriggerSpec::Cron(_)
        | TriggerSpec::Interval(_)
        | TriggerSpec::Webhook(_)
        | TriggerSpec::GitPush(_)
        | TriggerSpec::Github(_)) => panic!("{other:?}"),
    }
}

fn parse(patterns: &str) -> Result<FileWatch, PatternError> {
    FileWatch::parse(&spec(&format!("patterns: {patterns}")), Some(Path::new("/w")), Some(Path::new("/home/me")))
}

fn watch(patterns: &str) -> FileWatch {
    parse(patterns).unwrap()
}

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(second).unwrap()
}

#[test]
fn globs_match_as_in_a_shell() {
    for (patterns, yes, no) in [
        ("['*.py']", "/w/a.py", "/w/b/a.py /w/.a.py /w/a.pyc /x/a.py"),
        ("['**/*.py']", "/w/a.py /w/b/c/a.py", "/w/.b/a.py /w/b/.a.py /v/a.py"),
        ("['src/**']", "/w/src/a /w/src/b/c", "/w/src /w/srcs/a /w/src/.b /w/src/.b/c /w/src/.git/x"),
        ("['src/']", "/w/src/a /w/src/b/c", "/w/src /w/a"),
        ("['src/**/test_*/*.{py,pyi}']", "/w/src/test_a/x.py /w/src/b/c/test_a/x.pyi", "/w/src/test_a/b/x.py"),
        ("[Cargo.toml, ./Makefile]", "/w/Cargo.toml /w/Makefile", "/w/a/Cargo.toml /w/Cargo.lock"),
        ("['.github/**']", "/w/.github/a /w/.github/w/b.yml", "/w/.github/.x /w/a"),
        ("['**/.env*']", "/w/.env /w/a/.env.local", "/w/.b/.env /w/env"),
        ("['**', '!**/*.log', '!target/**']", "/w/a /w/b/c", "/w/a.log /w/b/.c.log /w/target/x /w/target/d/x"),
        ("['/etc/**/*.conf', '~/notes/*.md']", "/etc/a/b.conf /home/me/notes/x.md", "/w/etc/a.conf /home/me/x.md"),
        ("['a[0-9]/?.txt', 'sp ace/ü.txt']", "/w/a7/b.txt /w/sp ace/ü.txt", "/w/ab/b.txt /w/a7/bb.txt"),
    ] {
        let watch = watch(patterns);
        yes.split(" /").for_each(|path| {
            let path = format!("/{}", path.trim_start_matches('/'));
            assert!(watch.matches(Path::new(&path), None), "{patterns} {path}");
        });
        no.split(' ').for_each(|path| assert!(!watch.matches(Path::new(path), None), "{patterns} {path}"));
    }
}

#[cfg(unix)]
#[test]
fn names_need_not_be_text() {
    use std::os::unix::ffi::OsStrExt;
    let odd = Path::new("/w").join(OsStr::from_bytes(b"\xff\xfe.py"));
    assert!(watch("['*.py']").matches(&odd, None));
    let change = Change { path: odd, kind: ChangeKind::Created, at: at(0), print: Some(1) };
    assert_eq!(context(&[change], Some(Path::new("/w")))["created"][0], "\u{fffd}\u{fffd}.py");
}

#[test]
fn only_folders_that_can_hold_matches_are_looked_into() {
    for (patterns, yes, no) in [
        ("['src/**/*.rs', Cargo.toml]", "/w /w/src /w/src/a/b", "/w/docs /w/src/.hidden /w/src/.git /x"),
        ("['*/x/*.rs']", "/w /w/a /w/a/x", "/w/a/y /w/a/x/b /w/.a"),
        ("['**/*.rs', '!target/**', '!**/gen/**']", "/w /w/a", "/w/target /w/target/debug /w/a/gen"),
        ("['**/*.rs', '!target/*.rs']", "/w/target /w/target/debug", ""),
    ] {
        let watch = watch(patterns);
        yes.split(' ').for_each(|path| assert!(watch.may_contain(Path::new(path), None), "{patterns} {path}"));
        let no = no.split(' ').filter(|path| !path.is_empty());
        no.for_each(|path| assert!(!watch.may_contain(Path::new(path), None), "{patterns} {path}"));
    }
}

#[test]
fn roots_are_what_is_spelled_out() {
    let roots = |patterns: &str| {
        watch(patterns).roots().into_iter().map(|root| root.to_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(roots("['src/**/*.rs', 'docs/*.md', src/gen/x.rs]"), ["/w/docs", "/w/src"]);
    assert_eq!(roots("['src/**/*.rs', Cargo.toml]"), ["/w"]);
    assert_eq!(roots("['a-b/**', 'a/**']"), ["/w/a", "/w/a-b"]);
    assert_eq!(roots("['/etc/hosts', '~/x/**']"), ["/etc", "/home/me/x"]);
}

#[test]
fn what_is_spelled_out_is_not_ignored() {
    let ignored =
        |patterns: &str, file: &str, ignored: &str| !watch(patterns).matches(Path::new(file), Some(Path::new(ignored)));
    assert!(ignored("['**/*.js']", "/w/build/a.js", "/w/build"));
    assert!(!ignored("['build/*.js']", "/w/build/a.js", "/w/build"));
    assert!(ignored("['build/*.js']", "/w/build/a.js", "/w/build/a.js"));
    assert!(!ignored("[build/a.js]", "/w/build/a.js", "/w/build/a.js"));
    assert!(watch("['build/**']").may_contain(Path::new("/w/build/x"), Some(Path::new("/w/build"))));
    assert!(!watch("['build/**']").may_contain(Path::new("/w/build/x"), Some(Path::new("/w/build/x"))));
}

#[test]
fn wrong_patterns_are_named() {
    let wrong = ["[]", "['!a']", "['']", "['a/../b']", "['.git/HEAD']", "['a[']", "['{a/b,c}']", "['/']"];
    let mut said: Vec<String> = wrong
        .into_iter()
        .map(|patterns| match parse(patterns) {
            Ok(watch) => format!("{patterns}: {:?}", watch.roots()),
            Err(error) => format!("{:?} {error}", error.index),
        })
        .collect();
    let relative = FileWatch::parse(&spec("patterns: [a]"), None, None).unwrap_err();
    said.push(relative.to_string());
    insta::assert_snapshot!(said.join("\n"));
}

#[test]
fn a_debounce_trails_up_to_its_limit() {
    let seconds = Duration::from_secs_f64;
    let debounce = Debounce::new(Some(2.0), Some(10.0));
    assert_eq!(debounce.due(seconds(1.0), seconds(1.0)), seconds(3.0));
    assert_eq!(debounce.due(seconds(1.0), seconds(7.5)), seconds(9.5));
    assert_eq!(debounce.due(seconds(1.0), seconds(10.0)), seconds(11.0));
    assert_eq!(Debounce::new(Some(0.0), None).quiet, debounce::MIN_QUIET);
    let slow = Debounce::new(Some(90.0), None);
    assert_eq!(slow.max_wait, slow.quiet);
}

#[test]
fn dirt_is_kept_by_name_and_by_tree() {
    let mut dirt = Dirt::default();
    let roots = [Path::new("/w")];
    dirt.touch(Path::new("/w/a"), OsStr::new("x"), Some(at(1)), &roots);
    dirt.touch(Path::new("/w/a"), OsStr::new("x"), Some(at(2)), &roots);
    dirt.rake(Path::new("/w/b"), None, &roots);
    dirt.touch(Path::new("/w/b/c"), OsStr::new("y"), Some(at(3)), &roots);
    assert_eq!(dirt.first(Path::new("/w/a"), OsStr::new("x")), Some(at(1)));
    assert_eq!(dirt.first(Path::new("/w/b/c"), OsStr::new("y")), None);
    assert_eq!((dirt.names().count(), dirt.trees().count()), (1, 1));
    dirt.rake(Path::new("/w"), Some(at(4)), &roots);
    assert_eq!((dirt.names().count(), dirt.trees().collect::<Vec<_>>()), (0, roots.to_vec()));
}

#[test]
fn too_much_dirt_becomes_everything() {
    let mut dirt = Dirt::default();
    let roots = [Path::new("/w"), Path::new("/v")];
    for number in 0..=MAX_NAMES {
        dirt.touch(Path::new("/w/a"), OsStr::new(&number.to_string()), Some(at(5)), &roots);
    }
    assert_eq!((dirt.names().count(), dirt.trees().count()), (0, 2));
    assert_eq!(dirt.first(Path::new("/w/a"), OsStr::new("x")), Some(at(5)));
    let mut dirt = Dirt::default();
    for number in 0..5_000 {
        dirt.rake(&Path::new("/w").join(number.to_string()), None, &roots);
    }
    assert_eq!(dirt.trees().count(), 2);
}

#[test]
fn changes_during_a_run_are_its_own() {
    let change = |second| Change { path: PathBuf::new(), kind: ChangeKind::Modified, at: at(second), print: Some(0) };
    let windows = |until| [Own { window: Window { from: at(10), until }, files: None }];
    let slack = Duration::from_secs(5);
    let split = |second, until: Option<i64>, now| {
        let all = attribute(vec![change(second)], &windows(until.map(at)), slack, at(now));
        [all.foreign.len(), all.own.len(), all.held.len()]
    };
    assert_eq!(split(9, None, 30), [1, 0, 0]);
    assert_eq!(split(10, None, 30), [0, 0, 1]);
    assert_eq!(split(10, Some(20), 24), [0, 0, 1]);
    assert_eq!(split(25, Some(20), 25), [0, 1, 0]);
    assert_eq!(split(26, Some(20), 30), [1, 0, 0]);
    assert_eq!(attribute(vec![change(1)], &[], slack, at(2)).foreign.len(), 1);
    // A delivery is of its file only.
    let delivery = Own { window: Window { from: at(10), until: None }, files: Some(vec!["/w/a".into()]) };
    let changes = ["/w/a", "/w/b"].map(|path| Change { path: path.into(), ..change(11) });
    let all = attribute(changes.to_vec(), &[delivery], slack, at(12));
    assert_eq!((all.held[0].path.as_path(), all.foreign[0].path.as_path()), (Path::new("/w/a"), Path::new("/w/b")));
}

#[test]
fn an_event_names_some_and_counts_all() {
    let change = |number: usize| Change {
        path: PathBuf::from(format!("/w/{number:04}")),
        kind: if number.is_multiple_of(2) { ChangeKind::Modified } else { ChangeKind::Removed },
        at: at(0),
        print: None,
    };
    let event = context(&(0..MAX_PATHS + 100).map(change).collect::<Vec<_>>(), Some(Path::new("/w")));
    assert_eq!(event["paths"].as_array().unwrap().len(), MAX_PATHS);
    assert_eq!((&event["paths"][1], &event["removed"][0]), (&"0001".into(), &"0001".into()));
    assert_eq!((event["path_count"].as_u64(), event["modified_count"].as_u64()), (Some(600), Some(300)));
    assert_eq!(event["created"].as_array().unwrap().len(), 0);
    let outside = Change { path: "/etc/hosts".into(), ..change(1) };
    assert_eq!(context(&[outside], Some(Path::new("/w")))["paths"][0], "/etc/hosts");
}
