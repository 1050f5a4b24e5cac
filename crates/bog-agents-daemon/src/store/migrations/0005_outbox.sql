-- Deliveries wait for their turn: in a lane (a job's deliveries to one target, in order) and at a host (who takes them in).
-- turn: 0 = it is its turn; 1 = it waits for an earlier one of its lane; 2 = it is or was its turn, and later ones need
-- not wait for it. begun_at is where its deadline counts from; incident, of alerts, is JSON text.
CREATE TABLE deliveries_new (
    seq        INTEGER PRIMARY KEY,
    id         TEXT NOT NULL UNIQUE,
    run_id     TEXT NOT NULL,
    job_id     TEXT NOT NULL,
    purpose    TEXT NOT NULL,
    position   INTEGER NOT NULL,
    target     TEXT NOT NULL,
    spec       TEXT NOT NULL,
    host       TEXT NOT NULL,
    lane       TEXT NOT NULL,
    turn       INTEGER NOT NULL,
    state      TEXT NOT NULL,
    attempts   INTEGER NOT NULL DEFAULT 0,
    next_at    INTEGER,
    intent     TEXT,
    digest     TEXT,
    incident   TEXT,
    error      TEXT,
    receipt    TEXT,
    created_at INTEGER NOT NULL,
    begun_at   INTEGER NOT NULL,
    updated_at INTEGER NOT NULL,
    UNIQUE (run_id, purpose, position)
) STRICT;
INSERT INTO deliveries_new
    SELECT d.seq, d.id, d.run_id, d.job_id, 'output', d.position, d.target, d.spec,
           CASE WHEN d.target IN ('log', 'stdout') OR d.target LIKE 'file:%' THEN d.target ELSE 'server:' || d.target END,
           coalesce((SELECT r.job_uid FROM runs r WHERE r.id = d.run_id), '') || ' output ' || d.target,
           2, d.state, d.attempts, d.next_at, d.intent, NULL, NULL, d.error, d.receipt,
           d.created_at, d.created_at, d.updated_at
    FROM deliveries d;
DROP TABLE deliveries;
ALTER TABLE deliveries_new RENAME TO deliveries;

-- What is open, by whom it waits for; what is due or will be, by host. Few rows, however many deliveries there were.
CREATE INDEX deliveries_open ON deliveries (lane, seq, turn, state) WHERE next_at IS NOT NULL;
CREATE INDEX deliveries_due ON deliveries (host, next_at, seq) WHERE next_at IS NOT NULL AND turn <> 1;
CREATE INDEX deliveries_lost ON deliveries (updated_at) WHERE next_at IS NULL AND state IN ('gave_up', 'unknown');
CREATE INDEX deliveries_job ON deliveries (job_id, seq);

-- What each lane's target was told last: what `when: changed` compares with, and what its next delivery may build on.
CREATE TABLE told (
    lane    TEXT PRIMARY KEY,
    job_uid TEXT NOT NULL,
    digest  TEXT,
    receipt TEXT
) STRICT, WITHOUT ROWID;
CREATE INDEX told_job ON told (job_uid);

-- Jobs that fail, and of which people were told.
CREATE TABLE incidents (
    job_uid  TEXT PRIMARY KEY,
    incident TEXT NOT NULL
) STRICT, WITHOUT ROWID;

-- Jobs that are gone, for what is forgotten with them.
CREATE INDEX jobs_gone ON jobs (deleted_at) WHERE deleted_at IS NOT NULL;
