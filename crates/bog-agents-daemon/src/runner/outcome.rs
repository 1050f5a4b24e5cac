//! `outcome.json`: how an attempt ended, written so that a full disk cannot lose it.
//!
//! Format: one line of JSON - the record without its output, then `output_bytes`, then `sha256` as the last field -
//! and after it exactly `output_bytes` bytes of output. The digest is over the line's bytes before `,"sha256":`
//! followed by the output's bytes. The file is allocated in full before the agent starts, so it may be longer than
//! what was written into it: what follows the output does not count, and a file of zeros holds no record.

use super::protocol::{OUTCOME_FILE, OutcomeRecord, VERSION};
use bog_domain::agent_end::AgentEnd;
use bog_domain::containment::{Containment, LimitHit};
use bog_domain::run::{Outcome, Usage};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::Path;

/// Room for the header: its `error` is at most [`ERROR_MAX_BYTES`], of which JSON may make six times as much; about three
/// times as much again takes what an agent told of its end.
const HEADER_ROOM: u64 = 96 * 1024;
/// How long an error message may be.
pub const ERROR_MAX_BYTES: usize = 4 * 1024;
/// What stands before the digest.
const SEAL: &str = ",\"sha256\":\"";

/// The first line.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Header {
    version: u32,
    outcome: Outcome,
    exit_code: Option<i32>,
    signal: Option<i32>,
    error: Option<String>,
    started_at: Timestamp,
    finished_at: Timestamp,
    usage: Usage,
    #[serde(default)]
    containment: Option<Containment>,
    #[serde(default)]
    limit: Option<LimitHit>,
    #[serde(default)]
    agent: Option<AgentEnd>,
    output_truncated: bool,
    output_bytes: u64,
    /// Never written by serde: the digest is over what serde writes.
    #[serde(default, skip_serializing)]
    sha256: String,
}

/// An `outcome.json` that waits for its record.
pub struct OutcomeFile(File);

impl OutcomeFile {
    /// Creates `dir/outcome.json` with room for any record of at most `output_bytes` bytes of output.
    ///
    /// # Errors
    /// Where the folder is gone or the disk has no room.
    pub fn preallocate(dir: &Path, output_bytes: u64) -> io::Result<Self> {
        let created = Self::create(dir)?;
        allocate(&created.0, HEADER_ROOM.saturating_add(output_bytes))?;
        Ok(created)
    }

    /// Creates `dir/outcome.json` without setting room aside: for attempts whose agent does not start.
    ///
    /// # Errors
    /// Where the folder is gone or the disk is full.
    pub fn create(dir: &Path) -> io::Result<Self> {
        let path = dir.join(OUTCOME_FILE);
        OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path).map(Self)
    }

    /// Writes the record, cuts the file to its size and makes it durable.
    ///
    /// # Errors
    /// Where the disk fails.
    pub fn write(&self, record: &OutcomeRecord) -> io::Result<()> {
        let bytes = encode(record)?;
        self.0.write_all_at(&bytes, 0)?;
        self.0.set_len(bytes.len() as u64)?;
        self.0.sync_data()
    }
}

#[cfg(target_os = "linux")]
fn allocate(file: &File, bytes: u64) -> io::Result<()> {
    use nix::errno::Errno;
    use nix::fcntl::{FallocateFlags, fallocate};
    let length = i64::try_from(bytes).map_err(io::Error::other)?;
    match fallocate(file, FallocateFlags::empty(), 0, length) {
        Ok(()) => Ok(()),
        Err(Errno::EOPNOTSUPP | Errno::ENOSYS) => fill(file, bytes),
        Err(errno) => Err(errno.into()),
    }
}

#[cfg(not(target_os = "linux"))]
fn allocate(file: &File, bytes: u64) -> io::Result<()> {
    fill(file, bytes)
}

/// For file systems that cannot allocate ahead: zeros take the room.
fn fill(mut file: &File, bytes: u64) -> io::Result<()> {
    io::copy(&mut io::Read::take(io::repeat(0), bytes), &mut file)?;
    file.flush()
}

fn encode(record: &OutcomeRecord) -> io::Result<Vec<u8>> {
    let header = Header {
        version: record.version,
        outcome: record.outcome,
        exit_code: record.exit_code,
        signal: record.signal,
        error: record.error.clone(),
        started_at: record.started_at,
        finished_at: record.finished_at,
        usage: record.usage,
        containment: record.containment.clone(),
        limit: record.limit,
        agent: record.agent.clone(),
        output_truncated: record.output_truncated,
        output_bytes: record.output.len() as u64,
        sha256: String::new(),
    };
    let mut bytes = serde_json::to_vec(&header)?;
    bytes.pop(); // the closing brace: the digest comes before it
    let digest = digest(&bytes, record.output.as_bytes());
    bytes.extend_from_slice(format!("{SEAL}{digest}\"}}\n").as_bytes());
    bytes.extend_from_slice(record.output.as_bytes());
    Ok(bytes)
}

