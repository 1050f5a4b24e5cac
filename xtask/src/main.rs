//! The project's chores: `cargo xtask check`, `cargo xtask test`, `cargo xtask bench`.
//!
//! `check` is everything that CI runs, and CI runs nothing else.

mod bench;
mod check;
#[cfg(target_os = "linux")]
mod guest;
mod node;
mod programs;
mod step;
mod test;

use std::process::ExitCode;

const USAGE: &str = "\
usage: cargo xtask COMMAND

  check                     format, lints, docs, licences, then everything of `test`; all that CI runs
  test                      install what tests need where that is possible, then run every test
  guest [vm|systemd]        the containment tests once more, in virtual machines and a container with systemd
  bench [--quick] [NAME...] print the speed table, measured, beside the limits of this disk and kernel;
                            names: limits idle-memory idle-cpu start accept request-to-agent containment
                            cron runs;
                            BOG_BENCH_PROGRAM=FILE measures that daemon instead of building one";

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = args.iter().map(String::as_str).collect();
    let done = match words.as_slice() {
        ["check"] => check::check(),
        ["test"] => test::test(),
        #[cfg(target_os = "linux")]
        ["guest", names @ ..] => guest::named(names),
        ["bench", options @ ..] => bench::bench(options),
        // What the benchmarks give the daemon as its agent.
        ["stamp"] => bench::stamp(),
        ["help" | "--help" | "-h"] => {
            println!("{USAGE}");
            return ExitCode::SUCCESS;
        }
        _ => {
            eprintln!("{USAGE}");
            return ExitCode::from(2);
        }
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("xtask: {error:#}");
            ExitCode::FAILURE
        }
    }
}
