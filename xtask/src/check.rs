//! `cargo xtask check`: all that CI runs. Cheap steps come first, tests last.

use crate::step::{cargo, run, skip};
use crate::{programs, test};
use anyhow::Result;

/// Runs every check; stops at the first that fails.
///
/// # Errors
/// When a step fails.
pub fn check() -> Result<()> {
    run("format", &mut cargo(&["fmt", "--all", "--check"]))?;
    // Twice, because each leaves code out that the other sees; the second checks only the daemon again.
    clippy("lints, with failpoints", &["--features", test::FAILPOINTS])?;
    clippy("lints", &[])?;
    let docs = ["doc", "--quiet", "--workspace", "--no-deps", "--document-private-items"];
    run("docs", cargo(&docs).env("RUSTDOCFLAGS", "-D warnings"))?;
    // Offline: licences, bans and sources need nothing but the lock file and the sources already here.
    if programs::on_path("cargo-deny") {
        run("dependencies", &mut cargo(&["deny", "--offline", "check", "licenses", "bans", "sources"]))?;
    } else {
        skip("dependencies", "`cargo-deny` is not installed (`cargo install --locked cargo-deny`)");
    }
    if programs::on_path("cargo-machete") {
        run("unused dependencies", &mut cargo(&["machete"]))?;
    } else {
        skip("unused dependencies", "`cargo-machete` is not installed (`cargo install --locked cargo-machete`)");
    }
    test::test()
}

fn clippy(name: &str, options: &[&str]) -> Result<()> {
    let mut command = cargo(&["clippy", "--quiet", "--workspace", "--all-targets"]);
    run(name, command.args(options).args(["--", "-D", "warnings"]))
}
