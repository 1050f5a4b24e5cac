//! `cargo xtask fuzz`: each target of `fuzz/` for a while, with libFuzzer, on the toolchain that builds everything else.
//!
//! The compiler's coverage instrumentation is asked for by flags that stable toolchains have; what libFuzzer needs besides is
//! a C++ compiler. No sanitizer watches: the code has no `unsafe`, so what is looked for are panics, endless work and memory.

use crate::programs;
use crate::step::{cargo, root, run};
use anyhow::{Context as _, Result, bail};
use std::fs;
use std::process::Command;

const TARGETS: [&str; 4] = ["bodies", "filters", "job_file", "signatures"];

/// How long each runs where nothing is said, in seconds.
const SECONDS: u32 = 60;

/// What makes the compiler count for libFuzzer what a run covers, and which comparisons it makes.
const FLAGS: &str = "--cfg fuzzing -Ccodegen-units=1 -Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 \
                     -Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table \
                     -Cllvm-args=-sanitizer-coverage-trace-compares";

/// Fuzzes every target; stops at the first that finds something.
///
/// # Errors
/// When the options make no sense, something that is needed is missing, or a target found something.
pub fn fuzz(options: &[&str]) -> Result<()> {
    let seconds = match options {
        [] => SECONDS,
        [seconds] => seconds.parse().with_context(|| format!("`{seconds}` is no number of seconds"))?,
        [..] => bail!("`fuzz` takes one number: the seconds that each target runs"),
    };
    if !programs::on_path("c++") {
        bail!("libFuzzer is built by a C++ compiler, and `c++` is not on `PATH`: on Debian `apt-get install g++`");
    }
    let (host, built) = (host()?, root().join("target/fuzz"));
    // With a target named, the flags do not reach build scripts, which cannot be linked with them.
    let mut build = cargo(&["build", "--quiet", "--release", "--manifest-path", "fuzz/Cargo.toml", "--target", &host]);
    run("build", build.env("CARGO_TARGET_DIR", &built).env("RUSTFLAGS", FLAGS))?;
    for target in TARGETS {
        let folder = |kind: &str| root().join("fuzz").join(kind).join(target);
        let (corpus, found) = (folder("corpus"), folder("artifacts"));
        fs::create_dir_all(&corpus)?;
        fs::create_dir_all(&found)?;
        let mut command = Command::new(built.join(&host).join("release").join(target));
        command.arg(&corpus);
        // The examples are the best jobs to begin with.
        command.arg(if target == "job_file" { root().join("examples") } else { folder("seeds") });
        command.arg(format!("-max_total_time={seconds}")).arg(format!("-artifact_prefix={}/", found.display()));
        command.args(["-timeout=10", "-rss_limit_mb=1024", "-max_len=8192", "-verbosity=0", "-print_final_stats=1"]);
        run(target, &mut command).with_context(|| format!("what it found is in `{}`", found.display()))?;
    }
    Ok(())
}

/// The platform that this toolchain builds for by itself.
fn host() -> Result<String> {
    let rustc = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let output = Command::new(rustc).arg("-vV").output().context("`rustc` could not be started")?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let host = text.lines().find_map(|line| line.strip_prefix("host: ")).map(str::to_owned);
    host.context("`rustc -vV` names no host")
}
