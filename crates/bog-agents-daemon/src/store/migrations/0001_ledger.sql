-- Times are milliseconds since 1970 (UTC); ids are UUID text; documents are JSON text.

CREATE TABLE meta (
    key   TEXT PRIMARY KEY,
    value TEXT NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE jobs (
    uid          TEXT PRIMARY KEY,
    id           TEXT NOT NULL,
    revision     INTEGER NOT NULL,
    name         TEXT NOT NULL,
    spec         TEXT NOT NULL,
    enabled      INTEGER NOT NULL,
    overlap      TEXT NOT NULL,
    max_parallel INTEGER NOT NULL,
    max_queued   INTEGER NOT NULL,
    max_runs     INTEGER NOT NULL,
    hash         TEXT NOT NULL,
    stamp        TEXT NOT NULL,
    invalid      TEXT,
    created_at   INTEGER NOT NULL,
    updated_at   INTEGER NOT NULL,
    deleted_at   INTEGER
) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX jobs_live ON jobs (id) WHERE deleted_at IS NULL;
CREATE INDEX jobs_invalid ON jobs (id) WHERE invalid IS NOT NULL AND deleted_at IS NULL;
CREATE INDEX jobs_id ON jobs (id);

CREATE TABLE revisions (
    job_uid    TEXT NOT NULL REFERENCES jobs (uid),
    revision   INTEGER NOT NULL,
    author     TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    spec       TEXT NOT NULL,
    PRIMARY KEY (job_uid, revision)
) STRICT, WITHOUT ROWID;

-- What each trigger remembers. Everything up to and including cursor_at has been dealt with.
CREATE TABLE triggers (
    job_uid      TEXT NOT NULL REFERENCES jobs (uid),
    id           TEXT NOT NULL,
    kind         TEXT NOT NULL,
    overlap      TEXT NOT NULL,
    definition   TEXT NOT NULL,
    activated_at INTEGER NOT NULL,
    cursor_at    INTEGER NOT NULL,
    next_at      INTEGER,
    PRIMARY KEY (job_uid, id)
) STRICT, WITHOUT ROWID;
CREATE INDEX triggers_next ON triggers (next_at) WHERE next_at IS NOT NULL;

CREATE TABLE fires (
    seq         INTEGER PRIMARY KEY,
    id          TEXT NOT NULL UNIQUE,
    job_uid     TEXT NOT NULL REFERENCES jobs (uid),
    job_id      TEXT NOT NULL,
    trigger_id  TEXT NOT NULL,
    kind        TEXT NOT NULL,
    due_at      INTEGER NOT NULL,
    until_at    INTEGER,
    count       INTEGER NOT NULL DEFAULT 1,
    seen_at     INTEGER NOT NULL,
    disposition TEXT NOT NULL,
    reason      TEXT,
    run_id      TEXT,
    dedupe_key  TEXT,
    cause       TEXT,
    depth       INTEGER NOT NULL DEFAULT 0,
    context     TEXT NOT NULL
) STRICT;
CREATE UNIQUE INDEX fires_identity ON fires (job_uid, trigger_id, dedupe_key) WHERE dedupe_key IS NOT NULL;
CREATE INDEX fires_job ON fires (job_uid, seq);
CREATE INDEX fires_run ON fires (run_id) WHERE run_id IS NOT NULL;
CREATE INDEX fires_without_run ON fires (seen_at) WHERE run_id IS NULL;

CREATE TABLE runs (
    seq              INTEGER PRIMARY KEY,
    id               TEXT NOT NULL UNIQUE,
    job_uid          TEXT NOT NULL REFERENCES jobs (uid),
    job_id           TEXT NOT NULL,
    job_name         TEXT NOT NULL,
    revision         INTEGER NOT NULL,
    fire_id          TEXT NOT NULL,
    kind             TEXT NOT NULL,
    lane_max         INTEGER NOT NULL,
    fires            INTEGER NOT NULL DEFAULT 1,
    state            TEXT NOT NULL,
    attempt          INTEGER NOT NULL DEFAULT 0,
    max_attempts     INTEGER NOT NULL,
    node             TEXT,
    epoch            INTEGER,
    not_before       INTEGER NOT NULL,
    queued_at        INTEGER NOT NULL,
    started_at       INTEGER,
    finished_at      INTEGER,
    cancel           TEXT,
    outcome          TEXT,
    exit_code        INTEGER,
    output           TEXT NOT NULL DEFAULT '',
    output_bytes     INTEGER NOT NULL DEFAULT 0,
    output_truncated INTEGER NOT NULL DEFAULT 0,
    error            TEXT,
    usage            TEXT NOT NULL DEFAULT '{}'
) STRICT;
CREATE INDEX runs_job ON runs (job_uid, seq);
-- What is not over: few rows, however many runs there were. Its condition must stand in a query word for word.
CREATE INDEX runs_active ON runs (state, job_uid, lane_max, seq, not_before) WHERE finished_at IS NULL;
CREATE INDEX runs_finished ON runs (finished_at) WHERE finished_at IS NOT NULL;

-- Runs that may start by their time, and those that may run beside others.
CREATE INDEX runs_waiting ON runs (not_before) WHERE state = 'queued' AND not_before > 0;
CREATE INDEX runs_parallel ON runs (job_uid, seq) WHERE state = 'queued' AND lane_max > 1;

-- How busy each job is, kept by the two triggers below: what is asked with every fire must not be counted every time.
-- head is the first waiting run of those that run one at a time; newest_end the run that finished last.
CREATE TABLE loads (
    job_uid    TEXT PRIMARY KEY,
    runs       INTEGER NOT NULL,
    queued     INTEGER NOT NULL,
    running    INTEGER NOT NULL,
    head       INTEGER,
    newest_end INTEGER
) STRICT, WITHOUT ROWID;
CREATE INDEX loads_ready ON loads (head) WHERE head IS NOT NULL AND running = 0;

CREATE TRIGGER runs_begin AFTER INSERT ON runs BEGIN
    INSERT INTO loads (job_uid, runs, queued, running, head)
    VALUES (NEW.job_uid, 1, 1, 0, CASE WHEN NEW.lane_max = 1 THEN NEW.seq END)
    ON CONFLICT (job_uid) DO UPDATE SET
        runs = runs + 1, queued = queued + 1, head = coalesce(head, excluded.head);
END;

CREATE TRIGGER runs_move AFTER UPDATE OF state ON runs WHEN OLD.state <> NEW.state BEGIN
    UPDATE loads SET
        queued = queued + (NEW.state = 'queued') - (OLD.state = 'queued'),
        running = running + (NEW.state = 'running') - (OLD.state = 'running'),
        newest_end = CASE WHEN NEW.state = 'finished' THEN NEW.seq ELSE newest_end END,
        head = (SELECT min(seq) FROM runs
                WHERE state = 'queued' AND finished_at IS NULL AND job_uid = NEW.job_uid AND lane_max = 1)
    WHERE job_uid = NEW.job_uid;
END;

-- Outputs longer than the head kept in runs.output.
CREATE TABLE run_outputs (
    run_id TEXT PRIMARY KEY,
    output TEXT NOT NULL
) STRICT;

CREATE TABLE attempts (
    run_id      TEXT NOT NULL,
    attempt     INTEGER NOT NULL,
    epoch       INTEGER NOT NULL,
    started_at  INTEGER NOT NULL,
    finished_at INTEGER,
    outcome     TEXT,
    exit_code   INTEGER,
    error       TEXT,
    PRIMARY KEY (run_id, attempt)
) STRICT, WITHOUT ROWID;

CREATE TABLE deliveries (
    seq        INTEGER PRIMARY KEY,
    id         TEXT NOT NULL UNIQUE,
    run_id     TEXT NOT NULL,
    job_id     TEXT NOT NULL,
    position   INTEGER NOT NULL,
    target     TEXT NOT NULL,
    spec       TEXT NOT NULL,
    state      TEXT NOT NULL,
    attempts   INTEGER NOT NULL DEFAULT 0,
    next_at    INTEGER,
    intent     TEXT,
    error      TEXT,
    receipt    TEXT,
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL,
    UNIQUE (run_id, position)
) STRICT;
CREATE INDEX deliveries_due ON deliveries (next_at) WHERE next_at IS NOT NULL;

-- Answers already given, for requests that carry an Idempotency-Key.
CREATE TABLE answers (
    scope      TEXT NOT NULL,
    key        TEXT NOT NULL,
    request    TEXT NOT NULL,
    response   TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    PRIMARY KEY (scope, key)
) STRICT, WITHOUT ROWID;
CREATE INDEX answers_age ON answers (created_at);
