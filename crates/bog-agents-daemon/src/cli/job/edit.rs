//! `job edit`: a job in an editor. What comes back is checked before it is saved, and saved only if nobody else did.

use super::super::context::{Context, Reach, say_offline};
use super::super::exit::{Exit, usage};
use super::super::files::JobFiles;
use super::super::out::{error, note, warn};
use crate::env;
use anyhow::Context as _;
use bog_domain::ids::JobId;
use bog_domain::job::Job;
use std::io::{IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::process::Command;

/// Change a job in your editor (`VISUAL`, else `EDITOR`, else vi)
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The job
    job: JobId,
}

/// Edits a job.
pub async fn run(args: &Args, context: &Context) -> anyhow::Result<Exit> {
    let id = &args.job;
    let reach = context.reach().await?;
    let (was, tag) = match &reach {
        Reach::Daemon(daemon) => daemon.job_text(id).await?,
        Reach::Files(files) => {
            say_offline(files);
            (files.read(id)?.text, String::new())
        }
    };
    let Some(edited) = Edited::ask(id, &was, &context.files()?)? else {
        note(&format!("job `{id}` is as it was"));
        return Ok(Exit::Ok);
    };
    let saved = match &reach {
        Reach::Daemon(daemon) => {
            let replaced = daemon.replace_job_text(id, edited.text.clone(), &tag).await;
            replaced.map(|job| (format!("revision {}", job.revision), job.warnings)).map_err(anyhow::Error::from)
        }
        Reach::Files(files) => {
            let replaced = files.replace(id, &was, &edited.text);
            replaced.map(|()| (format!("`{}`", files.path(id).display()), edited.job.warnings()))
        }
    };
    let (what, warnings) =
        saved.with_context(|| format!("not saved; your text is kept in `{}`", edited.copy.display()))?;
    // A copy that stays behind is only untidy.
    let _ = std::fs::remove_file(&edited.copy);
    warnings.iter().for_each(|warning| warn(warning));
    context.out.text(&format!("saved job `{id}`: {what}"))?;
    Ok(Exit::Ok)
}

/// A text that came back from the editor and is a valid job.
struct Edited {
    copy: PathBuf,
    text: String,
    job: Job,
}

impl Edited {
    /// Opens an editor until what comes back is valid; `None` where nothing was changed.
    fn ask(id: &JobId, was: &str, files: &JobFiles) -> anyhow::Result<Option<Self>> {
        let copy = temporary_copy(id, was)?;
        loop {
            open_editor(&copy)?;
            let text =
                std::fs::read_to_string(&copy).with_context(|| format!("`{}` cannot be read", copy.display()))?;
            if text == was {
                let _ = std::fs::remove_file(&copy);
                return Ok(None);
            }
            match files.check(id, &text) {
                Ok((_, job)) => return Ok(Some(Self { copy, text, job })),
                Err(wrong) if try_again(&wrong.to_string())? => {}
                Err(wrong) => {
                    let kept = format!("not saved; your text is kept in `{}`", copy.display());
                    return Err(anyhow::Error::new(wrong).context(kept));
                }
            }
        }
    }
}

fn temporary_copy(id: &JobId, text: &str) -> anyhow::Result<PathBuf> {
    let name = format!("{id}-{}.yaml", std::process::id());
    let copy = std::env::temp_dir().join(name);
    let mut options = std::fs::OpenOptions::new();
    // Never through a link that somebody laid there.
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let written = options.open(&copy).and_then(|mut file| file.write_all(text.as_bytes()));
    written.with_context(|| format!("`{}` cannot be written", copy.display()))?;
    Ok(copy)
}

fn open_editor(copy: &Path) -> anyhow::Result<()> {
    let named = ["VISUAL", "EDITOR"].iter().find_map(|name| env::var(name).filter(|value| !value.trim().is_empty()));
    let line = named.unwrap_or_else(|| "vi".to_owned());
    let words = shlex::split(&line).unwrap_or_default();
    let Some((program, arguments)) = words.split_first() else {
        return Err(usage(format!("`{line}` in `VISUAL` or `EDITOR` is not a command line")));
    };
    let status = Command::new(program).args(arguments).arg(copy).status();
    let status =
        status.with_context(|| format!("the editor `{program}` cannot be started: set `VISUAL` or `EDITOR`"))?;
    if !status.success() {
        anyhow::bail!(
            "the editor `{line}` ended with {status}: nothing was saved; your text is kept in `{}`",
            copy.display()
        );
    }
    Ok(())
}

/// Asks a person, where there is one, whether to open the editor again.
fn try_again(wrong: &str) -> std::io::Result<bool> {
    let stdin = std::io::stdin();
    if !stdin.is_terminal() {
        return Ok(false);
    }
    error(wrong);
    note("press Enter to edit again, or type q to leave");
    let mut answer = String::new();
    // At the end of input nobody is there any more.
    Ok(stdin.read_line(&mut answer)? > 0 && !answer.trim().eq_ignore_ascii_case("q"))
}