fn digest(header: &[u8], output: &[u8]) -> String {
    hex::encode(Sha256::new().chain_update(header).chain_update(output).finalize())
}

/// Reads `dir/outcome.json`. A file that is missing, unfinished or damaged holds no record: `None`.
///
/// # Errors
/// Where the file is there but cannot be read, or is of a version this binary does not know.
pub fn read_outcome(dir: &Path) -> io::Result<Option<OutcomeRecord>> {
    match std::fs::read(dir.join(OUTCOME_FILE)) {
        Ok(bytes) => decode(&bytes),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

fn decode(bytes: &[u8]) -> io::Result<Option<OutcomeRecord>> {
    let Some(end) = bytes.iter().position(|byte| *byte == b'\n') else { return Ok(None) };
    let (line, rest) = (&bytes[..end], &bytes[end + 1..]);
    let Some(sealed) = line.len().checked_sub(SEAL.len() + 64 + 2) else { return Ok(None) };
    let Ok(header) = serde_json::from_slice::<Header>(line) else { return newer_or_none(line) };
    if header.version > VERSION {
        return newer_or_none(line);
    }
    let output = usize::try_from(header.output_bytes).ok().and_then(|length| rest.get(..length));
    let Some(output) = output else { return Ok(None) };
    if digest(&line[..sealed], output) != header.sha256 {
        return Ok(None);
    }
    Ok(Some(OutcomeRecord {
        version: header.version,
        outcome: header.outcome,
        exit_code: header.exit_code,
        signal: header.signal,
        error: header.error,
        started_at: header.started_at,
        finished_at: header.finished_at,
        usage: header.usage,
        containment: header.containment,
        limit: header.limit,
        agent: header.agent,
        output_truncated: header.output_truncated,
        output: String::from_utf8_lossy(output).into_owned(),
    }))
}

/// A whole line of a newer version must not pass for a lost outcome: the run would be attempted again.
fn newer_or_none(line: &[u8]) -> io::Result<Option<OutcomeRecord>> {
    let version =
        serde_json::from_slice::<serde_json::Value>(line).ok().and_then(|header| header.get("version")?.as_u64());
    match version {
        Some(version) if version > u64::from(VERSION) => Err(io::Error::other(format!(
            "`{OUTCOME_FILE}` has version {version}, this binary reads up to {VERSION}; start the newer bog-agents-daemon"
        ))),
        Some(_) | None => Ok(None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(output: &str) -> OutcomeRecord {
        OutcomeRecord {
            exit_code: Some(3),
            outcome: Outcome::Failed,
            output: output.to_owned(),
            output_truncated: true,
            ..OutcomeRecord::start_failed("a \"quoted\" error".to_owned(), Timestamp::UNIX_EPOCH)
        }
    }

    #[test]
    fn a_record_comes_back_as_it_was_and_the_file_is_no_longer_than_it() {
        let dir = tempfile::tempdir().expect("a folder");
        assert_eq!(read_outcome(dir.path()).expect("readable"), None);
        let file = OutcomeFile::preallocate(dir.path(), 1000).expect("room");
        assert_eq!(read_outcome(dir.path()).expect("readable"), None);
        for output in ["", "x\ny\n", "ä"] {
            file.write(&record(output)).expect("written");
            assert_eq!(read_outcome(dir.path()).expect("readable"), Some(record(output)));
            let length = std::fs::metadata(dir.path().join(OUTCOME_FILE)).expect("there").len();
            assert_eq!(length, encode(&record(output)).expect("encodes").len() as u64);
        }
    }

    #[test]
    fn any_damaged_byte_or_missing_end_makes_it_none() {
        let whole = encode(&record("some output")).expect("encodes");
        for at in 0..whole.len() {
            let mut damaged = whole.clone();
            damaged[at] ^= 1;
            assert_eq!(decode(&damaged).ok().flatten(), None, "byte {at}");
            assert_eq!(decode(&whole[..at]).expect("readable"), None, "cut at {at}");
        }
    }

    #[test]
    fn zeros_behind_the_output_do_not_count() {
        let mut bytes = encode(&record("some output")).expect("encodes");
        bytes.extend([0; 100]);
        assert_eq!(decode(&bytes).expect("readable"), Some(record("some output")));
    }

    #[test]
    fn a_newer_version_is_an_error_not_a_lost_outcome() {
        let error = decode(
            b"{\"version\":4,\"sha3\":\"0000000000000000000000000000000000000000000000000000000000000000000000000\"}\n",
        );
        assert!(error.expect_err("refused").to_string().contains("has version 4, this binary reads up to 3"));
    }

    #[test]
    fn the_longest_error_fits_into_the_header() {
        let longest = OutcomeRecord { error: Some("\u{1}".repeat(ERROR_MAX_BYTES)), ..record("") };
        assert!((encode(&longest).expect("encodes").len() as u64) < HEADER_ROOM);
    }
}
