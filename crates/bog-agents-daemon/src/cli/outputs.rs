//! `outputs test`: whether a job's outputs can be reached.

use super::context::Context;
use super::exit::Exit;
use crate::api::wire::{OutputTest, OutputTestResult};
use bog_domain::ids::JobId;

/// Outputs: where results go
#[derive(Debug, clap::Subcommand)]
pub enum Command {
    Test(TestArgs),
}

/// Send a sample, marked as one, to every output of a job, and show what each answers
#[derive(Debug, clap::Args)]
pub struct TestArgs {
    /// The job
    job: JobId,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Tests outputs; ends well only if every one took its sample.
pub async fn run(command: Command, context: &Context) -> anyhow::Result<Exit> {
    let Command::Test(args) = command;
    let tests = context.daemon()?.test_outputs(&args.job).await?;
    if args.json {
        context.out.json(&tests)?;
    } else {
        let rows = tests.iter().map(row).collect();
        context.out.table(["target", "result", "said"], rows, "the job has no outputs")?;
    }
    let all_took_it = tests.iter().all(|test| test.result == OutputTestResult::Delivered);
    Ok(if all_took_it { Exit::Ok } else { Exit::Failed })
}

fn row(test: &OutputTest) -> [String; 3] {
    let result = match test.result {
        OutputTestResult::Delivered => "delivered",
        OutputTestResult::Failed => "failed",
        OutputTestResult::Refused => "refused",
        OutputTestResult::Unknown => "unknown",
    };
    let said = test.error.as_ref().or(test.receipt.as_ref());
    [test.target.clone(), result.to_owned(), said.cloned().unwrap_or_else(|| "-".to_owned())]
}
