//! The program. Its two hidden commands come first, before anything that costs time or starts a thread.

use bog_agents_daemon::{cli, runner};
use std::process::ExitCode;

fn main() -> ExitCode {
    if let Some(code) = runner::dispatch(std::env::args_os()) {
        return code;
    }
    cli::main(std::env::args_os())
}
