//! Programs that this machine has and the sandbox does not show: what the agent's program, or the interpreter in its
//! first line, really is, and which folder would have to be granted.

use crate::runner::protocol::AttemptSpec;
use crate::sandbox::policy::{Enforcement, Policy};
use std::fs::File;
use std::io::{self, Read};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

/// How much of a file the kernel reads for its `#!` line.
const FIRST_LINE_BYTES: u64 = 256;

/// What is there but not shown. Both paths are free of symbolic links.
#[derive(Debug, PartialEq, Eq)]
pub enum Unseen {
    /// The program.
    Program(PathBuf),
    /// The interpreter in its first line.
    Interpreter(PathBuf),
}

impl Unseen {
    /// Why `spec`'s program could not be started, if that is because of what its sandbox shows.
    pub fn find(spec: &AttemptSpec, error: &io::Error) -> Option<Self> {
        let may_be = matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::PermissionDenied);
        if spec.sandbox.enforcement == Enforcement::Off || !may_be {
            return None;
        }
        let program = find_program(&spec.command[0], &spec.working_dir)?.canonicalize().ok()?;
        if !shows(&spec.sandbox, &program) {
            return Some(Self::Program(program));
        }
        let interpreter = interpreter(&program)?.canonicalize().ok()?;
        (!shows(&spec.sandbox, &interpreter)).then_some(Self::Interpreter(interpreter))
    }

    /// What to do, for people.
    pub fn explain(&self, program: &str) -> String {
        let (what, path) = match self {
            Self::Program(path) => (format!("the program `{program}`"), path),
            Self::Interpreter(path) => (format!("the interpreter in the first line of `{program}`"), path),
        };
        let folder = path.parent().unwrap_or(path);
        format!(
            "{what} is `{}`, which the sandbox does not show; add `{}` to `sandbox.read`",
            path.display(),
            folder.display()
        )
    }
}

/// The file that is started for a program's name.
pub fn find_program(program: &str, working_dir: &Path) -> Option<PathBuf> {
    let candidates: Vec<PathBuf> = if program.contains('/') {
        vec![working_dir.join(program)]
    } else {
        // The environment of this process, runner or launch stage, is the agent's.
        let path = crate::env::var_os("PATH")?;
        std::env::split_paths(&path).map(|folder| working_dir.join(folder).join(program)).collect()
    };
    let is_program =
        |path: &PathBuf| path.metadata().is_ok_and(|found| found.is_file() && found.permissions().mode() & 0o111 != 0);
    candidates.into_iter().find(is_program)
}

/// The absolute path after `#!` (see `execve(2)`).
fn interpreter(script: &Path) -> Option<PathBuf> {
    let mut start = Vec::new();
    File::open(script).ok()?.take(FIRST_LINE_BYTES).read_to_end(&mut start).ok()?;
    let line = start.strip_prefix(b"#!")?.split(|byte| *byte == b'\n').next()?;
    let word = line.trim_ascii().split(|byte| byte.is_ascii_whitespace()).next()?;
    let path = Path::new(std::ffi::OsStr::from_bytes(word));
    path.is_absolute().then(|| path.to_owned())
}

/// Whether a sandbox by this policy shows a path without symbolic links: the innermost path around it counts.
fn shows(policy: &Policy, path: &Path) -> bool {
    let innermost = |paths: &[PathBuf]| {
        let real = paths.iter().filter_map(|of| of.canonicalize().ok());
        real.filter(|of| path.starts_with(of)).map(|of| of.components().count()).max()
    };
    innermost(&policy.read).max(innermost(&policy.write)) >= innermost(&policy.hidden).or(Some(0))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    fn folder() -> (tempfile::TempDir, PathBuf) {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().canonicalize().expect("a path");
        (folder, path)
    }

    #[test]
    fn the_innermost_path_says_whether_something_is_shown() {
        let (_folder, base) = folder();
        fs::create_dir_all(base.join("a/b/c")).expect("folders");
        let at = |names: &[&str]| names.iter().map(|name| base.join(name)).collect::<Vec<_>>();
        let policy =
            |read: &[&str], hidden: &[&str]| Policy { read: at(read), hidden: at(hidden), ..Policy::default() };
        let c = base.join("a/b/c");
        for (read, hidden, shown) in [
            (&[][..], &[][..], false),
            (&["a"], &[], true),
            (&["a/b/c/d"], &[], false),
            (&["a"], &["a/b"], false),
            (&["a", "a/b/c"], &["a/b"], true),
            (&["a/b"], &["a/b"], true),
            (&[], &["a"], false),
        ] {
            assert_eq!(shows(&policy(read, hidden), &c), shown, "{read:?} {hidden:?}");
        }
        let writable = Policy { write: at(&["a"]), ..Policy::default() };
        assert!(shows(&writable, &c));
    }

    #[test]
    fn the_first_line_names_an_interpreter() {
        let (_folder, base) = folder();
        let script = base.join("script");
        for (text, expected) in [
            ("#!/bin/sh\n", Some("/bin/sh")),
            ("#! /usr/bin/env  python3\nx", Some("/usr/bin/env")),
            ("#!/bin/sh", Some("/bin/sh")),
            ("#!sh\n", None),
            ("#!\n", None),
            ("\x7fELF", None),
            ("", None),
        ] {
            fs::write(&script, text).expect("written");
            assert_eq!(interpreter(&script), expected.map(PathBuf::from), "{text:?}");
        }
    }
}
