//! The command line: one file per command, one folder per group of them.
//!
//! Commands ask the daemon over its REST API. Those about jobs also work on the job files where no daemon runs. Nothing
//! here decides what a job means or when it is due: that is `bog-domain`'s.

mod agent;
mod completions;
mod context;
mod deliveries;
mod demo;
mod doctor;
mod drain;
mod exit;
mod explain;
mod files;
mod fires;
mod install_git_hook;
mod job;
mod out;
mod outputs;
mod run;
mod runs;
mod secrets;
mod status;
mod token;
mod usage;
mod values;
mod when;

pub use exit::Exit;

use clap::{Parser, Subcommand};
use context::Context;
use std::ffi::OsString;
use std::future::Future;
use std::path::PathBuf;
use std::process::ExitCode;

/// A background service that fires AI agents when something happens, contains them while they run, and delivers what
/// they say.
#[derive(Debug, Parser)]
#[command(name = "bog-agents-daemon", version, after_help = exit::help(), max_term_width = 100)]
struct Cli {
    /// The data folder [default: `BOG_DAEMON_DATA_DIR`, else ~/.bog-agents/daemon]
    #[arg(long, global = true, value_name = "DIR")]
    data_dir: Option<PathBuf>,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Run(run::Args),
    Demo(demo::Args),
    Status(status::Args),
    Doctor(doctor::Args),
    #[command(subcommand)]
    Job(job::Command),
    #[command(subcommand)]
    Runs(runs::Command),
    #[command(subcommand)]
    Fires(fires::Command),
    #[command(subcommand)]
    Deliveries(deliveries::Command),
    #[command(subcommand)]
    Outputs(outputs::Command),
    Explain(explain::Args),
    Usage(usage::Args),
    #[command(subcommand)]
    Token(token::Command),
    Drain(drain::Args),
    InstallGitHook(install_git_hook::Args),
    Agent(agent::Args),
    Completions(completions::Args),
}

/// Runs a command line, the program's name first, and says how it ended.
#[must_use]
pub fn main(args: impl IntoIterator<Item = OsString>) -> ExitCode {
    let exit = match Cli::try_parse_from(args) {
        Ok(cli) => dispatch(cli).unwrap_or_else(|error| {
            let exit = Exit::of(&error);
            if exit != Exit::Ok {
                out::error(&format!("{error:#}"));
            }
            exit
        }),
        Err(help_or_error) => {
            // Nobody may be listening, which is theirs to decide.
            let _ = help_or_error.print();
            if help_or_error.use_stderr() { Exit::Usage } else { Exit::Ok }
        }
    };
    ExitCode::from(exit.code())
}

fn dispatch(cli: Cli) -> anyhow::Result<Exit> {
    let context = Context::new(cli.data_dir)?;
    match cli.command {
        Command::Run(args) => run::run(args, &context),
        Command::Demo(args) => demo::run(&args),
        Command::Status(args) => wait(status::run(&args, &context)),
        Command::Doctor(args) => wait(doctor::run(&args, &context)),
        Command::Job(command) => wait(job::run(command, &context)),
        Command::Runs(command) => wait(runs::run(command, &context)),
        Command::Fires(command) => wait(fires::run(command, &context)),
        Command::Deliveries(command) => wait(deliveries::run(command, &context)),
        Command::Outputs(command) => wait(outputs::run(command, &context)),
        Command::Explain(args) => wait(explain::run(&args, &context)),
        Command::Usage(args) => wait(usage::run(&args, &context)),
        Command::Token(command) => wait(token::run(&command, &context)),
        Command::Drain(args) => wait(drain::run(&args, &context)),
        Command::InstallGitHook(args) => install_git_hook::run(&args, &context),
        Command::Agent(args) => agent::run(args),
        Command::Completions(args) => completions::run(&args, &context),
    }
}

/// Runs a command on this thread.
fn wait<T>(command: impl Future<Output = anyhow::Result<T>>) -> anyhow::Result<T> {
    tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(command)
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_definition_is_sound() {
        Cli::command().debug_assert();
    }

    #[test]
    fn every_command_has_help() {
        let mut root = Cli::command().term_width(100);
        root.build();
        let mut seen = 0;
        each(&mut root, "help", &mut |name, command| {
            let help = command.render_long_help().to_string();
            insta::with_settings!({prepend_module_to_snapshot => false, snapshot_path => "snapshots/help"}, {
                insta::assert_snapshot!(name, help);
            });
            seen += 1;
        });
        assert!(seen > 25, "{seen} commands");
    }

    fn each(command: &mut clap::Command, name: &str, look: &mut impl FnMut(&str, &mut clap::Command)) {
        look(name, command);
        for sub in command.get_subcommands_mut().filter(|sub| sub.get_name() != "help") {
            let name = format!("{name}-{}", sub.get_name());
            each(sub, &name, look);
        }
    }

    #[test]
    fn what_cannot_be_read_says_what_can() {
        let error = |line: &str| {
            let words = line.split(' ').map(OsString::from);
            Cli::try_parse_from(words).map(|_| ()).unwrap_err().to_string()
        };
        let lines = [
            "bog-agents-daemon job show Morning",
            "bog-agents-daemon runs show 7",
            "bog-agents-daemon runs list --state done",
            "bog-agents-daemon fires list --since yesterday",
            "bog-agents-daemon job add --interval soon",
            "bog-agents-daemon job add --output fax:1",
            "bog-agents-daemon job add --overlap never",
            "bog-agents-daemon job ad",
        ];
        let errors: Vec<_> = lines.iter().map(|line| format!("$ {line}\n{}", error(line))).collect();
        insta::assert_snapshot!(errors.join("\n"));
    }
}
