//! `token`: what lets clients in.

use super::context::Context;
use super::exit::{Exit, not_found};
use super::out::note;
use anyhow::Context as _;
use std::io::ErrorKind;

/// The API token
#[derive(Debug, clap::Subcommand)]
pub enum Command {
    /// Print the token of the data folder
    Show,
    /// Replace the token; the old one is no longer accepted
    Rotate,
}

/// Shows or replaces the token.
pub async fn run(command: &Command, context: &Context) -> anyhow::Result<Exit> {
    match command {
        Command::Show => context.out.text(&read(context)?)?,
        Command::Rotate => {
            let new = context.daemon()?.rotate_token().await?;
            context.out.text(&new.token)?;
            note("the old token is no longer accepted: give this one to whoever uses the API");
        }
    }
    Ok(Exit::Ok)
}

fn read(context: &Context) -> anyhow::Result<String> {
    let path = context.data_dir.join(".token");
    match std::fs::read_to_string(&path) {
        Ok(token) => Ok(token.trim().to_owned()),
        Err(error) if error.kind() == ErrorKind::NotFound => Err(not_found(format!(
            "there is no token in `{}` yet: `bog-agents-daemon run` makes one at its first start",
            context.data_dir.display()
        ))),
        Err(error) => Err(error).with_context(|| format!("`{}` cannot be read", path.display())),
    }
}
