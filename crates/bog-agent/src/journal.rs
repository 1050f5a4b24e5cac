//! What a session keeps of itself: a line for every finished step, so that it can go on after a sudden end without paying
//! again and without repeating what it did.
//!
//! Each line is the version, the CRC-32 of the JSON that follows, and the JSON. It is on the disk before the next step
//! begins. A torn last line is what a sudden end leaves: it is cut off. Damage anywhere before it is an error.

use crate::chat::{Block, Ending, Message, Tokens, ToolResult};
use crate::session::Stop;
use bog_domain::mask::Mask;
use serde::{Deserialize, Serialize};
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

/// The version of the lines that are written.
const VERSION: u32 = 1;

/// One line.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Line {
    /// The tool call whose sub-agent this is about; none: the session itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub within: Option<String>,
    /// What happened.
    pub entry: Entry,
}

/// What can happen in a session.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum Entry {
    /// A turn began.
    Began {
        /// The prompt as it came; a sub-agent's task.
        prompt: String,
    },
    /// A conversation begins anew, for a step of a pipeline.
    Cleared {
        /// The step's place in the pipeline, from 0.
        step: usize,
    },
    /// Something was said to the model.
    Said {
        /// What.
        message: Message,
    },
    /// The model answered.
    Answered {
        /// What it said.
        blocks: Vec<Block>,
        /// Why it stopped.
        ending: Ending,
        /// What that cost.
        paid: Paid,
    },
    /// The model was paid for an answer that is of no use.
    Wasted {
        /// What that cost.
        paid: Paid,
    },
    /// A tool call began: from here on it may have had effects.
    Started {
        /// The call's id.
        id: String,
    },
    /// A tool call ended.
    Ended {
        /// What it came to.
        result: ToolResult,
    },
    /// The conversation so far was replaced.
    Compacted {
        /// By these messages.
        messages: Vec<Message>,
        /// What the summary in them cost.
        paid: Paid,
    },
    /// A step of a pipeline ended.
    Stepped {
        /// Its result.
        text: String,
    },
    /// A turn ended.
    Stopped {
        /// Why.
        stop: Stop,
        /// Its final text.
        text: String,
    },
}

impl Entry {
    /// What it cost.
    #[must_use]
    pub fn paid(&self) -> Option<&Paid> {
        match self {
            Self::Answered { paid, .. } | Self::Wasted { paid } | Self::Compacted { paid, .. } => Some(paid),
            Self::Began { .. }
            | Self::Cleared { .. }
            | Self::Said { .. }
            | Self::Started { .. }
            | Self::Ended { .. }
            | Self::Stepped { .. }
            | Self::Stopped { .. } => None,
        }
    }
}

/// What a model call cost.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Paid {
    /// `provider:model`, as used.
    pub model: String,
    /// What was read and written.
    pub tokens: Tokens,
    /// US dollars, where that is known.
    pub cost_usd: Option<f64>,
    /// What was set aside for it.
    pub reserved: Reserved,
}

/// What was set aside for a step.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Reserved {
    /// US dollars.
    pub usd: f64,
    /// Tokens.
    pub tokens: u64,
}

/// Why a journal cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    /// There is none.
    #[error("there is no session `{id}` in `{}`", folder.display())]
    Missing {
        /// The session.
        id: String,
        /// Where it was looked for.
        folder: PathBuf,
    },
    /// The system refused.
    #[error("the journal `{}` cannot be used: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A line is damaged, or of a version that is not known.
    #[error("the journal `{}` is damaged in line {line}: {what}", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// Which line, from 1.
        line: usize,
        /// What is wrong.
        what: String,
    },
}

/// Where a session writes itself down.
#[derive(Default)]
pub struct Journal {
    /// None: nothing is kept.
    file: Option<(PathBuf, File)>,
    mask: Mask,
}

impl Journal {
    /// One that keeps nothing.
    #[must_use]
    pub fn nowhere() -> Self {
        Self::default()
    }

    /// Begins a session's journal.
    ///
    /// # Errors
    /// When the file cannot be made, or exists.
    pub fn create(folder: &Path, id: &str, mask: Mask) -> Result<Self, JournalError> {
        let path = path(folder, id)?;
        let failed = |source| JournalError::Io { path: path.clone(), source };
        fs::create_dir_all(folder).map_err(failed)?;
        let mut options = OpenOptions::new();
        options.append(true).create_new(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let file = options.open(&path).map_err(failed)?;
        // The name is to survive, too.
        File::open(folder).and_then(|folder| folder.sync_all()).map_err(failed)?;
        Ok(Self { file: Some((path, file)), mask })
    }

    /// Opens a session's journal and returns what it holds.
    ///
    /// # Errors
    /// When there is none, or it is damaged before its last line.
    pub fn open(folder: &Path, id: &str, mask: Mask) -> Result<(Self, Vec<Line>), JournalError> {
        let path = path(folder, id)?;
        let text = match fs::read(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Err(JournalError::Missing { id: id.to_owned(), folder: folder.to_owned() });
            }
            Err(source) => return Err(JournalError::Io { path, source }),
        };
        let (lines, whole) =
            read(&text).map_err(|(line, what)| JournalError::Damaged { path: path.clone(), line, what })?;
        let failed = |source| JournalError::Io { path: path.clone(), source };
        let file = OpenOptions::new().append(true).open(&path).map_err(failed)?;
        file.set_len(whole as u64).and_then(|()| file.sync_all()).map_err(failed)?;
        Ok((Self { file: Some((path, file)), mask }, lines))
    }

