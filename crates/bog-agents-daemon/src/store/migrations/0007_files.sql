-- What each file_change trigger remembers of its files. version is 0 until its first look is over, and goes up with every
-- change of what is remembered. Ids never come again: they stand in the identity of fires.
CREATE TABLE file_memories (
    id         INTEGER PRIMARY KEY AUTOINCREMENT,
    job_uid    TEXT NOT NULL,
    trigger_id TEXT NOT NULL,
    definition TEXT NOT NULL,
    version    INTEGER NOT NULL,
    UNIQUE (job_uid, trigger_id),
    FOREIGN KEY (job_uid, trigger_id) REFERENCES triggers (job_uid, id) ON DELETE CASCADE
) STRICT;

-- print is a digest of a file's size and times.
CREATE TABLE remembered_files (
    memory INTEGER NOT NULL REFERENCES file_memories (id) ON DELETE CASCADE,
    folder BLOB NOT NULL,
    name   BLOB NOT NULL,
    print  INTEGER NOT NULL,
    PRIMARY KEY (memory, folder, name)
) STRICT, WITHOUT ROWID;

CREATE INDEX triggers_files ON triggers (job_uid, id) WHERE kind = 'file_change';
