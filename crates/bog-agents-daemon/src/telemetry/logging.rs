//! Log lines on standard error: text for people, JSON for programs. No line holds the value of a known secret.

use crate::secrets::Secrets;
use std::backtrace::{Backtrace, BacktraceStatus};
use std::io::{self, IsTerminal, Write};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::MakeWriter;

/// Colours are for people who look and have not said that they want none (<https://no-color.org>).
fn colours() -> bool {
    io::stderr().is_terminal() && crate::env::var("NO_COLOR").is_none_or(|value| value.is_empty())
}

/// Starts logging. `BOG_LOG` sets the levels (`debug`, `bog_agents_daemon::store=trace`, ...); default `info`. What a defect
/// says of itself goes the same way.
pub fn init(json: bool, secrets: Secrets) {
    let filter = crate::env::var("BOG_LOG").unwrap_or_else(|| "info".to_owned());
    let filter = EnvFilter::try_new(filter).unwrap_or_else(|_| EnvFilter::new("info"));
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(Masked { secrets, json, to: io::stderr })
        .with_target(false)
        .with_ansi(colours());
    // A second call, as in tests, changes nothing.
    let begun = if json { builder.json().try_init() } else { builder.try_init() };
    if begun.is_ok() {
        std::panic::set_hook(Box::new(|info| {
            let backtrace = Some(Backtrace::capture()).filter(|trace| trace.status() == BacktraceStatus::Captured);
            tracing::error!(panic = %info, backtrace = backtrace.map(tracing::field::display), "a defect: please report it");
        }));
    }
}

/// Masks each line on its way to what `to` makes. A line comes in one piece.
struct Masked<M> {
    secrets: Secrets,
    json: bool,
    to: M,
}

struct Line<'a, W> {
    secrets: &'a Secrets,
    json: bool,
    to: W,
}

impl<'a, W: Write, M: Fn() -> W> MakeWriter<'a> for Masked<M> {
    type Writer = Line<'a, W>;

    fn make_writer(&'a self) -> Self::Writer {
        Line { secrets: &self.secrets, json: self.json, to: (self.to)() }
    }
}

impl<W: Write> Write for Line<'_, W> {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        let mask = self.secrets.mask();
        if self.json {
            let text = line.strip_suffix(b"\n").unwrap_or(line);
            self.to.write_all(&[&mask.mask_json(text), &line[text.len()..]].concat())?;
        } else {
            self.to.write_all(&mask.mask_bytes(line))?;
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.to.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::{Arc, Mutex};

    #[derive(Clone, Default)]
    struct Kept(Arc<Mutex<Vec<Vec<u8>>>>);

    impl Write for Kept {
        fn write(&mut self, piece: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().push(piece.to_vec());
            Ok(piece.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn lines(json: bool) -> Vec<String> {
        let (secrets, kept) = (Secrets::new(), Kept::default());
        secrets.learn("KEY", &"hunter2\"hunter2".into());
        secrets.learn("NEWLINE", &"nhunter2".into());
        let to = kept.clone();
        let builder = tracing_subscriber::fmt().with_writer(Masked { secrets, json, to: move || to.clone() });
        let log = || {
            tracing::info!(key = "hunter2\"hunter2", "hunter2\"hunter2");
            tracing::info!(output = ?"\nhunter2", "quoted");
        };
        if json {
            tracing::subscriber::with_default(builder.json().finish(), log);
        } else {
            tracing::subscriber::with_default(builder.with_ansi(false).finish(), log);
        }
        let kept = kept.0.lock().unwrap();
        kept.iter().map(|line| String::from_utf8(line.clone()).unwrap()).collect()
    }

    #[test]
    fn lines_are_masked_and_written_whole() {
        for json in [false, true] {
            let lines = lines(json);
            assert_eq!(lines.len(), 2, "{lines:?}");
            assert!(!lines[0].contains("hunter2") && lines[0].matches("[KEY]").count() == 2, "{lines:?}");
            assert!(lines.iter().all(|line| line.ends_with('\n') && line.matches('\n').count() == 1), "{lines:?}");
        }
        for line in lines(true) {
            serde_json::from_str::<serde_json::Value>(&line).unwrap_or_else(|error| panic!("{error}: {line}"));
        }
    }
}