    /// Writes a line down. It is on the disk when this returns if it is to `hold`; else it is with the next that is, and
    /// until then survives the end of the process, not that of the machine.
    ///
    /// # Errors
    /// When the system refuses: nothing may be done that this was to record.
    pub fn write(&mut self, line: &Line, hold: bool) -> Result<(), JournalError> {
        let Some((path, file)) = &mut self.file else { return Ok(()) };
        let failed = |source| JournalError::Io { path: path.clone(), source };
        let json = serde_json::to_string(line).map_err(|error| failed(error.into()))?;
        let json = self.mask.mask(&json);
        let line = format!("{VERSION} {:08x} {json}\n", crc32fast::hash(json.as_bytes()));
        let written = file.write_all(line.as_bytes());
        written.and_then(|()| if hold { file.sync_data() } else { Ok(()) }).map_err(failed)
    }
}

/// A session's file. Ids come from clients: only what cannot lead elsewhere is one.
fn path(folder: &Path, id: &str) -> Result<PathBuf, JournalError> {
    let is_id = !id.is_empty() && id.len() <= 80 && id.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
    if !is_id {
        return Err(JournalError::Missing { id: id.chars().take(80).collect(), folder: folder.to_owned() });
    }
    Ok(folder.join(format!("{id}.journal")))
}

/// The lines of a file, and how many bytes of it are whole.
fn read(text: &[u8]) -> Result<(Vec<Line>, usize), (usize, String)> {
    let mut lines = Vec::new();
    let mut whole = 0;
    for (at, line) in text.split_inclusive(|byte| *byte == b'\n').enumerate() {
        let is_last = whole + line.len() == text.len();
        match parse(line) {
            Ok(line) => lines.push(line),
            Err(_) if is_last => break,
            Err(what) => return Err((at + 1, what)),
        }
        whole += line.len();
    }
    Ok((lines, whole))
}

fn parse(line: &[u8]) -> Result<Line, String> {
    let line = line.strip_suffix(b"\n").ok_or("it has no end")?;
    let line = std::str::from_utf8(line).map_err(|_| "it is no text")?;
    let mut parts = line.splitn(3, ' ');
    let (Some(version), Some(sum), Some(json)) = (parts.next(), parts.next(), parts.next()) else {
        return Err("it is no line of a journal".to_owned());
    };
    if version != VERSION.to_string() {
        return Err(format!("its version `{version}` is not known; this program knows {VERSION}"));
    }
    if u32::from_str_radix(sum, 16) != Ok(crc32fast::hash(json.as_bytes())) {
        return Err("its checksum is wrong".to_owned());
    }
    serde_json::from_str(json).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn began(prompt: &str) -> Line {
        Line { within: None, entry: Entry::Began { prompt: prompt.to_owned() } }
    }

    fn written(lines: &[Line], mask: Mask) -> (tempfile::TempDir, PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let mut journal = Journal::create(folder.path(), "one", mask).unwrap();
        for line in lines {
            journal.write(line, true).unwrap();
        }
        let path = folder.path().join("one.journal");
        (folder, path)
    }

    #[test]
    fn what_was_written_is_read_again() {
        let lines = [began("first"), began("second")];
        let (folder, _) = written(&lines, Mask::default());
        let (mut journal, read) = Journal::open(folder.path(), "one", Mask::default()).unwrap();
        assert_eq!(read, lines);
        journal.write(&began("third"), true).unwrap();
        assert_eq!(Journal::open(folder.path(), "one", Mask::default()).unwrap().1.len(), 3);
    }

    #[test]
    fn a_torn_last_line_is_cut_off_wherever_it_is_torn() {
        let (folder, path) = written(&[began("first"), began("second")], Mask::default());
        let whole = fs::read(&path).unwrap();
        let first = whole.iter().position(|byte| *byte == b'\n').unwrap() + 1;
        for end in first..whole.len() {
            fs::write(&path, &whole[..end]).unwrap();
            let (mut journal, read) = Journal::open(folder.path(), "one", Mask::default()).unwrap();
            assert_eq!(read, [began("first")], "{end}");
            journal.write(&began("third"), true).unwrap();
            assert_eq!(Journal::open(folder.path(), "one", Mask::default()).unwrap().1.len(), 2, "{end}");
        }
    }

    #[test]
    fn damage_before_the_end_and_other_versions_are_told() {
        let (folder, path) = written(&[began("first"), began("second")], Mask::default());
        let whole = fs::read_to_string(&path).unwrap();
        for damaged in [whole.replacen("first", "burst", 1), whole.replacen("1 ", "2 ", 1)] {
            fs::write(&path, damaged).unwrap();
            let error = Journal::open(folder.path(), "one", Mask::default()).err().unwrap();
            assert!(error.to_string().contains("line 1"), "{error}");
        }
    }

    #[test]
    fn secrets_are_not_kept_and_ids_lead_nowhere_else() {
        let mask = Mask::new([("KEY".to_owned(), b"very-secret-value".to_vec())]);
        let (folder, path) = written(&[began("it is very-secret-value")], mask);
        assert!(fs::read_to_string(path).unwrap().contains("it is [KEY]"));
        for id in ["", "../one", "a/b", "one.journal", "two"] {
            let missing = Journal::open(folder.path(), id, Mask::default());
            assert!(matches!(missing, Err(JournalError::Missing { .. })), "{id}");
        }
    }
}
