//! Opening the database: what is fit to be used, what is set aside, what is refused.

use super::error::StoreError;
use super::whole::{beside, check_not_emptied, check_whole};
use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags};
use std::path::{Path, PathBuf};

/// Marks the file as ours (`PRAGMA application_id`): "bog1" in ASCII.
const APPLICATION_ID: i32 = 0x626f_6731;

/// Numbered, forward-only changes of the schema. Never edit one that has been released; add the next.
const MIGRATIONS: [&str; 10] = [
    include_str!("migrations/0001_ledger.sql"),
    include_str!("migrations/0002_containment.sql"),
    include_str!("migrations/0003_loops.sql"),
    include_str!("migrations/0004_git_refs.sql"),
    include_str!("migrations/0005_outbox.sql"),
    include_str!("migrations/0006_routes.sql"),
    include_str!("migrations/0007_files.sql"),
    include_str!("migrations/0008_usage.sql"),
    include_str!("migrations/0009_writers.sql"),
    include_str!("migrations/0010_resume.sql"),
];

/// Pages the writer keeps in memory at most, in KiB: with ten thousand jobs, all that a burst of their fires touches.
const WRITER_CACHE_KIB: i64 = 8192;

/// Pages each reader keeps in memory, in KiB. The system's own cache stands behind it.
const READER_CACHE_KIB: i64 = 512;

/// The log is cut to this many bytes once a long list that kept it from being used anew has ended.
const MAX_IDLE_LOG: i64 = 32 << 20;

/// Why the database cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// A newer version of the daemon wrote it. It is left as it is.
    #[error(
        "`{path}` was written by a newer version of bog-agents-daemon (schema {found}, this version knows up to {known}): \
         install that version, or move the file away to begin a new ledger; it was not touched"
    )]
    Newer {
        /// The file.
        path: PathBuf,
        /// Its schema.
        found: i64,
        /// The newest schema this version knows.
        known: usize,
    },
    /// It cannot be opened for another reason.
    #[error("`{path}` cannot be opened: {error}")]
    Failed {
        /// The file.
        path: PathBuf,
        /// Why.
        error: StoreError,
    },
}

/// An opened database.
pub(super) struct Opened {
    /// The read-write connection.
    pub connection: Connection,
    /// Where a damaged predecessor was put, and what was wrong with it.
    pub quarantined: Option<(PathBuf, String)>,
}

/// Opens the database, making it where there is none. A damaged file is renamed to `daemon.db.damaged-N`, never
/// written to, and a new one begun: the jobs are files and come back by themselves.
pub(super) fn open(path: &Path) -> Result<Opened, OpenError> {
    let failed = |error: StoreError| OpenError::Failed { path: path.to_owned(), error };
    match try_open(path) {
        Ok(connection) => Ok(Opened { connection, quarantined: None }),
        Err(Unfit::Newer(found)) => Err(OpenError::Newer { path: path.to_owned(), found, known: MIGRATIONS.len() }),
        Err(Unfit::Failed(StoreError::Corrupt(why))) => {
            let aside = set_aside(path).map_err(|error| failed(StoreError::Unavailable(error.to_string())))?;
            let connection = try_open(path).map_err(|unfit| match unfit {
                Unfit::Newer(_) => failed(StoreError::Corrupt("a new file has an old schema".to_owned())),
                Unfit::Failed(error) => failed(error),
            })?;
            Ok(Opened { connection, quarantined: Some((aside, why)) })
        }
        Err(Unfit::Failed(error)) => Err(failed(error)),
    }
}

/// Opens a connection that can only read.
pub(super) fn open_reader(path: &Path) -> Result<Connection, StoreError> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags)?;
    connection.set_prepared_statement_cache_capacity(64);
    connection.pragma_update(None, "query_only", true)?;
    connection.pragma_update(None, "cache_size", -READER_CACHE_KIB)?;
    #[cfg(test)]
    super::plans::watch(&connection);
    connection.busy_timeout(std::time::Duration::from_secs(5))?;
    Ok(connection)
}

enum Unfit {
    Newer(i64),
    Failed(StoreError),
}

impl<E: Into<StoreError>> From<E> for Unfit {
    fn from(error: E) -> Self {
        Self::Failed(error.into())
    }
}

fn try_open(path: &Path) -> Result<Connection, Unfit> {
    create_private(path).map_err(|error| StoreError::Unavailable(error.to_string()))?;
    check_not_emptied(path)?;
    let connection = Connection::open(path)?;
    // Until the file is known to be ours and whole nothing is written to it, not even what closing it would write.
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)?;
    connection.busy_timeout(std::time::Duration::from_secs(5))?;
    check_ours(&connection)?;
    check_whole(&connection, path)?;
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, false)?;
    connection.pragma_update(None, "journal_mode", "wal")?;
    connection.pragma_update(None, "synchronous", "full")?;
    connection.pragma_update(None, "foreign_keys", true)?;
    connection.pragma_update(None, "cache_size", -WRITER_CACHE_KIB)?;
    // What a savepoint would undo is kept in memory: by default it goes to a temporary file from 64 KiB on.
    connection.pragma_update(None, "temp_store", "memory")?;
    // The writer thread folds the log in, when nobody waits.
    connection.pragma_update(None, "wal_autocheckpoint", 0)?;
    connection.pragma_update(None, "journal_size_limit", MAX_IDLE_LOG)?;
    connection.set_prepared_statement_cache_capacity(128);
    migrate(&connection)?;
    #[cfg(test)]
    super::plans::watch(&connection);
    Ok(connection)
}

/// The file is 0600 from its first byte; SQLite gives its WAL the same mode.
fn create_private(path: &Path) -> std::io::Result<()> {
    let mut options = std::fs::OpenOptions::new();
    options.create(true).append(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path).map(drop)
}

fn check_ours(connection: &Connection) -> Result<(), Unfit> {
    let application: i32 = connection.pragma_query_value(None, "application_id", |row| row.get(0))?;
    let version: i64 = connection.pragma_query_value(None, "user_version", |row| row.get(0))?;
    let tables: i64 = connection.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))?;
    if application != APPLICATION_ID && tables > 0 {
        return Err(Unfit::Failed(StoreError::Corrupt("it is some other program's database".to_owned())));
    }
    if usize::try_from(version).is_ok_and(|version| version > MIGRATIONS.len()) {
        return Err(Unfit::Newer(version));
    }
    Ok(())
}

fn migrate(connection: &Connection) -> Result<(), Unfit> {
    let version: usize = connection.pragma_query_value(None, "user_version", |row| row.get(0))?;
    for (number, sql) in MIGRATIONS.iter().enumerate().skip(version) {
        let transaction = connection.unchecked_transaction()?;
        transaction.execute_batch(sql)?;
        transaction.pragma_update(None, "application_id", APPLICATION_ID)?;
        transaction.pragma_update(None, "user_version", number + 1)?;
        transaction.commit()?;
    }
    Ok(())
}

fn set_aside(path: &Path) -> std::io::Result<PathBuf> {
    let numbered = |number: u32| beside(path, &format!(".damaged-{number}"));
    let free = (1..).map(numbered).find(|candidate| !candidate.exists());
    let aside = free.unwrap_or_else(|| unreachable!("there is always a next number"));
    std::fs::rename(path, &aside)?;
    for suffix in ["-wal", "-shm"] {
        match std::fs::rename(beside(path, suffix), beside(&aside, suffix)) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error),
            Ok(()) | Err(_) => {}
        }
    }
    Ok(aside)
}
