//! Whether a database file is all there. It only reads: what is damaged must stay as it was found.

use super::error::StoreError;
use rusqlite::Connection;
use std::collections::HashSet;
use std::ffi::OsString;
use std::fs::File;
use std::io::{self, BufReader, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

/// The path with a suffix: `-wal` and `-shm` are the files that belong to a database.
pub(super) fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = OsString::from(path);
    name.push(suffix);
    PathBuf::from(name)
}

/// Finds an emptied file before SQLite takes it for a new one and removes the log beside it.
pub(super) fn check_not_emptied(path: &Path) -> Result<(), StoreError> {
    let length = |path: &Path| std::fs::metadata(path).map_or(0, |metadata| metadata.len());
    if length(path) == 0 && length(&beside(path, "-wal")) > 0 {
        return Err(StoreError::Corrupt("it is empty although the log beside it is not".to_owned()));
    }
    Ok(())
}

/// Finds a truncated file, which SQLite itself notices only when it comes to a missing page; and touches every table,
/// which finds one whose beginning was overwritten. The whole file is read only where something is amiss; `doctor --deep`
/// always does.
pub(super) fn check_whole(connection: &Connection, path: &Path) -> Result<(), StoreError> {
    let pages: u64 = connection.pragma_query_value(None, "page_count", |row| row.get(0))?;
    let size: u64 = connection.pragma_query_value(None, "page_size", |row| row.get(0))?;
    let unreadable = |error: io::Error| StoreError::Unavailable(error.to_string());
    let length = std::fs::metadata(path).map_err(unreadable)?.len();
    let missing = (length / size + 1)..=pages;
    if !missing.is_empty() {
        // After a crash new pages are in the log only. One that nothing uses may be in neither.
        let logged = pages_in_log(&beside(path, "-wal"), size).map_err(unreadable)?;
        if !missing.clone().all(|page| logged.contains(&page)) {
            let found: String = connection.query_row("PRAGMA quick_check(1)", [], |row| row.get(0))?;
            if found != "ok" {
                let why = format!("it is {length} bytes long where {} are recorded: {found}", pages * size);
                return Err(StoreError::Corrupt(why));
            }
        }
    }
    let mut tables = connection.prepare("SELECT name FROM sqlite_schema WHERE type = 'table'")?;
    for table in tables.query_map([], |row| row.get::<_, String>(0))? {
        let sql = format!("SELECT count(*) FROM (SELECT * FROM {} LIMIT 1)", table?);
        connection.query_row(&sql, [], |_| Ok(()))?;
    }
    Ok(())
}

/// The pages in a write-ahead log (<https://www.sqlite.org/fileformat2.html#the_write_ahead_log>): a header of 32 bytes,
/// then frames of 24 bytes and a page. Frames of an earlier use of the file have other salts and end it.
fn pages_in_log(log: &Path, page_size: u64) -> io::Result<HashSet<u64>> {
    let mut pages = HashSet::new();
    let mut file = match File::open(log) {
        Ok(file) => BufReader::new(file),
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(pages),
        Err(error) => return Err(error),
    };
    let (mut header, mut frame) = ([0; 32], [0; 24]);
    if file.read_exact(&mut header).is_err() {
        return Ok(pages);
    }
    while file.read_exact(&mut frame).is_ok() && frame[8..16] == header[16..24] {
        pages.insert(u64::from(u32::from_be_bytes([frame[0], frame[1], frame[2], frame[3]])));
        file.seek(SeekFrom::Current(i64::try_from(page_size).unwrap_or(i64::MAX)))?;
    }
    Ok(pages)
}
