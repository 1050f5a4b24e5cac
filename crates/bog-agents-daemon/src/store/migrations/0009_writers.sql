-- Attempts by their end, whatever became of their runs: what changed in files is asked of those that were under way then.
CREATE INDEX attempts_ended ON attempts (finished_at) WHERE finished_at IS NOT NULL;

-- The attempts of gates that were closed. Their runs are gone; what they wrote is not.
CREATE TABLE closed_gates (
    run_id     TEXT NOT NULL,
    attempt    INTEGER NOT NULL,
    job_uid    TEXT NOT NULL,
    job_id     TEXT NOT NULL,
    revision   INTEGER NOT NULL,
    kind       TEXT NOT NULL,
    fire_id    TEXT NOT NULL,
    depth      INTEGER NOT NULL,
    started_at INTEGER NOT NULL,
    ended_at   INTEGER NOT NULL,
    PRIMARY KEY (run_id, attempt)
) STRICT, WITHOUT ROWID;
CREATE INDEX closed_gates_ended ON closed_gates (ended_at);

-- Settled deliveries to files, by when they were settled.
CREATE INDEX deliveries_files ON deliveries (updated_at) WHERE next_at IS NULL AND host GLOB 'file:*';
