//! `install-git-hook`: pushes to a repository that the daemon cannot watch are told to it by the repository's own hook.

use super::context::Context;
use super::exit::Exit;
use crate::git::{self, Installed, Removed};
use std::path::PathBuf;

/// Let a repository's hook tell the daemon of pushes, for one that it cannot watch
///
/// Writes a `post-receive` hook that notes each push in a file, where the daemon finds it, also later. A hook that is there
/// already is kept and goes on being called. Needed only where the daemon cannot watch the repository itself: on a network
/// file system, or where it may not read it.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The repository: its folder, bare or not
    repo: PathBuf,
    /// Take the hook out again, and put the one from before back
    #[arg(long)]
    remove: bool,
}

/// Installs or removes the hook.
pub fn run(args: &Args, context: &Context) -> anyhow::Result<Exit> {
    let said = if args.remove {
        match git::remove(&args.repo, &context.data_dir)? {
            Removed::Gone(hook) => format!("removed `{}`", hook.display()),
            Removed::Restored(hook) => format!("removed: `{}` is the hook from before again", hook.display()),
            Removed::NotThere(hook) => format!("nothing to remove: `{}` is not the daemon's", hook.display()),
        }
    } else {
        let Installed { hook, before, again } = git::install(&args.repo, &context.data_dir)?;
        let written = if again { "written anew" } else { "installed" };
        let before = before.map_or_else(String::new, |before| {
            format!("\nit calls the hook from before, which is now `{}`", before.display())
        });
        format!("{written}: `{}`{before}", hook.display())
    };
    context.out.text(&said)?;
    Ok(Exit::Ok)
}
