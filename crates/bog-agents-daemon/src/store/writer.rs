//! The one writer: a thread that owns the only read-write connection and commits what arrives together together.
//!
//! Each operation runs in its own savepoint, so one that fails takes nothing else with it, and is answered only after
//! the commit it is part of is on disk. An operation runs to its end even when its caller has gone away: a caller that
//! is cancelled half way must not undo what it may already have told someone.

use super::error::StoreError;
use rusqlite::{Connection, Transaction, TransactionBehavior};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, Instant};
use tokio::sync::{mpsc, oneshot};

/// Operations committed together at most: bounds how long the first waits for the last.
const MAX_GROUP: usize = 256;

/// Operations after which the log is folded into the database once nothing waits, and after which it is in any case.
const FOLD_AT_REST: usize = 200;
const FOLD_AT_LAST: usize = 10_000;

/// Operations that may wait for the writer; further callers wait before they have promised anything.
const MAX_WAITING: usize = 4096;

type Answer = Box<dyn FnOnce(Result<(), StoreError>) + Send>;
/// Takes the connection, or why there is none; returns why its group cannot be committed, if so, and how to answer its
/// caller.
type Operation = Box<dyn FnOnce(Result<&Connection, StoreError>) -> (Option<StoreError>, Answer) + Send>;

/// Told of every commit: how long it took and how many operations it held.
pub type OnCommit = Box<dyn Fn(Duration, usize) + Send>;

/// The way in to the writer thread.
#[derive(Debug, Clone)]
pub(super) struct Writer {
    operations: mpsc::Sender<Operation>,
}

impl Writer {
    /// Starts the writer thread. It ends when the last handle is dropped and everything sent has been committed.
    #[expect(
        clippy::disallowed_methods,
        reason = "SQLite blocks; the writer is the one thread of ours, and it lives as long as the store"
    )]
    pub(super) fn start(
        connection: Connection,
        on_commit: OnCommit,
    ) -> std::io::Result<(Self, std::thread::JoinHandle<()>)> {
        let (operations, inbox) = mpsc::channel(MAX_WAITING);
        let thread = std::thread::Builder::new()
            .name("store-writer".to_owned())
            .spawn(move || write_all(connection, inbox, &on_commit))?;
        Ok((Self { operations }, thread))
    }

    /// Runs one operation and returns once it is on disk.
    pub(super) async fn write<T, F>(&self, operation: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: FnOnce(&Connection) -> Result<T, StoreError> + Send + 'static,
    {
        let (answer, answered) = oneshot::channel();
        let operation: Operation = Box::new(move |connection| {
            let (result, broken) = match connection {
                Ok(connection) => in_savepoint(connection, operation),
                Err(error) => (Err(error), None),
            };
            // The caller may have gone away; the operation stands all the same.
            let answer: Answer = Box::new(move |committed| drop(answer.send(committed.and(result))));
            (broken, answer)
        });
        self.operations.send(operation).await.map_err(|_| StoreError::Closed)?;
        answered.await.map_err(|_| StoreError::Closed)?
    }
}

fn write_all(mut connection: Connection, mut inbox: mpsc::Receiver<Operation>, on_commit: &OnCommit) {
    let mut unfolded = 0;
    while let Some(first) = inbox.blocking_recv() {
        let begun = Instant::now();
        let mut answers = Vec::new();
        let committed = commit_group(&mut connection, first, &mut inbox, &mut answers);
        if committed.is_ok() {
            on_commit(begun.elapsed(), answers.len());
        }
        unfolded += answers.len();
        for answer in answers {
            answer(committed.clone());
        }
        if unfolded >= FOLD_AT_LAST || unfolded >= FOLD_AT_REST && inbox.is_empty() {
            fold(&connection);
            unfolded = 0;
        }
    }
}

/// Folds the log into the database (`PRAGMA wal_checkpoint`). SQLite would do it by itself within a commit that somebody
/// waits for; this way a burst is over before it is paid for.
fn fold(connection: &Connection) {
    let folded = connection.query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |_| Ok(()));
    if let Err(error) = folded {
        // The log stays as it is and what is in it counts; the next time may go better.
        tracing::debug!(%error, "the database's log cannot be folded in for now");
    }
}

fn commit_group(
    connection: &mut Connection,
    first: Operation,
    inbox: &mut mpsc::Receiver<Operation>,
    answers: &mut Vec<Answer>,
) -> Result<(), StoreError> {
    let transaction = match begin(connection) {
        Ok(transaction) => transaction,
        Err(error) => {
            answers.push(first(Err(error.clone())).1);
            return Err(error);
        }
    };
    let mut next = Some(first);
    while let Some(operation) = next {
        let (broken, answer) = operation(Ok(&transaction));
        answers.push(answer);
        if let Some(error) = broken {
            // Dropping the transaction undoes what is left of it: none of the group happened.
            return Err(error);
        }
        next = if answers.len() < MAX_GROUP { inbox.try_recv().ok() } else { None };
    }
    crate::failpoint::hit("store.before_commit");
    transaction.commit().map_err(StoreError::from)?;
    crate::failpoint::hit("store.after_commit");
    Ok(())
}

/// A commit that failed leaves its transaction open, and so may the rollback after it, on a disk that fails: it is undone
/// before anything new begins.
fn begin(connection: &mut Connection) -> Result<Transaction<'_>, StoreError> {
    if !connection.is_autocommit() {
        connection.execute_batch("ROLLBACK")?;
    }
    Ok(Transaction::new(connection, TransactionBehavior::Immediate)?)
}

/// Runs an operation so that it happens as a whole or not at all. The second value says why the whole group must be
/// undone, where the savepoint could be neither kept nor undone alone.
fn in_savepoint<T>(
    connection: &Connection,
    operation: impl FnOnce(&Connection) -> Result<T, StoreError>,
) -> (Result<T, StoreError>, Option<StoreError>) {
    if let Err(error) = run(connection, "SAVEPOINT op") {
        return (Err(error.clone()), Some(error));
    }
    // A defect in one operation must not end the thread that every other one needs.
    let result = catch_unwind(AssertUnwindSafe(|| operation(connection)))
        .unwrap_or_else(|_| Err(StoreError::Refused("a defect ended the operation; the log says where".to_owned())));
    let closed = if connection.is_autocommit() {
        // A full disk or an I/O error made SQLite roll the whole transaction back.
        Err(result.as_ref().err().cloned().unwrap_or(StoreError::Full))
    } else if result.is_ok() {
        run(connection, "RELEASE op")
    } else {
        run(connection, "ROLLBACK TO op").and_then(|()| run(connection, "RELEASE op"))
    };
    match closed {
        Ok(()) => (result, None),
        Err(error) => (result.and(Err(error.clone())), Some(error)),
    }
}

fn run(connection: &Connection, sql: &str) -> Result<(), StoreError> {
    connection.prepare_cached(sql)?.execute([])?;
    Ok(())
}
