//! `cargo xtask test`: what the tests need, then every test, with the output of `cargo test` last.

use crate::step::{cargo, run, run_untimed};
use crate::{node, programs};
use anyhow::Result;

/// The feature that compiles crash points and the injectable clock in.
pub const FAILPOINTS: &str = "bog-agents-daemon/failpoints";

/// What builds and runs all tests; also where only some are needed, so that nothing is built twice.
pub const TESTS: [&str; 4] = ["test", "--workspace", "--features", FAILPOINTS];

/// Installs missing programs where that is possible and runs every test.
///
/// # Errors
/// When a needed program is missing and cannot be installed, or a test fails.
pub fn test() -> Result<()> {
    programs::ensure()?;
    node::ensure()?;
    run("test build", cargo(&TESTS).args(["--quiet", "--no-run"]))?;
    // Nothing is printed after it: the closing lines of the whole check are those of the tests.
    run_untimed("tests", &mut cargo(&TESTS))
}
