//! `job`: one file per verb. Verbs that only change files work without a daemon too.

mod add;
mod edit;
mod effective;
mod enable;
mod list;
mod next;
mod rm;
mod run;
mod show;
mod spec;
mod targets;
mod test;
mod validate;
mod words;

use super::context::Context;
use super::exit::Exit;
use clap::Subcommand;

/// Jobs: what to run, when, and where the result goes
#[derive(Debug, Subcommand)]
pub enum Command {
    Add(Box<add::Args>),
    List(list::Args),
    Show(show::Args),
    Edit(edit::Args),
    Rm(rm::Args),
    Run(run::Args),
    Enable(enable::EnableArgs),
    Disable(enable::DisableArgs),
    Validate(validate::Args),
    Next(next::Args),
    Test(test::Args),
}

/// Runs a verb.
pub async fn run(command: Command, context: &Context) -> anyhow::Result<Exit> {
    match command {
        Command::Add(args) => add::run(*args, context).await,
        Command::List(args) => list::run(&args, context).await,
        Command::Show(args) => show::run(&args, context).await,
        Command::Edit(args) => edit::run(&args, context).await,
        Command::Rm(args) => rm::run(&args, context).await,
        Command::Run(args) => run::run(&args, context).await,
        Command::Enable(args) => enable::run(&args.job, true, context).await,
        Command::Disable(args) => enable::run(&args.job, false, context).await,
        Command::Validate(args) => validate::run(&args, context),
        Command::Next(args) => next::run(&args, context).await,
        Command::Test(args) => test::run(&args, context).await,
    }
}
