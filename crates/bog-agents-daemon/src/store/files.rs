//! What `file_change` triggers remember of their files, and the one step that moves it on together with the fires that
//! tell of it.

use super::accept::{Accepted, Arrival, accept};
use super::rows::{parsed, time};
use super::{Store, StoreError};
use bog_domain::ids::{JobId, JobUid, TriggerId};
use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension, params};
use std::collections::HashMap;
use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};

/// A `file_change` trigger of an active job.
#[derive(Debug, Clone)]
pub struct FileTrigger {
    /// The job's uid.
    pub job: JobUid,
    /// The job's id.
    pub job_id: JobId,
    /// The revision that runs.
    pub revision: u32,
    /// Its spec, as JSON text.
    pub spec: String,
    /// The trigger.
    pub trigger: TriggerId,
    /// When its memory began.
    pub activated_at: Timestamp,
}

/// What a trigger remembers, as a handle.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Memory {
    /// Its number, which never comes again.
    pub id: i64,
    /// Goes up whenever it is moved on; 0 until the first look is over.
    pub version: i64,
}

/// A file as it was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Seen {
    /// The digest of its size and times.
    pub print: i64,
    /// When it changed, not later than it did.
    pub at: Timestamp,
}

/// What somebody found who looked.
#[derive(Debug, Default)]
pub struct Found {
    /// Folders that were looked at as a whole, with all below.
    pub trees: Vec<PathBuf>,
    /// Files by folder; `None` where one was looked for and is not there.
    pub files: HashMap<PathBuf, HashMap<OsString, Option<Seen>>>,
}

/// A file that is not as it is remembered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    /// Its folder.
    pub folder: PathBuf,
    /// Its name.
    pub name: OsString,
    /// Whether it is remembered at all.
    pub known: bool,
    /// As it was found; `None` where it was not.
    pub found: Option<Seen>,
}

/// A file to be remembered by its digest, or forgotten.
#[derive(Debug, Clone)]
pub struct Remember {
    /// Its folder.
    pub folder: PathBuf,
    /// Its name.
    pub name: OsString,
    /// The digest of its size and times; `None`: it is forgotten.
    pub print: Option<i64>,
}

/// What is to be remembered from now on, and the fires that tell of it.
#[derive(Debug, Clone)]
pub struct Observation {
    /// The memory it was decided from; another version means that it is stale, and nothing is recorded.
    pub memory: Memory,
    /// The files that changed.
    pub files: Vec<Remember>,
    /// What is told of them.
    pub fires: Vec<Arrival>,
}

impl Store {
    /// Every `file_change` trigger.
    ///
    /// # Errors
    /// When they cannot be read.
    pub async fn file_triggers(&self) -> Result<Vec<FileTrigger>, StoreError> {
        self.read(|tx| {
            let sql = "SELECT t.job_uid, j.id, j.revision, j.spec, t.id, t.activated_at \
                       FROM triggers t INDEXED BY triggers_files JOIN jobs j ON j.uid = t.job_uid \
                       WHERE t.kind = 'file_change'";
            let mut statement = tx.prepare_cached(sql)?;
            let rows = statement.query_map([], |row| {
                Ok(FileTrigger {
                    job: parsed(row, 0)?,
                    job_id: parsed(row, 1)?,
                    revision: row.get(2)?,
                    spec: row.get(3)?,
                    trigger: TriggerId::new(row.get::<_, String>(4)?),
                    activated_at: time(row, 5)?,
                })
            })?;
            Ok(rows.collect::<Result<_, _>>()?)
        })
        .await
    }

    /// The memory of a trigger, made anew where there is none, or where it is about something else, or where its first
    /// look did not come to its end. `None` when there is no such trigger.
    ///
    /// # Errors
    /// When it cannot be read or written.
    pub async fn file_memory(
        &self,
        job: JobUid,
        trigger: TriggerId,
        definition: String,
    ) -> Result<Option<Memory>, StoreError> {
        let (uid, id) = (job.to_string(), trigger.as_str().to_owned());
        let (known, wanted) = ((uid.clone(), id.clone()), definition.clone());
        let find = move |tx: &Connection| {
            let sql = "SELECT id, version FROM file_memories \
                       WHERE job_uid = ?1 AND trigger_id = ?2 AND definition = ?3 AND version > 0";
            let read = |row: &rusqlite::Row<'_>| Ok(Memory { id: row.get(0)?, version: row.get(1)? });
            Ok(tx.prepare_cached(sql)?.query_row(params![known.0, known.1, wanted], read).optional()?)
        };
        if let Some(memory) = self.read(find).await? {
            return Ok(Some(memory));
        }
        self.write(move |tx| {
            tx.prepare_cached("DELETE FROM file_memories WHERE job_uid = ?1 AND trigger_id = ?2")?
                .execute([&uid, &id])?;
            let sql = "INSERT INTO file_memories (job_uid, trigger_id, definition, version) \
                       SELECT job_uid, id, ?3, 0 FROM triggers WHERE job_uid = ?1 AND id = ?2 RETURNING id";
            let made = tx.prepare_cached(sql)?.query_row([&uid, &id, &definition], |row| row.get(0)).optional()?;
            Ok(made.map(|id| Memory { id, version: 0 }))
        })
        .await
    }

    /// Remembers files of a first look; the `last` ones end it. `false` when the memory is gone.
    ///
    /// # Errors
    /// When it cannot be written.
    pub async fn remember_first(&self, memory: i64, files: Vec<Remember>, last: bool) -> Result<bool, StoreError> {
        self.write(move |tx| {
            let sql = "UPDATE file_memories SET version = ?2 WHERE id = ?1 AND version = 0";
            let known = tx.prepare_cached(sql)?.execute(params![memory, i64::from(last)])? == 1;
            if known {
                remember(tx, memory, &files)?;
            }
            Ok(known)
        })
        .await
    }

