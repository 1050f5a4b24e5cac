//! `completions`: for shells.

use super::context::Context;
use super::exit::Exit;
use clap::CommandFactory;
use clap_complete::Shell;

/// Print a shell's completion script
///
/// For example: bog-agents-daemon completions bash > ~/.local/share/bash-completion/completions/bog-agents-daemon
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The shell
    shell: Shell,
}

/// Prints a completion script.
pub fn run(args: &Args, context: &Context) -> anyhow::Result<Exit> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut super::Cli::command(), "bog-agents-daemon", &mut script);
    context.out.piece(&String::from_utf8_lossy(&script))?;
    Ok(Exit::Ok)
}
