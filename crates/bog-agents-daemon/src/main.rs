//! The program. Its hidden commands come first, before anything that costs time or starts a thread.

use bog_agents_daemon::{acp, cgroup, cli, relay, runner, sandbox};
use std::process::ExitCode;

fn main() -> ExitCode {
    let hidden = runner::dispatch(std::env::args_os())
        .or_else(|| acp::dispatch(std::env::args_os()))
        .or_else(|| relay::dispatch(std::env::args_os()))
        .or_else(|| sandbox::dispatch(std::env::args_os()))
        .or_else(|| cgroup::dispatch(std::env::args_os()));
    hidden.unwrap_or_else(|| cli::main(std::env::args_os()))
}