    /// What of all that was found is not as it is remembered.
    ///
    /// # Errors
    /// When it cannot be read.
    pub async fn differences(&self, memory: i64, found: Found) -> Result<Vec<Difference>, StoreError> {
        self.read(move |tx| differences(tx, memory, found)).await
    }

    /// Moves a memory on and writes down what that fires, in one step. `None` when it was moved on, or gone, before.
    ///
    /// # Errors
    /// When it cannot be written; then nothing is remembered, and nothing has fired.
    pub async fn observe(&self, observation: Observation, now: Timestamp) -> Result<Option<Vec<Accepted>>, StoreError> {
        let fires: Vec<_> = observation.fires.into_iter().map(|arrival| self.masked_arrival(arrival)).collect();
        self.write(move |tx| {
            crate::failpoint::hit("store.observe");
            let Memory { id, version } = observation.memory;
            let sql = "UPDATE file_memories SET version = version + 1 WHERE id = ?1 AND version = ?2";
            if tx.prepare_cached(sql)?.execute([id, version])? == 0 {
                return Ok(None);
            }
            remember(tx, id, &observation.files)?;
            fires.into_iter().map(|arrival| accept(tx, arrival, now)).collect::<Result<_, _>>().map(Some)
        })
        .await
    }
}

fn remember(tx: &Connection, memory: i64, files: &[Remember]) -> Result<(), StoreError> {
    let mut keep = tx.prepare_cached(
        "INSERT INTO remembered_files (memory, folder, name, print) VALUES (?1, ?2, ?3, ?4) \
         ON CONFLICT DO UPDATE SET print = ?4",
    )?;
    let mut forget =
        tx.prepare_cached("DELETE FROM remembered_files WHERE memory = ?1 AND folder = ?2 AND name = ?3")?;
    for file in files {
        let (folder, name) = (bytes(file.folder.as_os_str()), bytes(&file.name));
        match file.print {
            Some(print) => keep.execute(params![memory, folder, name, print])?,
            None => forget.execute(params![memory, folder, name])?,
        };
    }
    Ok(())
}

fn differences(tx: &Connection, memory: i64, mut found: Found) -> Result<Vec<Difference>, StoreError> {
    let mut differences = Vec::new();
    for tree in &found.trees {
        compare_tree(tx, memory, (tree, &mut found.files), &mut differences)?;
    }
    let mut known =
        tx.prepare_cached("SELECT print FROM remembered_files WHERE memory = ?1 AND folder = ?2 AND name = ?3")?;
    for (folder, files) in found.files {
        // What is left of a tree is remembered nowhere.
        let new = found.trees.iter().any(|tree| folder.starts_with(tree));
        for (name, seen) in files {
            let params = params![memory, bytes(folder.as_os_str()), bytes(&name)];
            let print: Option<i64> = if new { None } else { known.query_row(params, |row| row.get(0)).optional()? };
            if print != seen.map(|seen| seen.print) {
                let (folder, known) = (folder.clone(), print.is_some());
                differences.push(Difference { folder, name, known, found: seen });
            }
        }
    }
    Ok(differences)
}

/// Compares all that is remembered of a tree, and takes what was found of it out of `files`.
fn compare_tree(
    tx: &Connection,
    memory: i64,
    (tree, files): (&Path, &mut HashMap<PathBuf, HashMap<OsString, Option<Seen>>>),
    differences: &mut Vec<Difference>,
) -> Result<(), StoreError> {
    // All that begins with the tree's path; `0` is what comes after the slash.
    let sql = "SELECT folder, name, print FROM remembered_files WHERE memory = ?1 AND folder >= ?2 AND folder < ?3";
    let path = bytes(tree.as_os_str());
    let after = [path.strip_suffix(b"/").unwrap_or(path), b"0"].concat();
    let mut statement = tx.prepare_cached(sql)?;
    let mut rows = statement.query(params![memory, path, after])?;
    while let Some(row) = rows.next()? {
        let text = |column| row.get_ref(column)?.as_blob().map_err(rusqlite::Error::from);
        let (folder, name, print) = (os(text(0)?), os(text(1)?), row.get::<_, i64>(2)?);
        let folder = Path::new(&folder);
        if !folder.starts_with(tree) {
            continue;
        }
        let seen = files.get_mut(folder).and_then(|files| files.remove(&*name)).flatten();
        if seen.map(|seen| seen.print) != Some(print) {
            let (folder, name) = (folder.to_owned(), (*name).to_owned());
            differences.push(Difference { folder, name, known: true, found: seen });
        }
    }
    Ok(())
}

#[cfg(unix)]
fn bytes(name: &OsStr) -> &[u8] {
    std::os::unix::ffi::OsStrExt::as_bytes(name)
}

#[cfg(unix)]
fn os(bytes: &[u8]) -> std::borrow::Cow<'_, OsStr> {
    <OsStr as std::os::unix::ffi::OsStrExt>::from_bytes(bytes).into()
}

/// Elsewhere names are text, or as good as.
#[cfg(not(unix))]
fn bytes(name: &OsStr) -> &[u8] {
    name.as_encoded_bytes()
}

#[cfg(not(unix))]
fn os(bytes: &[u8]) -> std::borrow::Cow<'_, OsStr> {
    OsString::from(String::from_utf8_lossy(bytes).into_owned()).into()
}
