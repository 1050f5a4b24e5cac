-- What each attempt added to what its run has used, by model. Unknown is NULL, which is not nothing.
CREATE TABLE usage (
    run_id             TEXT NOT NULL,
    attempt            INTEGER NOT NULL,
    model              TEXT NOT NULL,
    job_uid            TEXT NOT NULL,
    job_id             TEXT NOT NULL,
    at                 INTEGER NOT NULL,
    input_tokens       INTEGER,
    output_tokens      INTEGER,
    cache_read_tokens  INTEGER,
    cache_write_tokens INTEGER,
    cost_usd           REAL,
    PRIMARY KEY (run_id, attempt, model)
) STRICT, WITHOUT ROWID;
CREATE INDEX usage_at ON usage (at, cost_usd);
CREATE INDEX usage_job ON usage (job_uid, at, cost_usd);

-- What a person said a run may cost in all when it was resumed, and what is set aside for an attempt under way.
ALTER TABLE runs ADD COLUMN budget_usd REAL;
ALTER TABLE runs ADD COLUMN reserved_usd REAL NOT NULL DEFAULT 0;
CREATE INDEX runs_reserved ON runs (job_uid, reserved_usd) WHERE reserved_usd > 0;
